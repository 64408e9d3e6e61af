// The way from text to tree: scan, lay out, parse each statement by itself. Never throws on a user's text: what can't be read is
// reported once, and the tree has an `error` there or leaves it out.
import type * as ast from "./ast.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { report } from "./diagnostics.ts";
import { Grammar } from "./grammar.ts";
import type { Pending } from "./grammar-types.ts";
import { layout } from "./layout.ts";
import { explainProblem } from "./problems.ts";
import { lex } from "./scan.ts";
import type { Docs, Token } from "./tokens.ts";
import * as t from "./tokens.ts";

export interface Parsed {
  readonly file: ast.File;
  readonly diagnostics: readonly Diagnostic[];
}

/** A whole file. */
export function parse(text: string, file: string): Parsed {
  const reader = new Reader(text, file);
  const declarations: ast.Declaration[] = [];
  for (const tokens of reader.statements) {
    const first = tokens[0]!;
    if (startsDeclaration(tokens)) {
      const declaration = reader.declaration(tokens);
      if (declaration) declarations.push(declaration);
    } else reader.outside(tokens, first);
  }
  return { file: { doc: reader.fileDoc(), declarations, span: { file, start: 0, end: text.length } }, diagnostics: reader.sorted() };
}

export interface ParsedCell {
  readonly declarations: readonly ast.Declaration[];
  readonly statements: readonly ast.Statement[];
  readonly diagnostics: readonly Diagnostic[];
}

/** A cell of a notebook: declarations and statements, mixed. */
export function parseStatements(text: string, file: string): ParsedCell {
  const reader = new Reader(text, file);
  const declarations: ast.Declaration[] = [];
  const statements: ast.Statement[] = [];
  for (const tokens of reader.statements) {
    if (startsDeclaration(tokens)) {
      const declaration = reader.declaration(tokens);
      if (declaration) declarations.push(declaration);
    } else statements.push(reader.statement(tokens));
  }
  return { declarations, statements, diagnostics: reader.sorted() };
}

/** Words of declarations are values elsewhere; what follows tells. */
function startsDeclaration([first, second]: readonly Token[]): boolean {
  const type = first!.tokenType;
  if (type === t.Import) return true;
  const named = second !== undefined && t.isName(second.tokenType);
  return named && (type === t.Type || type === t.Param || type === t.Pipeline || type === t.Service || type === t.Schedule);
}

/** Made once: its analysis of the grammar takes some tens of milliseconds. */
let grammar: Grammar | null = null;

class Reader {
  readonly statements: readonly Token[][];
  private readonly file: string;
  private readonly docs: Docs;
  private readonly diagnostics: Diagnostic[];

  private readonly text: string;

  constructor(text: string, file: string) {
    grammar ??= new Grammar();
    this.file = file;
    this.text = text;
    const lexed = lex(text, file);
    const laid = layout(lexed.tokens, file);
    this.docs = lexed.docs;
    this.statements = laid.statements;
    this.diagnostics = [...lexed.diagnostics, ...laid.diagnostics];
  }

  sorted(): Diagnostic[] {
    return withoutEchoes(
      this.diagnostics.sort((a, b) => startOf(a) - startOf(b)),
      this.text,
    );
  }

  /** `///` above the imports. */
  fileDoc(): string | null {
    const first = this.statements[0]?.[0];
    return first?.tokenType === t.Import ? (this.docs.above.get(first) ?? null) : null;
  }

  declaration(tokens: readonly Token[]): ast.Declaration | null {
    return this.read("declaration", tokens) as ast.Declaration | null;
  }

  statement(tokens: readonly Token[]): ast.Statement {
    const found = this.read("statement", tokens) as ast.Statement | null;
    return found ?? this.broken(tokens);
  }

  /** What can be told of a statement that couldn't be read: the names that it was to bind, so that nothing complains of them. */
  private broken(tokens: readonly Token[]): ast.Statement {
    const span = this.spanOf(tokens);
    const value: ast.Expression = { kind: "error", span };
    // `const x = 1` has a message of its own, and was to bind `x` all the same.
    if (tokens[0]!.tokenType === t.Let || /^(const|var)$/.test(tokens[0]!.image)) {
      const name = tokens[1];
      if (name && t.isName(name.tokenType))
        return { kind: "let", doc: null, pattern: { kind: "name", name: this.name(name), span }, type: null, value, span };
      const end = name?.closer ? tokens.indexOf(name.closer) : -1;
      if (name?.tokenType === t.LBrace && end > 0) {
        const fields = tokens.slice(2, end).filter((token, i, all) => t.isName(token.tokenType) && all[i + 1]?.tokenType !== t.Colon);
        return {
          kind: "let",
          doc: null,
          pattern: { kind: "fields", fields: fields.map((token) => ({ field: this.name(token), name: this.name(token) })), span },
          type: null,
          value,
          span,
        };
      }
    }
    const [first, second] = tokens;
    if (first && second && t.isName(first.tokenType) && (second.tokenType === t.Next || second.tokenType === t.Assign))
      return { kind: "next", name: this.name(first), value, span };
    return { kind: "expression", value, span };
  }
  private name(token: Token): ast.Name {
    return { text: token.image, span: { file: this.file, start: token.startOffset, end: token.endOffset + 1 } };
  }
  private spanOf(tokens: readonly Token[]): ast.Span {
    return { file: this.file, start: tokens[0]!.startOffset, end: Math.max(tokens.at(-1)!.endOffset + 1, tokens[0]!.startOffset) };
  }

  /** Text between declarations. */
  outside(tokens: readonly Token[], first: Token): void {
    const span = this.spanOf([first]);
    const problem = explainProblem("declaration", tokens, null, this.file);
    this.diagnostics.push(
      problem ??
        report("HR001", { what: STRAY }, [{ span, label: "none of `import type param pipeline service schedule`", role: "primary" }], {
          help: "statements stand in a pipeline: `pipeline name() -> float { … }`",
        }),
    );
  }

  private read(rule: "declaration" | "statement" | "entry", tokens: readonly Token[]): unknown {
    let found: ReturnType<Grammar["read"]>;
    try {
      found = grammar!.read(rule, tokens, this.file, this.docs);
    } catch (error) {
      // Each bracket is a few calls deep; thousands of them are more than a stack holds.
      if (!(error instanceof RangeError)) throw error;
      grammar = new Grammar();
      this.diagnostics.push(
        report("HR001", { what: "this is nested more deeply than can be read" }, [
          { span: this.spanOf(tokens.slice(0, 1)), label: "starts here", role: "primary" },
        ]),
      );
      return null;
    }
    // Brackets that were put in have their own message.
    const madeUp = tokens.some((token) => token.inserted);
    if (found.problem && !(madeUp && this.diagnostics.some(({ code }) => code === "HR007"))) {
      const problem = explainProblem(rule, tokens, found.problem, this.file);
      if (problem && !this.alreadyTold(problem)) this.diagnostics.push(problem);
    }
    if (found.problem) {
      for (const token of tokens) if (token.tokenType === t.Block) this.insideOfBroken(token as t.BlockToken, rule);
      return null;
    }
    for (const each of found.pending) this.fill(each);
    return found.tree;
  }

  /** The scan has a message for this very text. */
  private alreadyTold(problem: Diagnostic): boolean {
    const at = problem.frames[0]?.span;
    return (
      at !== undefined &&
      this.diagnostics.some(
        ({ code, frames }) =>
          code < "HR007" && code > "HR001" && frames[0] !== undefined && frames[0].span.start <= at.end && at.start <= frames[0].span.end,
      )
    );
  }

  /** A head that can't be read doesn't hide what is wrong inside its block. */
  private insideOfBroken(token: t.BlockToken, rule: string): void {
    if (rule === "declaration" && token.statements.some(([first, second]) => first?.tokenType !== t.Let && second?.tokenType === t.Colon))
      return;
    this.fill({ kind: "statements", token, into: [] });
  }

  private fill(pending: Pending): void {
    // Lines that go on with a head which couldn't be read are part of its problem.
    let broken = false;
    for (const tokens of pending.token.statements) {
      if (pending.kind === "entries") {
        const entry = this.read("entry", tokens) as ast.ScheduleEntry | null;
        if (entry) pending.into.push(entry);
        continue;
      }
      const told = this.diagnostics.length;
      const statement = this.statement(tokens);
      if (broken && goesOn(tokens)) this.diagnostics.length = told;
      else broken = this.diagnostics.length > told;
      pending.into.push(statement);
    }
  }
}

const headWords = new Set([t.Over, t.For, t.Until, t.Max, t.Trials, t.Minimize, t.Maximize, t.Using]);
function goesOn([first, second]: readonly Token[]): boolean {
  return headWords.has(first!.tokenType) && (second === undefined || t.endsOperand(second.tokenType));
}

const startOf = (diagnostic: Diagnostic) => diagnostic.frames[0]?.span.start ?? 0;
const isBracket = ({ code }: Diagnostic) => code === "HR007" || code === "HR008" || code === "HR010";
/** A block that never opened, or never closed: what it held stands at the top of the file. */
const spillsOut = (diagnostic: Diagnostic) =>
  diagnostic.code === "HR007" || diagnostic.code === "HR008" || diagnostic.message.endsWith("a block in braces was expected");

/** A bracket too many or too few says itself again wherever its other half was to be; the first message is enough. */
function withoutEchoes(diagnostics: readonly Diagnostic[], text: string): Diagnostic[] {
  const lineOf = (diagnostic: Diagnostic) => text.lastIndexOf("\n", startOf(diagnostic) - 1);
  const kept: Diagnostic[] = [];
  let spilled = false;
  for (const diagnostic of diagnostics) {
    const stray = diagnostic.message === STRAY || (diagnostic.code === "HR008" && diagnostic.message.includes("}"));
    const before = kept[kept.length - 1];
    const echo = before !== undefined && (isBracket(before) || isBracket(diagnostic)) && lineOf(before) === lineOf(diagnostic);
    if (echo || (spilled && stray)) continue;
    kept.push(diagnostic);
    spilled ||= spillsOut(diagnostic);
  }
  return kept;
}

const STRAY = "only declarations stand at the top of a file";
