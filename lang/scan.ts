// From text to tokens. Text that is no token (an unclosed string, an unknown character, a bad number) is reported here and still
// gives a token wherever one was plainly meant, so that the parser sees a whole statement. Must not know lines or brackets: that is
// `layout.ts`.
import type { TokenType } from "chevrotain";
import type { Diagnostic } from "./diagnostics.ts";
import { report } from "./diagnostics.ts";
import { nearest } from "./suggest.ts";
import type { Docs, Token } from "./tokens.ts";
import * as t from "./tokens.ts";

/** Units as people say them. */
const spokenUnits: Readonly<Record<string, string>> = {
  sec: "s",
  secs: "s",
  second: "s",
  seconds: "s",
  min: "m",
  mins: "m",
  minute: "m",
  minutes: "m",
  hour: "h",
  hours: "h",
  day: "d",
  days: "d",
  k: "kb",
  g: "gb",
};

export interface Lexed {
  readonly tokens: Token[];
  readonly docs: Docs;
  readonly diagnostics: Diagnostic[];
  /** Nothing of it has been read. */
  readonly tooLarge?: true;
}

/** Characters of a text, and tokens. What is larger is data, or was made by a machine, and would take all memory before anybody read its messages. */
const LARGEST = 1_000_000;
const MOST_TOKENS = 200_000;

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
      mended: false,
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
    push(t.Str, start, end);
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
      push(t.Template, start, lineEnd);
      return lineEnd;
    }
    if (extent.holes.length === 0) {
      push(t.Template, start, extent.end);
      countLines(start, extent.end);
      return extent.end;
    }
    let from = start;
    extent.holes.forEach((hole, index) => {
      push(index === 0 ? t.TemplateOpen : t.TemplateMiddle, from, hole.start);
      countLines(from, hole.start);
      scan(hole.start, hole.end, nesting + 1);
      from = hole.end;
      first = false;
    });
    push(t.TemplateClose, from, extent.end);
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
    /** `right` is the number as it is written here; a guess is none. */
    const bad = (stop: number, why: string, right: string | undefined, guess = false) => {
      const more = right === undefined ? {} : { help: right, ...(guess ? {} : { fix: { span: { file, start, end: stop }, text: right } }) };
      diagnostics.push(report("HR004", { image: text.slice(start, stop), why }, primary(start, stop), more));
      push(t.Num, start, stop);
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
      if (/^[eE]$/.test(tail)) return bad(stop, "the exponent has no digits", `${image}e3`, true);
      if (tail === "n") return bad(stop, "there is one kind of whole number, without an `n`", image);
      if (image.includes("_") && !/^[\d]+(?:_\d+)*$/.test(image)) return bad(stop, "`_` stands between two digits only", undefined);
      if (t.units.includes(tail)) {
        push(t.Quantity, start, stop);
        return stop;
      }
      const spoken = Object.hasOwn(spokenUnits, tail) ? spokenUnits[tail] : undefined;
      const near = spoken ?? nearest(tail, t.units);
      diagnostics.push(
        report(
          "HR005",
          { unit: tail, units: "ms s m h d for times, b kb mb gb tb for sizes" },
          primary(end, stop),
          near ? { help: `${image}${near}`, fix: { span: { file, start: end, end: stop }, text: near } } : {},
        ),
      );
      push(t.Quantity, start, stop);
      return stop;
    }
    if (/_(?!\d)|(?<!\d)_/.test(image)) return bad(end, "`_` stands between two digits only", image.replace(/_+/g, ""));
    const points = image.includes(".") ? /^(?:\.\d+)+/.exec(text.slice(end, end + 40))?.[0] : undefined;
    if (points !== undefined) return bad(end + points.length, "it has more than one point", undefined);
    if (text[end] === "." && text[end + 1] !== "." && !/[\p{ID_Start}_]/u.test(text[end + 1] ?? "")) {
      return bad(end + 1, "a number needs digits on both sides of its point", `${image}.0`);
    }
    if (!Number.isFinite(Number(image.replaceAll("_", "")))) return bad(end, "it is larger than any number can be", undefined);
    if (/^\d/.test(text[end] ?? "")) end += 1;
    push(t.Num, start, end);
    return end;
  }

  function scan(start: number, end: number, nesting: number): void {
    let i = start;
    while (i < end && tokens.length <= MOST_TOKENS) {
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
        push(t.words.get(name) ?? t.Name, i, i + name.length);
        i += name.length;
        continue;
      }
      const row = t.signsByFirst.get(code);
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
          help: `write ${right}, which compares plain data by structure`,
          fix: { span: { file, start, end }, text: right },
        }),
      );
    }
    // `.5`: a dot that follows no operand and stands before a digit.
    const last = tokens.at(-1);
    if (type === t.Dot && /\d/.test(text[end] ?? "") && (spaced || last === undefined || !t.endsOperand(last.tokenType))) {
      const tail = at(number, text, end) ?? "";
      diagnostics.push(
        report("HR004", { image: `.${tail}`, why: "a number needs digits on both sides of its point" }, primary(start, end + tail.length), {
          help: `0.${tail}`,
          fix: { span: { file, start, end: end + tail.length }, text: `0.${tail}` },
        }),
      );
      push(t.Num, start, end + tail.length);
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
      const inside = stop >= 0 ? text.slice(end, end + stop) : null;
      if (stop >= 0) end += stop + 1;
      const plain = inside !== null && !inside.includes("\\");
      diagnostics.push(
        report("HR002", { character, point, is: "a curly quote, and strings stand in straight ones" }, primary(start, end), {
          help: inside === null ? 'write "…"' : `write "${inside}"`,
          ...(plain ? { fix: { span: { file, start, end }, text: `"${inside}"` } } : {}),
        }),
      );
      push(t.Str, start, end);
      return end;
    }
    if (meant !== undefined) {
      diagnostics.push(
        report("HR002", { character, point }, primary(start, end), {
          help: `write ${meant}`,
          fix: { span: { file, start, end }, text: meant },
        }),
      );
      const type = t.signs.find(([image]) => image === meant)?.[1];
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

  if (text.length <= LARGEST) scan(0, text.length, 0);
  if (text.length <= LARGEST && tokens.length <= MOST_TOKENS) return { tokens, docs: { above, after }, diagnostics };
  const what = `this file is larger than a program can be: ${LARGEST.toLocaleString("en")} characters, ${MOST_TOKENS.toLocaleString("en")} words and signs`;
  const help = "data belong in files of their own, which the program reads";
  return { tokens: [], docs: { above, after }, diagnostics: [report("HR001", { what }, primary(0, 0), { help })], tooLarge: true };
}
