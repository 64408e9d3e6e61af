// Tables for a terminal of any width: what doesn't fit is shortened where that hurts least, always with `…`, and the caller is told.
// Knows text only.

export interface Column {
  readonly title: string;
  /** Where it loses text: at its end, or in its middle. */
  readonly elide: "end" | "middle";
  /** Never narrower, but where the terminal is. */
  readonly least: number;
}

export interface Table {
  /** The head first. */
  readonly lines: readonly string[];
  readonly shortened: boolean;
}

const GAP = 2;

/** `columns` may be infinite. The widest columns give way first. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): Table {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const total = () => widths.reduce((sum, one) => sum + one + GAP, -GAP);
  let shortened = false;
  while (total() > width) {
    const spare = widths.map((one, i) => one - Math.max(columns[i]!.least, columns[i]!.title.length));
    const widest = widths.reduce((best, one, i) => (spare[i]! > 0 && (best < 0 || one > widths[best]!) ? i : best), -1);
    if (widest < 0) break;
    widths[widest]!--;
    shortened = true;
  }
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => {
        const fitted = columns[i]!.elide === "end" ? endElided(cell, widths[i]!) : middleElided(cell, widths[i]!);
        return i === cells.length - 1 ? fitted : fitted.padEnd(widths[i]!);
      })
      .join(" ".repeat(GAP))
      .trimEnd();
  return { lines: [line(columns.map(({ title }) => title)), ...rows.map(line)], shortened };
}

function endElided(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function middleElided(text: string, width: number): string {
  if (text.length <= width) return text;
  const start = Math.ceil((width - 1) / 2);
  return `${text.slice(0, start)}…${text.slice(text.length - (width - 1 - start))}`;
}

/** Words on as many lines as they need. A word that is longer than a line stands alone. */
export function wrapped(text: string, width: number, indent = ""): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(last === undefined ? word : indent + word);
  }
  return lines;
}
