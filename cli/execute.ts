// Runs a compiled program for a person or a script: typed flags, progress, results, Ctrl-C, exit codes. `headrace run` and the
// files that `headrace build` writes both end here, so both take the same flags. Knows nothing of sources and compilers.
import type { Program } from "../compiler/bundle.ts";
import type { Plan } from "../compiler/plan.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import type { RunOptions } from "../runtime/index.ts";
import { forecast, onlyStage, pruneStore, run, secretVariable, tidyStore } from "../runtime/index.ts";
import { credsOf, onCluster } from "./cluster.ts";
import { dryJson, dryRun, dryText } from "./dry.ts";
import type { Flag } from "./flags.ts";
import type { Home } from "./home.ts";
import { NOWHERE, writable } from "./home.ts";
import type { Invocation } from "./invocation.ts";
import { noStage, readInvocation } from "./invocation.ts";
import { printProblems } from "./problems.ts";
import { lastRunOf, readCode, startRecord } from "./records.ts";
import { shownFlags, showRun } from "./showing.ts";
import { painter, wantsColor, widthOf } from "./terminal.ts";

export const runFlags: readonly Flag[] = [
  { name: "schedule", value: "NAME", summary: "how stages run: a schedule of the program (default: auto)" },
  { name: "slots", value: "N", summary: "threads on this machine (default: one a processor)" },
  { name: "nats", value: "URL", summary: "run on the workers that listen there" },
  { name: "creds", value: "FILE", summary: "NATS credentials (default: `HEADRACE_CREDS`)" },
  { name: "detach", value: null, summary: "with --nats: leave the run to the workers, and print its name" },
  { name: "check", value: null, summary: "watch what functions do with their arguments, and compute pure blocks twice; slow" },
  { name: "fresh", value: null, summary: "make every result anew, whatever earlier runs left" },
  {
    name: "only",
    value: "STAGE",
    summary: "that stage alone, with what it needs: what it gives is the result, and nothing acts on the world",
  },
  { name: "dry", value: null, summary: "say what would run and which change makes it, and run nothing" },
  ...shownFlags,
];

export interface Execution extends Pick<RunOptions, "engine" | "folder"> {
  /** Where results and records are kept. */
  readonly home?: Home;
  /** Ends the run as Ctrl-C does. */
  readonly signal?: AbortSignal;
}

/** Gives the exit code; results and, with `--json`, events are on stdout, all else on stderr. */
export async function execute(
  program: Program,
  argv: readonly string[],
  { home: wanted = NOWHERE, signal, ...runtime }: Execution = {},
): Promise<number> {
  const read = await readInvocation(program, argv, runFlags, runtime.folder);
  const plan = "problems" in read ? null : partOf(read);
  const problems = "problems" in read ? read.problems : plan && "code" in plan ? [plan] : [];
  if ("problems" in read || !plan || "code" in plan) {
    printProblems(problems, () => null);
    return 3;
  }
  const { given, params, open, slots } = read;
  if (given.flags.has("detach")) return detach(plan, program, read, runtime.folder);
  const { home, trouble } = given.flags.has("dry") ? { home: wanted, trouble: null } : writable(wanted);
  if (trouble !== null) process.stderr.write(`nothing of this run is kept: ${trouble}\n`);
  const cache = home.results === null ? null : { folder: home.results, fresh: given.flags.has("fresh") };
  const json = given.flags.has("json");
  const url = given.flags.get("nats");
  const nats = typeof url === "string" ? { nats: url, ...credsOf(given) } : null;
  if (given.flags.has("dry")) {
    tellDry(plan, program, params, home, nats ? null : cache, json);
    return 0;
  }
  const record =
    home.runs === null
      ? null
      : startRecord(home.runs, {
          plan,
          code: program.code,
          params: open,
          argv,
          engine: nats ? "nats" : "local",
          stages: forecast(plan, params, null),
        });
  const showing = showRun({ plan, given, params: open, command: ["headrace run", plan.about.file, ...argv].join(" ") });
  const interruption = new AbortController();
  const stopListening = onInterrupt(() => interruption.abort());
  signal?.addEventListener("abort", () => interruption.abort(), { once: true });
  try {
    const result = await run(plan, program.code, {
      params,
      check: given.flags.has("check"),
      ...runtime,
      ...(cache ? { cache } : {}),
      ...(nats === null ? {} : { engine: nats }),
      ...(slots === null ? {} : { slots }),
      onEvent: (event) => {
        record?.event(event);
        if (event.type === "run.started" && event.engine === "nats" && !json) process.stderr.write(`run ${event.run}\n`);
        showing.event(event);
      },
      signal: interruption.signal,
    });
    return showing.end(result);
  } finally {
    record?.close();
    if (home.results !== null) {
      pruneStore(home.results, home.resultsLimitBytes);
      tidyStore(home.results, Date.now());
    }
    stopListening();
    await showing.close();
  }
}

/** With `--only`, the part of the plan that is asked for, or what is wrong with that. */
function partOf({ plan, given }: Invocation): Plan | Diagnostic {
  const wanted = given.flags.get("only");
  return typeof wanted === "string" ? (onlyStage(plan, wanted) ?? noStage(plan, wanted, "--only ")) : plan;
}

/** A run of its own is asked for by name; what would be written of it here, nobody here hears. */
async function detach(plan: Plan, { code }: Program, { given, params }: Invocation, folder: string | undefined): Promise<number> {
  const attended = ["trace", "report", "json", "dry"].find((name) => given.flags.has(name));
  if (attended !== undefined) {
    const what = `\`--detach\` leaves the run at once, and \`--${attended}\` has nothing to tell of it`;
    const help = attended === "dry" ? "without --detach" : `headrace attach RUN --${attended}`;
    printProblems([report("HR605", { what }, [], { help })], () => null);
    return 3;
  }
  return onCluster(given, "run FILE --detach", async (cluster, where) => {
    const name = await cluster.submit(plan, code, { params, ...(folder === undefined ? {} : { folder }), check: given.flags.has("check") });
    const secrets = plan.params.filter(({ type }) => type === "secret").map((param) => `\`${secretVariable(param.name)}\``);
    if (secrets.length > 0) process.stderr.write(`its secrets aren't stored anywhere: workers need them as ${secrets.join(", ")}\n`);
    if (!(await cluster.hasWorker(WORKER_LIMIT_MS)))
      process.stderr.write(`no worker is there; it begins when one comes: headrace worker${where}\n`);
    process.stdout.write(`${name}\n`);
    process.stderr.write(`to watch it: headrace attach ${name}${where}\n`);
    return 0;
  });
}
const WORKER_LIMIT_MS = 1000;

function tellDry(
  plan: Plan,
  program: Program,
  params: Invocation["params"],
  home: Home,
  cache: RunOptions["cache"] | null,
  json: boolean,
): void {
  const before = home.runs === null ? null : lastRunOf(home.runs, plan);
  const named = dryRun(
    forecast(plan, params, cache ?? null),
    { plan, code: (digest) => program.code[digest] ?? null },
    before && {
      stages: before.stages.map((stage) => ({ ...stage, runs: false })),
      code: (digest) => readCode(home.runs!, digest),
    },
    cache?.fresh ?? false,
  );
  const text = () => dryText(plan.name, named, widthOf(process.stdout), painter(wantsColor(process.stdout)));
  process.stdout.write(json ? dryJson(plan.name, named) : text());
}

/** The first Ctrl-C asks, the second ends the process at once. */
function onInterrupt(ask: () => void): () => void {
  let asked = false;
  const listener = () => {
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write("\nstopping; once more to force\n");
    ask();
  };
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  return () => {
    process.off("SIGINT", listener);
    process.off("SIGTERM", listener);
  };
}
