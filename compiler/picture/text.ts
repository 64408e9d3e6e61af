// How wide text is before anybody draws it: columns of a fixed-width font, and what is left of a text that is too long.

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const graphemes = (text: string) => Array.from(segmenter.segment(text), ({ segment }) => segment);

/** Latin, Greek and Cyrillic letters, and the signs that types and labels are written with, take one column. */
const NARROW = /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\x20-\x7e\xa0-\xbf\u2010-\u2027]\p{Mn}*$/u;

const widthOf = (grapheme: string) => (NARROW.test(grapheme) ? 1 : 2.2);

export function columnsOf(text: string): number {
  return graphemes(text).reduce((sum, grapheme) => sum + widthOf(grapheme), 0);
}

/** Types lose their end. */
export function endElided(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  return `${leading(graphemes(text), columns - 1).join("")}…`;
}

/** Names lose their middle: the ends of `report.monthly.north.mean` tell more. */
export function middleElided(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  const all = graphemes(text);
  const start = leading(all, Math.ceil((columns - 1) / 2));
  const end = leading(all.toReversed(), Math.floor((columns - 1) / 2)).reverse();
  return `${start.join("")}…${end.join("")}`;
}

function leading(all: readonly string[], columns: number): string[] {
  const kept: string[] = [];
  let used = 0;
  for (const grapheme of all) {
    used += widthOf(grapheme);
    if (used > columns) break;
    kept.push(grapheme);
  }
  return kept;
}
