// What a stream can show. The only place that asks about terminals and colours.
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

/** NO_COLOR, FORCE_COLOR, TERM=dumb and pipes are honoured. */
export function wantsColor(stream: NodeJS.WriteStream): boolean {
  if (process.env.NO_COLOR) return false;
  if (process.env.FORCE_COLOR !== undefined) return process.env.FORCE_COLOR !== "0";
  return stream.isTTY === true && stream.hasColors();
}

export function painter(color: boolean): Paint {
  return color ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text;
}

/** Columns of a terminal, or those that COLUMNS says; without end for files and pipes. */
export function widthOf(stream: NodeJS.WriteStream): number {
  const told = Number(process.env.COLUMNS);
  if (Number.isSafeInteger(told) && told > 0) return told;
  // A terminal that doesn't know its size says 0.
  return stream.isTTY === true ? stream.columns || 80 : Number.POSITIVE_INFINITY;
}
