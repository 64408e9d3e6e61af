// The functions of "headrace" that say more than a call does: those that hold a block (`fit`, `loop`, `forEach`, `onFailure`), the
// statements (`track`, `keep`, …), and `within`. Each becomes the form of `.pipe` text. Must not know how anything else is read.
import type {
  ArrowFunction,
  BinaryExpression,
  CallExpression,
  FunctionExpression,
  ObjectLiteralExpression,
  PropertyAccessExpression,
} from "ts-morph";
import { Node, ts } from "ts-morph";
import type { Name, Span } from "../../lang/ast.ts";
import type { Argument, Block, Carried, Expr, Statement } from "../module.ts";
import type { BodyReader, OnReturn } from "./typescript-body.ts";
import { isTime, unwrapped } from "./typescript-names.ts";
import { STAGE_HELP, short } from "./typescript-refusals.ts";

type Lambda = ArrowFunction | FunctionExpression;
const isLambda = (node: Node | undefined): node is Lambda => Node.isArrowFunction(node) || Node.isFunctionExpression(node);

/** Null for a function of "headrace" that is a plain call. */
export function readForm(form: string, call: CallExpression, reader: BodyReader): Expr | null {
  switch (form) {
    case "fit":
      return readFit(call, reader);
    case "loop":
      return readLoop(call, reader);
    case "forEach":
      return readForEach(call, reader);
    case "within":
      return readWithin(call, reader);
    case "timestamp":
      return readMoved(call, reader);
    case "file":
    case "files": {
      const what = form === "file" ? "InputFile" : "InputFiles";
      return reader.refuse(call, [
        `a call of \`${form}\` but as the default of a parameter`,
        `input: ${what} = ${short(call, 60)}, as a parameter of the pipeline that runs`,
      ]);
    }
    default:
      return null;
  }
}

const STATEMENTS = ["track", "expect", "perform", "keep", "stopAfter", "onFailure"];
export const isStatementForm = (form: string): boolean => STATEMENTS.includes(form);

/** A form that is a statement of its own. */
export function readStatementForm(form: string, call: CallExpression, reader: BodyReader, span: Span): readonly Statement[] {
  const [first, second] = call.getArguments();
  const wrong = (what: string, help: string): [] => {
    reader.refuse(call, [what, help]);
    return [];
  };
  switch (form) {
    case "track": {
      const name = writtenText(first, reader);
      if (name === null || second === undefined) return wrong("a `track` whose name isn't written out", 'track("loss", …)');
      return [{ kind: "track", name, value: reader.expression(second), span: reader.span(call) }];
    }
    case "expect":
      if (first === undefined) return wrong("an `expect` without a condition", 'expect(condition, "message")');
      return [
        { kind: "expect", condition: reader.expression(first), message: second === undefined ? null : reader.expression(second), span },
      ];
    case "perform":
      if (first === undefined || isLambda(unwrapped(first))) return wrong("a `perform` of no call", "perform(notify(x))");
      return [{ kind: "do", value: reader.expression(first), span }];
    case "keep": {
      const options = optionsOf(second);
      const direction = ["minimizing", "maximizing"].find((each) => options?.getProperty(each) !== undefined);
      const metric = direction === undefined ? null : metricOf(optionValue(options!, direction), reader);
      if (first === undefined || metric === null || direction === undefined)
        return wrong("a `keep` that doesn't say by which number", "keep(w, { minimizing: valLoss }), with valLoss tracked");
      return [
        {
          kind: "keep",
          value: reader.expression(first),
          direction: direction === "minimizing" ? "minimizing" : "maximizing",
          metric,
          span,
        },
      ];
    }
    case "stopAfter": {
      const metric = metricOf(optionValue(optionsOf(second), "withoutImprovementOf"), reader);
      if (first === undefined || metric === null)
        return wrong(
          "a `stopAfter` that doesn't say of which number",
          "stopAfter(3, { withoutImprovementOf: valLoss }), with valLoss tracked",
        );
      return [{ kind: "stop", after: reader.expression(first), metric, span }];
    }
    default: {
      const body = first === undefined ? undefined : unwrapped(first);
      const parameter = isLambda(body) ? body.getParameters()[0]?.getNameNode() : undefined;
      if (!isLambda(body) || body.getParameters().length > 1 || (parameter !== undefined && !Node.isIdentifier(parameter)))
        return wrong("an `onFailure` that isn't given an arrow function of one name", "onFailure((e) => { perform(report(e.message)); })");
      const name = parameter === undefined ? { text: reader.names.fresh("failure"), span: reader.span(body) } : reader.name(parameter);
      return [{ kind: "onFailure", name, body: reader.functionBody(body, null), span }];
    }
  }
}

/** A tracked name: a text, or the value that was tracked under some name. */
function metricOf(node: Node | undefined, reader: BodyReader): Name | null {
  const text = writtenText(node, reader);
  if (text !== null || node === undefined) return text;
  const value = unwrapped(node);
  if (!Node.isIdentifier(value)) return null;
  const block = value.getFirstAncestorByKind(ts.SyntaxKind.ArrowFunction);
  const tracked = block
    ?.getDescendantsOfKind(ts.SyntaxKind.CallExpression)
    .find((call) => reader.names.form(call) === "track" && call.getArguments()[1]?.getText() === value.getText());
  const name = writtenText(tracked?.getArguments()[0], reader);
  return { text: name?.text ?? value.getText(), span: reader.span(value) };
}

/** The text of a literal, at the place inside its quotes. */
function writtenText(node: Node | undefined, reader: BodyReader): Name | null {
  if (node === undefined || !(Node.isStringLiteral(node) || Node.isNoSubstitutionTemplateLiteral(node))) return null;
  const at = reader.span(node);
  return { text: node.getLiteralText(), span: { ...at, start: at.start + 1, end: at.end - 1 } };
}

function optionsOf(node: Node | undefined): ObjectLiteralExpression | null {
  const value = node === undefined ? undefined : unwrapped(node);
  return Node.isObjectLiteralExpression(value) ? value : null;
}

/** What an option is given, also as `{ max }`. */
function optionValue(options: ObjectLiteralExpression | null, name: string): Node | undefined {
  const property = options?.getProperty(name);
  return Node.isPropertyAssignment(property)
    ? property.getInitializer()
    : Node.isShorthandPropertyAssignment(property)
      ? property.getNameNode()
      : undefined;
}

/** The options that a form doesn't have, which would else be dropped in silence. */
function refuseOthers(options: ObjectLiteralExpression | null, known: readonly string[], form: string, reader: BodyReader): void {
  for (const property of options?.getProperties() ?? []) {
    const name = Node.isPropertyAssignment(property) || Node.isShorthandPropertyAssignment(property) ? property.getName() : null;
    if (name !== null && known.includes(name)) continue;
    reader.refuse(property, [
      `\`${short(property, 30)}\` as an option of \`${form}\``,
      `its options are ${known.map((one) => `\`${one}\``).join(", ")}`,
    ]);
  }
}

// --- fit -----------------------------------------------------------------------------------------------------------------

const FIT = "fit(init(seed), (epoch) => rows.shuffle(epoch).batches(64), epochs, (w, batch) => …)";

function readFit(call: CallExpression, reader: BodyReader): Expr {
  const [init, over, epochs, update, last] = call.getArguments().map(unwrapped);
  const span = reader.span(call);
  if (init === undefined || epochs === undefined || !isLambda(over) || !isLambda(update))
    return reader.refuse(call, ["a `fit` whose batches or update aren't arrow functions", FIT]);
  const [state, batch, at] = update.getParameters().map((parameter) => parameter.getNameNode());
  if (state === undefined || !Node.isIdentifier(batch))
    return reader.refuse(update, ["a `fit` whose update doesn't take a state and a batch, by name", FIT]);
  const epoch = over.getParameters()[0]?.getNameNode();
  if (epoch !== undefined) word(epoch, "epoch", reader);
  if (at !== undefined && !readPlace(at, reader))
    return reader.refuse(at, ["the place of a step by another name", "(w, batch, { epoch, step }) => …"]);
  const carried = readCarried(init, state, "fit", reader);
  if (carried === null) return { kind: "error", span };
  const batches = only(
    reader.functionBody(over),
    over,
    "batches given by several statements",
    "(epoch) => rows.shuffle(epoch).batches(64)",
    reader,
  );
  let given = false;
  const body = reader.functionBody(update, (value, node) => {
    given = true;
    return nextOf(value, node, carried, [], reader) ?? [];
  });
  if (!given) {
    const names = carried.map(({ name }) => name.text).join(", ");
    reader.refuse(update, [
      "an update of `fit` that returns nothing",
      `return the next \`${carried.length > 1 ? `{ ${names} }` : names}\``,
    ]);
  }
  if (last !== undefined && optionsOf(last) === null)
    reader.refuse(last, ["options of `fit` that aren't written out", "{ eachEpoch: (w) => { … } }"]);
  refuseOthers(optionsOf(last), ["eachEpoch"], "fit", reader);
  return {
    kind: "fit",
    carried,
    batch: reader.name(batch),
    over: batches,
    epochs: reader.expression(epochs),
    body,
    eachEpoch: readEachEpoch(optionsOf(last), carried, reader),
    span,
  };
}

/** The third argument of an update: `{ epoch, step }`, each under a name of the user's own. */
function readPlace(node: Node, reader: BodyReader): boolean {
  if (!Node.isObjectBindingPattern(node)) return false;
  return node.getElements().every((element) => {
    const field = (element.getPropertyNameNode() ?? element.getNameNode()).getText();
    if ((field !== "epoch" && field !== "step") || !Node.isIdentifier(element.getNameNode()) || element.getInitializer() !== undefined)
      return false;
    word(element.getNameNode(), field, reader);
    return true;
  });
}

/** The user's name for a value that has a fixed one in a module. */
function word(node: Node, text: string, reader: BodyReader): void {
  reader.names.alias(node, (span) => ({ kind: "name", name: text, span }));
}

function readEachEpoch(options: ObjectLiteralExpression | null, carried: readonly Carried[], reader: BodyReader): Block | null {
  const property = options?.getProperty("eachEpoch");
  if (property === undefined) return null;
  const value = optionValue(options, "eachEpoch");
  const body = value === undefined ? undefined : unwrapped(value);
  if (!isLambda(body)) {
    reader.refuse(property, ["an `eachEpoch` that isn't an arrow function", "eachEpoch: (w, epoch) => { … }"]);
    return null;
  }
  const [state, epoch] = body.getParameters().map((parameter) => parameter.getNameNode());
  if (epoch !== undefined) word(epoch, "epoch", reader);
  if (state !== undefined && !nameCarried(state, carried, reader)) return null;
  return reader.functionBody(body, null);
}

// --- What is carried from step to step -------------------------------------------------------------------------------------

/** One value by name, or several: `{ w, m }` with a field each in the value to begin with. */
function readCarried(init: Node, state: Node, form: string, reader: BodyReader): readonly Carried[] | null {
  if (Node.isIdentifier(state)) return [{ name: reader.name(state), init: reader.expression(init), span: reader.span(init) }];
  if (!Node.isObjectBindingPattern(state)) {
    reader.refuse(state, [`a list of values that \`${form}\` carries`, "{ a, b }: a record has a name for each"]);
    return null;
  }
  if (!Node.isObjectLiteralExpression(init)) {
    const text = state.getText();
    reader.refuse(init, [
      `values that \`${form}\` carries by name, but that don't begin by name`,
      `${text} is to be given as { name: … } for each`,
    ]);
    return null;
  }
  const carried: Carried[] = [];
  for (const field of reader.fields(init)) {
    if (field.kind === "spread") {
      reader.refuse(init, [`values that \`${form}\` carries, spread from a record`, "write each out: { a: …, b: … }"]);
      return null;
    }
    carried.push({ name: field.name, init: field.value, span: field.span });
  }
  return nameCarried(state, carried, reader) ? carried : null;
}

/** Reads the user's names for what is carried as the names in the module. */
function nameCarried(node: Node, carried: readonly Carried[], reader: BodyReader): boolean {
  const names = carried.map(({ name }) => name.text);
  if (Node.isIdentifier(node) && carried.length === 1) {
    if (node.getText() !== names[0]) word(node, names[0]!, reader);
    return true;
  }
  const help = carried.length === 1 ? `${names[0]}` : `{ ${names.join(", ")} }`;
  const elements = Node.isObjectBindingPattern(node) ? node.getElements() : [];
  const plain = elements.every(
    (element) =>
      Node.isIdentifier(element.getNameNode()) && element.getInitializer() === undefined && element.getDotDotDotToken() === undefined,
  );
  const fields = elements.map((element) => (element.getPropertyNameNode() ?? element.getNameNode()).getText());
  if (!Node.isObjectBindingPattern(node) || !plain || fields.some((field) => !names.includes(field))) {
    reader.refuse(node, ["names for other values than are carried", help]);
    return false;
  }
  for (const [i, element] of elements.entries()) word(element.getNameNode(), fields[i]!, reader);
  return true;
}

/** What is returned as `<-` for each carried value; where one reads another's old value, all are computed first. */
function nextOf(
  value: Expr,
  node: Node,
  carried: readonly Carried[],
  before: readonly Statement[],
  reader: BodyReader,
): readonly Statement[] | null {
  const span = reader.span(node);
  if (carried.length === 1) return [...before, { kind: "next", name: carried[0]!.name, value, span }];
  const names = carried.map(({ name }) => name.text);
  const fields = value.kind === "record" ? value.fields.flatMap((field) => (field.kind === "field" ? [field] : [])) : [];
  if (value.kind === "error") return null;
  if (
    value.kind !== "record" ||
    fields.length < value.fields.length ||
    fields.length !== names.length ||
    fields.some(({ name }) => !names.includes(name.text))
  ) {
    reader.refuse(node, [
      "next values that aren't written out by name",
      `{ ${names.map((name) => `${name}: …`).join(", ")} }, each as a field`,
    ]);
    return null;
  }
  const clash = fields.some(({ name }, i) => fields.slice(i + 1).some((later) => reads(later.value, [name.text])));
  if (!clash)
    return [...before, ...fields.map((field): Statement => ({ kind: "next", name: field.name, value: field.value, span: field.span }))];
  const lets: Statement[] = [];
  const nexts = fields.map((field): Statement => {
    const text = reader.names.fresh(`next${field.name.text[0]!.toUpperCase()}${field.name.text.slice(1)}`);
    lets.push(hidden(text, field.value));
    return { kind: "next", name: field.name, value: { kind: "name", name: text, span: field.span }, span: field.span };
  });
  return [...lets, ...before, ...nexts];
}

const hidden = (text: string, value: Expr): Statement => {
  const name: Name = { text, span: value.span };
  return { kind: "let", doc: null, pattern: { kind: "name", name, span: value.span }, type: null, value, span: value.span };
};

function reads(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  if ("kind" in value && value.kind === "name" && "name" in value && typeof value.name === "string") return names.includes(value.name);
  return Object.values(value).some((child) => reads(child, names));
}

// --- loop ----------------------------------------------------------------------------------------------------------------

const LOOP = "loop(init, { max: 50 }, (c) => { const next = …; return { next, until: … }; })";

function readLoop(call: CallExpression, reader: BodyReader): Expr {
  const [init, settings, step] = call.getArguments().map(unwrapped);
  const span = reader.span(call);
  const state = isLambda(step) ? step.getParameters()[0]?.getNameNode() : undefined;
  if (init === undefined || !isLambda(step) || state === undefined || step.getParameters().length > 1)
    return reader.refuse(call, ["a `loop` without a step that takes its state", LOOP]);
  const most = optionValue(optionsOf(settings), "max");
  if (most === undefined) return reader.refuse(call, ["a `loop` that doesn't say how often at most", LOOP]);
  refuseOthers(optionsOf(settings), ["max"], "loop", reader);
  const carried = readCarried(init, state, "loop", reader);
  if (carried === null) return { kind: "error", span };
  const names = carried.map(({ name }) => name.text);
  let until: Expr | null = null;
  const onReturn: OnReturn = (value, node) => {
    const field = (name: string): Expr | null => {
      const found = value.kind === "record" ? value.fields.find((each) => each.kind === "field" && each.name.text === name) : undefined;
      return found?.value ?? null;
    };
    const [next, ends] = [field("next"), field("until")];
    if (next === null || ends === null || value.kind !== "record" || value.fields.length !== 2) {
      until = { kind: "error", span };
      if (value.kind !== "error")
        reader.refuse(node, ["a step of `loop` that doesn't return what comes next and when to stop", "return { next: …, until: … }"]);
      return [];
    }
    // `until` is tested behind the step, where a carried name stands for what comes next; here it stands for what was.
    if (!reads(ends, names)) {
      until = ends;
      return nextOf(next, node, carried, [], reader) ?? [];
    }
    const text = reader.names.fresh("done");
    until = { kind: "name", name: text, span: ends.span };
    return nextOf(next, node, carried, [hidden(text, ends)], reader) ?? [];
  };
  const body = reader.functionBody(step, onReturn);
  if (until === null) return reader.refuse(step, ["a step of `loop` that returns nothing", "return { next: …, until: … }"]);
  return { kind: "loop", carried, until, max: reader.expression(most), body, span };
}

// --- for, within ---------------------------------------------------------------------------------------------------------

function readForEach(call: CallExpression, reader: BodyReader): Expr {
  const [items, body] = call.getArguments().map(unwrapped);
  const parameter = isLambda(body) ? body.getParameters()[0]?.getNameNode() : undefined;
  if (items === undefined || !isLambda(body) || parameter === undefined || body.getParameters().length > 1)
    return reader.refuse(call, ["a `forEach` without an arrow function of one item", "forEach(xs, (x) => …)"]);
  const pattern = reader.pattern(parameter);
  const over = reader.expression(items);
  const block = reader.functionBody(body, ...(reader.givesNothing(body) ? [null] : []));
  if (pattern === null) return { kind: "error", span: reader.span(call) };
  return { kind: "for", pattern, in: over, body: block, span: reader.span(call) };
}

function readWithin(call: CallExpression, reader: BodyReader): Expr {
  const [limit, value, settings] = call.getArguments().map(unwrapped);
  const written = writtenText(limit, reader);
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(written?.text ?? "");
  const otherwise = optionValue(optionsOf(settings), "else");
  if (limit === undefined || parts === null || value === undefined || otherwise === undefined)
    return reader.refuse(call, ["a `within` that doesn't say how long, or what else", 'within("20ms", f(x), { else: g(x) })']);
  refuseOthers(optionsOf(settings), ["else"], "within", reader);
  const quantity: Expr = { kind: "quantity", value: Number(parts[1]), unit: parts[2]!, span: reader.span(limit) };
  return {
    kind: "within",
    value: reader.expression(value),
    limit: quantity,
    otherwise: reader.expression(otherwise),
    span: reader.span(call),
  };
}

/** `rows.agg((all) => ({ n: all.count() }))` is `rows |> agg(n: count())`. */
export function readAgg(call: CallExpression, name: Node, rows: Argument, reader: BodyReader): Expr {
  const lambda = call.getArguments()[0];
  const read = lambda === undefined ? null : reader.argument(lambda).value;
  const example = "rows.agg((all) => ({ n: all.count(), late: all.mean((row) => row.delay) }))";
  if (read?.kind === "error") return read;
  const all = read?.kind === "lambda" ? read.parameters[0]?.text : undefined;
  const fields = read?.kind === "lambda" && read.body.kind === "record" ? read.body.fields : [];
  const args = fields.flatMap((field): Argument[] => {
    if (field.kind !== "field" || field.value.kind !== "call") return [];
    const [of, ...others] = field.value.args;
    if (of?.value.kind !== "name" || of.value.name !== all) return [];
    return [{ name: field.name, value: { ...field.value, args: others }, span: field.span }];
  });
  if (args.length === 0 || args.length < fields.length)
    return reader.refuse(call, ["an `agg` whose fields aren't reductions of the rows that it is given", example]);
  return { kind: "call", callee: reader.name(name), receiver: null, args: [rows, ...args], span: reader.span(call) };
}

// --- Files, times ----------------------------------------------------------------------------------------------------------

/** `flights: InputFile = file("flights.csv")`: a module has the path, or the pattern. */
export function readFileDefault(node: Node, wanted: "file" | "files", reader: BodyReader): Expr {
  const call = unwrapped(node);
  if (node.getText() === "null" || node.getText() === "undefined") return reader.expression(node);
  const [path] = Node.isCallExpression(call) && reader.names.form(call) === wanted ? call.getArguments() : [];
  const text = writtenText(path, reader);
  if (path !== undefined && text !== null) return { kind: "string", value: text.text, span: reader.span(path) };
  const example = wanted === "file" ? 'file("flights.csv")' : 'files("logs/*.jsonl")';
  const literal = Node.isStringLiteral(call) ? `${wanted}(${call.getText()})` : example;
  return reader.refuse(node, [`a default of ${wanted === "file" ? "a file" : "files"} that isn't written out`, literal]);
}

/** `x` in `x.getTime()`. */
function timeIn(node: Node): Node | null {
  const call = unwrapped(node);
  const callee = Node.isCallExpression(call) ? unwrapped(call.getExpression()) : undefined;
  return Node.isPropertyAccessExpression(callee) && callee.getName() === "getTime" && isTime(callee.getExpression())
    ? callee.getExpression()
    : null;
}

/** `a.getTime() - b.getTime()` is `a - b`, which TypeScript doesn't have. */
export function readDifference(node: BinaryExpression, reader: BodyReader): Expr | null {
  const [left, right] = [timeIn(node.getLeft()), timeIn(node.getRight())];
  if (left === null || right === null) return null;
  return { kind: "binary", operator: "-", left: reader.expression(left), right: reader.expression(right), span: reader.span(node) };
}

/** `timestamp(t.getTime() + 3600000)` is `t + 3600000`. */
function readMoved(call: CallExpression, reader: BodyReader): Expr | null {
  const [of] = call.getArguments().map(unwrapped);
  const operator = Node.isBinaryExpression(of) ? of.getOperatorToken().getText() : null;
  if (!Node.isBinaryExpression(of) || (operator !== "+" && operator !== "-") || timeIn(of.getRight()) !== null) return null;
  const time = timeIn(of.getLeft());
  if (time === null) return null;
  return { kind: "binary", operator, left: reader.expression(time), right: reader.expression(of.getRight()), span: reader.span(call) };
}

const PARTS_OF_TIME: Readonly<Record<string, string>> = {
  getUTCFullYear: "year",
  getUTCMonth: "month",
  getUTCDate: "day",
  getUTCHours: "hour",
  getUTCMinutes: "minute",
  getUTCSeconds: "second",
  getUTCDay: "weekday",
};

/** A method of a `Date`: milliseconds since 1970, or what is said by another function. */
export function readTime(call: CallExpression, callee: PropertyAccessExpression, reader: BodyReader): Expr {
  const time = callee.getExpression();
  const span = reader.span(call);
  if (callee.getName() === "getTime") {
    const zero: Expr = { kind: "number", value: 0, numeric: "int", span };
    const epoch: Expr = {
      kind: "call",
      callee: { text: "timestamp", span },
      receiver: null,
      args: [{ name: null, value: zero, span }],
      span,
    };
    return { kind: "binary", operator: "-", left: reader.expression(time), right: epoch, span };
  }
  if (callee.getName() === "toISOString")
    return {
      kind: "call",
      callee: { text: "string", span: reader.span(callee.getNameNode()) },
      receiver: null,
      args: [reader.argument(time)],
      span,
    };
  const utc = callee.getName().replace(/^get(?=[A-Z])(?!UTC)/, "getUTC");
  const part = Object.hasOwn(PARTS_OF_TIME, utc) ? PARTS_OF_TIME[utc]! : null;
  const help = part === null ? STAGE_HELP : `${part}(${short(time)}) of "headrace"`;
  return reader.refuse(callee.getNameNode(), [`\`.${callee.getName()}\` of a time`, help], span);
}

function only(block: Block, at: Node, what: string, help: string, reader: BodyReader): Expr {
  const [statement, ...more] = block.statements;
  if (statement?.kind === "expression" && more.length === 0) return statement.value;
  return block.statements.length === 0 ? { kind: "error", span: block.span } : reader.refuse(at, [what, help]);
}
