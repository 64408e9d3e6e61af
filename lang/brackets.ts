// Brackets that lack their other half. What comes out is always balanced: a closing bracket is put in where one plainly lacks, and one
// that closes nothing is left out, each with one message. Where brackets don't match, indentation tells which of them is at fault; where
// they do, indentation means nothing and nothing is touched. Knows tokens, not grammar.
import type { TokenType } from "chevrotain";
import type { Diagnostic } from "./diagnostics.ts";
import { report } from "./diagnostics.ts";
import type { Token } from "./tokens.ts";
import * as t from "./tokens.ts";

export interface Balanced {
  readonly tokens: readonly Token[];
  readonly diagnostics: readonly Diagnostic[];
}

const closerOf = new Map([
  [t.LParen, t.RParen],
  [t.LSquare, t.RSquare],
  [t.LBrace, t.RBrace],
]);
const images = new Map([
  [t.LBrace, "{"],
  [t.RParen, ")"],
  [t.RSquare, "]"],
  [t.RBrace, "}"],
]);
export const isOpener = (token: Token): boolean => closerOf.has(token.tokenType);
export const isCloser = (token: Token): boolean =>
  token.tokenType === t.RParen || token.tokenType === t.RSquare || token.tokenType === t.RBrace;
const matches = (opener: Token, closer: Token): boolean => closerOf.get(opener.tokenType) === closer.tokenType;
const isHole = (token: Token): boolean => token.tokenType === t.TemplateOpen;

export function balance(tokens: readonly Token[], file: string): Balanced {
  if (isBalanced(tokens)) return { tokens, diagnostics: [] };
  let given = tokens;
  const missing: Diagnostic[] = [];
  // Each turn puts in one `{`, which the one that closed nothing belongs to.
  for (let turn = 0; ; turn++) {
    const found = new Balancing(given, file, turn < 20).run();
    if (found.kind === "balanced") return { tokens: found.tokens, diagnostics: [...missing, ...found.diagnostics] };
    given = found.tokens;
    missing.push(found.diagnostic);
  }
}

function isBalanced(tokens: readonly Token[]): boolean {
  const open: Token[] = [];
  for (const [i, token] of tokens.entries()) {
    const type = token.tokenType;
    // Two mistakes may make up for each other, but not across what no bracket can hold.
    if (token.first && open.length > 0 && beginsOutside(tokens, i, open)) return false;
    if (isOpener(token) || type === t.TemplateOpen) open.push(token);
    else if (type === t.TemplateMiddle || type === t.TemplateClose) {
      if (open.at(-1)?.tokenType !== t.TemplateOpen) return false;
      if (type === t.TemplateClose) open.pop();
    } else if (isCloser(token)) {
      const opener = open.pop();
      if (!opener || !matches(opener, token)) return false;
    }
  }
  return open.length === 0;
}

/** A line that can't stand in what is open. */
function beginsOutside(tokens: readonly Token[], at: number, open: readonly Token[]): boolean {
  const top = open.at(-1)!.tokenType;
  if (tokens[at]!.indent === 0 && startsDeclaration(tokens, at)) return true;
  if (top !== t.LParen && top !== t.LSquare) return false;
  return startsStatement(tokens, at) || (isScheduleBrace(tokens, open[0]!) && startsEntry(tokens, at));
}

function isScheduleBrace(tokens: readonly Token[], brace: Token): boolean {
  const at = tokens.indexOf(brace);
  return tokens.slice(Math.max(0, at - 4), at).some((token) => token.tokenType === t.Schedule && token.first);
}

type Found =
  | { readonly kind: "balanced"; readonly tokens: readonly Token[]; readonly diagnostics: readonly Diagnostic[] }
  /** To be read again: a `{` has been put in. */
  | { readonly kind: "again"; readonly tokens: readonly Token[]; readonly diagnostic: Diagnostic };

interface Open {
  readonly token: Token;
  /** Its place in the text. */
  readonly at: number;
  /** A block whose lines stand deeper than its head: indentation tells where it ends. */
  judged: boolean;
}

class Balancing {
  private readonly tokens: readonly Token[];
  private readonly file: string;
  private readonly mayPutIn: boolean;
  private readonly out: Token[] = [];
  private readonly dropped = new Set<Token>();
  private readonly diagnostics: Diagnostic[] = [];
  private readonly stack: Open[] = [];

  constructor(tokens: readonly Token[], file: string, mayPutIn: boolean) {
    this.tokens = tokens;
    this.file = file;
    this.mayPutIn = mayPutIn;
  }

  run(): Found {
    for (const [i, token] of this.tokens.entries()) {
      if (token.first) this.line(token, i);
      if (this.dropped.has(token)) continue;
      if (isOpener(token) || isHole(token)) {
        this.stack.push({ token, at: i, judged: this.isJudged(token, i) });
        this.out.push(token);
      } else if (token.tokenType === t.TemplateMiddle || token.tokenType === t.TemplateClose) {
        this.leaveDownTo(this.stack.findLastIndex((open) => isHole(open.token)) + 1);
        if (token.tokenType === t.TemplateClose) this.stack.pop();
        this.out.push(token);
      } else if (isCloser(token)) {
        const again = this.close(token, i);
        if (again) return again;
      } else this.out.push(token);
    }
    this.leaveDownTo(0);
    return { kind: "balanced", tokens: this.out.filter((token) => !this.dropped.has(token)), diagnostics: this.diagnostics };
  }

  private isJudged(token: Token, at: number): boolean {
    const next = this.tokens[at + 1];
    return token.tokenType !== t.LBrace || next === undefined || !next.first || next.indent > token.indent;
  }

  // --- Left open --------------------------------------------------------------------------------------------------------------------

  /** A new line that can't stand in what is open. */
  private line(token: Token, at: number): void {
    let keep = this.stack.length;
    if (token.indent === 0 && startsDeclaration(this.tokens, at)) keep = 0;
    while (keep > 0 && this.isLeftOpen(this.stack[keep - 1]!, token, at)) keep--;
    this.leaveDownTo(keep);
  }

  private isLeftOpen({ token: opener, at: place, judged }: Open, token: Token, at: number): boolean {
    if (isHole(opener) || isCloser(token) || opener.startLine === token.startLine) return false;
    const isBlock = opener.tokenType === t.LBrace && opensBlock(this.tokens, place);
    if (!isBlock && startsStatement(this.tokens, at)) return true;
    if (opener.tokenType !== t.LBrace && startsEntry(this.tokens, at) && this.inSchedule()) return true;
    return judged && token.indent <= opener.indent && !continues(token);
  }

  private inSchedule(): boolean {
    return this.stack[0] !== undefined && isScheduleBrace(this.tokens, this.stack[0].token);
  }

  /** One message for all that is left open in one place: at the innermost. */
  private leaveDownTo(keep: number): void {
    if (this.stack.length > keep) {
      const { token } = this.stack.at(-1)!;
      const closer = images.get(closerOf.get(token.tokenType)!)!;
      this.diagnostics.push(
        report("HR007", { opener: token.image, closer }, [{ span: this.spanOf(token), label: `lacks its \`${closer}\``, role: "primary" }]),
      );
    }
    while (this.stack.length > keep) {
      const { token, at } = this.stack.pop()!;
      // One of two braces side by side is one too many: to close it would make a record of a block.
      const twin = [this.tokens[at - 1], this.tokens[at + 1]].find(
        (one) => one?.tokenType === t.LBrace && one.startLine === token.startLine && token.tokenType === t.LBrace,
      );
      if (twin) {
        this.dropped.add(token);
        twin.mended = true;
      } else this.out.push(this.madeUp(closerOf.get(token.tokenType)!, this.out.at(-1)!));
    }
  }

  // --- Closed -------------------------------------------------------------------------------------------------------------------------

  private close(closer: Token, at: number): Found | null {
    const top = this.stack.at(-1);
    const next = this.tokens[at + 1];
    if (!top || isHole(top.token)) return this.surplus(closer, at);
    if (matches(top.token, closer)) {
      const outer = this.closedByIndent(closer, top);
      if (outer !== null) this.leaveDownTo(outer + 1);
      else if (this.isTooEarly(top, closer, next)) return this.surplus(closer, at);
      this.stack.pop();
      this.out.push(closer);
      return null;
    }
    const floor = this.stack.findLastIndex((open) => isHole(open.token)) + 1;
    const place = this.stack.findLastIndex((open, i) => i >= floor && matches(open.token, closer));
    const sameLine = closer.startLine === top.token.startLine;
    if (next && isCloser(next) && matches(top.token, next)) {
      // `)}` for `})`: both are there; or this one is too many.
      const belongs = place >= 0 && (next.first || this.stack[place]!.token.startLine === closer.startLine);
      if (!belongs || place < this.stack.length - 2) return this.surplus(closer, at);
      this.tellSurplus(closer, top.token);
      this.stack.length -= 2;
      this.out.push(this.madeUp(next.tokenType, this.out.at(-1)!), closer);
      this.dropped.add(next);
      return null;
    }
    if (place < 0) return sameLine && !this.closesLater(top, at) ? this.closeByWrongKind(top, closer) : this.surplus(closer, at);
    const frame = this.stack[place]!;
    const belongs = frame.token.startLine === closer.startLine || !sameLine || closer.first;
    if (!belongs && next && (!next.first || this.isTooEarly(frame, closer, next))) return this.closeByWrongKind(top, closer);
    this.leaveDownTo(place + 1);
    this.stack.pop();
    this.out.push(closer);
    return null;
  }

  /** The outer block that a brace belongs to by its indentation, where the innermost one's lines stood deeper. */
  private closedByIndent(closer: Token, top: Open): number | null {
    if (closer.tokenType !== t.RBrace || !closer.first || closer.indent >= top.token.indent) return null;
    const outer = this.stack.findLastIndex(({ token }) => token.tokenType === t.LBrace && token.indent === closer.indent);
    return outer >= 0 ? outer : null;
  }

  /** The block would end, but the lines behind the brace stand inside it. */
  private isTooEarly({ token: opener, at, judged }: Open, closer: Token, next: Token | undefined): boolean {
    if (closer.tokenType !== t.RBrace || opener.startLine === closer.startLine || !judged || !next) return false;
    if (next.tokenType === t.Else) return !this.lineHas(at, t.If, t.Else);
    if (next.tokenType === t.Each) return !this.lineHas(at, t.For);
    if (continues(next)) return false;
    // The next line ends this very block.
    if (next.first && isCloser(next)) return !closer.first && matches(opener, next) && this.isOnlyOneAt(next.indent);
    if (next.first) return next.indent > opener.indent;
    return closer.first ? closer.indent > opener.indent : !isCloser(next);
  }

  /** What is open here finds its other half before a line that can't stand in it. */
  private closesLater(top: Open, at: number): boolean {
    let depth = 0;
    for (let i = at + 1; i < this.tokens.length; i++) {
      const token = this.tokens[i]!;
      if (token.first && this.isLeftOpen(top, token, i)) return false;
      if (isOpener(token)) depth++;
      else if (isCloser(token) && depth-- === 0) return matches(top.token, token);
    }
    return false;
  }

  private isOnlyOneAt(indent: number): boolean {
    return this.stack.at(-1)?.token.indent === indent && this.stack.filter(({ token }) => token.indent === indent).length === 1;
  }

  private lineHas(at: number, ...types: readonly unknown[]): boolean {
    for (let i = at; i >= 0; i--) {
      const token = this.tokens[i]!;
      if (types.includes(token.tokenType)) return true;
      if (token.first) return false;
    }
    return false;
  }

  private closeByWrongKind(top: Open, closer: Token): null {
    this.tellSurplus(closer, top.token);
    this.stack.pop();
    this.out.push(this.madeUp(closerOf.get(top.token.tokenType)!, closer));
    return null;
  }

  private surplus(closer: Token, at: number): Found | null {
    const head = closer.tokenType === t.RBrace && closer.first && this.mayPutIn ? this.headWithoutBrace(closer, at) : null;
    if (head !== null) {
      const last = this.tokens[head]!;
      const brace = this.madeUp(t.LBrace, last);
      const end = last.endOffset + 1;
      return {
        kind: "again",
        tokens: [...this.tokens.slice(0, head + 1), brace, ...this.tokens.slice(head + 1)],
        diagnostic: report(
          "HR008",
          { closer: "}" },
          [
            { span: this.spanOf(closer), label: "closes nothing", role: "primary" },
            { span: { file: this.file, start: end, end: end + 1 }, label: "a `{` is missing here", role: "secondary" },
          ],
          { fix: { span: { file: this.file, start: end, end }, text: " {" } },
        ),
      };
    }
    this.tellSurplus(closer, null);
    const before = this.out.at(-1);
    const after = this.tokens[at + 1];
    if (before) before.mended = true;
    if (after && !after.first) after.mended = true;
    return null;
  }

  private tellSurplus(closer: Token, opener: Token | null): void {
    const span = this.spanOf(closer);
    const wants = opener ? images.get(closerOf.get(opener.tokenType)!)! : null;
    this.diagnostics.push(
      opener && wants
        ? report(
            "HR008",
            { closer: closer.image },
            [
              { span, label: `\`${wants}\` was expected`, role: "primary" },
              { span: this.spanOf(opener), label: `closed by \`${wants}\``, role: "secondary" },
            ],
            { fix: { span, text: wants } },
          )
        : // Whether it is one too many or its other half lacks, nobody but its writer knows.
          report("HR008", { closer: closer.image }, [{ span, label: "one too many", role: "primary" }], {}),
    );
  }

  /** The last token of the line that a brace at this indentation would end the block of: lines behind it stand deeper, and none opens. */
  private headWithoutBrace(closer: Token, at: number): number | null {
    const floor = this.stack.at(-1)?.at ?? -1;
    let line = at - 1;
    while (line > floor && !(this.tokens[line]!.first && this.tokens[line]!.indent <= closer.indent)) line--;
    if (line <= floor || this.tokens[line]!.indent !== closer.indent) return null;
    let end = line;
    while (end + 1 < at && !this.tokens[end + 1]!.first) end++;
    if (end + 1 >= at || isOpener(this.tokens[end]!)) return null;
    return this.tokens.slice(line, end + 1).some((token) => headWords.has(token.tokenType)) ? end : null;
  }

  // --- Tokens that aren't in the text ----------------------------------------------------------------------------------------------

  private madeUp(type: (typeof t)["RParen"], behind: Token): Token {
    return {
      ...behind,
      image: images.get(type) ?? "",
      startOffset: behind.endOffset + 1,
      endOffset: behind.endOffset,
      tokenType: type,
      tokenTypeIdx: type.tokenTypeIdx!,
      first: false,
      spaced: true,
      closer: null,
      lambda: false,
      inserted: true,
    };
  }

  private spanOf(token: Token) {
    return { file: this.file, start: token.startOffset, end: token.endOffset + 1 };
  }
}

// --- Where something plainly begins or goes on --------------------------------------------------------------------------------------

const headWords = new Set([t.If, t.Else, t.For, t.Max, t.Minimize, t.Maximize, t.Epoch, t.Failure, t.Pipeline, t.Service, t.Schedule]);

/** A line that starts so belongs to the line before. */
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
/** Or follows the brace that ends a block. */
const continues = (token: Token): boolean =>
  continuesLine.has(token.tokenType) || token.tokenType === t.Each || token.tokenType === t.Comma || token.tokenType === t.LineEnd;

/** By its neighbour alone: after an operand a brace opens a block. */
function opensBlock(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1];
  if (tokens[at]!.inserted) return true;
  return before !== undefined && (before.tokenType === t.Else || t.endsOperand(before.tokenType) || before.tokenType === t.Greater);
}

export function startsDeclaration(tokens: readonly Token[], at: number): boolean {
  const [a, b, c] = [tokens[at], tokens[at + 1], tokens[at + 2]];
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

/** `model: …`, `a, report.*: …`: an entry of a schedule, which no bracket can hold. */
function startsEntry(tokens: readonly Token[], at: number): boolean {
  for (let i = at; i < tokens.length && tokens[i]!.startLine === tokens[at]!.startLine; i++) {
    const type = tokens[i]!.tokenType;
    if (type === t.Colon) return i > at;
    if (!t.isName(type) && type !== t.Times && type !== t.Dot && type !== t.Comma) return false;
  }
  return false;
}

/** No statement can begin inside `()`, `[]` or a record: where one does, they were left open. */
export function startsStatement(tokens: readonly Token[], at: number): boolean {
  const [a, b, c] = [tokens[at], tokens[at + 1], tokens[at + 2]];
  if (!a || !b) return false;
  if (a.tokenType === t.Let) return t.isName(b.tokenType) || b.tokenType === t.LBrace || b.tokenType === t.LSquare;
  if (a.tokenType === t.Track) return t.isName(b.tokenType) && c?.tokenType === t.Assign;
  return t.isName(a.tokenType) && b.tokenType === t.Next;
}
