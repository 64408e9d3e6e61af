// TypeScript that has no meaning in a pipeline: what to call it, and what to write instead, in the user's own names where that is
// possible. Must not know how the rest is read.
import type { BindingName, CallExpression, VariableStatement } from "ts-morph";
import { Node, ts } from "ts-morph";

/** What it is called in `a pipeline can't hold …`, and the fix. */
export type Refusal = readonly [form: string, help: string];

export const STAGE_HELP = "put it in an exported function of a file of stages, and call that";
const LATER_HELP = "const name = …: each value has a name of its own; only `fit` and `loop` carry one from step to step";

/** What programs reach for without importing it, declared or not: Node's declarations need not be installed. */
export const GLOBALS: readonly string[] = [
  ...[
    "console",
    "process",
    "globalThis",
    "JSON",
    "Date",
    "Object",
    "Number",
    "String",
    "Boolean",
    "Array",
    "Promise",
    "performance",
    "Math",
  ],
  ...["Symbol", "Reflect", "Map", "Set", "crypto", "Intl", "Buffer", "Atomics", "structuredClone"],
];

/** A user's text, as far as it fits into a line of help. */
export function short(node: Node, most = 40): string {
  const text = node.getText().replace(/\s+/g, " ");
  return text.length > most ? "…" : text;
}

// --- Statements ------------------------------------------------------------------------------------------------------------

const ASSIGNMENTS = /^(?:\*\*|<<|>>>?|&&|\|\||\?\?|[-+*/%&|^])?=$/;

export function isAssignment(node: Node): boolean {
  if (Node.isBinaryExpression(node)) return ASSIGNMENTS.test(node.getOperatorToken().getText());
  if (Node.isPostfixUnaryExpression(node)) return true;
  return (
    Node.isPrefixUnaryExpression(node) && [ts.SyntaxKind.PlusPlusToken, ts.SyntaxKind.MinusMinusToken].includes(node.getOperatorToken())
  );
}

/** What an assignment gives a value. */
export function assigned(node: Node): Node {
  return Node.isBinaryExpression(node)
    ? node.getLeft()
    : Node.isPrefixUnaryExpression(node) || Node.isPostfixUnaryExpression(node)
      ? node.getOperand()
      : node;
}

export function refusedStatement(node: Node): Refusal {
  if (Node.isForOfStatement(node)) {
    const declared = node.getInitializer();
    const item = Node.isVariableDeclarationList(declared) ? (declared.getDeclarations()[0]?.getNameNode().getText() ?? "x") : "x";
    const over = short(node.getExpression());
    return ["a `for` loop, which gives no value", `const results = forEach(${over}, (${item}) => …), or dataset(${over}).map(…) for a row`];
  }
  if (Node.isForInStatement(node)) return ["a `for … in` loop", "a stage function can walk over keys; a pipeline reads fields by name"];
  if (Node.isForStatement(node))
    return ["a counting loop", "range(n).map((i) => …), or loop(init, { max: n }, (state) => …) from step to step"];
  if (Node.isWhileStatement(node) || Node.isDoStatement(node)) {
    const most = "loop(init, { max: 100 }, (state) => { …; return { next, until: … }; })";
    return [`a \`${Node.isDoStatement(node) ? "do" : "while"}\` loop`, most];
  }
  if (Node.isFunctionDeclaration(node)) return ["a function declared inside it", exported(node.getName() ?? "f")];
  if (Node.isClassDeclaration(node)) return ["a class", STAGE_HELP];
  if (Node.isThrowStatement(node)) return ["`throw`", 'expect(condition, "message") fails the run where the condition is false'];
  if (Node.isTryStatement(node)) {
    return ["`try`", "dataset(rows).attempt(f) gives what failed as data; onFailure((e) => { … }) says what to do when the run fails"];
  }
  if (Node.isSwitchStatement(node)) {
    const on = short(node.getExpression());
    const cases = node.getClauses().flatMap((each) => (Node.isCaseClause(each) ? [short(each.getExpression())] : []));
    return ["a `switch`", `${on} === ${cases[0] ?? '"a"'} ? … : …`];
  }
  if (Node.isBreakStatement(node) || Node.isContinueStatement(node)) return [`\`${node.getText().replace(/;$/, "")}\``, STAGE_HELP];
  if (Node.isBlock(node)) return ["a block of its own", "leave its braces out"];
  if (Node.isEnumDeclaration(node) || Node.isInterfaceDeclaration(node) || Node.isTypeAliasDeclaration(node))
    return ["a declaration of a type", "declare it beside the pipeline"];
  return [`\`${node.getText().split(/[\s(;]/, 1)[0]}\``, STAGE_HELP];
}

/** A declaration by `let`, `var` or `using`. */
export function refusedDeclaration(node: VariableStatement): Refusal {
  const keyword = node.getDeclarationKind();
  if (keyword.includes("using")) return [`\`${keyword}\`, which ends with a block`, "a stage function can hold it for the time it runs"];
  const [declared] = node.getDeclarations();
  const name = declared === undefined ? "name" : short(declared.getNameNode());
  const help =
    declared?.getInitializer() === undefined
      ? `const ${name} = condition ? a : b`
      : `const ${name} = …: each value has a name of its own; \`fit\` and \`loop\` carry one from step to step`;
  return [`\`${keyword}\`, which can be assigned again`, help];
}

/** An expression that stands alone as a statement, and isn't a call. */
export function refusedAlone(node: Node): Refusal {
  if (isAssignment(node)) return ["an assignment", LATER_HELP];
  if (Node.isBinaryExpression(node) && Node.isCallExpression(node.getRight())) {
    const [left, right] = [short(node.getLeft()), short(node.getRight())];
    const operator = node.getOperatorToken().getText();
    if (operator === "&&") return ["`&&` in place of an `if`", `if (${left}) { perform(${right}); }`];
    if (operator === "||") return ["`||` in place of an `if`", `if (!(${left})) { perform(${right}); }`];
  }
  if (Node.isDeleteExpression(node)) return ["`delete`", "a record of the other fields: { a: row.a, b: row.b }"];
  if (Node.isVoidExpression(node)) return ["`void`", `perform(${short(node.getExpression())})`];
  return ["a value that nobody uses", "const name = …, or leave it out"];
}

// --- Expressions -----------------------------------------------------------------------------------------------------------

export function refusedExpression(node: Node): Refusal {
  if (isAssignment(node)) return ["an assignment", LATER_HELP];
  if (Node.isArrowFunction(node) || Node.isFunctionExpression(node)) {
    const declared = node.getFirstAncestorByKind(ts.SyntaxKind.VariableDeclaration);
    const name = declared?.getInitializer() === node ? declared.getName() : null;
    return ["a function as a value", name === null ? "give it as an argument: rows.map((row) => …)" : exported(name)];
  }
  if (Node.isBinaryExpression(node)) {
    const operator = node.getOperatorToken().getText();
    if (operator === "**") return ["the operator `**`", `Math.pow(${short(node.getLeft())}, ${short(node.getRight())})`];
    if (operator === ",") return ["a comma between expressions", "one statement for each"];
    if (operator === "in" || operator === "instanceof")
      return [`\`${operator}\``, 'compare a field that tells the kinds apart: x.kind === "a"'];
    return [`the operator \`${operator}\``, STAGE_HELP];
  }
  if (Node.isPrefixUnaryExpression(node)) return ["a unary `+` or `~`", STAGE_HELP];
  if (Node.isTypeOfExpression(node)) return ["`typeof`", "a stage function can look at what a value is"];
  if (Node.isVoidExpression(node)) return ["`void`", "null"];
  if (Node.isDeleteExpression(node)) return ["`delete`", "a record of the other fields: { a: row.a, b: row.b }"];
  if (Node.isNewExpression(node)) {
    if (node.getExpression().getText() !== "Date") return ["a `new` object", STAGE_HELP];
    const args = node.getArguments();
    if (args.length === 0)
      return ["`new Date()`, which reads the clock", "a parameter of the pipeline, or a stage function tagged @volatile"];
    return ["`new Date`", args.length === 1 ? `timestamp(${short(args[0]!)})` : 'timestamp("2020-01-31T12:30:00Z")'];
  }
  if (Node.isClassExpression(node)) return ["a class", STAGE_HELP];
  if (Node.isRegularExpressionLiteral(node)) return ["a regular expression", STAGE_HELP];
  if (Node.isTaggedTemplateExpression(node)) return ["a tagged template", STAGE_HELP];
  if (Node.isBigIntLiteral(node)) return ["a bigint", "an int is a whole number up to 2^53"];
  if (Node.isThisExpression(node) || Node.isSuperExpression(node))
    return [`\`${node.getText()}\``, "a pipeline belongs to no object: name the value"];
  if (Node.isYieldExpression(node)) return ["`yield`", "return the values as one record"];
  if (Node.isMetaProperty(node)) return [`\`${node.getText()}\``, STAGE_HELP];
  return [`\`${node.getText().split(/[\s(;]/, 1)[0]}\``, STAGE_HELP];
}

const exported = (name: string): string => `export function ${name}(…) { … } in a file of stages, and call that`;

// --- Calls -----------------------------------------------------------------------------------------------------------------

/** Methods of arrays that change them, or whose meaning hangs on an order of steps. */
const ARRAY_METHODS: Readonly<Record<string, (list: string) => string>> = {
  push: (list) => `[...${list}, item] is a new list with one more`,
  unshift: (list) => `[item, ...${list}] is a new list with one more`,
  sort: (list) => `dataset(${list}).sortBy((row) => row.key)`,
  toSorted: (list) => `dataset(${list}).sortBy((row) => row.key)`,
  slice: (list) => `dataset(${list}).take(n) gives the first n`,
  forEach: (list) => `forEach(${list}, (item) => …)`,
  find: (list) => `dataset(${list}).filter((row) => …).collect()[0]`,
  reduce: (list) => `dataset(${list}).reduce((a, b) => …), without a first value, or dataset(${list}).sum((row) => …)`,
};

export function refusedMethod(method: string, list: Node, isList: boolean): Refusal {
  if (!isList) return [`\`.${method}\` of a text`, STAGE_HELP];
  const own = Object.hasOwn(ARRAY_METHODS, method) ? ARRAY_METHODS[method] : undefined;
  return [`\`.${method}\` of a list`, own?.(short(list, 30)) ?? STAGE_HELP];
}

/** A call on something that isn't of the pipeline: `console.log(x)`, `Promise.all([…])`. */
export function refusedGlobalCall(node: CallExpression): Refusal {
  const callee = node.getExpression().getText();
  const form = `a call of \`${callee}\``;
  const [first] = node.getArguments();
  if (callee.startsWith("Promise.")) return [form, "name each value: stages that don't need each other run side by side"];
  if (callee.startsWith("console.")) return [form, "perform(log(…)), with log exported by a file of stages"];
  if (callee === "Math.random") return [form, "a seed: rows.shuffle(seed), or a stage function that takes one"];
  if (callee === "Date.now" || callee === "performance.now")
    return [form, "a parameter of the pipeline, or a stage function tagged @volatile"];
  if (callee === "Object.assign") return [form, "{ ...a, ...b }"];
  if (callee === "Array.from" && first !== undefined) return [form, "range(n).map((i) => …)"];
  return [form, STAGE_HELP];
}

// --- Names that take a value apart --------------------------------------------------------------------------------------------

/** What a pattern has that `.pipe` text has no form for; null where it has nothing such. */
export function refusedPattern(node: BindingName): Refusal | null {
  if (Node.isIdentifier(node)) return null;
  for (const element of node.getElements()) {
    if (!Node.isBindingElement(element)) return ["a place without a name in `[ ]`", "name each item, or read one by its place: xs[1]"];
    const name = element.getNameNode();
    if (element.getDotDotDotToken() !== undefined) return ["a rest in a pattern", `name what is needed; without \`...${name.getText()}\``];
    if (element.getInitializer() !== undefined) {
      const fallback = short(element.getInitializer()!);
      return ["a default in a pattern", `${name.getText()} ?? ${fallback}, where it is read`];
    }
    if (!Node.isIdentifier(name)) {
      const field = element.getPropertyNameNode()?.getText() ?? "inner";
      return ["a pattern inside a pattern", `const { ${field} } = …; const ${short(name)} = ${field};`];
    }
    if (Node.isComputedPropertyName(element.getPropertyNameNode())) return ["a computed field", "const { name } = …"];
  }
  return null;
}
