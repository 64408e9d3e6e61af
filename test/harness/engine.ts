// A local engine for the tests of one file, with a folder that goes when it does; what one run of it gave and told. Knows no pipeline.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine, RunEvent, RunResult } from "headrace/engine";
import { compile, localEngine } from "headrace/engine";
import { afterAll, beforeAll, expect } from "vitest";

export interface Told extends RunResult {
  readonly events: readonly RunEvent[];
}

export interface RunOptions {
  readonly schedule?: string | undefined;
  readonly params?: { readonly [name: string]: number | string };
  /** A folder where results are kept and taken from; nothing is kept without one. */
  readonly results?: string | undefined;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
}

export class TestEngine {
  #engine: Engine | null = null;
  #folder = "";

  /** To be made where hooks may be: it starts before the first test and ends after the last. */
  constructor(slots: number, name: string) {
    beforeAll(async () => {
      this.#engine = await localEngine({ slots });
      this.#folder = mkdtempSync(join(tmpdir(), `headrace-${name}-`));
    });
    afterAll(async () => {
      await this.#engine?.[Symbol.asyncDispose]();
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  get folder(): string {
    return this.#folder;
  }

  async run(file: string, entry: string, { schedule, params, results, signal, onEvent }: RunOptions = {}): Promise<Told> {
    const { plan, code, diagnostics } = await compile(file, { entry, ...(schedule === undefined ? {} : { schedule }) });
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    const events: RunEvent[] = [];
    const result = await this.#engine!.run(plan!, code, {
      ...(params ? { params } : {}),
      ...(signal ? { signal } : {}),
      ...(results === undefined ? {} : { cache: { folder: results, fresh: false } }),
      onEvent: (event) => {
        events.push(event);
        onEvent?.(event);
      },
    });
    return { ...result, events };
  }
}

/** All that was told of one number, in the order in which it was. */
export function metricOf(
  events: readonly RunEvent[],
  name: string,
): { readonly steps: readonly number[]; readonly values: readonly number[] } {
  const found = events.flatMap((event) => (event.type === "metric" && event.name === name ? [event] : []));
  return { steps: found.flatMap(({ steps }) => steps), values: found.flatMap(({ values }) => values) };
}

/** Process ids of the hosts of this test's engines. */
export function hostProcesses(): readonly number[] {
  return execFileSync("pgrep", ["-P", String(process.pid), "-f", "host-main"], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map(Number);
}
