// Why a stage runs: what of all that it is made from has changed since the last run of its program, and at which line. Compares what two runs
// were made from; reads nothing itself.
import { SourceMap } from "node:module";
import type { AboutSpan, CodeStore, Plan } from "../compiler/plan.ts";
import type { Ingredients, Unkept } from "../runtime/index.ts";

/** A stage of a run, or of one that would be. */
export interface MadeStage {
  readonly id: string;
  readonly name: string;
  readonly unkept: Unkept | null;
  readonly made: Ingredients;
  readonly runs: boolean;
}

export interface Cause {
  /** Ends a sentence that begins with the stage's name. */
  readonly text: string;
  /** `stages.ts:12` */
  readonly at: string | null;
}

export interface Program {
  readonly plan: Plan;
  readonly stages: readonly MadeStage[];
  readonly code: (digest: string) => CodeStore[string] | null;
}

/** In the order in which they matter: the program's own changes before those that come from other stages. `before`: the run before. */
export function causesOf(id: string, now: Program, before: Pick<Program, "stages" | "code"> | null): readonly Cause[] {
  const stage = now.stages.find((one) => one.id === id)!;
  const span = now.plan.about.stages[id]?.span ?? null;
  if (stage.unkept && stage.unkept.kind !== "reads") return [unkeptCause(stage.unkept, now.plan, span)];
  if (!before) return [{ text: "has not run before", at: null }];
  const old = before.stages.find((one) => one.id === id);
  if (!old) return [{ text: "is new", at: place(span) }];
  const found: Cause[] = [];
  if (old.made.body !== stage.made.body) found.push({ text: "is written otherwise", at: place(span) });
  for (const [name, digest] of Object.entries(stage.made.functions)) {
    const was = old.made.functions[name];
    if (was === digest) continue;
    const shown = `\`${exportOf(now.plan, name)}\``;
    if (was === undefined) found.push({ text: `calls ${shown}, which it didn't`, at: place(span) });
    else found.push({ text: `calls ${shown}, which has changed`, at: changedLine(before.code(was), now.code(digest)) });
  }
  for (const [name, value] of Object.entries(stage.made.params)) {
    const was = old.made.params[name];
    if (was !== undefined && was !== value) found.push(paramCause(name, was, value, now.plan));
  }
  if (found.length > 0) return found;
  if (stage.unkept?.kind === "reads") {
    const source = now.stages.find((one) => stage.unkept?.kind === "reads" && one.id === stage.unkept.stage);
    return [{ text: `reads \`${source?.name ?? stage.unkept.stage}\`, which is never taken from an earlier run`, at: null }];
  }
  const read = stage.made.reads.map((other) => now.stages.find((one) => one.id === other)).filter((one) => one?.runs);
  const other = read.find((one) => one?.name !== stage.name) ?? read[0];
  if (other) return [{ text: other.name === stage.name ? "is made in parts that run" : `reads \`${other.name}\`, which runs`, at: null }];
  return [{ text: "was never finished, or what it gave is gone", at: null }];
}

function unkeptCause(unkept: Exclude<Unkept, { kind: "reads" }>, plan: Plan, span: AboutSpan | null): Cause {
  switch (unkept.kind) {
    case "effect":
      return { text: "acts on the world, and does so in every run", at: place(span) };
    case "actor":
      if (!unkept.asks) return { text: "makes actors, which live in the run that makes them", at: place(span) };
      return {
        text: `asks the actors of \`${unkept.actors}\`, whose state is in no key, so what they give is never kept`,
        at: place(span),
      };
    case "secret":
      return { text: `takes the secret \`${unkept.param}\`, so what it gives is never kept`, at: place(span) };
    case "world": {
      const about = plan.about.functions[unkept.function];
      const reached = about?.reaches?.[0];
      const what = reached ? `reads ${WORLD[reached.what] ?? reached.what}` : "is tagged @volatile";
      return {
        text: `calls \`${exportOf(plan, unkept.function)}\`, which ${what}, so what it gives is never kept`,
        at: place(reached?.span ?? about?.span ?? null),
      };
    }
  }
}

const WORLD: { readonly [what: string]: string } = {
  clock: "the clock",
  chance: "random numbers",
  files: "files",
  network: "the network",
  environment: "the environment",
  processes: "other processes",
  state: "state of its module",
};

function paramCause(name: string, was: string, value: string, plan: Plan): Cause {
  const [before, now] = [JSON.parse(was), JSON.parse(value)] as unknown[];
  const at = place(plan.about.params[name]?.span ?? null);
  if (isFile(before) && isFile(now))
    return before.name === now.name
      ? { text: `reads \`${now.name}\`, whose content has changed`, at: null }
      : { text: `reads \`${now.name}\`, and before it \`${before.name}\``, at };
  if (Array.isArray(now) && now.every(isFile)) return { text: `reads the files of \`${name}\`, which have changed`, at: null };
  return { text: `takes \`${name}\`, which is ${value}, and was ${was}`, at };
}

const isFile = (value: unknown): value is { readonly name: string; readonly sha256: string } =>
  typeof value === "object" && value !== null && "sha256" in value && "name" in value;

const exportOf = (plan: Plan, id: string): string => plan.functions[id]?.export ?? id;

function place(span: AboutSpan | null): string | null {
  return span ? `${span.file}:${span.line}` : null;
}

/** Where the new slice is first another than the old one, in the user's own file; null where that is in a package. */
function changedLine(was: CodeStore[string] | null, now: CodeStore[string] | null): string | null {
  if (!was || !now?.map) return null;
  let at = 0;
  while (at < now.module.length && now.module[at] === was.module[at]) at++;
  const before = now.module.slice(0, at);
  const line = before.split("\n").length - 1;
  const column = before.length - (before.lastIndexOf("\n") + 1);
  const map = new SourceMap(JSON.parse(now.map));
  const entry = map.findEntry(line, column);
  if (!("originalSource" in entry) || !entry.originalSource) return null;
  return `${entry.originalSource.replace(/^file:\/\//, "")}:${entry.originalLine + 1}`;
}
