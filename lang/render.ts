// Diagnostics as people read them in a terminal: the message, a frame of source for each place, one help line. Data in, text out.
import { styleText } from "node:util";
import type { Diagnostic, Frame, Severity } from "./diagnostics.ts";

export interface RenderOptions {
  readonly color: boolean;
}

const COLORS = { error: "red", warning: "yellow", remark: "cyan" } as const;
const TAB = "    ";
/** Columns of a line that are shown: of a longer one the piece with the marks. */
const WIDEST = 160;

/** `read` gives a file's text; frames of files that are gone show their place only. */
export function render(diagnostics: readonly Diagnostic[], read: (file: string) => string | null, { color }: RenderOptions): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    color ? styleText(style, text, { validateStream: false }) : text;
  const files = new Map<string, SourceFile | null>();
  const fileOf = (name: string) => {
    if (!files.has(name)) {
      const text = read(name);
      files.set(name, text === null ? null : new SourceFile(text));
    }
    return files.get(name) ?? null;
  };
  return diagnostics.map((diagnostic) => renderOne(diagnostic, fileOf, paint)).join("\n");
}

type Paint = (style: Parameters<typeof styleText>[0], text: string) => string;

function renderOne(diagnostic: Diagnostic, fileOf: (name: string) => SourceFile | null, paint: Paint): string {
  const { severity, code, frames } = diagnostic;
  const message = visible(diagnostic.message);
  const help = diagnostic.help === null ? null : visible(diagnostic.help);
  const lines = [`${paint([COLORS[severity], "bold"], `${severity}[${code}]`)}${paint("bold", `: ${message}`)}`];
  // Files in the order in which they are first named; the primary frame's comes first.
  const names = [...new Set(frames.map(({ span }) => span.file))];
  const shown = names.map((name) => ({ name, file: fileOf(name), frames: frames.filter(({ span }) => span.file === name) }));
  const width = Math.max(
    2,
    ...shown.flatMap(({ file, frames: here }) => here.map(({ span }) => String(file ? file.lineOf(span.start) + 1 : 1).length)),
  );
  const gutter = `${" ".repeat(width)}${paint("dim", "│")}`;
  for (const { name, file, frames: here } of shown) {
    const first = here.find(({ role }) => role === "primary") ?? here[0]!;
    lines.push(`${" ".repeat(width)}${paint("dim", "┌")} ${file ? `${name}:${file.lineOf(first.span.start) + 1}` : name}`);
    if (file) lines.push(...renderFrames(file, here, { width, gutter, severity, paint }));
  }
  if (help !== null) {
    const [line, ...more] = help.split("\n");
    lines.push(`${" ".repeat(width)}${paint("green", "help")}: ${line}`, ...more.map((one) => `${" ".repeat(width + 6)}${one}`));
  }
  return `${lines.join("\n")}\n`;
}

interface Look {
  readonly width: number;
  readonly gutter: string;
  readonly severity: Severity;
  readonly paint: Paint;
}

function renderFrames(file: SourceFile, frames: readonly Frame[], { width, gutter, severity, paint }: Look): string[] {
  const byLine = new Map<number, Frame[]>();
  for (const frame of [...frames].sort((a, b) => a.span.start - b.span.start)) {
    const line = file.lineOf(frame.span.start);
    byLine.set(line, [...(byLine.get(line) ?? []), frame]);
  }
  const lines: string[] = [];
  for (const [line, here] of [...byLine].sort(([a], [b]) => a - b)) {
    const view = viewOf(file, line, here);
    lines.push(`${paint("dim", `${String(line + 1).padStart(width)}│`)} ${view.text}`.trimEnd());
    // One line of marks a frame, from the left: labels never run into each other.
    for (const { span, label, role } of here) {
      const columns = file.columns(line, span.start, span.end);
      const [from, to] = [columns.from - view.shift, Math.min(columns.to - view.shift, view.columns)];
      const mark = (role === "primary" ? "^" : "-").repeat(Math.max(1, to - from));
      const style = role === "primary" ? COLORS[severity] : "blue";
      // Marks of a piece that isn't shown.
      if (from < 0 || from >= Math.max(1, view.columns + 1)) continue;
      lines.push(`${gutter} ${" ".repeat(from)}${paint(style, `${mark} ${label}`.trimEnd())}`);
    }
  }
  return lines;
}

/** The piece of a line that is shown, and by how many columns its marks move to the left. */
function viewOf(file: SourceFile, line: number, frames: readonly Frame[]): { text: string; shift: number; columns: number } {
  const whole = file.shown(line);
  const columns = cells(whole);
  if (columns <= WIDEST) return { text: whole, shift: 0, columns };
  const at = frames.map(({ span }) => file.columns(line, span.start, span.end).from);
  const primary = frames.findIndex(({ role }) => role === "primary");
  // As much before the marks as shows where they stand; the primary one is seen in any case.
  const wanted = Math.max(0, Math.min(...at) - WIDEST / 4);
  const first = (at[primary] ?? 0) - wanted < WIDEST ? wanted : Math.max(0, at[primary]! - WIDEST / 4);
  const { text, from, to } = between(whole, first, first + WIDEST);
  const cutAt = { start: from > 0, end: to < columns };
  return {
    text: `${cutAt.start ? "…" : ""}${text}${cutAt.end ? "…" : ""}`,
    shift: from - (cutAt.start ? 1 : 0),
    columns: to - from + (cutAt.start ? 1 : 0),
  };
}

/** The characters that lie wholly between two columns, and the columns that they take. */
function between(text: string, low: number, high: number): { text: string; from: number; to: number } {
  let found = "";
  let column = 0;
  let from = -1;
  for (const character of text) {
    const next = column + cells(character);
    if (column >= low && next <= high) {
      if (from < 0) from = column;
      found += character;
    } else if (from >= 0) break;
    column = next;
  }
  return { text: found, from: Math.max(from, 0), to: Math.max(from, 0) + cells(found) };
}

/** A text with its lines, and the columns that a terminal shows. */
class SourceFile {
  private readonly text: string;
  private readonly starts: number[] = [0];

  constructor(text: string) {
    this.text = text;
    for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) this.starts.push(i + 1);
  }
  /** From 0. */
  lineOf(offset: number): number {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
  private line(line: number): string {
    return this.text.slice(this.starts[line], this.starts[line + 1] ?? this.text.length).replace(/\r?\n$/, "");
  }
  shown(line: number): string {
    return visible(this.line(line).replaceAll("\t", TAB));
  }
  /** Where a span begins and ends on the terminal; one of several lines ends with its first. */
  columns(line: number, start: number, end: number): { from: number; to: number } {
    const begin = this.starts[line]!;
    const text = this.line(line);
    const from = cells(text.slice(0, start - begin));
    return { from, to: Math.max(from + 1, cells(text.slice(0, Math.min(end - begin, text.length)))) };
  }
}

/** A terminal obeys control characters; they are shown instead. */
const visible = (text: string): string =>
  text.replace(/[^\P{Cc}\n]/gu, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
  });

/** Cells of a terminal that a text takes: East Asian wide characters and most emoji take two, combining marks none. */
function cells(text: string): number {
  let count = 0;
  for (const character of text) {
    if (character === "\t") count += TAB.length;
    else if (/\p{Mn}|\p{Me}|\u200d|\ufe0f/u.test(character)) continue;
    else
      count +=
        /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u.test(
          character,
        )
          ? 2
          : 1;
  }
  return count;
}
