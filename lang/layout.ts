// From tokens to statements: where a line ends a statement, and which brace opens a block. A block becomes one token that holds its
// statements, each parsed by itself afterwards. Knows tokens, not grammar: it looks at neighbours only. Brackets that lack their other
// half are mended before, in `brackets.ts`.
import { balance, continuesLine, isCloser, isOpener, startsDeclaration, startsStatement } from "./brackets.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { report } from "./diagnostics.ts";
import type { BlockToken, Token } from "./tokens.ts";
import * as t from "./tokens.ts";

export interface Layout {
  /** Declarations, or a cell's statements. */
  readonly statements: readonly Token[][];
  readonly diagnostics: readonly Diagnostic[];
}

interface Frame {
  readonly opener: Token | null;
  /** Of a bracket: the innermost block around it. */
  readonly block: Frame | null;
  /** Lines end statements in a block; in brackets they mean nothing. */
  readonly kind: "block" | "bracket";
  /** Of a block; brackets add to the statement of the block around them. */
  readonly statements: Token[][];
  readonly isSchedule: boolean;
  /** A head whose block hasn't come: its words may continue it on the next line. */
  head: "fit" | "loop" | "search" | "other" | null;
  /** `->` was met in the statement: what follows is a type. */
  typed: boolean;
}

/** A line that ends in one of these goes on. */
const opensEnd = new Set([
  t.Assign,
  t.Next,
  t.Arrow,
  t.FatArrow,
  t.Pipe,
  t.Bar,
  t.Not,
  t.Comma,
  t.Colon,
  t.Dot,
  t.OptionalDot,
  t.Dots,
  t.Spread,
  t.In,
  t.Let,
  t.Do,
  t.If,
]);
/** `>` right behind a word closes `Dataset<int>`. */
export const isInfix = (token: Token) =>
  (token.tokenType.CATEGORIES?.includes(t.Infix) ?? false) && (token.tokenType !== t.Greater || token.spaced);

const headWords: Readonly<Record<"fit" | "loop" | "search", readonly unknown[]>> = {
  fit: [t.Over, t.For],
  loop: [t.Until, t.Max],
  search: [t.Trials, t.Minimize, t.Maximize, t.Using],
};

export function layout(tokens: readonly Token[], file: string): Layout {
  const balanced = balance(tokens, file);
  const laid = new LayoutPass(balanced.tokens, file).run();
  return { statements: laid.statements, diagnostics: [...balanced.diagnostics, ...laid.diagnostics] };
}

class LayoutPass {
  private readonly tokens: readonly Token[];
  private readonly file: string;
  private readonly diagnostics: Diagnostic[] = [];
  private readonly stack: Frame[] = [];
  private at = 0;

  constructor(tokens: readonly Token[], file: string) {
    this.tokens = tokens;
    this.file = file;
    this.stack.push(newBlock(null, false));
  }

  run(): Layout {
    for (; this.at < this.tokens.length; this.at++) this.token(this.tokens[this.at]!);
    const top = this.stack[0]!;
    return { statements: top.statements.filter((statement) => statement.length > 0), diagnostics: this.diagnostics };
  }

  private get frame(): Frame {
    return this.stack[this.stack.length - 1]!;
  }
  /** The block whose statement is being read. */
  private get block(): Frame {
    return this.frame.block ?? this.frame;
  }
  private get statement(): Token[] {
    const { statements } = this.block;
    if (statements.length === 0) statements.push([]);
    return statements[statements.length - 1]!;
  }
  private previous(): Token | null {
    return this.statement.at(-1) ?? null;
  }
  /** The last token names a field: no word means anything there. */
  private isField(): boolean {
    const before = this.statement.at(-2)?.tokenType;
    return before === t.Dot || before === t.OptionalDot;
  }
  private look(ahead: number): Token | null {
    return this.tokens[this.at + ahead] ?? null;
  }

  private token(token: Token): void {
    if (token.tokenType === t.LineEnd) {
      if (this.frame.kind === "block") this.endStatement();
      else this.push({ ...token, tokenType: t.Comma, tokenTypeIdx: t.Comma.tokenTypeIdx! });
      return;
    }
    if (token.first && this.frame.kind === "block" && this.endsLine(token)) this.endStatement();
    if (isOpener(token)) this.open(token);
    else if (isCloser(token)) this.close(token);
    else this.push(token);
    // Lines mean nothing in the holes of a template.
    if (token.tokenType === t.TemplateOpen) this.stack.push(newBracket(token, this.frame));
    else if (token.tokenType === t.TemplateClose) this.stack.pop();
  }

  private push(token: Token): void {
    const { frame } = this;
    this.statement.push(token);
    const type = token.tokenType;
    if (type === t.Arrow) frame.typed = true;
    const next = this.look(1);
    const starts = (this.statement.length === 1 || !t.endsOperand(this.statement.at(-2)!.tokenType)) && next !== null;
    if (!starts || this.isField()) return;
    if ((type === t.Fit || type === t.Loop) && t.isName(next.tokenType)) frame.head = type === t.Fit ? "fit" : "loop";
    else if (type === t.Search && next.tokenType === t.LBrace) frame.head = "search";
    else if (
      type === t.If ||
      type === t.For ||
      ((type === t.Pipeline || type === t.Service || type === t.Schedule) && this.statement.length === 1 && t.isName(next.tokenType))
    )
      frame.head = frame.head ?? "other";
  }

  // --- Lines ---------------------------------------------------------------------------------------------------------------------

  private endsLine(token: Token): boolean {
    const before = this.previous();
    if (!before) return false;
    const { frame } = this;
    if (frame.isSchedule) return before.tokenType !== t.Comma && before.tokenType !== t.Colon;
    // Nothing continues with a statement's own beginning: what is missing is missing on the line before.
    if (startsStatement(this.tokens, this.at) || (this.stack.length === 1 && startsDeclaration(this.tokens, this.at))) return true;
    if (!this.isField() && (opensEnd.has(before.tokenType) || isInfix(before))) return false;
    if (continuesLine.has(token.tokenType)) return false;
    if (frame.head !== null && frame.head !== "other" && headWords[frame.head].includes(token.tokenType)) return false;
    // A brace on a line of its own, where a head lacks its block.
    return !(token.tokenType === t.LBrace && frame.head !== null && this.isHead());
  }

  private isHead(): boolean {
    const before = this.previous()!;
    return t.endsOperand(before.tokenType) || this.frame.typed;
  }

  private endStatement(): void {
    const { frame } = this;
    if (this.statement.length > 0) frame.statements.push([]);
    frame.head = null;
    frame.typed = false;
  }

  // --- Brackets -------------------------------------------------------------------------------------------------------------------

  private open(token: Token): void {
    if (token.tokenType === t.LBrace && this.opensBlock(token)) {
      if (token.first && this.previous()) this.onItsOwn(token);
      const isSchedule = this.statement[0]?.tokenType === t.Schedule && this.stack.length === 1;
      this.frame.head = null;
      this.frame.typed = false;
      this.stack.push(newBlock(token, isSchedule));
      return;
    }
    this.statement.push(token);
    this.stack.push(newBracket(token, this.frame));
  }

  /** After an operand a brace opens a block; where a value or a type is to come it opens a record. */
  private opensBlock(token: Token): boolean {
    const before = this.previous();
    if (!before) return false;
    if (this.isField()) return true;
    const type = before.tokenType;
    if (type === t.Else || token.inserted || (this.stack.length === 1 && this.statement[0]!.tokenType === t.Schedule)) return true;
    if (type === t.Import || type === t.Let) return false;
    // The space of a search; the options of a schedule's entry.
    if (type === t.Search && this.frame.head === "search") return false;
    if (this.frame.isSchedule) return false;
    if (this.frame.typed && (type === t.Greater || type === t.Question)) return true;
    return t.endsOperand(type) || (token.first && this.frame.head !== null && this.isHead());
  }

  /** Ends the innermost frame: brackets match here. */
  private close(closer: Token): void {
    const frame = this.stack.pop()!;
    const opener = frame.opener!;
    opener.closer = closer;
    if (frame.kind === "bracket") {
      this.statement.push(closer);
      opener.lambda = this.look(1)?.tokenType === t.FatArrow;
      return;
    }
    const block: BlockToken = {
      ...opener,
      image: "{ … }",
      endOffset: Math.max(closer.endOffset, opener.endOffset),
      tokenType: t.Block,
      tokenTypeIdx: t.Block.tokenTypeIdx!,
      statements: frame.statements.filter((statement) => statement.length > 0),
    };
    this.statement.push(block);
  }

  private onItsOwn(brace: Token): void {
    const span = { file: this.file, start: brace.startOffset, end: brace.endOffset + 1 };
    this.diagnostics.push(
      report("HR010", {}, [{ span, label: "on a line of its own", role: "primary" }], { help: "put it at the end of the line before" }),
    );
  }
}

function newBlock(opener: Token | null, isSchedule: boolean): Frame {
  return { opener, block: null, kind: "block", statements: [], isSchedule, head: null, typed: false };
}

function newBracket(opener: Token, around: Frame): Frame {
  return { opener, block: around.block ?? around, kind: "bracket", statements: [], isSchedule: false, head: null, typed: false };
}
