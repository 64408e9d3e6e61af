// The nearest name, for "did you mean". It must not know what the names are of.

/** Edits (insert, delete, replace, swap of neighbours) between two words; more than `limit` is `limit + 1`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, (beforeLast[j - 2] as number) + 1);
      row.push(best);
    }
    if (Math.min(...row) > limit) return limit + 1;
    beforeLast = last;
    last = row;
  }
  return last[b.length] as number;
}

const sorted = (word: string): string => [...word].sort().join("");

/**
 * The candidate that `name` most likely misspells, or null when none is near: at most a third of the word wrong, letter case
 * counting little. Among equals the first wins, so give candidates in the order in which they are most likely meant.
 */
export function nearest(name: string, candidates: Iterable<string>): string | null {
  const wanted = name.toLowerCase();
  const limit = Math.max(1, Math.floor(name.length / 3));
  let best: string | null = null;
  let bestScore = limit + 0.5;
  for (const candidate of candidates) {
    if (candidate === name) continue;
    const lower = candidate.toLowerCase();
    let score = lower === wanted ? 0 : distance(wanted, lower, limit);
    // `grad` for `gradient`: a beginning of three letters and more counts as near, but less than a misspelling.
    if (score > limit && wanted.length >= 3 && (lower.startsWith(wanted) || wanted.startsWith(lower)) && lower.length >= 3) score = limit;
    // Letters in another order are a slip of the fingers, others may be another word.
    else if (score > 0 && sorted(lower) === sorted(wanted)) score -= 0.4;
    // A one-letter name is near to every other one-letter name; that helps nobody.
    if (score >= Math.max(candidate.length, name.length)) continue;
    if (score < bestScore) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}
