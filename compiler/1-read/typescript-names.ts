// What a name in a pipeline's body stands for: a form of "headrace", a function that can be a stage, a constant, a value of the
// pipeline itself. Must not know what is done with it.
import { posix } from "node:path";
import type { CallExpression, FunctionDeclaration, Identifier, Symbol as TsSymbol } from "ts-morph";
import { Node, ts } from "ts-morph";
import type { Name, Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Expr, Import } from "../module.ts";
import type { TypeScriptProgram } from "./typescript-program.ts";
import { STAGE_HELP } from "./typescript-refusals.ts";

export function isPipeline(declaration: FunctionDeclaration): boolean {
  return declaration.getJsDocs().some((doc) => doc.getTags().some((tag) => tag.getTagName() === "pipeline"));
}

/** Without what says something to TypeScript alone: brackets, `await`, `as T`, `satisfies T`, `!`. */
export function unwrapped(node: Node): Node {
  const inner =
    Node.isParenthesizedExpression(node) ||
    Node.isAwaitExpression(node) ||
    Node.isAsExpression(node) ||
    Node.isSatisfiesExpression(node) ||
    Node.isTypeAssertion(node) ||
    Node.isNonNullExpression(node)
      ? node.getExpression()
      : null;
  return inner === null ? node : unwrapped(inner);
}

export class Names {
  readonly #program: TypeScriptProgram;
  readonly #file: string;
  readonly #diagnostics: Diagnostic[];
  /** Functions of the file itself that pipelines call, as if imported. */
  readonly #own = new Map<string, Import>();
  /** What is written otherwise in a module than in TypeScript: the user's own name for `epoch`, a lambda's `{ id }`. */
  readonly #aliases = new Map<ts.Symbol, (span: Span) => Expr>();
  #taken = new Set<string>();

  constructor(program: TypeScriptProgram, file: string, diagnostics: Diagnostic[]) {
    this.#program = program;
    this.#file = file;
    this.#diagnostics = diagnostics;
  }

  ownFunctions(): readonly Import[] {
    return [...this.#own.values()];
  }

  span(node: Node): Span {
    return { file: this.#file, start: node.getStart(), end: node.getEnd() };
  }

  // --- Values of the pipeline ---------------------------------------------------------------------------------------------

  /** From here on the name declared by `node` is read as what `make` gives. */
  alias(node: Node, make: (span: Span) => Expr): void {
    const symbol = node.getSymbol()?.compilerSymbol;
    if (symbol !== undefined) this.#aliases.set(symbol, make);
  }

  aliased(symbol: TsSymbol | undefined, span: Span): Expr | null {
    return symbol === undefined ? null : (this.#aliases.get(symbol.compilerSymbol)?.(span) ?? null);
  }

  /** Names that are made up from here on are none that this function knows. */
  enter(declaration: FunctionDeclaration): void {
    this.#taken = new Set(declaration.getDescendantsOfKind(ts.SyntaxKind.Identifier).map((each) => each.getText()));
  }

  /** A name that nothing in the pipeline is called by. */
  fresh(base: string): string {
    let name = base;
    for (let n = 2; this.#taken.has(name); n++) name = `${base}${n}`;
    this.#taken.add(name);
    return name;
  }

  /** Declared in a function of this file: a parameter, or a `const` of a pipeline. */
  isInside(declaration: Node): boolean {
    return (
      declaration.getSourceFile().getFilePath() === this.#program.tree(this.#file).getFilePath() &&
      declaration.getFirstAncestor(isFunctionLike) !== undefined
    );
  }

  /** The one value that TypeScript knows an outside name to have: `const limit = 3`, `Mode.Fast`, `Math.PI`. */
  constant(node: Node, symbol?: TsSymbol): Expr | null {
    const span = this.span(node);
    if (Node.isPropertyAccessExpression(node) && ["Math", "Number"].includes(node.getExpression().getText())) {
      const value: unknown = Reflect.get(node.getExpression().getText() === "Math" ? Math : Number, node.getName());
      return typeof value === "number" && Number.isFinite(value) ? { kind: "number", value, numeric: numericOf(value), span } : null;
    }
    const type = symbol === undefined ? node.getType() : (symbol.getAliasedSymbol() ?? symbol).getTypeAtLocation(node);
    const literal = type.getLiteralValue();
    if (type.isUnion() && !type.isBoolean()) return null;
    if (type.isStringLiteral() && typeof literal === "string") return { kind: "string", value: literal, span };
    if (type.isBooleanLiteral()) return { kind: "bool", value: type.getText() === "true", span };
    if (!type.isNumberLiteral() || typeof literal !== "number") return null;
    const positive: Expr = { kind: "number", value: Math.abs(literal), numeric: numericOf(literal), span };
    return literal < 0 ? { kind: "unary", operator: "-", operand: positive, span } : positive;
  }

  // --- Functions ------------------------------------------------------------------------------------------------------------

  /** The name, in "headrace", of the function that is called; null for any other. */
  form(node: CallExpression): string | null {
    const callee = unwrapped(node.getExpression());
    const declared = Node.isIdentifier(callee) ? callee.getSymbol()?.getDeclarations()[0] : undefined;
    return Node.isImportSpecifier(declared) && declared.getImportDeclaration().getModuleSpecifierValue() === "headrace"
      ? declared.getName()
      : null;
  }

  isFunction(node: Identifier): boolean {
    return node.getType().getCallSignatures().length > 0 || node.getType().isAny();
  }

  /** True for a class of the user's own that can be imported, whose instances may be actors. */
  ownClass(callee: Identifier): boolean {
    const declared = callee.getSymbol()?.getDeclarations()[0];
    if (Node.isImportSpecifier(declared)) return declared.getImportDeclaration().getModuleSpecifierValue().startsWith(".");
    if (!Node.isClassDeclaration(declared) || !Node.isSourceFile(declared.getParent())) return false;
    if (declared.isExported()) this.#import("actor", callee.getText(), declared);
    else this.#cannotBeStage(callee, `export it: \`export class ${callee.getText()} …\``);
    return true;
  }

  /** Of this very file. */
  #import(what: "function" | "actor", text: string, declared: Node): void {
    const name: Name = { text, span: this.span(declared) };
    this.#own.set(text, {
      what,
      exported: name,
      local: name,
      from: { text: `./${posix.basename(this.#file)}`, span: name.span },
      span: name.span,
    });
  }

  /** True where a function can be a stage, or is a pipeline of this file; reports it otherwise. */
  stageFunction(callee: Identifier): boolean {
    const text = callee.getText();
    const declared = callee.getSymbol()?.getDeclarations()[0];
    // A name that nobody declares is the checker's to report, with the nearest one.
    if (declared === undefined) return true;
    if (Node.isImportSpecifier(declared)) {
      const from = declared.getImportDeclaration().getModuleSpecifierValue();
      if (from.startsWith(".") || from === "headrace") return true;
      this.#cannotBeStage(callee, `export a function of your own that calls \`${text}\`, and call that`);
      return false;
    }
    // A function that is declared in the pipeline, or that stands there as a value, has been reported there.
    if (this.isInside(declared)) {
      const given = Node.isVariableDeclaration(declared) ? declared.getInitializer() : declared;
      if (given === undefined || !(isFunctionLike(given) || Node.isIdentifier(given))) this.#cannotBeStage(callee, STAGE_HELP);
      return false;
    }
    const outer = Node.isFunctionDeclaration(declared)
      ? declared
      : Node.isVariableDeclaration(declared)
        ? declared.getVariableStatement()
        : undefined;
    const atTop = outer !== undefined && Node.isSourceFile(outer.getParent()) && outer.getSourceFile() === callee.getSourceFile();
    if (Node.isFunctionDeclaration(outer) && atTop && isPipeline(outer)) return true;
    if (!atTop || outer === undefined) {
      this.#cannotBeStage(callee, STAGE_HELP);
      return false;
    }
    if (!outer.isExported()) {
      this.#cannotBeStage(callee, `export it: \`export ${outer.getText().split(/[({=]/, 1)[0]!.trim()} …\``);
      return false;
    }
    this.#import("function", text, declared);
    return true;
  }

  #cannotBeStage(callee: Identifier, help: string): void {
    this.#diagnostics.push(
      report("HR512", { name: callee.getText() }, [{ span: this.span(callee), label: "called here", role: "primary" }], { help }),
    );
  }
}

export const isTime = (node: Node): boolean => {
  const type = node.getType().getNonNullableType();
  return type.getSymbol()?.getName() === "Date" && type.getProperty("getTime") !== undefined;
};

export const numericOf = (value: number): "either" | "float" => (Number.isSafeInteger(value) ? "either" : "float");

function isFunctionLike(node: Node): boolean {
  return Node.isFunctionDeclaration(node) || Node.isArrowFunction(node) || Node.isFunctionExpression(node);
}
