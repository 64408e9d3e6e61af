// Where Headrace keeps what outlives a run: `.headrace` in the working folder. `HEADRACE_CACHE` may name another folder for results, or be
// `off`.
import { accessSync, constants, mkdirSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { Refused, refusal } from "./process.ts";
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
    throw new Refused(`HEADRACE_CACHE_LIMIT is \`${limit}\`, and has to be a size such as \`${RESULTS_LIMIT}\``);
  return { results: told === "" ? join(own, "results") : resolve(told), runs: join(own, "runs"), resultsLimitBytes };
}

/** The same where it can be written; else nowhere, and why. A run is worth more than what is kept of it. */
export function writable(home: Home): { readonly home: Home; readonly trouble: string | null } {
  try {
    for (const folder of [home.results, home.runs]) {
      if (folder === null) continue;
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK);
    }
    return { home, trouble: null };
  } catch (error) {
    const trouble = refusal(error);
    if (trouble === null) throw error;
    return { home: NOWHERE, trouble };
  }
}
