// The body of an annotated TypeScript function as statements and expressions of a `Module`. Whatever has no meaning in a pipeline
// is reported at its place with the way to say it. Must not know how types are checked or what a stage is.
import type {
  ArrowFunction,
  BindingName,
  CallExpression,
  ElementAccessExpression,
  FunctionDeclaration,
  FunctionExpression,
  Identifier,
  IfStatement,
  ObjectLiteralExpression,
  PropertyAccessExpression,
  Statement as TsStatement,
  Symbol as TsSymbol,
  VariableStatement,
} from "ts-morph";
import { Node, ts } from "ts-morph";
import type { BinaryOperator, Name, Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Argument, Block, Expr, Import, Pattern, RecordField, Statement } from "../module.ts";
import { isStatementForm, readAgg, readDifference, readForm, readStatementForm, readTime } from "./typescript-forms.ts";
import { isTime, Names, numericOf, unwrapped } from "./typescript-names.ts";
import type { TypeScriptProgram } from "./typescript-program.ts";
import type { Refusal } from "./typescript-refusals.ts";
import {
  assigned,
  GLOBALS,
  isAssignment,
  refusedAlone,
  refusedDeclaration,
  refusedExpression,
  refusedGlobalCall,
  refusedMethod,
  refusedPattern,
  refusedStatement,
  STAGE_HELP,
  short,
} from "./typescript-refusals.ts";
import { TypeReader } from "./typescript-types.ts";

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
const MATH = ["abs", "sign", "exp", "log", "log2", "log10", "sqrt", "pow", "sin", "cos", "tanh", "round", "floor", "ceil", "min", "max"];
const TEXT_METHODS: Readonly<Record<string, string>> = {
  toLowerCase: "lower",
  toUpperCase: "upper",
  trim: "trim",
  includes: "contains",
  startsWith: "startsWith",
  endsWith: "endsWith",
  replaceAll: "replace",
};
/** Methods of arrays that do row by row what the operations of that name do. */
const LIST_METHODS: Readonly<Record<string, string>> = {
  map: "map",
  filter: "filter",
  flatMap: "flatMap",
  concat: "concat",
  some: "any",
  every: "all",
  includes: "contains",
};

/** Values of "headrace" for stage functions, not for the composition. */
const FOR_STAGES = ["tensor", "TransientError"];

/** Readers of files whose rows have a type that the call names. */
const READERS = ["csv", "jsonLines"];

/** What a `return` means where it stands; null where nothing is returned. */
export type OnReturn = ((value: Expr, node: Node) => readonly Statement[]) | null;

const asValue: OnReturn = (value, node) => {
  const statement = node.getFirstAncestorByKind(ts.SyntaxKind.ReturnStatement);
  const at = statement !== undefined && unwrapped(statement.getExpressionOrThrow()) === unwrapped(node) ? statement : node;
  return [{ kind: "expression", value, span: { ...value.span, start: at.getStart(), end: at.getEnd() } }];
};

export class BodyReader {
  readonly names: Names;
  readonly #types: TypeReader;
  readonly #diagnostics: Diagnostic[];

  constructor(program: TypeScriptProgram, file: string, diagnostics: Diagnostic[]) {
    this.names = new Names(program, file, diagnostics);
    this.#types = new TypeReader(program, file);
    this.#diagnostics = diagnostics;
  }

  ownFunctions(): readonly Import[] {
    return this.names.ownFunctions();
  }

  // --- Statements --------------------------------------------------------------------------------------------------------

  pipelineBody(declaration: FunctionDeclaration): Block {
    const body = declaration.getBody();
    if (!Node.isBlock(body)) return { statements: [], span: this.span(declaration) };
    this.names.enter(declaration);
    if (declaration.isGenerator())
      this.refuse(declaration.getNameNode() ?? body, ["its own declaration as a generator", "function name(…) { … }"]);
    const { statements, span } = this.block(body.getStatements(), this.span(body));
    // Behind a `return` nothing can stand, so what belongs to the end of a pipeline stands above it.
    const last = (statement: Statement) => statement.kind === "onFailure";
    return { statements: [...statements.filter((one) => !last(one)), ...statements.filter(last)], span };
  }

  /** What an arrow function gives: the block that stands there, or the one expression. */
  functionBody(node: ArrowFunction | FunctionExpression, onReturn: OnReturn = asValue): Block {
    const body = node.getBody();
    if (Node.isBlock(body)) return this.block(body.getStatements(), this.span(body), onReturn);
    if (onReturn !== null) return { statements: [...onReturn(this.expression(body), body)], span: this.span(body) };
    const call = unwrapped(body);
    return { statements: Node.isCallExpression(call) ? this.#alone(call, this.span(body)) : this.#uncalled(call), span: this.span(body) };
  }

  /** `(x) => perform(notify(x))`, and a block without a `return`. */
  givesNothing(node: ArrowFunction | FunctionExpression): boolean {
    const body = node.getBody();
    if (Node.isBlock(body)) return returnsOf(body.getStatements()) === "never";
    const call = unwrapped(body);
    return Node.isCallExpression(call) && isStatementForm(this.names.form(call) ?? "");
  }

  block(statements: readonly TsStatement[], span: Span, onReturn: OnReturn = asValue): Block {
    const read: Statement[] = [];
    for (const [i, statement] of statements.entries()) {
      const rest = statements.slice(i + 1);
      const ends = Node.isReturnStatement(statement) || (Node.isIfStatement(statement) && returns(statement) !== "never");
      if (!ends) {
        read.push(...this.#statement(statement));
        continue;
      }
      if (onReturn === null) {
        this.refuse(statement, ["a `return` where nothing is returned", "leave it out"]);
      } else if (Node.isIfStatement(statement)) {
        read.push(...onReturn(this.#choice(statement, rest), statement));
      } else {
        const value = statement.getExpression();
        if (value === undefined) this.refuse(statement, ["a `return` without a value", "return the value, or null"]);
        else read.push(...onReturn(this.expression(value), value));
        if (rest.length > 0) this.refuse(rest[0]!, ["statements behind a `return`", "leave them out, or put the `return` last"]);
      }
      break;
    }
    return { statements: read, span };
  }

  /** An `if` that returns: what follows it is the other branch. */
  #choice(node: IfStatement, rest: readonly TsStatement[]): Expr {
    const span = this.span(node);
    const then = statementsOf(node.getThenStatement());
    const other = statementsOf(node.getElseStatement());
    const [thenReturns, otherReturns] = [returnsOf(then), returnsOf(other)];
    // What follows would be the rest of both.
    if (thenReturns !== "always" && otherReturns !== "always") {
      return this.refuse(node, ["an `if` with a branch that returns only sometimes", "a `return` at the end of the branch, or none in it"]);
    }
    if (thenReturns === "always" && otherReturns === "always" && rest.length > 0)
      this.refuse(rest[0]!, ["statements behind a `return`", "leave them out"]);
    const thenRest = thenReturns === "always" ? then : [...then, ...rest];
    const otherRest = otherReturns === "always" ? other : [...other, ...rest];
    return {
      kind: "if",
      condition: this.expression(node.getExpression()),
      then: this.block(thenRest, this.#over(thenRest, node.getThenStatement())),
      else: otherRest.length === 0 ? null : this.block(otherRest, this.#over(otherRest, node.getElseStatement() ?? node)),
      span,
    };
  }

  #over(statements: readonly TsStatement[], or: Node): Span {
    const [first, last] = [statements[0], statements[statements.length - 1]];
    return first === undefined || last === undefined ? this.span(or) : { ...this.span(first), end: last.getEnd() };
  }

  #statement(statement: TsStatement): readonly Statement[] {
    const span = this.span(statement);
    if (Node.isVariableStatement(statement)) return this.#declarations(statement, span);
    if (Node.isExpressionStatement(statement)) {
      const expression = unwrapped(statement.getExpression());
      return Node.isCallExpression(expression) ? this.#alone(expression, span) : this.#uncalled(expression);
    }
    if (Node.isIfStatement(statement)) {
      const branch = (node: TsStatement): Block => this.block(statementsOf(node), this.span(node), null);
      const other = statement.getElseStatement();
      const condition = this.expression(statement.getExpression());
      const then = branch(statement.getThenStatement());
      return [{ kind: "expression", value: { kind: "if", condition, then, else: other === undefined ? null : branch(other), span }, span }];
    }
    if (statement.getKind() === ts.SyntaxKind.EmptyStatement) return [];
    this.refuse(statement, refusedStatement(statement));
    return [];
  }

  #declarations(statement: VariableStatement, span: Span): readonly Statement[] {
    const keyword = statement.getDeclarationKind();
    if (keyword !== "const") this.refuse(statement, refusedDeclaration(statement));
    const doc = statement
      .getJsDocs()
      .map((each) => each.getDescription().trim())
      .join("\n");
    return statement.getDeclarations().flatMap((declaration): readonly Statement[] => {
      const value = declaration.getInitializer();
      const pattern = this.pattern(declaration.getNameNode());
      if (pattern === null) return this.#broken(declaration.getNameNode());
      if (value === undefined) return [];
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

  /** Names of a pattern that can't be read: whatever reads them is silent. */
  #broken(node: BindingName): readonly Statement[] {
    if (!Node.isIdentifier(node)) {
      const elements = node.getElements().filter(Node.isBindingElement);
      return elements.flatMap((element) => this.#broken(element.getNameNode()));
    }
    const span = this.span(node);
    const pattern: Pattern = { kind: "name", name: this.name(node), span };
    return [{ kind: "let", doc: null, pattern, type: null, value: { kind: "error", span }, span }];
  }

  #uncalled(expression: Node): readonly Statement[] {
    // Its declaration has been reported.
    if (isAssignment(expression) && this.#isDeclared(assigned(expression))) return [];
    this.refuse(expression, refusedAlone(expression));
    return [];
  }

  /** By the pipeline itself, with `let` or `var`. */
  #isDeclared(name: Node): boolean {
    const declared = Node.isIdentifier(name) ? name.getSymbol()?.getDeclarations()[0] : undefined;
    return (
      Node.isVariableDeclaration(declared) &&
      this.names.isInside(declared) &&
      declared.getVariableStatement()?.getDeclarationKind() !== "const"
    );
  }

  /** A call that stands alone: a form, an effect, or work that nobody uses. */
  #alone(call: CallExpression, span: Span): readonly Statement[] {
    const form = this.names.form(call);
    if (form !== null && isStatementForm(form)) return readStatementForm(form, call, this, span);
    const value = this.expression(call);
    if (form === "forEach") return [{ kind: "expression", value, span }];
    const given = call.getReturnType();
    const nothing = (type: typeof given) => type.isVoid() || type.isUndefined() || type.isNever() || type.isAny();
    const awaited = ["Promise", "PromiseLike"].includes(given.getSymbol()?.getName() ?? "") ? given.getTypeArguments()[0] : given;
    if (value.kind === "error" || (form === null && nothing(awaited ?? given))) return [{ kind: "do", value, span }];
    const shown = short(call, 60);
    this.#diagnostics.push(
      report(
        "HR112",
        { what: `the result of \`${short(call.getExpression(), 20)}\`` },
        [{ span: value.span, label: "nobody uses it", role: "primary" }],
        {
          help: `const x = ${shown}${form === null && Node.isIdentifier(call.getExpression()) ? `, or as an effect: perform(${shown})` : ""}`,
        },
      ),
    );
    return [];
  }

  pattern(node: BindingName): Pattern | null {
    const span = this.span(node);
    const refusal = refusedPattern(node);
    if (refusal !== null) {
      this.refuse(node, refusal);
      return null;
    }
    if (Node.isIdentifier(node)) return { kind: "name", name: this.name(node), span };
    const bound = node.getElements().filter(Node.isBindingElement);
    if (Node.isArrayBindingPattern(node)) return { kind: "items", names: bound.map((element) => this.name(element.getNameNode())), span };
    const fields = bound.map((element) => ({
      field: this.name(element.getPropertyNameNode() ?? element.getNameNode()),
      name: this.name(element.getNameNode()),
    }));
    return { kind: "fields", fields, span };
  }

  // --- Expressions -------------------------------------------------------------------------------------------------------

  expression(written: Node): Expr {
    const node = unwrapped(written);
    const span = this.span(node);
    if (Node.isNumericLiteral(node)) {
      // TypeScript has the digits of `0x10`, `1_000` and `1e21` in JavaScript's own form; ts-morph's value stops at the `e`.
      const value = Number(node.compilerNode.text);
      // `1.0` is written as a float.
      return { kind: "number", value, numeric: node.getText().includes(".") ? "float" : numericOf(value), span };
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
    if (Node.isArrayLiteralExpression(node)) return this.#list(node.getElements(), span);
    if (Node.isObjectLiteralExpression(node)) return { kind: "record", fields: this.fields(node), span };
    if (Node.isPropertyAccessExpression(node)) return this.#field(node);
    if (Node.isElementAccessExpression(node)) return this.#index(node);
    if (Node.isConditionalExpression(node)) {
      const branch = (value: Node): Block => ({
        statements: [{ kind: "expression", value: this.expression(value), span: this.span(value) }],
        span: this.span(value),
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
      if (operator === undefined || isAssignment(node)) return this.refuse(node, refusedExpression(node));
      const difference = operator === "-" ? readDifference(node, this) : null;
      if (difference !== null) return difference;
      return { kind: "binary", operator, left: this.expression(node.getLeft()), right: this.expression(node.getRight()), span };
    }
    if (Node.isPrefixUnaryExpression(node)) {
      const token = node.getOperatorToken();
      const operator = token === ts.SyntaxKind.MinusToken ? "-" : token === ts.SyntaxKind.ExclamationToken ? "!" : null;
      if (operator === null) return this.refuse(node, refusedExpression(node));
      return { kind: "unary", operator, operand: this.expression(node.getOperand()), span };
    }
    if (Node.isCallExpression(node)) return this.#call(node);
    const made = Node.isNewExpression(node) ? node.getExpression() : undefined;
    if (Node.isNewExpression(node) && Node.isIdentifier(made) && this.names.ownClass(made))
      return this.#builtIn(made.getText(), made, node.getArguments(), span);
    return this.refuse(node, refusedExpression(node));
  }

  #identifier(node: Identifier): Expr {
    return this.#value(node, node.getSymbol());
  }

  /** In `{ model }` the symbol at `model` is the field's, not the value's. */
  #value(node: Identifier, symbol: TsSymbol | undefined): Expr {
    const span = this.span(node);
    const text = node.getText();
    if (text === "undefined") return { kind: "null", span };
    const alias = this.names.aliased(symbol, span);
    if (alias !== null) return alias;
    const declared = symbol?.getDeclarations()[0];
    if (declared !== undefined && !this.names.isInside(declared)) {
      if (this.names.isFunction(node)) this.names.stageFunction(node);
      else return this.names.constant(node, symbol) ?? this.#outside(node, text);
    }
    return { kind: "name", name: text, span };
  }

  #outside(node: Node, text: string): Expr {
    return this.refuse(node, [
      `\`${text}\`, a value from outside it`,
      "make it a parameter of the pipeline, or let a stage function give it",
    ]);
  }

  /** `[...xs, y]` is `xs |> concat([y])`. */
  #list(elements: readonly Node[], span: Span): Expr {
    const runs: Expr[] = [];
    let items: Expr[] = [];
    const close = () => {
      if (items.length > 0) runs.push({ kind: "list", items, span: { ...items[0]!.span, end: items[items.length - 1]!.span.end } });
      items = [];
    };
    let spreads = 0;
    for (const element of elements) {
      if (Node.isSpreadElement(element)) {
        spreads++;
        close();
        runs.push(this.expression(element.getExpression()));
      } else if (Node.isOmittedExpression(element)) items.push(this.refuse(element.getParentOrThrow(), ["a hole in a list", "null"], span));
      else items.push(this.expression(element));
    }
    if (spreads === 0) return { kind: "list", items, span };
    close();
    return runs.reduce((left, right) => ({
      kind: "call",
      callee: { text: "concat", span },
      receiver: null,
      args: [left, right].map((value) => ({ name: null, value, span: value.span })),
      span,
    }));
  }

  #field(node: PropertyAccessExpression): Expr {
    const of = node.getExpression();
    const span = this.span(node);
    const chained = inOptionalChain(node);
    if (node.getName() === "length" && (isListOrText(of) || of.getType().getNonNullableType().getProperty("byteLength") !== undefined)) {
      const length = (value: Expr): Expr => ({
        kind: "call",
        callee: { text: "len", span: this.span(node.getNameNode()) },
        receiver: null,
        args: [{ name: null, value, span: value.span }],
        span,
      });
      const value = this.expression(of);
      if (!chained) return length(value);
      // `a?.b.length` is there where `a?.b` is.
      const missing: Expr = { kind: "null", span };
      const only = (one: Expr): Block => ({ statements: [{ kind: "expression", value: one, span }], span });
      const condition: Expr = { kind: "binary", operator: "==", left: value, right: missing, span };
      return { kind: "if", condition, then: only(missing), else: only(length(value)), span };
    }
    if (Node.isIdentifier(of)) {
      const declared = of.getSymbol()?.getDeclarations()[0];
      const outside = declared === undefined ? GLOBALS.includes(of.getText()) : !this.names.isInside(declared);
      // A name that nobody declares is the checker's to report.
      if (outside) return this.names.constant(node) ?? this.#outside(node, node.getText());
    }
    return { kind: "field", of: this.expression(of), name: this.name(node.getNameNode()), optional: chained, span };
  }

  #index(node: ElementAccessExpression): Expr {
    const span = this.span(node);
    const index = node.getArgumentExpression();
    if (index === undefined) return this.refuse(node, ["an index without a value", "xs[0]"]);
    const of = node.getExpression();
    if (inOptionalChain(node)) {
      const list = short(of);
      return this.refuse(node, ["`?.[…]`", `${list} === null ? null : ${list}[${short(index)}]`]);
    }
    return { kind: "index", of: this.expression(of), index: this.expression(index), span };
  }

  fields(node: ObjectLiteralExpression): readonly RecordField[] {
    return node.getProperties().flatMap((property): RecordField[] => {
      const span = this.span(property);
      if (Node.isSpreadAssignment(property)) return [{ kind: "spread", value: this.expression(property.getExpression()), span }];
      if (Node.isShorthandPropertyAssignment(property)) {
        const name = property.getNameNode();
        const value = this.#value(name, property.getValueSymbol());
        return [{ kind: "field", name: this.name(name), value, span }];
      }
      const name = Node.isPropertyAssignment(property) ? property.getNameNode() : null;
      const value = Node.isPropertyAssignment(property) ? property.getInitializer() : undefined;
      if (name === null || value === undefined || Node.isComputedPropertyName(name)) {
        const form = name === null ? "a method or an accessor in a record" : "a computed field";
        this.refuse(property, [form, name === null ? STAGE_HELP : "{ name: value }"]);
        return [];
      }
      return [{ kind: "field", name: this.name(name), value: this.expression(value), span }];
    });
  }

  // --- Calls -------------------------------------------------------------------------------------------------------------

  #call(node: CallExpression): Expr {
    const callee = unwrapped(node.getExpression());
    const span = this.span(node);
    if (node.hasQuestionDotToken()) return this.refuse(node, ["`?.(…)`", STAGE_HELP]);
    if (Node.isPropertyAccessExpression(callee)) return this.#methodCall(node, callee);
    if (!Node.isIdentifier(callee)) {
      if (callee.getKind() === ts.SyntaxKind.ImportKeyword)
        return this.refuse(node, ["`import(…)`", "import { f } at the top of the file"]);
      const written = Node.isArrowFunction(callee) || Node.isFunctionExpression(callee);
      return this.refuse(node, [written ? "a function that is called where it is written" : "a call of a computed function", STAGE_HELP]);
    }
    const form = this.names.form(node);
    if (form === null) {
      if (
        callee.getText() === "String" &&
        callee
          .getSymbol()
          ?.getDeclarations()
          .every((each) => !this.names.isInside(each)) === true
      )
        return this.#builtIn("string", callee, node.getArguments(), span);
      if (GLOBALS.includes(callee.getText()) && !this.names.isInside(callee.getSymbol()?.getDeclarations()[0] ?? callee))
        return this.refuse(node, refusedGlobalCall(node));
      if (!this.names.stageFunction(callee)) return { kind: "error", span };
      return this.#builtIn(callee.getText(), callee, node.getArguments(), span);
    }
    const [first] = node.getArguments();
    if (form === "dataset" && first !== undefined) return this.expression(first);
    if (isStatementForm(form))
      return this.refuse(node, [`\`${form}\` inside an expression`, `${short(node, 60)}; as a statement of its own`]);
    if (FOR_STAGES.includes(form)) return this.refuse(node, [`a call of \`${form}\``, STAGE_HELP]);
    const read = readForm(form, node, this);
    if (read !== null) return read;
    const rows = READERS.includes(form) ? this.#types.readRows(node.compilerNode) : null;
    const types = rows === null ? {} : { types: [rows] };
    return { kind: "call", callee: { text: form, span: this.span(callee) }, receiver: null, ...types, args: this.options(node), span };
  }

  #builtIn(text: string, callee: Node, args: readonly Node[], span: Span): Expr {
    return { kind: "call", callee: { text, span: this.span(callee) }, receiver: null, args: args.map((each) => this.argument(each)), span };
  }

  #methodCall(node: CallExpression, callee: PropertyAccessExpression): Expr {
    const span = this.span(node);
    const receiver = callee.getExpression();
    const method = callee.getName();
    const name = this.name(callee.getNameNode());
    if (inOptionalChain(callee)) {
      const of = short(receiver);
      return this.refuse(node, ["`?.` before a call", `${of} === null ? null : ${of}.${method}(…)`]);
    }
    const args = node.getArguments();
    if (this.#types.isDataset(receiver.getType().compilerType)) {
      if (method === "agg") return readAgg(node, callee.getNameNode(), this.argument(receiver), this);
      return { kind: "call", callee: name, receiver: null, args: [this.argument(receiver), ...this.options(node)], span };
    }
    if (Node.isIdentifier(receiver) && receiver.getText() === "Math" && MATH.includes(method))
      return this.#builtIn(method, callee.getNameNode(), args, span);
    if (isListOrText(receiver)) {
      const isText = !isList(receiver);
      const methods = isText ? TEXT_METHODS : LIST_METHODS;
      const text = Object.hasOwn(methods, method) ? methods[method] : undefined;
      // `concat` of TypeScript takes several lists, and single items.
      if (text !== undefined && !(text === "concat" && (args.length !== 1 || !isList(args[0]!))))
        return this.#builtIn(text, callee.getNameNode(), [receiver, ...args], span);
      return this.refuse(callee.getNameNode(), refusedMethod(method, receiver, !isText), span);
    }
    if (isTime(receiver)) return readTime(node, callee, this);
    const declared = Node.isIdentifier(receiver) ? receiver.getSymbol()?.getDeclarations()[0] : undefined;
    const global = declared === undefined ? GLOBALS.includes(receiver.getText()) : !this.names.isInside(declared);
    if (global) return this.refuse(node, refusedGlobalCall(node));
    return {
      kind: "call",
      callee: name,
      receiver: this.expression(receiver),
      args: args.map((each) => this.argument(each)),
      span,
    };
  }

  /** Options in a record are named arguments: `split({ train: 0.8, test: 0.2 })` is `split(train: 0.8, test: 0.2)`. */
  options(node: CallExpression): readonly Argument[] {
    return node.getArguments().flatMap((each): Argument[] => {
      const value = unwrapped(each);
      if (!Node.isObjectLiteralExpression(value)) return [this.argument(each)];
      return this.fields(value).flatMap((field): Argument[] => {
        if (field.kind === "field") return [{ name: field.name, value: field.value, span: field.span }];
        this.refuse(value, ["options that are spread from a record", "write each option out"]);
        return [];
      });
    });
  }

  argument(node: Node): Argument {
    const value = unwrapped(node);
    const span = this.span(node);
    if (Node.isSpreadElement(value)) {
      const list = short(value.getExpression());
      const math = Node.isCallExpression(node.getParent()) && node.getParentOrThrow().getText().startsWith("Math.");
      const help = math ? `dataset(${list}).max((x) => x)` : "write each argument out";
      return { name: null, value: this.refuse(value, ["arguments that are spread from a list", help]), span };
    }
    const lambda = Node.isArrowFunction(value) || Node.isFunctionExpression(value);
    return { name: null, value: lambda ? this.#lambda(value) : this.expression(value), span };
  }

  /** `({ id }) => id + 1` is `row => row.id + 1`. */
  #lambda(node: ArrowFunction | FunctionExpression): Expr {
    const span = this.span(node);
    const parameters: Name[] = [];
    for (const parameter of node.getParameters()) {
      const name = parameter.getNameNode();
      const refusal: Refusal | null =
        parameter.isRestParameter() || parameter.getInitializer() !== undefined
          ? ["a lambda whose argument has a default or is a rest", "(row) => …"]
          : refusedPattern(name);
      if (refusal !== null) return this.refuse(name, refusal, span);
      if (Node.isIdentifier(name)) {
        parameters.push(this.name(name));
        continue;
      }
      const row: Name = { text: this.names.fresh("row"), span: this.span(name) };
      parameters.push(row);
      for (const [i, element] of name.getElements().filter(Node.isBindingElement).entries()) {
        const field = this.name(element.getPropertyNameNode() ?? element.getNameNode());
        const isField = Node.isObjectBindingPattern(name);
        this.names.alias(element.getNameNode(), (at) => {
          const of: Expr = { kind: "name", name: row.text, span: at };
          if (isField) return { kind: "field", of, name: { ...field, span: at }, optional: false, span: at };
          return { kind: "index", of, index: { kind: "number", value: i, numeric: "either", span: at }, span: at };
        });
      }
    }
    const told = this.#diagnostics.length;
    const [only, ...more] = this.functionBody(node).statements;
    if (only?.kind === "expression" && more.length === 0) return { kind: "lambda", parameters, body: only.value, span };
    if (only === undefined && this.#diagnostics.length > told) return { kind: "error", span };
    if (only === undefined) return this.refuse(node.getBody(), ["a lambda that gives nothing", "(row) => …"], span);
    return this.refuse(
      node.getBody(),
      ["a lambda of several statements", "put them in an exported function of a file of stages, and call that"],
      span,
    );
  }

  // --- What the readers of forms need -------------------------------------------------------------------------------------

  name(node: Node): Name {
    const text = Node.isStringLiteral(node) || Node.isNumericLiteral(node) ? node.compilerNode.text : node.getText();
    return { text, span: this.span(node) };
  }

  span(node: Node): Span {
    return this.names.span(node);
  }

  refuse(node: Node, [form, help]: Refusal, whole: Span = this.span(node)): Expr {
    this.#diagnostics.push(report("HR510", { form }, [{ span: this.span(node), label: "here", role: "primary" }], { help }));
    return { kind: "error", span: whole };
  }
}

function statementsOf(node: TsStatement | undefined): readonly TsStatement[] {
  return node === undefined ? [] : Node.isBlock(node) ? node.getStatements() : [node];
}

type Returns = "always" | "sometimes" | "never";

function returns(statement: TsStatement): Returns {
  if (Node.isReturnStatement(statement)) return "always";
  if (!Node.isIfStatement(statement)) return "never";
  const branches = [returnsOf(statementsOf(statement.getThenStatement())), returnsOf(statementsOf(statement.getElseStatement()))];
  return branches.every((each) => each === "always") ? "always" : branches.every((each) => each === "never") ? "never" : "sometimes";
}

function returnsOf(statements: readonly TsStatement[]): Returns {
  const all = statements.map(returns);
  return all.includes("always") ? "always" : all.includes("sometimes") ? "sometimes" : "never";
}

const inOptionalChain = (node: Node): boolean => (node.compilerNode.flags & ts.NodeFlags.OptionalChain) !== 0;

function isList(node: Node): boolean {
  const type = node.getType().getNonNullableType();
  return type.isArray() || type.isReadonlyArray() || type.isTuple();
}

function isListOrText(node: Node): boolean {
  const type = node.getType().getNonNullableType();
  return isList(node) || type.isString() || type.isStringLiteral() || type.isTemplateLiteral();
}
