#!/usr/bin/env node
// The command line's entry: a table of verbs and `--help`. Loads a verb only when it is asked for, so that help costs little more
// than Node's own start; knows nothing of programs.
import nodeModule from "node:module";
import { setFlagsFromString } from "node:v8";
import { finish } from "./process.ts";

interface Verb {
  readonly name: string;
  readonly use: string;
  readonly summary: string;
  /** Over before optimised code has paid for its making: what is hot is found out later, or never. */
  readonly brief?: true;
  readonly load: () => Promise<{
    run(argv: readonly string[]): Promise<number>;
    readonly help: string | ((argv: readonly string[]) => Promise<string>);
  }>;
}

const verbs: readonly Verb[] = [
  { name: "run", use: "FILE [--PARAM VALUE …]", summary: "check, plan and run a program", load: () => import("./verbs/run.ts") },
  {
    name: "check",
    brief: true,
    use: "FILE …",
    summary: "report every problem without running anything",
    load: () => import("./verbs/check.ts"),
  },
  {
    name: "plan",
    brief: true,
    use: "FILE",
    summary: "show what would run: stages, tasks, strategies and why",
    load: () => import("./verbs/plan.ts"),
  },
  {
    name: "graph",
    brief: true,
    use: "FILE",
    summary: "the stages as a picture: SVG, DOT, Mermaid, JSON",
    load: () => import("./verbs/graph.ts"),
  },
  { name: "fmt", brief: true, use: "FILE …", summary: "give .pipe files their canonical form", load: () => import("./verbs/fmt.ts") },
  {
    name: "build",
    use: "FILE -o OUT.mjs",
    summary: "write a program and all it needs into one file",
    load: () => import("./verbs/build.ts"),
  },
  { name: "show", use: "FILE STAGE", summary: "what a stage gave: a table, a sample, its shape", load: () => import("./verbs/show.ts") },
  {
    name: "runs",
    brief: true,
    use: "[--nats URL]",
    summary: "the runs of this folder, or of a cluster: when, how they ended, how long they took",
    load: () => import("./verbs/runs.ts"),
  },
  {
    name: "why",
    brief: true,
    use: "STAGE",
    summary: "why a stage of a run waits, ran, or was reused",
    load: () => import("./verbs/why.ts"),
  },
  {
    name: "compare",
    use: "FILE --schedules A,B,…",
    summary: "one program's fit under several schedules: time, loss, speed-up",
    load: () => import("./verbs/compare.ts"),
  },
  {
    name: "replay",
    use: "RUN STAGE[n]",
    summary: "one task of a run again, in process, under a debugger",
    load: () => import("./verbs/replay.ts"),
  },
  {
    name: "cache",
    brief: true,
    use: "size | prune",
    summary: "the room that kept results take",
    load: () => import("./verbs/cache.ts"),
  },
  { name: "explain", use: "[CODE]", summary: "what a message means, why it is so, and the mend", load: () => import("./verbs/explain.ts") },
  {
    name: "worker",
    use: "--nats URL",
    summary: "offer this machine's slots to runs over NATS",
    load: () => import("./verbs/worker.ts"),
  },
  {
    name: "up",
    use: "[--workers N]",
    summary: "a whole cluster on this machine: NATS server and workers",
    load: () => import("./verbs/up.ts"),
  },
  {
    name: "credentials",
    use: "ROLE NAME",
    summary: "what lets a worker or client into a secure cluster",
    load: () => import("./verbs/credentials.ts"),
  },
  { name: "workers", use: "--nats URL", summary: "the workers of a cluster, and what they lead", load: () => import("./verbs/workers.ts") },
  {
    name: "attach",
    use: "RUN --nats URL",
    summary: "watch a run on a cluster from its beginning, and get its results",
    load: () => import("./verbs/attach.ts"),
  },
  {
    name: "logs",
    use: "RUN [STAGE] --nats URL",
    summary: "what the stages of a run on a cluster printed",
    load: () => import("./verbs/logs.ts"),
  },
  { name: "drain", use: "WORKER --nats URL", summary: "have a worker leave without loss", load: () => import("./verbs/drain.ts") },
  { name: "cancel", use: "RUN --nats URL", summary: "end a run on a cluster", load: () => import("./verbs/cancel.ts") },
  { name: "init", use: "[FOLDER]", summary: "start a project that runs", load: () => import("./verbs/init.ts") },
  {
    name: "doctor",
    use: "[--nats URL]",
    summary: "what this machine and project lack, and the mend",
    load: () => import("./verbs/doctor.ts"),
  },
  {
    name: "kernel",
    use: "install | uninstall | start FILE",
    summary: "the Jupyter kernel",
    load: () => import("./verbs/kernel.ts"),
  },
  { name: "version", use: "", summary: "print the version", load: () => import("./verbs/version.ts") },
];

function help(): string {
  const width = Math.max(...verbs.map((verb) => verb.name.length + 1 + verb.use.length));
  return [
    "Usage: headrace VERB [ARGUMENTS]",
    "",
    ...verbs.map((verb) => `  ${`${verb.name} ${verb.use}`.padEnd(width)}  ${verb.summary}`),
    "",
    "`headrace VERB --help` says more. A FILE is a `.pipe` program or annotated TypeScript; `FILE:name` picks a pipeline in it.",
    "",
    "Exit codes: 0 done, 1 a stage failed, 2 infrastructure, 3 the program is wrong, 130 interrupted.",
    "",
  ].join("\n");
}

async function main(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv;
  if (first === undefined || first === "--help" || first === "-h" || (first === "help" && rest.length === 0)) {
    process.stdout.write(help());
    return first === undefined ? 3 : 0;
  }
  const name = first === "help" ? rest[0] : first === "--version" || first === "-v" ? "version" : first;
  const verb = verbs.find((one) => one.name === name);
  if (!verb) {
    const { nearest } = await import("../lang/suggest.ts");
    const near = nearest(
      name ?? "",
      verbs.map((one) => one.name),
    );
    process.stderr.write(`headrace: there is no verb \`${name}\`\n  help: ${near ? `headrace ${near}` : "headrace --help"}\n`);
    return 3;
  }
  // Nine times V8's own: in a check of 500 lines optimising took a third of the time.
  if (verb.brief) setFlagsFromString("--interrupt-budget=600000");
  const loaded = await verb.load();
  const asked = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (first === "help" || asked.includes("--help") || asked.includes("-h")) {
    const text = typeof loaded.help === "string" ? loaded.help : await loaded.help(rest.filter((arg) => arg !== "--help" && arg !== "-h"));
    process.stdout.write(`Usage: headrace ${verb.name} ${verb.use}\n\n${text}`);
    return 0;
  }
  return loaded.run(rest);
}

// Node 22 and later keep compiled code between starts.
(nodeModule as { enableCompileCache?: () => unknown }).enableCompileCache?.();
finish(main(process.argv.slice(2)));
