// From text to tokens: the token types that the grammar is written in, and the scan that makes them. Text that is no token
// (an unclosed string, an unknown character, a bad number) is reported here and still gives a token wherever one was plainly
// meant, so that the parser sees a whole statement. It must not know lines or brackets: that is `layout.ts`.
import type { IToken, TokenType } from "chevrotain";
import { createToken } from "chevrotain";
import type { Diagnostic } from "./diagnostics.ts";
import { report } from "./diagnostics.ts";
import { nearest } from "./suggest.ts";

/** A token with what the layout pass and the messages want to know of its surroundings. */
export interface Token extends IToken {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly startLine: number;
  /** First token of its line. */
  readonly first: boolean;
  /** Columns before the first token of this token's line. */
  readonly indent: number;
  /** White space stands before it. */
  readonly spaced: boolean;
  /** Open brackets around it; set by the layout pass, as is the next one. */
  depth: number;
  /** Of an opening bracket: its closing one. */
  closer: Token | null;
  /** Of an opening bracket: `=>` follows its closing one. */
  lambda: boolean;
  /** Put in by the layout pass; not in the text. */
  readonly inserted: boolean;
}

/** A whole block, braces and all: its statements are parsed apart, so that a broken one harms no other. */
export interface BlockToken extends Token {
  readonly statements: readonly Token[][];
}

const none = /(?!)/;
const kind = (name: string, label: string, categories: TokenType[] = []): TokenType =>
  createToken({ name, label, pattern: none, categories });

/** Anything that may stand after a dot, or name a field, an argument or an option: reserved words too. */
export const Word = kind("Word", "a word");
/** Anything that may name a value: all words but the reserved ones. */
export const Name = kind("Name", "a name", [Word]);
/** An operator between two operands. `|>` isn't one: it takes a step. */
export const Infix = kind("Infix", "an operator");

const reserved = (text: string): TokenType => kind(`Reserved_${text}`, `\`${text}\``, [Word]);
const contextual = (text: string): TokenType => kind(`Word_${text}`, `\`${text}\``, [Name]);
const sign = (name: string, text: string, categories: TokenType[] = []): TokenType => kind(name, `\`${text}\``, categories);

export const Import = reserved("import");
export const Let = reserved("let");
export const If = reserved("if");
export const Else = reserved("else");
export const For = reserved("for");
export const In = reserved("in");
export const Do = reserved("do");
export const True = reserved("true");
export const False = reserved("false");
export const Null = reserved("null");

export const Type = contextual("type");
export const Param = contextual("param");
export const Pipeline = contextual("pipeline");
export const Service = contextual("service");
export const Schedule = contextual("schedule");
export const Actor = contextual("actor");
export const Resource = contextual("resource");
export const As = contextual("as");
export const From = contextual("from");
export const Track = contextual("track");
export const Expect = contextual("expect");
export const Keep = contextual("keep");
export const Minimizing = contextual("minimizing");
export const Maximizing = contextual("maximizing");
export const Stop = contextual("stop");
export const After = contextual("after");
export const Without = contextual("without");
export const Improvement = contextual("improvement");
export const Of = contextual("of");
export const On = contextual("on");
export const Failure = contextual("failure");
export const Each = contextual("each");
export const Epoch = contextual("epoch");
export const Fit = contextual("fit");
export const Over = contextual("over");
export const Loop = contextual("loop");
export const Until = contextual("until");
export const Max = contextual("max");
export const Search = contextual("search");
export const Trials = contextual("trials");
export const Maximize = contextual("maximize");
export const Minimize = contextual("minimize");
export const Using = contextual("using");
export const Log = contextual("log");
export const Within = contextual("within");

export const Num = kind("Num", "a number");
export const Quantity = kind("Quantity", "a quantity such as `10m` or `2gb`");
export const Str = kind("Str", "a string");
/** A template without `${}`. With some, it is `Open hole Middle hole … Close`, the holes being ordinary tokens. */
export const Template = kind("Template", "a template");
export const TemplateOpen = kind("TemplateOpen", "a template");
export const TemplateMiddle = kind("TemplateMiddle", "`}`");
export const TemplateClose = kind("TemplateClose", "`}`");

export const LParen = sign("LParen", "(");
export const RParen = sign("RParen", ")");
export const LSquare = sign("LSquare", "[");
export const RSquare = sign("RSquare", "]");
export const LBrace = sign("LBrace", "{");
export const RBrace = sign("RBrace", "}");
export const Comma = sign("Comma", ",");
export const Colon = sign("Colon", ":");
export const Dots = sign("Dots", "..");
export const Spread = sign("Spread", "...");
export const Dot = sign("Dot", ".");
export const OptionalDot = sign("OptionalDot", "?.");
export const Question = sign("Question", "?");
export const Assign = sign("Assign", "=");
/** `+=`, `++` and their kind: a token only to be told what stands instead. */
export const Compound = kind("Compound", "an assignment");
export const Next = sign("Next", "<-");
export const Arrow = sign("Arrow", "->");
export const FatArrow = sign("FatArrow", "=>");
export const Pipe = sign("Pipe", "|>");
export const Bar = sign("Bar", "|");
export const Not = sign("Not", "!");
export const Coalesce = sign("Coalesce", "??", [Infix]);
export const Or = sign("Or", "||", [Infix]);
export const And = sign("And", "&&", [Infix]);
export const Equal = sign("Equal", "==", [Infix]);
export const NotEqual = sign("NotEqual", "!=", [Infix]);
export const LessEqual = sign("LessEqual", "<=", [Infix]);
export const Less = sign("Less", "<", [Infix]);
export const GreaterEqual = sign("GreaterEqual", ">=", [Infix]);
export const Greater = sign("Greater", ">", [Infix]);
export const Plus = sign("Plus", "+", [Infix]);
export const Minus = sign("Minus", "-", [Infix]);
export const Times = sign("Times", "*", [Infix]);
export const Divide = sign("Divide", "/", [Infix]);
export const Modulo = sign("Modulo", "%", [Infix]);

/** Made by the layout pass of a brace that opens a block. */
export const Block = kind("Block", "a block in braces");

/** Made by the layout pass, or written as `;`. */
export const LineEnd = kind("LineEnd", "the end of the line");

const words = new Map<string, TokenType>(
  [
    Import,
    Let,
    If,
    Else,
    For,
    In,
    Do,
    True,
    False,
    Null,
    Type,
    Param,
    Pipeline,
    Service,
    Schedule,
    Actor,
    Resource,
    As,
    From,
    Track,
    Expect,
    Keep,
    Minimizing,
    Maximizing,
    Stop,
    After,
    Without,
    Improvement,
    Of,
    On,
    Failure,
    Each,
    Epoch,
    Fit,
    Over,
    Loop,
    Until,
    Max,
    Search,
    Trials,
    Maximize,
    Minimize,
    Using,
    Log,
    Within,
  ].map((type) => [(type.LABEL ?? "").slice(1, -1), type]),
);

/** Longest first: the scan takes the first that fits. */
const signs: readonly (readonly [string, TokenType])[] = [
  ["===", Equal],
  ["!==", NotEqual],
  ["...", Spread],
  ["**=", Compound],
  ["|>", Pipe],
  ["||", Or],
  ["&&", And],
  ["??", Coalesce],
  ["?.", OptionalDot],
  ["==", Equal],
  ["!=", NotEqual],
  ["<=", LessEqual],
  [">=", GreaterEqual],
  ["<-", Next],
  ["->", Arrow],
  ["=>", FatArrow],
  ["..", Dots],
  ["+=", Compound],
  ["-=", Compound],
  ["*=", Compound],
  ["/=", Compound],
  ["%=", Compound],
  ["++", Compound],
  ["--", Compound],
  ["(", LParen],
  [")", RParen],
  ["[", LSquare],
  ["]", RSquare],
  ["{", LBrace],
  ["}", RBrace],
  [",", Comma],
  [":", Colon],
  [";", LineEnd],
  [".", Dot],
  ["?", Question],
  ["=", Assign],
  ["|", Bar],
  ["!", Not],
  ["<", Less],
  [">", Greater],
  ["+", Plus],
  ["-", Minus],
  ["*", Times],
  ["/", Divide],
  ["%", Modulo],
];
const signsByFirst = new Map<number, (readonly [string, TokenType])[]>();
for (const entry of signs) {
  const code = entry[0].charCodeAt(0);
  const row = signsByFirst.get(code);
  if (row) row.push(entry);
  else signsByFirst.set(code, [entry]);
}

/** All token types, for the parser's vocabulary. */
export const vocabulary: TokenType[] = [
  Word,
  Name,
  Infix,
  Block,
  ...words.values(),
  Num,
  Quantity,
  Str,
  Template,
  TemplateOpen,
  TemplateMiddle,
  TemplateClose,
  ...new Set(signs.map(([, type]) => type)),
];

/** Units of quantities: durations and sizes. */
export const units: readonly string[] = ["ns", "us", "ms", "s", "m", "h", "d", "b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib"];

/** `///` text, found beside the tokens. */
export interface Docs {
  /** By the token that follows lines of `///` standing alone. */
  readonly above: ReadonlyMap<Token, string>;
  /** By line number: `///` after code. */
  readonly after: ReadonlyMap<number, string>;
}

export interface Lexed {
  readonly tokens: Token[];
  readonly docs: Docs;
  readonly diagnostics: Diagnostic[];
}

const blank = /[ \t\v\f\u00a0\ufeff]+/y;
const word = /[\p{ID_Start}_$][\p{ID_Continue}$\u200c\u200d]*/uy;
const number = /\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d[\d_]*)?/y;
const numberTail = /[\p{ID_Continue}$]+/uy;
const lineText = /[^\r\n]*/y;
const deepestTemplate = 20;

const at = (pattern: RegExp, text: string, offset: number): string | null => {
  pattern.lastIndex = offset;
  return pattern.exec(text)?.[0] ?? null;
};

/** Where the template that opens at `start` ends, and its `${}` holes; `closed` is false where the text ends first. */
function templateExtent(text: string, start: number): { end: number; holes: { start: number; end: number }[]; closed: boolean } {
  const holes: { start: number; end: number }[] = [];
  // What is open around the position: a template's text, a hole's code, or braces in a hole.
  const open: ("text" | "hole" | "brace")[] = ["text"];
  let i = start + 1;
  while (i < text.length) {
    const c = text[i];
    const inside = open.at(-1);
    if (inside === "text") {
      if (c === "\\") i += 1;
      else if (c === "`") {
        open.pop();
        if (open.length === 0) return { end: i + 1, holes, closed: true };
      } else if (c === "$" && text[i + 1] === "{") {
        i += 1;
        if (open.length === 1) holes.push({ start: i + 1, end: text.length });
        open.push("hole");
      }
    } else if (c === "`") open.push("text");
    else if (c === '"' || c === "'") i = stringEnd(text, i).end - 1;
    else if (c === "{") open.push("brace");
    else if (c === "}") {
      const closed = open.pop();
      const hole = holes.at(-1);
      if (closed === "hole" && open.length === 1 && hole) hole.end = i;
    }
    i += 1;
  }
  return { end: text.length, holes, closed: false };
}

function stringEnd(text: string, start: number): { end: number; closed: boolean } {
  const quote = text[start];
  for (let i = start + 1; i < text.length; i++) {
    const c = text[i];
    if (c === "\\" && text[i + 1] !== "\n" && text[i + 1] !== "\r") i += 1;
    else if (c === quote) return { end: i + 1, closed: true };
    else if (c === "\n" || c === "\r") return { end: i, closed: false };
  }
  return { end: text.length, closed: false };
}

const lookAlikes: Readonly<Record<string, string>> = {
  "“": '"',
  "”": '"',
  "‘": "'",
  "’": "'",
  "–": "-",
  "—": "-",
  "−": "-",
  "×": "*",
  "÷": "/",
  "≤": "<=",
  "≥": ">=",
  "≠": "!=",
  "→": "->",
  "⇒": "=>",
  "←": "<-",
  "…": "...",
  "，": ",",
  "：": ":",
  "（": "(",
  "）": ")",
};

const unescapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f", v: "\v", 0: "\0" };

/** The value of a string's or template's inside, escapes resolved. */
export function unescaped(inside: string): string {
  if (!inside.includes("\\")) return inside;
  return inside.replace(
    /\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|\r\n|([\s\S]))/g,
    (whole, braced, four, two, one) => {
      const hex: string | undefined = braced ?? four ?? two;
      if (hex !== undefined) {
        const point = Number.parseInt(hex, 16);
        return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
      }
      if (one === undefined || one === "\n" || one === "\r") return "";
      return unescapes[one] ?? one;
    },
  );
}

export function lex(text: string, file: string): Lexed {
  const tokens: Token[] = [];
  const diagnostics: Diagnostic[] = [];
  const above = new Map<Token, string>();
  const after = new Map<number, string>();
  let line = 1;
  let lineStart = 0;
  let first = true;
  let indent = 0;
  let spaced = true;
  let waiting: string[] = [];

  const primary = (start: number, end: number, label = "") => [{ span: { file, start, end }, label, role: "primary" as const }];

  function push(type: TokenType, start: number, end: number): Token {
    if (first) {
      indent = 0;
      for (let i = lineStart; i < start; i++) indent += text[i] === "\t" ? 4 : 1;
    }
    const token: Token = {
      image: text.slice(start, end),
      startOffset: start,
      endOffset: end - 1,
      startLine: line,
      tokenType: type,
      tokenTypeIdx: type.tokenTypeIdx as number,
      first,
      indent,
      spaced,
      depth: 0,
      closer: null,
      lambda: false,
      inserted: false,
    };
    tokens.push(token);
    if (waiting.length > 0) {
      above.set(token, waiting.join("\n"));
      waiting = [];
    }
    first = false;
    spaced = false;
    return token;
  }
  const newLine = (next: number) => {
    line += 1;
    lineStart = next;
    first = true;
    spaced = true;
  };

  function comment(start: number): number {
    const image = at(lineText, text, start) ?? "";
    if (image.startsWith("///") && image[3] !== "/") {
      const said = image.slice(3).trim();
      if (first) waiting.push(said);
      else after.set(line, said);
    }
    spaced = true;
    return start + image.length;
  }

  function blockComment(start: number): number {
    const end = text.indexOf("*/", start + 2);
    if (end < 0) {
      const image = at(lineText, text, start) ?? "";
      diagnostics.push(report("HR003", { what: "comment", closer: "*/" }, primary(start, start + 2, "opened here")));
      return start + image.length;
    }
    for (let i = start; i < end; i++) if (text[i] === "\n") newLine(i + 1);
    spaced = true;
    return end + 2;
  }

  function string(start: number): number {
    const { end, closed } = stringEnd(text, start);
    if (!closed) {
      // What follows on the line was hardly meant to be text where brackets close behind it; only the message knows.
      const quote = text[start] as string;
      diagnostics.push(report("HR003", { what: "string", closer: quote }, primary(start, end, "runs to the end of the line")));
    }
    push(Str, start, end);
    return end;
  }

  function template(start: number, nesting: number): number {
    const extent = templateExtent(text, start);
    const lineEnd = start + (at(lineText, text, start) ?? "").length;
    // Another template's opening quote would close this one: lines that look like statements in it give that away.
    const swallowed =
      extent.closed &&
      /\n[ \t]*(?:let [\p{ID_Start}{[]|(?:pipeline|schedule|service|param|type) [\p{ID_Start}]|import \{)/u.test(
        text.slice(start, extent.end),
      );
    if (!extent.closed || swallowed || nesting > deepestTemplate) {
      diagnostics.push(report("HR003", { what: "template", closer: "`" }, primary(start, lineEnd, "opened here")));
      push(Template, start, lineEnd);
      return lineEnd;
    }
    if (extent.holes.length === 0) {
      push(Template, start, extent.end);
      countLines(start, extent.end);
      return extent.end;
    }
    let from = start;
    extent.holes.forEach((hole, index) => {
      push(index === 0 ? TemplateOpen : TemplateMiddle, from, hole.start);
      countLines(from, hole.start);
      scan(hole.start, hole.end, nesting + 1);
      from = hole.end;
      first = false;
    });
    push(TemplateClose, from, extent.end);
    countLines(from, extent.end);
    return extent.end;
  }
  function countLines(start: number, end: number): void {
    for (let i = start; i < end; i++) {
      if (text[i] === "\n") {
        line += 1;
        lineStart = i + 1;
      }
    }
  }

  function digits(start: number): number {
    const image = at(number, text, start) ?? "";
    let end = start + image.length;
    const bad = (stop: number, why: string, help: string | undefined) => {
      diagnostics.push(report("HR004", { image: text.slice(start, stop), why }, primary(start, stop), help === undefined ? {} : { help }));
      push(Num, start, stop);
      return stop;
    };
    const tail = at(numberTail, text, end);
    if (tail !== null) {
      const stop = end + tail.length;
      const whole = text.slice(start, stop);
      if (/^0[xXbBoO]/.test(whole)) {
        const value = Number(whole.replaceAll("_", ""));
        return bad(stop, "numbers are written in decimals", Number.isNaN(value) ? undefined : String(value));
      }
      if (/^[eE]$/.test(tail)) return bad(stop, "the exponent has no digits", `${image}e3`);
      if (tail === "n") return bad(stop, "there is one kind of whole number, without an `n`", image);
      if (image.includes("_") && !/^[\d]+(?:_\d+)*$/.test(image)) return bad(stop, "`_` stands between two digits only", undefined);
      if (units.includes(tail)) {
        push(Quantity, start, stop);
        return stop;
      }
      const near = nearest(tail, units);
      diagnostics.push(
        report(
          "HR005",
          { unit: tail, units: "ms s m h d for times, b kb mb gb tb for sizes" },
          primary(end, stop),
          near ? { help: `${image}${near}` } : {},
        ),
      );
      push(Quantity, start, stop);
      return stop;
    }
    if (/_(?!\d)|(?<!\d)_/.test(image)) return bad(end, "`_` stands between two digits only", image.replace(/_+/g, ""));
    if (text[end] === "." && text[end + 1] !== "." && !/[\p{ID_Start}_]/u.test(text[end + 1] ?? "")) {
      return bad(end + 1, "a number needs digits on both sides of its point", `${image}.0`);
    }
    if (!Number.isFinite(Number(image.replaceAll("_", "")))) return bad(end, "it is larger than any number can be", undefined);
    if (/^\d/.test(text[end] ?? "")) end += 1;
    push(Num, start, end);
    return end;
  }

  function scan(start: number, end: number, nesting: number): void {
    let i = start;
    while (i < end) {
      const code = text.charCodeAt(i);
      if (code === 10) {
        i += 1;
        newLine(i);
        continue;
      }
      if (code === 13) {
        i += text.charCodeAt(i + 1) === 10 ? 2 : 1;
        newLine(i);
        continue;
      }
      const space = at(blank, text, i);
      if (space !== null) {
        i += space.length;
        spaced = true;
        continue;
      }
      if (code === 47 && text[i + 1] === "/") {
        i = Math.min(comment(i), end);
        continue;
      }
      if (code === 47 && text[i + 1] === "*") {
        i = Math.min(blockComment(i), end);
        continue;
      }
      if (code === 34 || code === 39) {
        i = string(i);
        continue;
      }
      if (code === 96) {
        i = template(i, nesting);
        continue;
      }
      if (code >= 48 && code <= 57) {
        i = digits(i);
        continue;
      }
      const name = at(word, text, i);
      if (name !== null) {
        push(words.get(name) ?? Name, i, i + name.length);
        i += name.length;
        continue;
      }
      const row = signsByFirst.get(code);
      const found = row?.find(([image]) => text.startsWith(image, i));
      if (found) {
        i = punctuation(found[0], found[1], i);
        continue;
      }
      i = unknown(i);
    }
  }

  function punctuation(image: string, type: TokenType, start: number): number {
    const end = start + image.length;
    if (image === "===" || image === "!==") {
      const right = image.slice(0, 2);
      diagnostics.push(
        report("HR006", { image, right }, primary(start, end), {
          help: `write ${right}: it compares by structure`,
          fix: { span: { file, start, end }, text: right },
        }),
      );
    }
    // `.5`: a dot that follows no operand and stands before a digit.
    const last = tokens.at(-1);
    if (type === Dot && /\d/.test(text[end] ?? "") && (spaced || last === undefined || !endsOperand(last.tokenType))) {
      const tail = at(number, text, end) ?? "";
      diagnostics.push(
        report("HR004", { image: `.${tail}`, why: "a number needs digits on both sides of its point" }, primary(start, end + tail.length), {
          help: `0.${tail}`,
        }),
      );
      push(Num, start, end + tail.length);
      return end + tail.length;
    }
    push(type, start, end);
    return end;
  }

  function unknown(start: number): number {
    const point = text.codePointAt(start) as number;
    const character = String.fromCodePoint(point);
    let end = start + character.length;
    const meant = lookAlikes[character];
    if (meant === '"' || meant === "'") {
      const stop = text.slice(end, start + (at(lineText, text, start) ?? "").length).search(/[“”‘’"']/);
      if (stop >= 0) end += stop + 1;
      diagnostics.push(report("HR002", { character, point }, primary(start, end), { help: `strings stand in straight quotes: "…"` }));
      push(Str, start, end);
      return end;
    }
    if (meant !== undefined) {
      diagnostics.push(
        report("HR002", { character, point }, primary(start, end), {
          help: `write ${meant}`,
          fix: { span: { file, start, end }, text: meant },
        }),
      );
      const type = signs.find(([image]) => image === meant)?.[1];
      if (type) push(type, start, end);
      return end;
    }
    // A run of the same is one problem.
    while (end < text.length && text.startsWith(character, end)) end += character.length;
    const help =
      character === "#"
        ? "comments start with //"
        : character === "&"
          ? "`and` is written &&"
          : character === "@"
            ? "decorators and tags belong into the TypeScript file"
            : undefined;
    diagnostics.push(report("HR002", { character, point }, primary(start, end), help === undefined ? {} : { help }));
    return character === "#" ? start + (at(lineText, text, start) ?? "").length : end;
  }

  scan(0, text.length, 0);
  return { tokens, docs: { above, after }, diagnostics };
}

const operandEnds = new Set<TokenType>([
  Name,
  True,
  False,
  Null,
  Num,
  Quantity,
  Str,
  Template,
  TemplateClose,
  RParen,
  RSquare,
  RBrace,
  Block,
]);

/** An operand may end with a token of this type, so an operator, `{` of a block or the line's end may follow. */
export function endsOperand(type: TokenType): boolean {
  return operandEnds.has(type) || isName(type);
}

export function isName(type: TokenType): boolean {
  return type === Name || (type.CATEGORIES?.includes(Name) ?? false);
}

export function isReserved(type: TokenType): boolean {
  return type !== Name && (type.CATEGORIES?.includes(Word) ?? false);
}
