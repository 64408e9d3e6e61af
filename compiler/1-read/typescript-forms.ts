// The body of an annotated TypeScript function as statements and expressions of a `Module`. Whatever has no meaning in a pipeline
// is reported at its place with the way to say it. Must not know how types are checked or what a stage is.
import { posix } from "node:path";
import type {
  ArrowFunction,
  BindingName,
  CallExpression,
  FunctionDeclaration,
  Identifier,
  ObjectLiteralExpression,
  PropertyAccessExpression,
  Statement as TsStatement,
} from "ts-morph";
import { Node, ts } from "ts-morph";
import type { BinaryOperator, Name, Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Argument, Block, Expr, Import, Pattern, RecordField, Statement } from "../module.ts";
import type { TypeScriptProgram } from "./typescript-program.ts";
import { TypeReader } from "./typescript-types.ts";

export function isPipeline(declaration: FunctionDeclaration): boolean {
  return declaration.getJsDocs().some((doc) => doc.getTags().some((tag) => tag.getTagName() === "pipeline"));
}

const OPERATORS: ReadonlyMap<ts.SyntaxKind, BinaryOperator> = new Map<ts.SyntaxKind, BinaryOperator>([
  [ts.SyntaxKind.PlusToken, "+"],
  [ts.SyntaxKind.MinusToken, "-"],
  [ts.SyntaxKind.AsteriskToken, "*"],
  [ts.SyntaxKind.SlashToken, "/"],
  [ts.SyntaxKind.PercentToken, "%"],
  [ts.SyntaxKind.EqualsEqualsEqualsToken, "=="],
  [ts.SyntaxKind.EqualsEqualsToken, "=="],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, "!="],
  [ts.SyntaxKind.ExclamationEqualsToken, "!="],
  [ts.SyntaxKind.LessThanToken, "<"],
  [ts.SyntaxKind.LessThanEqualsToken, "<="],
  [ts.SyntaxKind.GreaterThanToken, ">"],
  [ts.SyntaxKind.GreaterThanEqualsToken, ">="],
  [ts.SyntaxKind.AmpersandAmpersandToken, "&&"],
  [ts.SyntaxKind.BarBarToken, "||"],
  [ts.SyntaxKind.QuestionQuestionToken, "??"],
]);

/** Scalar functions of the language under the names that TypeScript has for them. */
const MATH = ["abs", "exp", "log", "sqrt", "round", "floor", "ceil", "min", "max", "pow"];
const STRING_METHODS: Readonly<Record<string, string>> = { toLowerCase: "lower", toUpperCase: "upper", trim: "trim", includes: "contains" };

/** What programs reach for without importing it, declared or not: Node's declarations need not be installed. */
const GLOBALS = ["console", "process", "globalThis", "JSON", "Date", "Object", "Number", "String", "Array", "Promise", "performance"];

/** Values of "headrace" for stage functions, not for the composition. */
const FOR_STAGES = ["tensor", "TransientError"];

export class BodyReader {
  readonly #program: TypeScriptProgram;
  readonly #types: TypeReader;
  readonly #file: string;
  readonly #diagnostics: Diagnostic[];
  /** Functions of the file itself that pipelines call, as if imported. */
  readonly #own = new Map<string, Import>();
  /** `epoch` has a fixed name in a module, in TypeScript the user's own. */
  #renamed: ReadonlyMap<string, string> = new Map();

  constructor(program: TypeScriptProgram, file: string, diagnostics: Diagnostic[]) {
    this.#program = program;
    this.#types = new TypeReader(program, file);
    this.#file = file;
    this.#diagnostics = diagnostics;
  }

  ownFunctions(): readonly Import[] {
    return [...this.#own.values()];
  }

  // --- Statements --------------------------------------------------------------------------------------------------------

  pipelineBody(declaration: FunctionDeclaration): Block {
    const body = declaration.getBody();
    if (!Node.isBlock(body)) return { statements: [], span: this.#span(declaration) };
    return this.#block(body.getStatements(), this.#span(body), (value, span) => ({ kind: "expression", value, span }));
  }

  #block(statements: readonly TsStatement[], span: Span, onReturn: (value: Expr, span: Span) => Statement): Block {
    const read: Statement[] = [];
    for (const [i, statement] of statements.entries()) {
      if (Node.isReturnStatement(statement)) {
        const value = statement.getExpression();
        if (value !== undefined) read.push(onReturn(this.expression(value), this.#span(statement)));
        if (i < statements.length - 1)
          this.#refuse(statement, "a `return` before its end", "the value of a pipeline is what its last statement returns");
      } else read.push(...this.#statement(statement));
    }
    return { statements: read, span };
  }

  #statement(statement: TsStatement): readonly Statement[] {
    const span = this.#span(statement);
    if (Node.isVariableStatement(statement)) {
      if (statement.getDeclarationKind() !== "const") {
        this.#refuse(
          statement,
          `\`${statement.getDeclarationKind()}\`, which can be assigned again`,
          "const name = …: each value has a name of its own",
        );
      }
      const doc = statement
        .getJsDocs()
        .map((each) => each.getDescription().trim())
        .join("\n");
      return statement.getDeclarations().flatMap((declaration): Statement[] => {
        const value = declaration.getInitializer();
        const pattern = this.#pattern(declaration.getNameNode());
        if (value === undefined || pattern === null) return [];
        const type = declaration.getTypeNode();
        return [
          {
            kind: "let",
            doc: doc === "" ? null : doc,
            pattern,
            type: type === undefined ? null : { kind: "type", type: this.#types.readNode(type.compilerNode) },
            value: this.expression(value),
            span,
          },
        ];
      });
    }
    if (Node.isExpressionStatement(statement)) {
      const expression = unwrapped(statement.getExpression());
      if (!Node.isCallExpression(expression)) {
        this.#refuse(expression, ...(assignment(expression) ?? (["a value that nobody uses", "const name = …, or leave it out"] as const)));
        return [];
      }
      return this.#form(expression) === "track" ? this.#track(expression) : [{ kind: "do", value: this.expression(expression), span }];
    }
    if (statement.getKind() === ts.SyntaxKind.EmptyStatement) return [];
    this.#refuse(statement, ...forbiddenStatement(statement));
    return [];
  }

  #track(call: CallExpression): readonly Statement[] {
    const [name, value] = call.getArguments();
    if (name === undefined || value === undefined || !(Node.isStringLiteral(name) || Node.isNoSubstitutionTemplateLiteral(name))) {
      this.#refuse(call, "a `track` whose name isn't written out", 'track("loss", …)');
      return [];
    }
    const at = this.#span(name);
    return [
      {
        kind: "track",
        name: { text: name.getLiteralText(), span: { ...at, start: at.start + 1, end: at.end - 1 } },
        value: this.expression(value),
        span: this.#span(call),
      },
    ];
  }

  #pattern(node: BindingName): Pattern | null {
    const span = this.#span(node);
    if (Node.isIdentifier(node)) return { kind: "name", name: this.#name(node), span };
    const elements = node.getElements();
    const plain = elements.every(
      (element) =>
        Node.isBindingElement(element) &&
        element.getInitializer() === undefined &&
        element.getDotDotDotToken() === undefined &&
        Node.isIdentifier(element.getNameNode()),
    );
    if (!plain) {
      this.#refuse(node, "a destructuring with defaults, rests or depth", "const { a, b: c } = …, or const [a, b] = …");
      return null;
    }
    const bound = elements.filter(Node.isBindingElement);
    if (Node.isArrayBindingPattern(node)) return { kind: "items", names: bound.map((element) => this.#name(element.getNameNode())), span };
    const fields = bound.map((element) => ({
      field: this.#name(element.getPropertyNameNode() ?? element.getNameNode()),
      name: this.#name(element.getNameNode()),
    }));
    return { kind: "fields", fields, span };
  }

  // --- Expressions -------------------------------------------------------------------------------------------------------

  expression(written: Node): Expr {
    const node = unwrapped(written);
    const span = this.#span(node);
    if (Node.isNumericLiteral(node)) {
      const value = node.getLiteralValue();
      return { kind: "number", value, numeric: Number.isInteger(value) ? "either" : "float", span };
    }
    if (Node.isStringLiteral(node) || Node.isNoSubstitutionTemplateLiteral(node))
      return { kind: "string", value: node.getLiteralText(), span };
    if (Node.isTrueLiteral(node) || Node.isFalseLiteral(node)) return { kind: "bool", value: node.getLiteralValue(), span };
    if (Node.isNullLiteral(node)) return { kind: "null", span };
    if (Node.isIdentifier(node)) return this.#identifier(node);
    if (Node.isTemplateExpression(node)) {
      const parts = [
        node.getHead().getLiteralText(),
        ...node.getTemplateSpans().flatMap((each) => [this.expression(each.getExpression()), each.getLiteral().getLiteralText()]),
      ];
      return { kind: "template", parts: parts.filter((part) => part !== ""), span };
    }
    if (Node.isArrayLiteralExpression(node)) return { kind: "list", items: node.getElements().map((item) => this.expression(item)), span };
    if (Node.isObjectLiteralExpression(node)) return { kind: "record", fields: this.#fields(node), span };
    if (Node.isPropertyAccessExpression(node)) return this.#field(node);
    if (Node.isElementAccessExpression(node)) {
      const index = node.getArgumentExpression();
      if (index === undefined) return this.#refuse(node, "an index without a value", "xs[0]");
      return { kind: "index", of: this.expression(node.getExpression()), index: this.expression(index), span };
    }
    if (Node.isConditionalExpression(node)) {
      const branch = (value: Node): Block => ({
        statements: [{ kind: "expression", value: this.expression(value), span: this.#span(value) }],
        span: this.#span(value),
      });
      return {
        kind: "if",
        condition: this.expression(node.getCondition()),
        then: branch(node.getWhenTrue()),
        else: branch(node.getWhenFalse()),
        span,
      };
    }
    if (Node.isBinaryExpression(node)) {
      const operator = OPERATORS.get(node.getOperatorToken().getKind());
      if (operator === undefined)
        return this.#refuse(node, ...(assignment(node) ?? [`the operator \`${node.getOperatorToken().getText()}\``, STAGE_HELP]));
      return { kind: "binary", operator, left: this.expression(node.getLeft()), right: this.expression(node.getRight()), span };
    }
    if (Node.isPrefixUnaryExpression(node)) {
      const token = node.getOperatorToken();
      const operator = token === ts.SyntaxKind.MinusToken ? "-" : token === ts.SyntaxKind.ExclamationToken ? "!" : null;
      if (operator === null) return this.#refuse(node, ...(assignment(node) ?? ["a unary `+` or `~`", STAGE_HELP]));
      return { kind: "unary", operator, operand: this.expression(node.getOperand()), span };
    }
    if (Node.isCallExpression(node)) return this.#call(node);
    if (Node.isArrowFunction(node) || Node.isFunctionExpression(node)) {
      return this.#refuse(node, "a function as a value", "give it as an argument: rows.map((row) => …)");
    }
    return this.#refuse(node, ...(assignment(node) ?? forbiddenExpression(node)));
  }

  #identifier(node: Identifier): Expr {
    const span = this.#span(node);
    const text = node.getText();
    if (text === "undefined") return { kind: "null", span };
    const declared = node.getSymbol()?.getDeclarations()[0];
    const outside = declared !== undefined && !this.#isInside(declared);
    if (outside && !this.#isFunction(node)) {
      return this.#refuse(
        node,
        `\`${text}\`, a value from outside it`,
        "make it a parameter of the pipeline, or let a stage function give it",
      );
    }
    if (outside) this.#stageFunction(node);
    return { kind: "name", name: this.#renamed.get(text) ?? text, span };
  }

  #field(node: PropertyAccessExpression): Expr {
    const of = node.getExpression();
    const span = this.#span(node);
    if (node.getName() === "length" && (isListOrText(of) || of.getType().getProperty("byteLength") !== undefined)) {
      return {
        kind: "call",
        callee: { text: "len", span: this.#span(node.getNameNode()) },
        receiver: null,
        args: [this.#argument(of)],
        span,
      };
    }
    if (Node.isIdentifier(of) && of.getText() === "Math") return this.#refuse(node, `\`${node.getText()}\``, "write the number out");
    return { kind: "field", of: this.expression(of), name: this.#name(node.getNameNode()), optional: node.hasQuestionDotToken(), span };
  }

  #fields(node: ObjectLiteralExpression): readonly RecordField[] {
    return node.getProperties().flatMap((property): RecordField[] => {
      const span = this.#span(property);
      if (Node.isSpreadAssignment(property)) return [{ kind: "spread", value: this.expression(property.getExpression()), span }];
      if (Node.isShorthandPropertyAssignment(property)) {
        const name = property.getNameNode();
        return [{ kind: "field", name: this.#name(name), value: this.#identifierValue(name), span }];
      }
      const name = Node.isPropertyAssignment(property) ? property.getNameNode() : null;
      const value = Node.isPropertyAssignment(property) ? property.getInitializer() : undefined;
      if (name === null || value === undefined || Node.isComputedPropertyName(name)) {
        this.#refuse(property, "a computed field, a method or an accessor in a record", "{ name: value }");
        return [];
      }
      return [{ kind: "field", name: this.#name(name), value: this.expression(value), span }];
    });
  }

  /** In `{ model }` TypeScript's symbol is the field, not the value. */
  #identifierValue(name: Identifier): Expr {
    const text = name.getText();
    return { kind: "name", name: this.#renamed.get(text) ?? text, span: this.#span(name) };
  }

  // --- Calls -------------------------------------------------------------------------------------------------------------

  #call(node: CallExpression): Expr {
    const callee = unwrapped(node.getExpression());
    const span = this.#span(node);
    if (Node.isPropertyAccessExpression(callee)) return this.#methodCall(node, callee);
    if (!Node.isIdentifier(callee)) return this.#refuse(node, "a call of a computed function", STAGE_HELP);
    const form = this.#form(node);
    if (form === null) {
      if (!this.#stageFunction(callee)) return { kind: "error", span };
      return {
        kind: "call",
        callee: this.#name(callee),
        receiver: null,
        args: node.getArguments().map((each) => this.#argument(each)),
        span,
      };
    }
    const [first] = node.getArguments();
    if (form === "dataset" && first !== undefined) return this.expression(first);
    if (form === "fit") return this.#fit(node);
    if (form === "track") return this.#refuse(node, "a `track` inside an expression", 'track("loss", …); as a statement of its own');
    if (FOR_STAGES.includes(form)) return this.#refuse(node, `a call of \`${form}\``, STAGE_HELP);
    return { kind: "call", callee: { text: form, span: this.#span(callee) }, receiver: null, args: this.#builtInArguments(node), span };
  }

  #methodCall(node: CallExpression, callee: PropertyAccessExpression): Expr {
    const span = this.#span(node);
    const receiver = callee.getExpression();
    const method = callee.getName();
    const name = this.#name(callee.getNameNode());
    if (this.#types.isDataset(receiver.getType().compilerType)) {
      return { kind: "call", callee: name, receiver: null, args: [this.#argument(receiver), ...this.#builtInArguments(node)], span };
    }
    if (Node.isIdentifier(receiver) && receiver.getText() === "Math" && MATH.includes(method)) {
      return { kind: "call", callee: name, receiver: null, args: node.getArguments().map((each) => this.#argument(each)), span };
    }
    const text = STRING_METHODS[method];
    if (text !== undefined && (receiver.getType().isString() || receiver.getType().isStringLiteral())) {
      return {
        kind: "call",
        callee: { ...name, text },
        receiver: null,
        args: [this.#argument(receiver), ...node.getArguments().map((each) => this.#argument(each))],
        span,
      };
    }
    if (isListOrText(receiver)) {
      const list = receiver.getText();
      const help =
        receiver.getType().isArray() || receiver.getType().isReadonlyArray()
          ? `dataset(${list.length > 30 ? "…" : list}).${method}(…)`
          : STAGE_HELP;
      return this.#refuse(callee.getNameNode(), `\`.${method}\` of a list or a text`, help, span);
    }
    const declared = Node.isIdentifier(receiver) ? receiver.getSymbol()?.getDeclarations()[0] : undefined;
    const global = declared === undefined ? GLOBALS.includes(receiver.getText()) : !this.#isInside(declared);
    if (global) return this.#refuse(node, `a call of \`${callee.getText()}\``, STAGE_HELP);
    return {
      kind: "call",
      callee: name,
      receiver: this.expression(receiver),
      args: node.getArguments().map((each) => this.#argument(each)),
      span,
    };
  }

  #fit(node: CallExpression): Expr {
    const [init, over, epochs, update] = node.getArguments().map(unwrapped);
    const span = this.#span(node);
    const example = "fit(init(seed), (epoch) => rows.shuffle(epoch).batches(64), epochs, (w, batch) => …)";
    if (init === undefined || epochs === undefined || !Node.isArrowFunction(over) || !Node.isArrowFunction(update)) {
      return this.#refuse(node, "a `fit` whose batches or update aren't arrow functions", example);
    }
    const names = update.getParameters().map((parameter) => parameter.getNameNode());
    const [state, batch] = names;
    if (!Node.isIdentifier(state) || !Node.isIdentifier(batch) || names.length > 2) {
      return this.#refuse(update, "a `fit` whose update doesn't take a state and a batch, by name", example);
    }
    const epoch = over.getParameters()[0]?.getName();
    const carried = this.#name(state);
    const next = (value: Expr, at: Span): Statement => ({ kind: "next", name: carried, value, span: at });
    const overBody = over.getBody();
    const body = update.getBody();
    if (Node.isBlock(overBody))
      return this.#refuse(overBody, "batches given by several statements", "(epoch) => rows.shuffle(epoch).batches(64)", span);
    const initial = this.expression(init);
    const batches = this.#with(epoch === undefined ? [] : [[epoch, "epoch"]], () => this.expression(overBody));
    const block = Node.isBlock(body)
      ? this.#block(body.getStatements(), this.#span(body), next)
      : { statements: [next(this.expression(body), this.#span(body))], span: this.#span(body) };
    if (!block.statements.some((statement) => statement.kind === "next")) {
      this.#refuse(update, "an update of `fit` that returns nothing", `return the next \`${carried.text}\``);
    }
    return {
      kind: "fit",
      carried: [{ name: carried, init: initial, span: this.#span(init) }],
      batch: this.#name(batch),
      over: batches,
      epochs: this.expression(epochs),
      body: block,
      eachEpoch: null,
      span,
    };
  }

  /** Options in a record are named arguments: `split({ train: 0.8, test: 0.2 })` is `split(train: 0.8, test: 0.2)`. */
  #builtInArguments(node: CallExpression): readonly Argument[] {
    return node.getArguments().flatMap((each): Argument[] => {
      const value = unwrapped(each);
      if (!Node.isObjectLiteralExpression(value)) return [this.#argument(each)];
      return this.#fields(value).flatMap((field): Argument[] => {
        if (field.kind === "field") return [{ name: field.name, value: field.value, span: field.span }];
        this.#refuse(value, "options that are spread from a record", "write each option out");
        return [];
      });
    });
  }

  #argument(node: Node): Argument {
    const value = unwrapped(node);
    const span = this.#span(node);
    if (Node.isSpreadElement(value))
      return { name: null, value: this.#refuse(value, "arguments that are spread from a list", "write each argument out"), span };
    return { name: null, value: Node.isArrowFunction(value) ? this.#lambda(value) : this.expression(value), span };
  }

  #lambda(node: ArrowFunction): Expr {
    const span = this.#span(node);
    const parameters = node.getParameters().map((parameter) => parameter.getNameNode());
    const plain = parameters.filter(Node.isIdentifier);
    if (plain.length < parameters.length) {
      const pattern = parameters.find((each) => !Node.isIdentifier(each))!;
      return this.#refuse(pattern, "a lambda that takes its argument apart", "(row) => … row.field …", span);
    }
    let body: Node = node.getBody();
    if (Node.isBlock(body)) {
      const [only, ...more] = body.getStatements();
      const returned = Node.isReturnStatement(only) ? only.getExpression() : undefined;
      if (returned === undefined || more.length > 0) {
        return this.#refuse(
          body,
          "a lambda of several statements",
          "put them in an exported function of a file of stages, and call that",
          span,
        );
      }
      body = returned;
    }
    const names = plain.map((parameter) => this.#name(parameter));
    const value = this.#with(
      names.map((name) => [name.text, name.text]),
      () => this.expression(body),
    );
    return { kind: "lambda", parameters: names, body: value, span };
  }

  /** Reads with names that mean others, and no more than that. */
  #with<T>(names: readonly (readonly [string, string])[], read: () => T): T {
    const before = this.#renamed;
    this.#renamed = new Map([...before, ...names]);
    const result = read();
    this.#renamed = before;
    return result;
  }

  // --- What a name stands for ----------------------------------------------------------------------------------------------

  /** The name, in "headrace", of the function that is called; null for any other. */
  #form(node: CallExpression): string | null {
    const callee = unwrapped(node.getExpression());
    const declared = Node.isIdentifier(callee) ? callee.getSymbol()?.getDeclarations()[0] : undefined;
    return Node.isImportSpecifier(declared) && declared.getImportDeclaration().getModuleSpecifierValue() === "headrace"
      ? declared.getName()
      : null;
  }

  /** True where a function can be a stage, or is a pipeline of this file; reports it otherwise. */
  #stageFunction(callee: Identifier): boolean {
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
    const name: Name = { text, span: this.#span(declared) };
    this.#own.set(text, {
      what: "function",
      exported: name,
      local: name,
      from: { text: `./${posix.basename(this.#file)}`, span: name.span },
      span: name.span,
    });
    return true;
  }

  #cannotBeStage(callee: Identifier, help: string): void {
    this.#diagnostics.push(
      report("HR512", { name: callee.getText() }, [{ span: this.#span(callee), label: "called here", role: "primary" }], { help }),
    );
  }

  #isFunction(node: Identifier): boolean {
    return node.getType().getCallSignatures().length > 0 || node.getType().isAny();
  }

  /** Declared in a function of this file: a parameter, or a `const` of a pipeline. */
  #isInside(declaration: Node): boolean {
    return (
      declaration.getSourceFile().getFilePath() === this.#program.tree(this.#file).getFilePath() &&
      declaration.getFirstAncestor(isFunctionLike) !== undefined
    );
  }

  #name(node: Node): Name {
    const text = Node.isStringLiteral(node) ? node.getLiteralText() : node.getText();
    return { text: this.#renamed.get(text) ?? text, span: this.#span(node) };
  }

  #span(node: Node): Span {
    return { file: this.#file, start: node.getStart(), end: node.getEnd() };
  }

  #refuse(node: Node, form: string, help: string, whole: Span = this.#span(node)): Expr {
    this.#diagnostics.push(report("HR510", { form }, [{ span: this.#span(node), label: "here", role: "primary" }], { help }));
    return { kind: "error", span: whole };
  }
}

const STAGE_HELP = "put it in an exported function of a file of stages, and call that";

/** Without what says something to TypeScript alone: brackets, `await`, `as T`, `satisfies T`, `!`. */
function unwrapped(node: Node): Node {
  const inner =
    Node.isParenthesizedExpression(node) ||
    Node.isAwaitExpression(node) ||
    Node.isAsExpression(node) ||
    Node.isSatisfiesExpression(node) ||
    Node.isNonNullExpression(node)
      ? node.getExpression()
      : null;
  return inner === null ? node : unwrapped(inner);
}

function isFunctionLike(node: Node): boolean {
  return Node.isFunctionDeclaration(node) || Node.isArrowFunction(node) || Node.isFunctionExpression(node);
}

function isListOrText(node: Node): boolean {
  const type = node.getType().getNonNullableType();
  return type.isArray() || type.isReadonlyArray() || type.isTuple() || type.isString() || type.isStringLiteral();
}

function assignment(node: Node): readonly [string, string] | null {
  const assigns =
    (Node.isBinaryExpression(node) &&
      /^(?:[-+*/%&|^?<>]*)=$/.test(node.getOperatorToken().getText()) &&
      !OPERATORS.has(node.getOperatorToken().getKind())) ||
    (Node.isPrefixUnaryExpression(node) &&
      [ts.SyntaxKind.PlusPlusToken, ts.SyntaxKind.MinusMinusToken].includes(node.getOperatorToken())) ||
    Node.isPostfixUnaryExpression(node);
  return assigns ? ["an assignment", "const name = …: each value has a name of its own; only `fit` carries one from step to step"] : null;
}

function forbiddenStatement(node: Node): readonly [string, string] {
  if (Node.isIfStatement(node)) return ["an `if` statement", "const x = condition ? a : b"];
  if (
    Node.isForOfStatement(node) ||
    Node.isForInStatement(node) ||
    Node.isForStatement(node) ||
    Node.isWhileStatement(node) ||
    Node.isDoStatement(node)
  ) {
    return ["a loop", "dataset(rows).map((row) => …), or a loop inside a stage function"];
  }
  if (Node.isFunctionDeclaration(node) || Node.isClassDeclaration(node)) return ["a declaration of a function or class", STAGE_HELP];
  if (Node.isThrowStatement(node) || Node.isTryStatement(node))
    return ["`throw` or `try`", "a stage function may throw; the run then fails with its stack"];
  return [`\`${node.getText().split(/\s/, 1)[0]}\``, STAGE_HELP];
}

function forbiddenExpression(node: Node): readonly [string, string] {
  if (Node.isNewExpression(node)) return ["a `new` object", STAGE_HELP];
  if (Node.isSpreadElement(node)) return ["a spread in a list", "dataset(xs).concat(ys)"];
  if (Node.isRegularExpressionLiteral(node)) return ["a regular expression", STAGE_HELP];
  if (Node.isTaggedTemplateExpression(node)) return ["a tagged template", STAGE_HELP];
  if (Node.isBigIntLiteral(node)) return ["a bigint", "an int is a whole number up to 2^53"];
  return ["this expression", STAGE_HELP];
}
