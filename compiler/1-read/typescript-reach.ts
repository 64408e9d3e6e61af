// What a stage function reaches of the world outside it, through the user's own files: files, the network, the environment, the clock,
// chance, other processes, and state of its module. Names are resolved by TypeScript's own symbols, declaration by declaration, so what
// a function doesn't use isn't its. Packages aren't followed. Must not know pipelines, nor what is made of the answer.
import { isBuiltin } from "node:module";
import { ts } from "ts-morph";
import type { Reach, Reached } from "../module.ts";
import type { TypeScriptProgram } from "./typescript-program.ts";
import { isOwn } from "./typescript-types.ts";

/** Node's own modules, whatever is used of them. */
const MODULES: Readonly<Record<string, Reach>> = {
  fs: "files",
  "fs/promises": "files",
  sqlite: "files",
  http: "network",
  https: "network",
  http2: "network",
  net: "network",
  tls: "network",
  dgram: "network",
  dns: "network",
  "dns/promises": "network",
  os: "environment",
  child_process: "processes",
  cluster: "processes",
  worker_threads: "processes",
};
/** Of modules that are harmless but for some names: what is imported of them, or read from them. */
const MEMBERS: Readonly<Record<string, Readonly<Record<string, Reach>>>> = {
  crypto: {
    randomBytes: "chance",
    randomFill: "chance",
    randomFillSync: "chance",
    randomInt: "chance",
    randomUUID: "chance",
    getRandomValues: "chance",
    generateKey: "chance",
    generateKeySync: "chance",
    generateKeyPair: "chance",
    generateKeyPairSync: "chance",
  },
  process: {
    env: "environment",
    argv: "environment",
    argv0: "environment",
    execArgv: "environment",
    execPath: "environment",
    cwd: "environment",
    chdir: "environment",
    pid: "environment",
    ppid: "environment",
    memoryUsage: "environment",
    cpuUsage: "environment",
    resourceUsage: "environment",
    stdin: "files",
    hrtime: "clock",
    uptime: "clock",
    exit: "exit",
    abort: "exit",
    kill: "exit",
    reallyExit: "exit",
  },
  perf_hooks: { performance: "clock" },
  Date: { now: "clock" },
  Math: { random: "chance" },
  performance: { now: "clock", timeOrigin: "clock" },
};
/** Objects of the language or of Node whose members these are. */
const OBJECTS: Readonly<Record<string, string>> = {
  crypto: "crypto",
  process: "process",
  Date: "Date",
  Math: "Math",
  performance: "performance",
};
/** Of `fs`: what gives the content of the file that it is given, and nothing else. */
const READS: readonly string[] = ["readFile", "readFileSync", "createReadStream"];
const GLOBALS: Readonly<Record<string, Reach>> = {
  fetch: "network",
  WebSocket: "network",
  EventSource: "network",
  XMLHttpRequest: "network",
  Worker: "processes",
};
/** Methods that change what they are called on. */
const CHANGING = new Set(
  "push pop shift unshift splice sort reverse fill copyWithin set add delete clear append setTime setFullYear setMonth setDate setHours".split(
    " ",
  ),
);

/** A declaration at the top of a file, with what stands at the top and changes it. */
interface Unit {
  readonly name: string;
  readonly direct: readonly { readonly what: Reach; readonly name: string; readonly node: ts.Node }[];
  readonly uses: readonly ts.Declaration[];
}

export class ReachReader {
  readonly #program: TypeScriptProgram;
  readonly #checker: ts.TypeChecker;
  readonly #units = new Map<ts.Node, Unit>();
  /** Declarations at the top of a file that some function changes. */
  #changed: Set<ts.Node> | null = null;
  /** Statements at the top of a file, by the declaration that they change. */
  readonly #changers = new Map<ts.Node, ts.Statement[]>();

  constructor(program: TypeScriptProgram) {
    this.#program = program;
    this.#checker = program.checker;
  }

  /** One place for each kind, the nearest, by the fewest functions in between. */
  reached(declaration: ts.Declaration): readonly Reached[] {
    const start = this.#topOf(declaration);
    if (start === null) return [];
    const found = new Map<Reach, Reached>();
    const seen = new Set<ts.Node>([start]);
    let level: { readonly node: ts.Node; readonly via: readonly string[] }[] = [{ node: start, via: [] }];
    while (level.length > 0) {
      const next: typeof level = [];
      for (const { node, via } of level) {
        const unit = this.#unit(node);
        for (const { what, name, node: at } of unit.direct)
          if (!found.has(what)) found.set(what, { what, name, span: this.#program.span(at), via });
        for (const used of unit.uses) {
          if (seen.has(used)) continue;
          seen.add(used);
          next.push({ node: used, via: [...via, this.#unit(used).name] });
        }
      }
      level = next;
    }
    return [...found.values()];
  }

  /** Whether what the function gives may be memory that its module holds on to. */
  keepsMemory(declaration: ts.Declaration): boolean {
    const start = this.#topOf(declaration);
    if (start === null) return false;
    const seen = new Set<ts.Node>([start]);
    const queue = [start];
    for (const node of queue) {
      if (node !== start && isHeld(node)) return true;
      for (const used of this.#unit(node).uses) if (!seen.has(used) && seen.add(used)) queue.push(used);
    }
    return false;
  }

  // --- Declarations -------------------------------------------------------------------------------------------------------

  /** The declaration where it stands at the top of one of the user's files, as a whole; null elsewhere. */
  #topOf(declaration: ts.Node): ts.Declaration | null {
    const file = declaration.getSourceFile();
    if (file.isDeclarationFile || !this.#program.isLocal(file)) return null;
    let node = declaration;
    while (ts.isBindingElement(node) || ts.isObjectBindingPattern(node) || ts.isArrayBindingPattern(node)) node = node.parent;
    const statement = ts.isVariableDeclaration(node) ? node.parent.parent : node;
    return statement.parent !== undefined && ts.isSourceFile(statement.parent) ? (node as ts.Declaration) : null;
  }

  #unit(node: ts.Node): Unit {
    const known = this.#units.get(node);
    if (known !== undefined) return known;
    this.#findChanges();
    const direct: { what: Reach; name: string; node: ts.Node }[] = [];
    const uses = new Set<ts.Declaration>();
    const walk = new Walk(this.#checker, {
      reach: (what, name, at) => void direct.push({ what, name, node: at }),
      use: (declared, at) => {
        const top = this.#topOf(declared);
        if (top === null || top === node) return;
        uses.add(top);
        if (this.#changed!.has(top)) direct.push({ what: "state", name: nameOf(top), node: at });
      },
    });
    walk.visit(node);
    for (const statement of this.#changers.get(node) ?? []) walk.visit(statement);
    const unit: Unit = { name: nameOf(node), direct, uses: [...uses] };
    this.#units.set(node, unit);
    return unit;
  }

  /** What is changed where, in all of the user's files. */
  #findChanges(): void {
    if (this.#changed !== null) return;
    const changed = new Set<ts.Node>();
    this.#changed = changed;
    const visit = (node: ts.Node, inFunction: boolean): void => {
      const root = changedRoot(node);
      const symbol = root === null ? undefined : this.#checker.getSymbolAtLocation(root);
      const declared = symbol === undefined ? null : declarationOf(symbol, this.#checker);
      const top = declared === null ? null : this.#topOf(declared);
      if (top !== null && (ts.isVariableDeclaration(top) || ts.isClassDeclaration(top) || ts.isFunctionDeclaration(top))) {
        if (inFunction) changed.add(top);
        else {
          const statement = topStatement(node);
          const known = this.#changers.get(top) ?? [];
          if (!known.includes(statement)) this.#changers.set(top, [...known, statement]);
        }
      }
      const inside = inFunction || (ts.isFunctionLike(node) && !isCalledAtOnce(node));
      ts.forEachChild(node, (child) => visit(child, inside));
    };
    for (const file of this.#program.localFiles()) visit(file, false);
  }
}

interface Found {
  reach(what: Reach, name: string, at: ts.Node): void;
  use(declaration: ts.Node, at: ts.Node): void;
}

/** Reads a declaration's code, where it may run. */
class Walk {
  readonly #checker: ts.TypeChecker;
  readonly #found: Found;

  constructor(checker: ts.TypeChecker, found: Found) {
    this.#checker = checker;
    this.#found = found;
  }

  visit(node: ts.Node): void {
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return;
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
    if (ts.isIdentifier(node)) {
      if (isRead(node)) this.#name(node);
      return;
    }
    if (ts.isPropertyAccessExpression(node) || (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression))) {
      this.#member(node);
      return;
    }
    if (ts.isNewExpression(node) && this.#isGlobal(node.expression, "Date") && (node.arguments ?? []).length === 0)
      this.#found.reach("clock", "new Date()", node);
    if (ts.isCallExpression(node)) {
      if (this.#readsInput(node)) {
        for (const argument of node.arguments) this.visit(argument);
        return;
      }
      this.#call(node);
    }
    if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword) {
      const at = ts.isPropertyAccessExpression(node.parent) ? node.parent : node;
      this.#found.reach("environment", at.getText(), at);
      return;
    }
    if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name) && node.initializer !== undefined) {
      if (this.#taken(node.name, node.initializer)) return;
    }
    if (ts.isBlock(node) || ts.isSourceFile(node) || ts.isCaseClause(node) || ts.isDefaultClause(node)) {
      this.#statements(node.statements);
      return;
    }
    const never = neverRuns(node);
    ts.forEachChild(node, (child) => {
      if (child !== never) this.visit(child);
    });
  }

  /** Nothing behind a `return` or `throw` runs, but for functions declared there. */
  #statements(statements: readonly ts.Statement[]): void {
    let over = false;
    for (const statement of statements) {
      if (!over || ts.isFunctionDeclaration(statement)) this.visit(statement);
      over ||= ts.isReturnStatement(statement) || ts.isThrowStatement(statement);
    }
  }

  #name(node: ts.Identifier): void {
    const source = this.#sourceOf(node);
    switch (source.kind) {
      case "declared":
        this.#found.use(source.declaration, node);
        return;
      case "module": {
        const { name, member } = source;
        const what = MODULES[name] ?? (member === null ? undefined : MEMBERS[name]?.[member]);
        if (what !== undefined) this.#found.reach(what, member ?? node.text, node);
        else if (name === "process" && member === null) this.#found.reach("environment", node.text, node);
        return;
      }
      case "global":
        if (GLOBALS[node.text] !== undefined) this.#found.reach(GLOBALS[node.text]!, node.text, node);
        // Handed on whole: anything may be read from it.
        else if (node.text === "process") this.#found.reach("environment", node.text, node);
        return;
      case "package":
        return;
    }
  }

  #member(node: ts.PropertyAccessExpression | ts.ElementAccessExpression): void {
    const member = ts.isPropertyAccessExpression(node) ? node.name.text : (node.argumentExpression as ts.StringLiteralLike).text;
    const path = this.#objectOf(node.expression);
    if (path === null) {
      this.visit(node.expression);
      return;
    }
    if (path === "globalThis") {
      const what = GLOBALS[member];
      if (what !== undefined) this.#found.reach(what, member, node);
      return;
    }
    const what = MODULES[path] ?? MEMBERS[path]?.[member];
    if (what !== undefined) this.#found.reach(what, `${node.expression.getText()}.${member}`, node);
  }

  /** `const { env } = process`. */
  #taken(pattern: ts.ObjectBindingPattern, from: ts.Expression): boolean {
    const path = this.#objectOf(from);
    if (path === null || path === "globalThis" || pattern.elements.some((element) => element.dotDotDotToken)) return false;
    for (const element of pattern.elements) {
      const name = element.propertyName ?? element.name;
      const member = ts.isIdentifier(name) || ts.isStringLiteral(name) ? name.text : "";
      const what = MODULES[path] ?? MEMBERS[path]?.[member];
      if (what !== undefined) this.#found.reach(what, `${from.getText()}.${member}`, element);
      if (element.initializer !== undefined) this.visit(element.initializer);
    }
    return true;
  }

  #call(node: ts.CallExpression): void {
    const [first] = node.arguments;
    if (this.#isGlobal(node.expression, "Date")) this.#found.reach("clock", "Date()", node);
    const loads = node.expression.kind === ts.SyntaxKind.ImportKeyword || this.#isGlobal(node.expression, "require");
    if (!loads || first === undefined || !ts.isStringLiteralLike(first)) return;
    const what = MODULES[moduleName(first.text) ?? ""];
    if (what !== undefined) this.#found.reach(what, first.text, node);
    const file = this.#checker.getSymbolAtLocation(first);
    if (file !== undefined && moduleName(first.text) === null)
      for (const exported of this.#checker.getExportsOfModule(file)) {
        const declared = declarationOf(exported, this.#checker);
        if (declared !== null) this.#found.use(declared, node);
      }
  }

  /** `readFileSync(file.path)` of an `InputFile` that the function is given: its content is part of what the argument is. */
  #readsInput({ expression: callee, arguments: [path] }: ts.CallExpression): boolean {
    if (path === undefined) return false;
    let of: { readonly name: string | null; readonly member: string | null } = { name: null, member: null };
    if (ts.isPropertyAccessExpression(callee)) of = { name: this.#objectOf(callee.expression), member: callee.name.text };
    else if (ts.isIdentifier(callee)) {
      const source = this.#sourceOf(callee);
      if (source.kind === "module") of = source;
    }
    const reads = (of.name === "fs" || of.name === "fs/promises") && of.member !== null && READS.includes(of.member);
    return reads && this.#isInputPath(path);
  }

  #isInputPath(node: ts.Expression): boolean {
    if (ts.isPropertyAccessExpression(node))
      return node.name.text === "path" && this.#isInput(node.expression) && this.#isGiven(node.expression);
    const declared = ts.isIdentifier(node) ? this.#checker.getSymbolAtLocation(node)?.valueDeclaration : undefined;
    if (declared === undefined) return false;
    if (ts.isVariableDeclaration(declared))
      return isConst(declared) && declared.initializer !== undefined && this.#isInputPath(declared.initializer);
    // `const { path } = file`, and `({ path }: InputFile) => …`.
    if (!ts.isBindingElement(declared) || !ts.isObjectBindingPattern(declared.parent) || declared.initializer !== undefined) return false;
    const { parent } = declared.parent;
    if ((declared.propertyName ?? declared.name).getText() !== "path" || !this.#isInput(declared.parent)) return false;
    if (ts.isParameter(parent)) return parent.initializer === undefined;
    return ts.isVariableDeclaration(parent) && isConst(parent) && parent.initializer !== undefined && this.#isGiven(parent.initializer);
  }

  #isInput(node: ts.Node): boolean {
    return isOwn(this.#checker.getTypeAtLocation(node).symbol, "InputFile");
  }

  /** A parameter, or a part of one: what else is of that type may have been made up. */
  #isGiven(node: ts.Expression): boolean {
    if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node) || ts.isNonNullExpression(node))
      return this.#isGiven(node.expression);
    if (ts.isParenthesizedExpression(node)) return this.#isGiven(node.expression);
    const declared = ts.isIdentifier(node) ? this.#checker.getSymbolAtLocation(node)?.valueDeclaration : undefined;
    if (declared === undefined) return false;
    if (ts.isParameter(declared)) return declared.initializer === undefined;
    if (!ts.isVariableDeclaration(declared) || !isConst(declared)) return false;
    const from = ts.isForOfStatement(declared.parent.parent) ? declared.parent.parent.expression : declared.initializer;
    return from !== undefined && this.#isGiven(from);
  }

  /** The module or object of the language that an expression is: `process`, `globalThis.process`, `fs`. */
  #objectOf(node: ts.Expression): string | null {
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isAsExpression(node))
      return this.#objectOf(node.expression);
    if (ts.isPropertyAccessExpression(node)) {
      const of = this.#objectOf(node.expression);
      if (of === "globalThis") return OBJECTS[node.name.text] ?? null;
      return of === "crypto" && node.name.text === "webcrypto" ? "crypto" : of === "perf_hooks" ? (OBJECTS[node.name.text] ?? null) : null;
    }
    if (!ts.isIdentifier(node)) return null;
    const source = this.#sourceOf(node);
    if (source.kind === "global") return node.text === "globalThis" || node.text === "global" ? "globalThis" : (OBJECTS[node.text] ?? null);
    if (source.kind !== "module") return null;
    if (source.member === null) return source.name;
    if (source.name === "perf_hooks" && source.member === "performance") return "performance";
    return source.name === "crypto" && source.member === "webcrypto" ? "crypto" : null;
  }

  #isGlobal(node: ts.Node, name: string): boolean {
    return ts.isIdentifier(node) && node.text === name && this.#sourceOf(node).kind === "global";
  }

  #sourceOf(
    node: ts.Identifier,
  ):
    | { readonly kind: "declared"; readonly declaration: ts.Node }
    | { readonly kind: "module"; readonly name: string; readonly member: string | null }
    | { readonly kind: "package" }
    | { readonly kind: "global" } {
    const symbol =
      node.parent !== undefined && ts.isShorthandPropertyAssignment(node.parent)
        ? this.#checker.getShorthandAssignmentValueSymbol(node.parent)
        : this.#checker.getSymbolAtLocation(node);
    if (symbol === undefined) return { kind: "global" };
    const declarations = symbol.declarations ?? [];
    for (const declaration of declarations) {
      const imported = importOf(declaration);
      if (imported === null) continue;
      const name = moduleName(imported.specifier);
      if (name !== null) return { kind: "module", name, member: imported.member };
    }
    const declaration = declarationOf(symbol, this.#checker);
    const ambient = declaration === null || declaration.getSourceFile().isDeclarationFile;
    // Node's declarations and those of the language; `declare const x` in the user's own file has no code either.
    if (ambient) return { kind: declarations.some((one) => importOf(one) !== null) ? "package" : "global" };
    return { kind: "declared", declaration };
  }
}

// --- Syntax ---------------------------------------------------------------------------------------------------------------

/** `node:fs` → `fs`; null for what isn't Node's own. */
function moduleName(specifier: string): string | null {
  return isBuiltin(specifier) ? specifier.replace(/^node:/, "") : null;
}

function importOf(declaration: ts.Node): { readonly specifier: string; readonly member: string | null } | null {
  const text = (node: ts.Expression) => (ts.isStringLiteral(node) ? node.text : "");
  if (ts.isImportSpecifier(declaration)) {
    const member = (declaration.propertyName ?? declaration.name).text;
    return { specifier: text(declaration.parent.parent.parent.moduleSpecifier), member: member === "default" ? null : member };
  }
  if (ts.isImportClause(declaration)) return { specifier: text(declaration.parent.moduleSpecifier), member: null };
  if (ts.isNamespaceImport(declaration)) return { specifier: text(declaration.parent.parent.moduleSpecifier), member: null };
  return null;
}

function declarationOf(symbol: ts.Symbol, checker: ts.TypeChecker): ts.Declaration | null {
  const meant = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return meant.valueDeclaration ?? null;
}

/** True where the name stands for its value, not where it is declared or names a member. */
function isRead(node: ts.Identifier): boolean {
  const { parent } = node;
  if (parent === undefined) return true;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent) || ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent) || ts.isLabeledStatement(parent))
    return false;
  if (ts.isBreakOrContinueStatement(parent) || ts.isMetaProperty(parent) || ts.isJsxAttribute(parent)) return false;
  if (ts.isBindingElement(parent)) return parent.initializer === node;
  if (ts.isShorthandPropertyAssignment(parent)) return true;
  return !("name" in parent && parent.name === node);
}

/** The name whose value a node changes: of `x = 1`, `x.a++`, `delete x[i]`, `x.push(1)`, `Object.assign(x, …)`. */
function changedRoot(node: ts.Node): ts.Identifier | null {
  if (ts.isBinaryExpression(node)) {
    const { kind } = node.operatorToken;
    return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment ? rootOf(node.left) : null;
  }
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node))
    return node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken ? rootOf(node.operand) : null;
  if (ts.isDeleteExpression(node)) return rootOf(node.expression);
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return null;
  const { expression, name } = node.expression;
  if (ts.isIdentifier(expression) && expression.text === "Object" && name.text === "assign")
    return node.arguments[0] === undefined ? null : rootOf(node.arguments[0]);
  return CHANGING.has(name.text) ? rootOf(expression) : null;
}

function rootOf(node: ts.Expression): ts.Identifier | null {
  if (ts.isIdentifier(node)) return node;
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node) || ts.isNonNullExpression(node))
    return rootOf(node.expression);
  return ts.isParenthesizedExpression(node) || ts.isAsExpression(node) ? rootOf(node.expression) : null;
}

function isConst(node: ts.VariableDeclaration): boolean {
  return (ts.getCombinedNodeFlags(node) & ts.NodeFlags.Const) !== 0;
}

function topStatement(node: ts.Node): ts.Statement {
  let at = node;
  while (!ts.isSourceFile(at.parent)) at = at.parent;
  return at as ts.Statement;
}

/** `(() => { … })()` at the top of a file runs as the file is loaded. */
function isCalledAtOnce(node: ts.Node): boolean {
  let at = node;
  while (ts.isParenthesizedExpression(at.parent)) at = at.parent;
  return ts.isCallExpression(at.parent) && at.parent.expression === at;
}

/** The branch that a condition written as `true` or `false` leaves out. */
function neverRuns(node: ts.Node): ts.Node | undefined {
  const constant = (one: ts.Expression) =>
    one.kind === ts.SyntaxKind.TrueKeyword ? true : one.kind === ts.SyntaxKind.FalseKeyword ? false : null;
  if (ts.isIfStatement(node)) {
    const value = constant(node.expression);
    return value === null ? undefined : value ? node.elseStatement : node.thenStatement;
  }
  if (ts.isConditionalExpression(node)) {
    const value = constant(node.condition);
    return value === null ? undefined : value ? node.whenFalse : node.whenTrue;
  }
  if (!ts.isBinaryExpression(node)) return undefined;
  const value = constant(node.left);
  const { kind } = node.operatorToken;
  const skips =
    (kind === ts.SyntaxKind.AmpersandAmpersandToken && value === false) || (kind === ts.SyntaxKind.BarBarToken && value === true);
  return skips ? node.right : undefined;
}

/** A variable at the top of a file that holds more than a number, a text or a function. */
function isHeld(node: ts.Node): boolean {
  if (!ts.isVariableDeclaration(node) || node.initializer === undefined) return ts.isVariableDeclaration(node);
  let value = node.initializer;
  while (ts.isAsExpression(value) || ts.isSatisfiesExpression(value) || ts.isParenthesizedExpression(value)) value = value.expression;
  return (
    ts.isObjectLiteralExpression(value) ||
    ts.isArrayLiteralExpression(value) ||
    ts.isNewExpression(value) ||
    ts.isCallExpression(value) ||
    ts.isAwaitExpression(value)
  );
}

function nameOf(node: ts.Node): string {
  const name = ts.getNameOfDeclaration(node as ts.Declaration);
  return name === undefined ? "default" : name.getText();
}
