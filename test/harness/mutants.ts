// Programs with one mistake: a token left out, doubled, replaced, put in or swapped with the next. Which tokens replace others is fixed, so
// that a run is like the one before.

const TOKEN =
  /[A-Za-z_]\w*|\d+(?:\.\d+)?(?:e-?\d+)?|"[^"\n]*"|\|>|=>|<-|->|==|!=|<=|>=|&&|\|\||\?\?|\?\.|\.\.\.|\.\.|[{}()[\],.:=+*/<>|!?-]/g;

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Tokens outside of comments, by a pattern of this test's own. */
function pieces(program: string): Piece[] {
  return [...program.matchAll(TOKEN)]
    .map(({ index, 0: text }) => ({ start: index, end: index + text.length, text }))
    .filter(({ start }) => !program.slice(program.lastIndexOf("\n", start) + 1, start).includes("//"));
}

/** In the program's order, five for each token. */
export function mutantsOf(program: string): string[] {
  const all = pieces(program);
  const words = [...new Set(all.map(({ text }) => text))];
  let state = 7;
  const anyWord = () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    return words[state % words.length]!;
  };
  return all.flatMap(({ start, end, text }, i) => {
    const [before, after] = [program.slice(0, start), program.slice(end)];
    const next = all[i + 1];
    return [
      before + after,
      `${before}${text} ${text}${after}`,
      `${before} ${anyWord()} ${after}`,
      `${before} ${anyWord()} ${text}${after}`,
      ...(next ? [before + next.text + program.slice(end, next.start) + text + program.slice(next.end)] : []),
    ];
  });
}
