// `headrace replay RUN STAGE[n]`: one task of an earlier run again, in this process, from what it read then; `--inspect` under a debugger.
import { close, open, waitForDebugger } from "node:inspector";
import type { Json, Plan } from "../../compiler/plan.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { RunEvent } from "../../runtime/events/events.ts";
import { replay, secretVariable } from "../../runtime/index.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments, readCount } from "../flags.ts";
import { homeIn } from "../home.ts";
import { printProblems } from "../problems.ts";
import type { RunRecord } from "../records.ts";
import { listRuns, readCode, readEvents, readRun } from "../records.ts";
import { painter, wantsColor, widthOf } from "../terminal.ts";
import { shapeText, valueText } from "../values.ts";

const flags: readonly Flag[] = [
  { name: "inspect", value: null, summary: "wait for a debugger, and halt where the task calls its functions" },
  { name: "port", value: "N", summary: "where the debugger is waited for, on this machine (default: 9229)" },
];

export const help = `Runs one task of an earlier run again, in this process: its code and what it read then, as they were. Without STAGE, the task that
made the run fail. What it gives is shown and not kept; effects aren't run.

    headrace replay digits-3
    headrace replay digits-3 accuracy/blocks[17] --inspect
    headrace replay search-8 model[3]                         # of item 3 of a \`for\`, or round 3 of a loop

With --inspect, open chrome://inspect or attach an editor; the first halt is one step before the stage's own function.

${describeFlags(flags)}
`;

interface Task {
  readonly stage: string;
  readonly instance: string | null;
  readonly block: number;
}

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const [id, wanted, extra] = given.operands;
  const problems: Diagnostic[] = [...given.problems];
  const { runs, results } = homeIn();
  const heads = runs === null ? [] : listRuns(runs);
  const names = heads.map((head) => head.id);
  if (id === undefined)
    problems.push(report("HR605", { what: "`headrace replay` needs a RUN" }, [], { help: `headrace replay ${names[0] ?? "RUN"}` }));
  if (extra !== undefined) problems.push(report("HR605", { what: `\`${extra}\` is one argument too many` }, []));
  const port = readCount(given, "port");
  if (typeof port === "object" && port !== null) problems.push(port);
  const record = id === undefined || runs === null ? null : readRun(runs, id);
  if (id !== undefined && !record) {
    const near = nearest(id, names);
    problems.push(report("HR605", { what: `there is no run \`${id}\`` }, [], { help: near ? `headrace replay ${near}` : "headrace runs" }));
  }
  const task = record && runs !== null ? (wanted === undefined ? failedTask(record, runs) : readTask(record, wanted)) : null;
  if (task && "code" in task) problems.push(task);
  if (problems.length > 0 || !record || !task || "code" in task || runs === null) {
    printProblems(problems, () => null);
    return 3;
  }
  const paint = painter(wantsColor(process.stderr));
  const title = `${task.stage}${task.instance === null ? "" : `[${task.instance}]`}[${task.block}]`;
  if (given.flags.has("inspect")) {
    open(typeof port === "number" ? port : 9229, "127.0.0.1");
    // Where it listens, Node has said.
    process.stderr.write("waiting for a debugger: open chrome://inspect, or attach an editor\n");
    waitForDebugger();
  }
  const code = Object.fromEntries(
    [...new Set(Object.values(record.plan.functions).map(({ digest }) => digest))].flatMap((digest) => {
      const slice = readCode(runs, digest);
      return slice ? [[digest, slice] as const] : [];
    }),
  );
  const params = { ...record.head.params, ...secretsOf(record.plan) };
  const done = await replay({
    plan: record.plan,
    code,
    params,
    results,
    ...task,
    inputs: keptInputs(record, runs, task),
    print: (text) => process.stderr.write(text),
  });
  close();
  if ("missing" in done) {
    process.stderr.write(`${done.missing}\n`);
    return 2;
  }
  if (done.remade.length > 0)
    process.stderr.write(
      paint("dim", `made again, since it wasn't there any more: ${done.remade.map((name) => `\`${name}\``).join(", ")}\n`),
    );
  const stage = record.plan.stages.find((one) => one.id === task.stage)!;
  process.stderr.write(`${paint("bold", title)} of ${record.head.id}\n`);
  stage.inputs.forEach((input, place) => {
    const name = "stage" in input ? record.plan.stages[input.stage]!.name : input.kind === "param" ? input.name : null;
    if (name !== null && input.kind !== "after" && input.kind !== "param")
      process.stderr.write(`  ${name}  ${shapeText(rowsOf(done.inputs[place]))}\n`);
  });
  if ("error" in done.ended) {
    const { name, message, stack } = done.ended.error;
    process.stderr.write([`  ${paint("red", `${name}: ${message}`)}`, ...stack.map((line) => `    ${line.trim()}`), ""].join("\n"));
    return 1;
  }
  process.stdout.write(`${valueText(rowsOf(done.ended.value), { most: 20, sample: false, width: widthOf(process.stdout) })}\n`);
  return 0;
}

/** A stored block as its rows. */
function rowsOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "rows" in value && Array.isArray(value.rows) ? value.rows : value;
}

/** As they are today: a record holds none. */
function secretsOf({ params }: Plan): { readonly [name: string]: Json } {
  return Object.fromEntries(
    params.flatMap(({ name, type }) => {
      const value = process.env[secretVariable(name)];
      return type === "secret" && value !== undefined ? [[name, value] as const] : [];
    }),
  );
}

/** The key of what a task read, where it is the one that made the run fail and that couldn't be made again. */
function keptInputs({ head }: RunRecord, runs: string, task: Task): string | null {
  const events = readEvents(runs, head.id);
  const finished = events.findLast((event) => event.type === "run.finished");
  const failed = lastFailure(events);
  const same = failed?.stage === task.stage && failed.instance === task.instance && failed.block === task.block;
  return same && finished?.type === "run.finished" ? (finished.inputs ?? null) : null;
}

function lastFailure(events: readonly RunEvent[]): Task | null {
  const failed = events.findLast((event) => event.type === "task.failed" && !event.retried);
  return failed?.type === "task.failed" ? { stage: failed.stage, instance: failed.instance ?? null, block: failed.block } : null;
}

function failedTask({ head }: RunRecord, runs: string): Task | Diagnostic {
  return (
    lastFailure(readEvents(runs, head.id)) ??
    report("HR605", { what: `no task of ${head.id} failed: say which STAGE` }, [], { help: `headrace replay ${head.id} STAGE[0]` })
  );
}

/** `accuracy/blocks[17]`, `model[3.1]`, `model[3.1][2]`, `model` */
function readTask({ plan, head }: RunRecord, text: string): Task | Diagnostic {
  const found = /^([^[\]]+)(?:\[([\d.]+)\])?(?:\[(\d+)\])?$/.exec(text);
  const name = found?.[1] ?? text;
  const stages = plan.stages.filter(({ tasks }) => tasks.kind !== "given" && tasks.kind !== "branch" && tasks.kind !== "loop");
  const stage = stages.find(({ id }) => id === name) ?? stages.find((one) => one.name === name);
  if (!found || !stage) {
    const near = nearest(
      name,
      stages.map(({ id }) => id),
    );
    return report("HR605", { what: `${head.id} has no stage \`${name}\`` }, [], {
      help: near ? `headrace replay ${head.id} ${near}[0]` : `stages: ${stages.map(({ id }) => id).join(", ")}`,
    });
  }
  const [, , first, second] = found;
  if (stage.region === undefined) return { stage: stage.id, instance: null, block: Number(first ?? 0) };
  return first === undefined
    ? report("HR605", { what: `\`${name}\` stands in a block: say of which item or round` }, [], {
        help: `headrace replay ${head.id} ${stage.id}[0]`,
      })
    : { stage: stage.id, instance: first, block: Number(second ?? 0) };
}
