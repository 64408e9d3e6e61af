// The way from text to tree: scan, lay out, parse each statement by itself. Never throws on a user's text: what can't be read is
// reported once, and the tree has an `error` there or leaves it out.
import type * as ast from "./ast.ts";
import { isCloser, isOpener, startsStatement } from "./brackets.ts";
import type { Diagnostic, Frame } from "./diagnostics.ts";
import { report } from "./diagnostics.ts";
import { Grammar } from "./grammar.ts";
import type { Pending } from "./grammar-types.ts";
import { layout } from "./layout.ts";
import { explainProblem, isReturn } from "./problems.ts";
import type { Unread } from "./recover.ts";
import { brokenDeclaration, brokenStatement, spanOf, unreadText } from "./recover.ts";
import { respell } from "./respell.ts";
import { lex } from "./scan.ts";
import type { BlockToken, Docs, Token } from "./tokens.ts";
import * as t from "./tokens.ts";

export interface Parsed {
  readonly file: ast.File;
  readonly diagnostics: readonly Diagnostic[];
  readonly unread: readonly Unread[];
}

/** A whole file. */
export function parse(text: string, file: string): Parsed {
  const reader = new Reader(text, file);
  const { declarations } = reader.readTop("declarations");
  const whole = { doc: reader.fileDoc(), declarations, span: { file, start: 0, end: text.length } };
  return { file: whole, diagnostics: reader.sorted(), unread: reader.unread };
}

export interface ParsedCell {
  readonly declarations: readonly ast.Declaration[];
  readonly statements: readonly ast.Statement[];
  readonly diagnostics: readonly Diagnostic[];
}

/** A cell of a notebook: declarations and statements, mixed. */
export function parseStatements(text: string, file: string): ParsedCell {
  const reader = new Reader(text, file);
  return { ...reader.readTop("cell"), diagnostics: reader.sorted() };
}

/** Words of declarations are values elsewhere; what follows tells. */
function startsDeclaration([first, second]: readonly Token[]): boolean {
  const type = first!.tokenType;
  if (type === t.Import) return true;
  const named = second !== undefined && t.isName(second.tokenType);
  return named && (type === t.Type || type === t.Param || type === t.Pipeline || type === t.Service || type === t.Schedule);
}

/** Brackets in brackets; to find that a stack doesn't hold more takes longer than to count them. */
const DEEPEST = 500;
/** Blocks in blocks. */
const DEEPEST_BLOCK = 100;

function depthOf(tokens: readonly Token[]): number {
  let depth = 0;
  let deepest = 0;
  for (const token of tokens) {
    if (isOpener(token) || token.tokenType === t.TemplateOpen) deepest = Math.max(deepest, ++depth);
    else if (isCloser(token) || token.tokenType === t.TemplateClose) depth--;
  }
  return deepest;
}

/** Made once: its analysis of the grammar takes some tens of milliseconds. */
let grammar: Grammar | null = null;

class Reader {
  readonly statements: readonly Token[][];
  readonly file: string;
  private readonly docs: Docs;
  private diagnostics: Diagnostic[];
  readonly unread: Unread[] = [];

  readonly text: string;
  /** By the `fit`s and `loop`s that what is read stands in. */
  carried: ReadonlySet<string> = new Set();

  constructor(text: string, file: string) {
    grammar ??= new Grammar();
    this.file = file;
    this.text = text;
    const lexed = lex(text, file);
    const respelt = respell(lexed.tokens, file);
    const laid = layout(lexed.tokens, file);
    this.docs = lexed.docs;
    this.statements = laid.statements;
    this.diagnostics = [...lexed.diagnostics, ...respelt, ...laid.diagnostics.map((one) => this.withBraceMended(one))];
  }

  /** A brace on a line of its own moves up, where nothing but space stands before it. */
  private withBraceMended(diagnostic: Diagnostic): Diagnostic {
    const span = diagnostic.frames[0]?.span;
    if (diagnostic.code !== "HR010" || !span) return diagnostic;
    const before = this.text.slice(0, span.start).trimEnd();
    const isFree = !/\/\/|\*\/$/.test(before.slice(before.lastIndexOf("\n") + 1));
    return isFree ? { ...diagnostic, fix: { span: { ...span, start: before.length, end: span.start }, text: " " } } : diagnostic;
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

  /** What stands outside of all blocks: in a cell statements too. */
  readTop(where: "declarations" | "cell"): { declarations: ast.Declaration[]; statements: ast.Statement[] } {
    const declarations: ast.Declaration[] = [];
    const statements: ast.Statement[] = [];
    this.inOrder(this.statements, (tokens, quiet) => {
      if (startsDeclaration(tokens)) {
        const declaration = this.read("declaration", tokens, quiet) as ast.Declaration | null;
        const known = declaration ?? this.brokenDeclaration(tokens);
        if (known) declarations.push(known);
        return declaration !== null;
      }
      if (where === "cell") return this.statement(tokens, statements, quiet);
      this.outside(tokens, quiet);
      return false;
    });
    return { declarations, statements };
  }

  /** Lines that go on with one that couldn't be read are part of its problem: what is wrong with them isn't told again. */
  private inOrder(all: readonly (readonly Token[])[], read: (tokens: readonly Token[], quiet: boolean) => boolean): void {
    /** Where the broken one ended; null where the last one could be read. */
    let brokenLine: number | null = null;
    /** It lacks something that may stand on the next line. */
    let isOpen = false;
    let headIsOpen = false;
    for (const tokens of all) {
      const follows: boolean = brokenLine !== null && tokens[0]!.startLine <= brokenLine + 1;
      const goesOn: boolean = follows && !startsStatement(tokens, 0) && (isOpen || headWords.has(tokens[0]!.tokenType));
      this.brokenAtItsEnd = false;
      const fine: boolean = read(tokens, goesOn) && !tokens.some((token) => token.mended || token.inserted);
      const last = tokens.at(-1)!;
      const ended = last.tokenType === t.Block;
      headIsOpen = !ended && (goesOn ? headIsOpen : tokens.some((token) => formWords.has(token.tokenType)));
      isOpen = headIsOpen || this.brokenAtItsEnd;
      brokenLine = ended || (fine && !(goesOn && isOpen)) ? null : last.startLine;
    }
  }
  /** What lacks at the end of the last statement may stand on the next line. */
  private brokenAtItsEnd = false;

  private brokenDeclaration(tokens: readonly Token[]): ast.Declaration | null {
    return brokenDeclaration(tokens, this.file, (token, into) =>
      "entries" in into
        ? this.fill({ kind: "entries", token, into: into.entries })
        : this.fill({ kind: "statements", token, into: into.statements }),
    );
  }

  /** Reads one statement into the list; false where it couldn't be read. */
  private statement(tokens: readonly Token[], into: ast.Statement[], quiet: boolean): boolean {
    const found = this.read("statement", tokens, quiet) as ast.Statement | null;
    into.push(found ?? brokenStatement(tokens, this.file));
    return found !== null;
  }

  /** Text between declarations. */
  private outside(tokens: readonly Token[], quiet: boolean): void {
    this.unread.push(unreadText(tokens, this.file));
    const problem = explainProblem("declaration", tokens, null, this);
    if (problem) this.diagnostics.push(problem);
    else if (!quiet)
      this.diagnostics.push(
        report(
          "HR001",
          { what: STRAY },
          [
            {
              span: spanOf(tokens.slice(0, 1), this.file),
              label: "none of `import type param pipeline service schedule`",
              role: "primary",
            },
          ],
          { help: "statements stand in a pipeline: `pipeline name() -> float { … }`" },
        ),
      );
  }

  /** Null where it can't be read; the problem is told, unless it is to be `quiet`. */
  private read(rule: "declaration" | "statement" | "entry", tokens: readonly Token[], quiet: boolean): unknown {
    let found: ReturnType<Grammar["read"]>;
    if (depthOf(tokens) > DEEPEST) return this.tooDeep(tokens);
    try {
      found = grammar!.read(rule, tokens, this.file, this.docs);
    } catch (error) {
      // Each bracket is a few calls deep; thousands of them are more than a stack holds.
      if (!(error instanceof RangeError)) throw error;
      grammar = new Grammar();
      return this.tooDeep(tokens);
    }
    if (!found.problem && !(rule === "statement" && isReturn(tokens))) {
      const guessed = tokens.some((token) => token.inserted || token.mended);
      if (guessed) this.unread.push(unreadText(tokens, this.file));
      // Where brackets were put in or left out, which has been told, what they hold is a guess.
      if (guessed && (rule !== "statement" || !tokens.some(isBlockOfLines))) return null;
      const around = this.carried;
      this.carried = new Set([...around, ...carriedNames(tokens)]);
      for (const each of found.pending) this.fill(each);
      this.carried = around;
      return found.tree;
    }
    this.unread.push(unreadText(tokens, this.file));
    // Brackets that were put in or left out have their own message.
    const guessed = tokens.some((token) => token.inserted || token.mended);
    const problem = explainProblem(rule, tokens, found.problem, this);
    if (problem) {
      const isClear = problem.code === "HR009";
      if (!guessed && (isClear || !quiet) && !this.alreadyTold(tokens, problem)) {
        this.diagnostics = this.diagnostics.filter((one) => one.code !== "HR010" || !isWithin(one, tokens));
        this.diagnostics.push(problem);
      }
      this.brokenAtItsEnd = guessed || (!isClear && (problem.frames[0]?.span.end ?? 0) > tokens.at(-1)!.startOffset);
    }
    // A head that can't be read doesn't hide what is wrong inside its block.
    if (rule === "statement")
      for (const token of tokens.filter((one): one is BlockToken => one.tokenType === t.Block && holdsStatements(one as BlockToken)))
        this.fill({ kind: "statements", token, into: [] });
    return null;
  }

  private tooDeep(tokens: readonly Token[]): null {
    const frame: Frame = { span: spanOf(tokens.slice(0, 1), this.file), label: "starts here", role: "primary" };
    this.diagnostics.push(report("HR001", { what: "this is nested more deeply than can be read" }, [frame]));
    this.unread.push(unreadText(tokens, this.file));
    return null;
  }

  /** The scan has a message for text of this statement that stands before the problem, or where it is. */
  private alreadyTold(tokens: readonly Token[], problem: Diagnostic): boolean {
    const start = tokens[0]!.startOffset;
    const end = problem.frames[0]?.span.end ?? start;
    return this.diagnostics.some(({ code, frames }) => {
      const at = frames[0]?.span;
      return scanCodes.has(code) && at !== undefined && at.end >= start && at.start <= end;
    });
  }

  /** How deep the block that is being read lies in others. */
  private blocks = 0;

  private fill(pending: Pending): void {
    if (pending.kind === "entries") {
      for (const tokens of pending.token.statements) {
        const entry = this.read("entry", tokens, false) as ast.ScheduleEntry | null;
        if (entry) pending.into.push(entry);
      }
      return;
    }
    if (this.blocks >= DEEPEST_BLOCK) {
      this.tooDeep([pending.token]);
      return;
    }
    this.blocks++;
    this.inOrder(pending.token.statements, (tokens, quiet) => this.statement(tokens, pending.into, quiet));
    this.blocks--;
  }
}

/** `fit w = …`, `loop a = …, b = …`. */
function carriedNames(tokens: readonly Token[]): string[] {
  const form = tokens.findIndex(
    (token, i) => (token.tokenType === t.Fit || token.tokenType === t.Loop) && tokens[i + 2]?.tokenType === t.Assign,
  );
  if (form < 0) return [];
  return tokens.flatMap((token, i) =>
    i > form && token.tokenType === t.Assign && (i === form + 2 || tokens[i - 2]?.tokenType === t.Comma) ? [tokens[i - 1]!.image] : [],
  );
}

/** `===` is read as what it means; the others leave a hole. */
const scanCodes: ReadonlySet<string> = new Set(["HR002", "HR003", "HR004", "HR005"]);
const headWords = new Set([t.Over, t.For, t.Until, t.Max, t.Trials, t.Minimize, t.Maximize, t.Using]);
const formWords = new Set([t.Fit, t.Loop, t.Search, t.For, t.If]);

const isBlockOfLines = (token: Token): boolean =>
  token.tokenType === t.Block && (token as BlockToken).statements.some(([first]) => first!.startLine !== token.startLine);

/** Rather than the fields of a record behind an operand that shouldn't be there. */
function holdsStatements({ statements }: BlockToken): boolean {
  return statements.some((tokens) => startsStatement(tokens, 0) || tokens[0]!.tokenType === t.Do);
}

const startOf = (diagnostic: Diagnostic) => diagnostic.frames[0]?.span.start ?? 0;
const isWithin = (diagnostic: Diagnostic, tokens: readonly Token[]) =>
  startOf(diagnostic) >= tokens[0]!.startOffset && startOf(diagnostic) <= tokens.at(-1)!.endOffset;
const isText = ({ code }: Diagnostic) => code === "HR001" || (code >= "HR007" && code <= "HR010");
const isStray = ({ code, message }: Diagnostic) => code === "HR001" && message === STRAY;

/** A block that never opened, or ended too early: what it held stands at the top of the file. */
const spillsOut = ({ code, message }: Diagnostic) =>
  code === "HR007" || code === "HR008" || message.endsWith("a block in braces was expected");

/** What is wrong with a line says itself again at its end; and a block that never opened leaves its lines at the top of the file. */
function withoutEchoes(diagnostics: readonly Diagnostic[], text: string): Diagnostic[] {
  const lineOf = (diagnostic: Diagnostic) => text.lastIndexOf("\n", startOf(diagnostic) - 1);
  const kept: Diagnostic[] = [];
  // A string without an end takes the rest of its line along, closing brackets too.
  const cut = new Set(diagnostics.filter(({ code }) => code === "HR003").map(lineOf));
  let spilled = false;
  for (const diagnostic of diagnostics) {
    const before = kept.at(-1);
    if (before && isText(before) && isText(diagnostic) && lineOf(before) === lineOf(diagnostic)) continue;
    if (isStray(diagnostic) && spilled) continue;
    if (isText(diagnostic) && cut.has(lineOf(diagnostic))) continue;
    kept.push(diagnostic);
    spilled = isStray(diagnostic) || spillsOut(diagnostic);
  }
  return kept;
}

const STRAY = "only declarations stand at the top of a file";
