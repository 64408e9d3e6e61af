// Where Headrace keeps what outlives a run: `.headrace` in the working folder. `HEADRACE_CACHE` may name another folder for results, or be
// `off`.
import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { readBytes } from "./sizes.ts";

/** Beyond it the results that were used least recently go. */
const RESULTS_LIMIT = "10GB";

export interface Home {
  /** Null: none are kept. */
  readonly results: string | null;
  readonly runs: string | null;
  readonly resultsLimitBytes: number;
}

export const NOWHERE: Home = { results: null, runs: null, resultsLimitBytes: 0 };

export function homeIn(folder: string = process.cwd()): Home {
  const told = process.env.HEADRACE_CACHE ?? "";
  if (told === "off") return NOWHERE;
  const own = join(realpathSync(folder), ".headrace");
  const limit = process.env.HEADRACE_CACHE_LIMIT ?? RESULTS_LIMIT;
  const resultsLimitBytes = readBytes(limit);
  if (resultsLimitBytes === null)
    throw new Error(`HEADRACE_CACHE_LIMIT is \`${limit}\`, and has to be a size such as \`${RESULTS_LIMIT}\``);
  return { results: told === "" ? join(own, "results") : resolve(told), runs: join(own, "runs"), resultsLimitBytes };
}
