// Canonical text. Lines stay where their writer put them, since a line end means something here; indentation, spaces and blank lines
// are ours. Works on tokens, so that the tokens, and with them the meaning, stay what they were, and every comment stays in its place.
import { continuesLine, isCloser, isOpener } from "./brackets.ts";
import { isInfix } from "./layout.ts";
import { lex } from "./scan.ts";
import type { Token } from "./tokens.ts";
import * as t from "./tokens.ts";

const INDENT = "  ";

/** What stands between two tokens: comments, each on the line of what came before it or on its own, and whether lines are left blank. */
interface Comment {
  readonly text: string;
  /** Behind code: columns may have been lined up by hand. */
  readonly spaces: number;
  readonly ownLine: boolean;
  readonly blankBefore: boolean;
}
interface Gap {
  readonly comments: readonly Comment[];
  /** A line ends before the next token. */
  readonly newLine: boolean;
  readonly blank: boolean;
}

/** The text in canonical form. Of text with errors the spaces may be odd, but nothing is lost; formatting twice gives the same. */
export function format(text: string): string {
  const { tokens, tooLarge } = lex(text, "");
  if (tooLarge) return text;
  // Where the scan lost its way, in a hole of a template, nobody knows what stands between its tokens.
  if (tokens.some((token, i) => i > 0 && token.startOffset <= tokens[i - 1]!.endOffset)) return text;
  const lines = new Lines();
  const open: number[] = [];
  let previous: Token | null = null;
  let beforePrevious: Token | null = null;
  let end = 0;
  for (const token of tokens) {
    const gap = readGap(text.slice(end, token.startOffset), previous === null);
    const closes = isCloser(token);
    for (const comment of gap.comments) lines.comment(comment, indentOf(open));
    if (previous === null || gap.newLine) {
      if (closes) open.pop();
      lines.begin(indentOf(open) + continuation(token, previous, open), gap.blank && previous !== null);
      lines.add(token.image, false);
    } else {
      if (closes) open.pop();
      lines.add(token.image, spaceBetween(beforePrevious, previous, token));
    }
    if (isOpener(token)) open.push(lines.number);
    end = token.endOffset + 1;
    beforePrevious = previous;
    previous = token;
  }
  const last = readGap(text.slice(end), previous === null);
  for (const comment of last.comments) lines.comment(comment, 0);
  return lines.text();
}

/** Brackets that opened on one line indent what is in them once. */
function indentOf(open: readonly number[]): number {
  return new Set(open).size;
}

/** A line that goes on with the one before stands one further in; heads of `fit` and `loop` don't. */
function continuation(token: Token, previous: Token | null, open: readonly number[]): number {
  if (previous === null || isCloser(token)) return 0;
  // `*: auto` begins an entry of a schedule.
  if (token.tokenType === t.Times && open.length > 0 && (previous.tokenType === t.LBrace || t.endsOperand(previous.tokenType))) return 0;
  if (continuesLine.has(token.tokenType) && token.tokenType !== t.Else) return 1;
  const goesOn =
    previous.tokenType === t.Assign ||
    previous.tokenType === t.Next ||
    previous.tokenType === t.Arrow ||
    previous.tokenType === t.FatArrow ||
    isInfix(previous);
  return goesOn ? 1 : 0;
}

/** `Dataset<int>`: written close. */
const isGeneric = (token: Token) => (token.tokenType === t.Less || token.tokenType === t.Greater) && !token.spaced;

const closeBefore = new Set([
  t.Comma,
  t.Colon,
  t.LineEnd,
  t.Dot,
  t.OptionalDot,
  t.RParen,
  t.RSquare,
  t.Question,
  t.Dots,
  t.TemplateMiddle,
  t.TemplateClose,
]);
const closeAfter = new Set([t.LParen, t.LSquare, t.Dot, t.OptionalDot, t.Spread, t.Dots, t.TemplateOpen, t.TemplateMiddle]);

function spaceBetween(beforeLeft: Token | null, left: Token, right: Token): boolean {
  const [a, b] = [left.tokenType, right.tokenType];
  if (a === t.LBrace && b === t.RBrace) return false;
  if (closeBefore.has(b) || closeAfter.has(a)) return false;
  // `data!(2)`, and `!done`.
  if (b === t.Not && a !== t.Not && t.endsOperand(a) && !right.spaced) return false;
  if (a === t.Not) return false;
  // A sign, not an operator between two.
  if (a === t.Minus && (beforeLeft === null || !t.endsOperand(beforeLeft.tokenType))) return false;
  if (isGeneric(left) || isGeneric(right))
    return left.tokenType === t.Greater && b !== t.LParen && b !== t.Less && b !== t.Greater
      ? right.spaced || b === t.Assign || b === t.LBrace
      : false;
  // A call's bracket is close to its name; after a word that starts a form it isn't.
  if ((b === t.LParen || b === t.LSquare) && t.endsOperand(a)) return right.spaced;
  return true;
}

function readGap(text: string, first: boolean): Gap {
  const comments: Comment[] = [];
  let newLine = first;
  let breaks = 0;
  // What the scan could make nothing of is kept as if it were a comment.
  const pattern = /\/\/[^\r\n]*|\/\*[\s\S]*?\*\/|\r?\n|(?:(?!\/\/|\/\*[\s\S]*?\*\/)\S)+/g;
  for (const { 0: piece, index } of text.matchAll(pattern)) {
    if (piece === "\n" || piece === "\r\n") {
      breaks++;
      newLine = true;
      continue;
    }
    const spaces = /[ \t]*$/.exec(text.slice(0, index))![0].length;
    comments.push({ text: piece.trimEnd(), spaces: Math.max(1, spaces), ownLine: newLine, blankBefore: breaks > 1 });
    breaks = 0;
    newLine = piece.startsWith("//") ? newLine : newLine || piece.includes("\n");
  }
  return { comments, newLine, blank: breaks > 1 };
}

class Lines {
  private readonly lines: string[] = [];

  get number(): number {
    return this.lines.length;
  }

  begin(indent: number, blank: boolean): void {
    if (blank && this.lines.length > 0) this.lines.push("");
    this.lines.push(INDENT.repeat(indent));
  }
  add(text: string, space: boolean): void {
    this.lines[this.lines.length - 1] += space ? ` ${text}` : text;
  }
  comment({ text, spaces, ownLine, blankBefore }: Comment, indent: number): void {
    if (ownLine || this.lines.length === 0) {
      this.begin(indent, blankBefore);
      this.add(text, false);
    } else this.add(" ".repeat(spaces) + text, false);
  }
  text(): string {
    const lines = this.lines.map((line) => line.trimEnd());
    return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  }
}
