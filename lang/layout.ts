// From tokens to statements: where a line ends a statement, which brace opens a block, and brackets that lack their other half. A
// block becomes one token that holds its statements, each parsed by itself afterwards. Knows tokens, not grammar: it looks at
// neighbours only.
import type { TokenType } from "chevrotain";
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

const closers = new Map([
  [t.LParen, t.RParen],
  [t.LSquare, t.RSquare],
  [t.LBrace, t.RBrace],
]);
export const isOpener = (token: Token) => closers.has(token.tokenType);
export const isCloser = (token: Token) => token.tokenType === t.RParen || token.tokenType === t.RSquare || token.tokenType === t.RBrace;
const images = new Map([
  [t.RParen, ")"],
  [t.RSquare, "]"],
  [t.RBrace, "}"],
]);

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
/** A line that starts with one of these belongs to the line before. */
export const continuesLine: ReadonlySet<TokenType> = new Set([
  t.Pipe,
  t.Dot,
  t.OptionalDot,
  t.Coalesce,
  t.Or,
  t.And,
  t.Equal,
  t.NotEqual,
  t.Less,
  t.LessEqual,
  t.Greater,
  t.GreaterEqual,
  t.Plus,
  t.Times,
  t.Divide,
  t.Modulo,
  t.Else,
  t.Arrow,
  t.FatArrow,
  t.Bar,
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
  const pass = new LayoutPass(tokens, file);
  return pass.run();
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
    this.stack.push(newFrame(null, "block", false));
  }

  run(): Layout {
    for (; this.at < this.tokens.length; this.at++) this.token(this.tokens[this.at]!);
    this.closeUntil(1, null);
    const top = this.stack[0]!;
    return { statements: top.statements.filter((statement) => statement.length > 0), diagnostics: this.diagnostics };
  }

  private get frame(): Frame {
    return this.stack[this.stack.length - 1]!;
  }
  /** The block whose statement is being read. */
  private get block(): Frame {
    for (let i = this.stack.length - 1; ; i--) if (this.stack[i]!.kind === "block") return this.stack[i]!;
  }
  private get statement(): Token[] {
    const { statements } = this.block;
    if (statements.length === 0) statements.push([]);
    return statements[statements.length - 1]!;
  }
  private previous(): Token | null {
    return this.statement.at(-1) ?? null;
  }
  private look(ahead: number): Token | null {
    return this.tokens[this.at + ahead] ?? null;
  }

  private token(token: Token): void {
    if (token.first && token.indent === 0 && this.stack.length > 1 && this.startsDeclaration()) this.closeUntil(1, token);
    else if (token.first && this.frame.kind === "bracket" && this.startsStatement())
      this.closeUntil(this.stack.indexOf(this.block) + 1, token);
    if (token.tokenType === t.LineEnd) {
      if (this.frame.kind === "block") this.endStatement();
      else this.push({ ...token, tokenType: t.Comma, tokenTypeIdx: t.Comma.tokenTypeIdx! });
      return;
    }
    if (token.first && this.frame.kind === "block" && this.endsLine(token)) this.endStatement();
    if (isOpener(token)) this.open(token);
    else if (isCloser(token)) this.close(token);
    else this.push(token);
  }

  private push(token: Token): void {
    const { frame } = this;
    this.statement.push(token);
    const type = token.tokenType;
    if (type === t.Arrow) frame.typed = true;
    const next = this.look(1);
    const starts = (this.statement.length === 1 || !t.endsOperand(this.statement.at(-2)!.tokenType)) && next !== null;
    if (!starts) return;
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
    if (this.startsStatement()) return true;
    if (opensEnd.has(before.tokenType) || isInfix(before)) return false;
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
      if (token.first && this.previous()) this.report("HR010", token);
      const isSchedule = this.statement[0]?.tokenType === t.Schedule && this.stack.length === 1;
      this.frame.head = null;
      this.frame.typed = false;
      this.stack.push(newFrame(token, "block", isSchedule));
      return;
    }
    this.statement.push(token);
    this.stack.push(newFrame(token, "bracket", false));
  }

  /** After an operand a brace opens a block; where a value or a type is to come it opens a record. */
  private opensBlock(token: Token): boolean {
    const before = this.previous();
    if (!before) return false;
    const type = before.tokenType;
    if (type === t.Else) return true;
    if (type === t.Import || type === t.Let) return false;
    // The space of a search; the options of a schedule's entry.
    if (type === t.Search && this.frame.head === "search") return false;
    if (this.frame.isSchedule) return false;
    if (this.frame.typed && (type === t.Greater || type === t.Question)) return true;
    return t.endsOperand(type) || (token.first && this.frame.head !== null && this.isHead());
  }

  private close(token: Token): void {
    let place = this.stack.length - 1;
    while (place > 0 && closers.get(this.stack[place]!.opener!.tokenType) !== token.tokenType) place--;
    if (place === 0) {
      this.report("HR008", token);
      return;
    }
    this.closeUntil(place + 1, token);
    this.finish(token);
  }

  /** Puts in what is missing until so many frames are left; one message, at the innermost bracket. */
  private closeUntil(count: number, before: Token | null): void {
    if (this.stack.length > count) this.report("HR007", this.frame.opener!);
    while (this.stack.length > count) this.finish(this.madeUp(closers.get(this.frame.opener!.tokenType)!, before));
  }

  /** Ends the innermost frame with its closing bracket. */
  private finish(closer: Token): void {
    const frame = this.stack.pop()!;
    const opener = frame.opener!;
    opener.closer = closer;
    if (frame.kind === "bracket") {
      this.statement.push(closer);
      opener.lambda = !closer.inserted && this.look(1)?.tokenType === t.FatArrow;
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

  private madeUp(type: (typeof t)["RParen"], before: Token | null): Token {
    // It stands right behind the last token that was read.
    const last = this.previous() ?? this.frame.opener ?? before ?? this.tokens.at(-1)!;
    const offset = last.endOffset;
    return {
      ...last,
      image: images.get(type) ?? "",
      startOffset: offset + 1,
      endOffset: offset,
      tokenType: type,
      tokenTypeIdx: type.tokenTypeIdx!,
      first: false,
      closer: null,
      lambda: false,
      inserted: true,
    };
  }

  // --- Where something plainly begins -------------------------------------------------------------------------------------------

  private startsDeclaration(): boolean {
    const [a, b, c] = [this.look(0), this.look(1), this.look(2)];
    if (!a || !b) return false;
    const third = c?.tokenType;
    switch (a.tokenType) {
      case t.Import:
        return b.tokenType === t.LBrace;
      case t.Param:
        return t.isName(b.tokenType) && third === t.Colon;
      case t.Type:
        return t.isName(b.tokenType) && (third === t.Assign || third === t.Less);
      case t.Pipeline:
      case t.Service:
        return t.isName(b.tokenType) && third === t.LParen;
      case t.Schedule:
        return t.isName(b.tokenType) && (third === t.LBrace || third === t.For);
      default:
        return false;
    }
  }

  /** Inside brackets no statement can begin: where one does, they were left open. */
  private startsStatement(): boolean {
    const [a, b, c] = [this.look(0), this.look(1), this.look(2)];
    if (!a || !b) return false;
    if (a.tokenType === t.Let) return t.isName(b.tokenType) || b.tokenType === t.LBrace || b.tokenType === t.LSquare;
    if (a.tokenType === t.Track) return t.isName(b.tokenType) && c?.tokenType === t.Assign;
    return t.isName(a.tokenType) && b.tokenType === t.Next;
  }

  private report(code: "HR007" | "HR008" | "HR010", token: Token): void {
    const span = { file: this.file, start: token.startOffset, end: token.endOffset + 1 };
    const closer = images.get(closers.get(token.tokenType) ?? token.tokenType) ?? "";
    if (code === "HR007")
      this.diagnostics.push(report(code, { opener: token.image, closer }, [{ span, label: `lacks its \`${closer}\``, role: "primary" }]));
    else if (code === "HR008")
      this.diagnostics.push(
        report(code, { closer: token.image }, [{ span, label: "one too many", role: "primary" }], { fix: { span, text: "" } }),
      );
    else
      this.diagnostics.push(
        report(code, {}, [{ span, label: "on a line of its own", role: "primary" }], { help: "put it at the end of the line before" }),
      );
  }
}

function newFrame(opener: Token | null, kind: Frame["kind"], isSchedule: boolean): Frame {
  return { opener, kind, statements: [], isSchedule, head: null, typed: false };
}
