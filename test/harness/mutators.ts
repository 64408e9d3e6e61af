// Programs with mistakes, put there on purpose: each mutator makes one statement of a right program wrong, whatever else the program
// holds, and says on which line the message has to stand. Reads programs by the parser's tree and the signatures of their TypeScript;
// must not know how messages are made.

import { operationNames } from "../../compiler/2-check/operations.ts";
import type { FunctionSignature } from "../../compiler/module.ts";
import type * as ast from "../../lang/ast.ts";
import { parse } from "../../lang/parse.ts";

export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}
/** One way to make a program wrong. */
export interface Site {
  readonly mutator: string;
  /** The statement that it makes wrong. */
  readonly unit: Unit;
  readonly edits: readonly Edit[];
  /** Lines, from 0, that the message may stand on: the mistake's own, and for a bracket without its half that of the half. */
  readonly lines: readonly number[];
}

/** What can be wrong by itself: a declaration's head, a statement without the blocks in it, an entry of a schedule. */
interface Unit {
  readonly index: number;
  readonly text: string;
  /** Units whose messages may be silenced, or brought about, where this one is wrong. */
  readonly reaches: Set<Unit>;
}

export interface Program {
  readonly text: string;
  readonly sites: readonly Site[];
}

/** Neither follows from the other, by no chain of names. */
const independent = (a: Unit, b: Unit): boolean => a !== b && !a.reaches.has(b) && !b.reaches.has(a);

export function readProgram(file: string, text: string, functions: Readonly<Record<string, FunctionSignature>>): Program {
  const parsed = parse(text, file);
  if (parsed.diagnostics.length > 0) throw new Error(`${file} can't be read`);
  const units = new Units(text, parsed.file);
  const collector = new Collector(text, functions, units);
  collector.file(parsed.file);
  return { text, sites: collector.sites };
}

/** Up to `count` mistakes in statements that are independent of each other; `random(n)` is a whole number below n. */
export function mutate(program: Program, count: number, random: (n: number) => number): { text: string; sites: Site[] } {
  const chosen: Site[] = [];
  while (chosen.length < count) {
    const free = program.sites.filter(({ unit }) => chosen.every((one) => independent(one.unit, unit)));
    if (free.length === 0) break;
    // All kinds of mistakes are equally frequent.
    const kinds = [...new Set(free.map(({ mutator }) => mutator))];
    const kind = kinds[random(kinds.length)]!;
    const sites = free.filter(({ mutator }) => mutator === kind);
    chosen.push(sites[random(sites.length)]!);
  }
  const edits = chosen.flatMap((site) => site.edits).sort((a, b) => b.start - a.start);
  let { text } = program;
  for (const { start, end, text: put } of edits) text = text.slice(0, start) + put + text.slice(end);
  return { text, sites: chosen };
}

// --- Statements, and what follows from what -------------------------------------------------------------------------------------

type Node = { readonly kind: string; readonly span: ast.Span };
const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "span" in value;

class Units {
  private readonly text: string;
  private readonly all: Unit[] = [];
  private readonly of = new Map<object, Unit>();
  /** Which unit gives a name, and which text reads names. */
  private readonly givers = new Map<string, Set<Unit>>();

  constructor(text: string, file: ast.File) {
    this.text = text;
    for (const declaration of file.declarations) this.declaration(declaration);
    for (const unit of this.all)
      for (const name of namesIn(unit.text)) for (const giver of this.givers.get(name) ?? []) giver.reaches.add(unit);
    this.close();
  }

  unit(node: object): Unit {
    const found = this.of.get(node);
    if (!found) throw new Error("a node without a unit");
    return found;
  }

  private declaration(declaration: ast.Declaration): void {
    const { start, end } = declaration.span;
    switch (declaration.kind) {
      case "import": {
        const unit = this.add(declaration, this.text.slice(start, end));
        for (const { name, as } of declaration.items) this.gives((as ?? name).text, unit);
        return;
      }
      case "type":
      case "param":
        this.gives(declaration.name.text, this.add(declaration, this.text.slice(start, end)));
        return;
      case "pipeline":
      case "service": {
        const head = this.add(declaration, this.text.slice(start, declaration.body.span.start));
        this.gives(declaration.name.text, head);
        for (const { name } of declaration.parameters) this.gives(name.text, head);
        for (const inner of this.block(declaration.body)) head.reaches.add(inner);
        return;
      }
      case "schedule": {
        const head = this.add(declaration, `schedule ${declaration.pipeline?.text ?? ""}`);
        for (const entry of declaration.entries) head.reaches.add(this.add(entry, this.text.slice(entry.span.start, entry.span.end)));
      }
    }
  }

  /** Statements of a block; what comes of the last one is what the block gives. */
  private block(block: ast.Block): Unit[] {
    return block.statements.flatMap((statement) => this.statement(statement));
  }

  /** The statement, and those in its blocks. */
  private statement(statement: ast.Statement): Unit[] {
    const blocks = this.blocksOf(statement);
    let own = "";
    let at = statement.span.start;
    for (const { span } of blocks) {
      own += this.text.slice(at, span.start);
      at = span.end;
    }
    own += this.text.slice(at, statement.span.end);
    const head = this.add(statement, own);
    // Who reads what the statement gives depends on its blocks too; they don't depend on each other.
    const value: Unit = { index: -1, text: "", reaches: new Set() };
    this.all.push(value);
    head.reaches.add(value);
    const inner = blocks.flatMap((block) => this.block(block));
    for (const one of inner) {
      head.reaches.add(one);
      one.reaches.add(value);
    }
    if (statement.kind === "let") for (const name of patternNames(statement.pattern)) this.gives(name, value);
    walk(statement, (node) => {
      const form = node as object as ast.Expression;
      if (form.kind === "fit" || form.kind === "loop") for (const { name } of form.carried) this.gives(name.text, head);
      if (form.kind === "fit") this.gives(form.batch.text, head);
      if (form.kind === "for") for (const name of patternNames(form.pattern)) this.gives(name, head);
      return true;
    });
    return [head, ...inner];
  }

  /** Its outermost blocks of several lines. */
  private blocksOf(statement: ast.Statement): ast.Block[] {
    const found: ast.Block[] = [];
    walk(statement, (node) => {
      if (!("statements" in node)) return true;
      const block = node as object as ast.Block;
      if (!this.text.slice(block.span.start, block.span.end).includes("\n")) return true;
      found.push(block);
      return false;
    });
    return found.sort((a, b) => a.span.start - b.span.start);
  }

  private add(node: object, text: string): Unit {
    const unit: Unit = { index: this.all.length, text, reaches: new Set() };
    this.all.push(unit);
    this.of.set(node, unit);
    return unit;
  }
  private gives(name: string, unit: Unit): void {
    this.givers.set(name, (this.givers.get(name) ?? new Set()).add(unit));
  }

  private close(): void {
    for (const unit of this.all) {
      const stack = [...unit.reaches];
      for (let next = stack.pop(); next; next = stack.pop())
        for (const further of next.reaches)
          if (!unit.reaches.has(further)) {
            unit.reaches.add(further);
            stack.push(further);
          }
    }
  }
}

/** Words that may be read: neither fields nor the names of arguments and fields. */
function namesIn(text: string): string[] {
  const code = text.replace(/\/\/.*$/gm, "").replace(/"[^"\n]*"/g, '""');
  return [...code.matchAll(/(?<![\w.])[A-Za-z_]\w*(?!\w)(?!\s*:)/g)].map(([name]) => name);
}

function patternNames(pattern: ast.Pattern): string[] {
  if (pattern.kind === "name") return [pattern.name.text];
  return pattern.kind === "fields" ? pattern.fields.map(({ name }) => name.text) : pattern.names.map(({ text }) => text);
}

/** All nodes in a tree, outermost first; `false` leaves out what is inside. */
function walk(node: object, visit: (node: Node) => boolean): void {
  for (const child of Array.isArray(node) ? node : [node]) {
    if (typeof child !== "object" || child === null) continue;
    if (isNode(child) && visit(child) === false) continue;
    for (const [key, inner] of Object.entries(child)) if (key !== "span" && typeof inner === "object" && inner !== null) walk(inner, visit);
  }
}

// --- Mistakes ---------------------------------------------------------------------------------------------------------------------

type Call = ast.Expression & { readonly kind: "call" | "pipe" };

class Collector {
  readonly sites: Site[] = [];
  private readonly text: string;
  private readonly functions: Readonly<Record<string, FunctionSignature>>;
  private readonly units: Units;
  private readonly words: ReadonlySet<string>;
  /** Values whose names are taken everywhere. */
  private params: string[] = [];
  private unit: Unit | null = null;
  private frame: { readonly inFit: boolean } = { inFit: false };

  constructor(text: string, functions: Readonly<Record<string, FunctionSignature>>, units: Units) {
    this.text = text;
    this.functions = functions;
    this.units = units;
    this.words = new Set([...namesIn(text.replaceAll(":", " ").replaceAll(".", " ")), ...operationNames, ...Object.keys(functions)]);
  }

  file(file: ast.File): void {
    this.params = file.declarations.flatMap((one) => (one.kind === "param" ? [one.name.text] : []));
    for (const declaration of file.declarations) {
      this.unit = this.units.unit(declaration);
      this.declaration(declaration);
    }
  }

  // --- Putting mistakes into the text --------------------------------------------------------------------------------------------

  private slice({ start, end }: { readonly start: number; readonly end: number }): string {
    return this.text.slice(start, end);
  }
  private lineOf(offset: number): number {
    return this.text.slice(0, offset).split("\n").length - 1;
  }
  private put(mutator: string, edits: readonly Edit[], also: readonly number[] = []): void {
    if (edits.some(({ start, end, text }) => text.includes("\n") || this.slice({ start, end }).includes("\n"))) return;
    this.sites.push({ mutator, unit: this.unit!, edits, lines: [this.lineOf(edits[0]!.start), ...also] });
  }
  private replace(mutator: string, span: { readonly start: number; readonly end: number }, text: string): void {
    this.put(mutator, [{ start: span.start, end: span.end, text }]);
  }
  private insert(mutator: string, at: number, text: string): void {
    this.put(mutator, [{ start: at, end: at, text }]);
  }

  /** Two letters swapped, one left out or one too many, so that no other word comes of it. */
  private misspelt(name: string): string {
    const swapped = Array.from({ length: Math.max(0, name.length - 1) }, (_, i) =>
      name[i] === name[i + 1] ? name : name.slice(0, i) + name[i + 1] + name[i] + name.slice(i + 2),
    );
    const shortened = name.length > 3 ? [name.slice(0, -2) + name.slice(-1)] : [];
    const tried = [...swapped.slice(1), ...shortened, `${name}${name.at(-1)}`, `${name}x`];
    return tried.find((one) => one !== name && !this.words.has(one) && /^[A-Za-z_]\w*$/.test(one))!;
  }

  // --- Declarations ---------------------------------------------------------------------------------------------------------------

  private declaration(declaration: ast.Declaration): void {
    switch (declaration.kind) {
      case "import":
        this.keyword(declaration.span.start, "import");
        for (const { name, as } of declaration.items) if (!as) this.replace("unknown import", name.span, this.misspelt(name.text));
        this.replace("missing file", declaration.from.span, JSON.stringify(declaration.from.text.replace(/(?=\.\w+$)/, "q")));
        this.signs(declaration.span);
        return;
      case "type":
        this.keyword(declaration.span.start, "type");
        this.types(declaration.type);
        this.signs(declaration.span);
        return;
      case "param":
        this.keyword(declaration.span.start, "param");
        this.types(declaration.type);
        if (declaration.default?.kind === "number") this.replace("wrong type", declaration.type.span, "string");
        if (declaration.default?.kind === "string") this.replace("wrong type", declaration.type.span, "int");
        if (declaration.range) {
          this.replace("out of range", declaration.default!.span, "123456789");
          this.replace("wrong type", declaration.range.low.span, '"none"');
        }
        this.signs(declaration.span);
        return;
      case "pipeline":
      case "service":
        this.keyword(declaration.span.start, declaration.kind);
        for (const { type } of declaration.parameters) this.types(type);
        if (declaration.returns) this.types(declaration.returns);
        this.signs({ start: declaration.span.start, end: declaration.body.span.start });
        this.braces(declaration.body);
        this.block(declaration.body);
        return;
      case "schedule":
        this.keyword(declaration.span.start, "schedule");
        for (const entry of declaration.entries) {
          this.unit = this.units.unit(entry);
          this.entry(entry);
        }
    }
  }

  private entry(entry: ast.ScheduleEntry): void {
    for (const { path, span } of entry.selectors) {
      const first = path[0]!;
      if (first !== "*") this.replace("wrong selector", { start: span.start, end: span.start + first.length }, this.misspelt(first));
    }
    const { strategy } = entry;
    if (strategy) {
      this.replace("unknown strategy", strategy.name.span, this.misspelt(strategy.name.text));
      if (strategy.architecture) this.replace("unknown strategy", strategy.architecture.name.span, "gossip");
      const arg = strategy.args[0];
      if (strategy.name.text === "data" && arg) this.replace("wrong strategy argument", arg.span, "0");
    }
    for (const { name, value } of entry.options) {
      this.replace("unknown option", name.span, this.misspelt(name.text));
      if (value.kind === "quantity") {
        this.replace("wrong unit", value.span, `${value.value}lightyears`);
        this.replace("wrong option value", value.span, '"much"');
      } else if (value.kind === "number") this.replace("wrong option value", value.span, "1.5");
    }
    this.signs(entry.span);
  }

  /** Types by name, in a declaration or behind a `let`. */
  private types(type: ast.TypeNode): void {
    walk(type, (node) => {
      const named = node as object as ast.TypeNode;
      if (named.kind === "named") this.replace("unknown type", named.name.span, this.misspelt(named.name.text));
      return true;
    });
  }

  /** A word of the language, misspelt. */
  private keyword(start: number, word: string): void {
    const at = this.text.indexOf(word, start);
    this.replace("misspelt keyword", { start: at, end: at + word.length }, word.slice(0, -2) + word.at(-1)! + word.at(-2)!);
  }

  /** The braces of a block of several lines: the message stands at either. */
  private braces({ span }: ast.Block): void {
    const [open, close] = [span.start, span.end - 1];
    if (this.text[open] !== "{" || this.text[close] !== "}") return;
    const lines = [this.lineOf(open), this.lineOf(close)];
    this.put("missing brace", [{ start: open, end: open + 1, text: "" }], lines);
    this.put("missing brace", [{ start: close, end: close + 1, text: "" }], lines);
  }

  /** Brackets, commas, quotes and operators, by the text alone. */
  private signs({ start, end }: { readonly start: number; readonly end: number }): void {
    const code = this.slice({ start, end }).replace(/\/\/.*$/gm, (comment) => " ".repeat(comment.length));
    const signs = code.replace(/"[^"\n]*"|`[^`]*`/g, (text) => `"${"_".repeat(text.length - 2)}"`);
    for (const { index, 0: sign } of signs.matchAll(/[()[\]]|===?|&&|\|\||,(?! *[-([\n])/g)) {
      const span = { start: start + index, end: start + index + sign.length };
      if (sign === "(" || sign === "[") this.replace("missing opening bracket", span, "");
      else if (sign === ")" || sign === "]") this.replace("missing closing bracket", span, "");
      else if (sign === ",") this.replace("missing comma", span, "");
      else if (sign === "==") this.replace("===", span, "===");
      else this.replace("and, or", span, sign === "&&" ? "and" : "or");
    }
    for (const { index, 0: text } of code.matchAll(/"[^"\n]*"/g))
      this.replace("open string", { start: start + index + text.length - 1, end: start + index + text.length }, "");
  }

  // --- Statements -----------------------------------------------------------------------------------------------------------------

  private block(block: ast.Block): void {
    const around = this.unit;
    const last = block.statements.at(-1);
    for (const statement of block.statements) {
      this.unit = this.units.unit(statement);
      this.statement(statement);
      if (statement === last && statement.kind === "expression") this.insert("return", statement.span.start, "return ");
    }
    this.unit = around;
  }

  private statement(statement: ast.Statement): void {
    const { start } = statement.span;
    switch (statement.kind) {
      case "let": {
        this.keyword(start, "let");
        this.replace("const", { start, end: start + 3 }, "const");
        if (statement.type) this.types(statement.type);
        this.annotation(statement);
        if (statement.pattern.kind === "fields")
          for (const { field } of statement.pattern.fields) this.replace("misspelt field", field.span, this.misspelt(field.text));
        if (statement.pattern.kind === "name") {
          this.insert("hidden name", start, `let ${statement.pattern.name.text} = 1; `);
        }
        const { value } = statement;
        if (value.kind === "call" || value.kind === "pipe") this.insert("unused result", start, `${this.slice(value.span)}; `);
        break;
      }
      case "track":
        this.keyword(start, "track");
        break;
      case "next": {
        const arrow = this.text.indexOf("<-", start);
        this.replace("= for <-", { start: arrow, end: arrow + 2 }, "=");
        this.replace("misspelt value", statement.name.span, this.misspelt(statement.name.text));
        break;
      }
      default:
    }
    const before = this.frame;
    if (statement.kind === "next" || statement.kind === "track") this.frame = { inFit: true };
    this.expressions(statement);
    this.frame = before;
    // What stands in the blocks of the statement is theirs.
    let at = start;
    for (const block of this.blocks(statement)) {
      this.signs({ start: at, end: block.span.start });
      at = block.span.end;
    }
    this.signs({ start: at, end: statement.span.end });
  }

  private blocks(statement: ast.Statement): ast.Block[] {
    const found: ast.Block[] = [];
    walk(statement, (node) => {
      if (!("statements" in node)) return true;
      const block = node as object as ast.Block;
      if (!this.slice(block.span).includes("\n")) return true;
      found.push(block);
      return false;
    });
    return found.sort((a, b) => a.span.start - b.span.start);
  }

  /** `let x: T = …`, with a type that the value can't have. */
  private annotation({ pattern, type, value }: ast.Statement & { readonly kind: "let" }): void {
    const signature = isCall(value) ? this.functions[calleeOf(value) ?? ""] : undefined;
    if (type || pattern.kind !== "name" || !signature) return;
    const { kind } = signature.returns;
    this.insert("wrong type", pattern.span.end, kind === "string" ? ": int" : ": string");
  }

  // --- Expressions ----------------------------------------------------------------------------------------------------------------

  private expressions(root: object): void {
    const around = this.unit;
    const visit = (node: Node): boolean => {
      if (node === root) return true;
      if ("statements" in node) {
        const block = node as object as ast.Block;
        if (!this.slice(block.span).includes("\n")) return true;
        this.braces(block);
        this.block(block);
        this.unit = around;
        return false;
      }
      this.expression(node as object as ast.Expression);
      return true;
    };
    walk(root, visit);
  }

  private expression(node: ast.Expression): void {
    switch (node.kind) {
      case "name":
        // Neither a pattern's name nor a function that is called or passed on.
        if (typeof node.name === "string" && !this.functions[node.name] && !operationNames.includes(node.name))
          this.replace("misspelt value", node.span, this.misspelt(node.name));
        return;
      case "field":
        // Fields of records that are written out bear the same name.
        if (!("of" in node)) return;
        this.replace("misspelt field", node.name.span, this.misspelt(node.name.text));
        if (node.of.kind === "name" && !node.optional)
          this.replace("index on a record", { start: node.of.span.end, end: node.span.end }, "[0]");
        return;
      case "call":
      case "pipe":
        this.call(node);
        return;
      case "binary":
        this.binary(node);
        return;
      case "record": {
        for (const field of node.fields)
          if (field.kind === "field" && !field.value) this.replace("misspelt value", field.name.span, this.misspelt(field.name.text));
        return;
      }
      case "if": {
        if (!node.else) return;
        const inner = (block: ast.Block) => this.slice(block.span).slice(1, -1).trim();
        this.replace("? :", node.span, `${this.slice(node.condition.span)} ? ${inner(node.then)} : ${inner(node.else)}`);
        this.replace("wrong condition", node.condition.span, '"yes"');
        return;
      }
      case "lambda": {
        // A name that is taken, and that the function doesn't read.
        const taken = this.params.find((name) => !namesIn(this.unit!.text).includes(name));
        const [parameter] = node.parameters;
        if (!parameter || !taken) return;
        const reads: Edit[] = [];
        walk(node.body, (one) => {
          const name = one as object as ast.Expression;
          if (name.kind === "name" && name.name === parameter.text) reads.push({ ...name.span, text: taken });
          return true;
        });
        this.put("hidden name", [{ ...parameter.span, text: taken }, ...reads]);
        return;
      }
      case "fit":
        this.keyword(this.text.indexOf("over", node.carried[0]!.span.end), "over");
        this.replace("wrong type", node.epochs.span, '"many"');
        return;
      default:
    }
  }

  private binary({ operator, left, right, span }: ast.Expression & { readonly kind: "binary" }): void {
    const at = this.text.indexOf(operator, left.span.end);
    if (operator === "<" || operator === ">" || operator === "<=" || operator === ">=")
      this.replace("string and number compared", right.span, '"ten"');
    if ("+-*/%".includes(operator)) {
      this.insert("operator twice", at + 1, " /");
      this.replace("operator on the wrong value", right.span, "true");
    }
    if (operator === "&&" && left.kind === "binary" && left.operator === "!=" && left.right.kind === "null")
      this.replace("null not ruled out", { start: span.start, end: right.span.start }, "");
    // `(x ?? y) * 2`, where `x` may be null.
    for (const side of [left, right])
      if ("+-*/%<>".includes(operator[0]!) && side.kind === "paren" && side.value.kind === "binary" && side.value.operator === "??")
        this.replace("null not ruled out", side.span, this.slice(side.value.left.span));
  }

  private call(call: Call): void {
    const name = calleeOf(call);
    if (name === null) return;
    this.replace("misspelt function", call.callee.span, this.misspelt(name));
    const args = call.args ?? [];
    for (const { name: given } of args)
      if (given && name !== "split" && name !== "agg") this.replace("unknown named argument", given.span, this.misspelt(given.text));
    const signature = this.functions[name];
    if (signature) this.calledByUser(call, signature);
    if (["mean", "sum", "min", "max", "concat"].includes(name) && this.frame.inFit && call.kind === "call" && args.length === 1)
      this.replace("missing mean", call.span, this.slice(args[0]!.span));
    if (["upper", "lower", "trim"].includes(name)) {
      const [arg] = args;
      if (arg?.value.kind === "binary" && arg.value.operator === "??")
        this.replace("null not ruled out", arg.span, this.slice(arg.value.left.span));
    }
    if (["map", "filter"].includes(name)) this.replace("value for a function", args[0]!.span, "12345");
    if (["batches", "first", "take", "shuffle"].includes(name) && args[0])
      this.replace("wrong argument type", args[0].value.span, '"none"');
  }

  private calledByUser(call: Call, signature: FunctionSignature): void {
    const args = call.args ?? [];
    const end = this.slice(call.span).endsWith(")") ? call.span.end - 1 : null;
    if (end === null || call.kind === "pipe") return;
    const comma = args.length > 0 ? ", " : "";
    this.insert("extra argument", end, `${comma}12345`);
    this.insert("unknown named argument", end, `${comma}${this.misspelt(signature.parameters[0]?.name ?? "value")}: 1`);
    args.forEach((arg, i) => {
      const parameter = arg.name ? signature.parameters.find((one) => one.name === arg.name!.text) : signature.parameters[i];
      if (!parameter || parameter.optional) return;
      this.replace("wrong argument type", arg.value.span, parameter.type.kind === "string" ? "12345" : '"none"');
      const before = args[i - 1];
      const after = args[i + 1];
      const span = before
        ? { start: before.span.end, end: arg.span.end }
        : { start: arg.span.start, end: after ? after.span.start : arg.span.end };
      // Others that have no names move up, which is wrong again where their types differ; the last one leaves but one place empty.
      if (i === args.length - 1 || args.slice(i + 1).every((one) => one.name)) this.replace("missing argument", span, "");
    });
  }
}

const isCall = (value: ast.Expression): value is Call => value.kind === "call" || value.kind === "pipe";
const calleeOf = ({ callee }: Call): string | null => (callee.kind === "name" ? callee.name : null);
