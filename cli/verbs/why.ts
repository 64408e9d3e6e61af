// `headrace why STAGE`: of the last run of this folder, or of the one named: why a stage waits, ran, was reused or never came to its turn.
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Cause, MadeStage } from "../causes.ts";
import { causesOf } from "../causes.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { homeIn } from "../home.ts";
import { noStageOfItsOwn, stageByName } from "../invocation.ts";
import { printProblems } from "../problems.ts";
import type { RunRecord } from "../records.ts";
import { isGoing, lastRunOf, listRuns, readCode, readEvents, readRun } from "../records.ts";
import { duration } from "../show.ts";
import type { RunStory, StageStory } from "../story.ts";
import { storyOf } from "../story.ts";
import { wrapped } from "../table.ts";
import { painter, wantsColor, widthOf } from "../terminal.ts";

const flags: readonly Flag[] = [{ name: "run", value: "RUN", summary: "of that run, as `headrace runs` names it (default: the last one)" }];

export const help = `Says of a stage of a run why it waits, why it ran, or why it didn't have to, and which change made it, at which line.

    headrace why model
    headrace why model --run digits-3

${describeFlags(flags)}
`;

/** Waits shorter than this are nobody's business. */
const WORTH_TELLING_MS = 5;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = [...given.problems];
  const [name, extra] = given.operands;
  if (name === undefined) problems.push(report("HR605", { what: "`headrace why` needs a STAGE" }, [], { help: "headrace why STAGE" }));
  if (extra !== undefined) problems.push(report("HR605", { what: `\`${extra}\` is one argument too many` }, []));
  const { runs } = homeIn();
  const heads = runs === null ? [] : listRuns(runs);
  const wanted = given.flags.get("run") ?? heads[0]?.id;
  if (problems.length === 0 && heads.length === 0)
    problems.push(report("HR605", { what: "no run is on record here" }, [], { help: "headrace run FILE" }));
  const record = runs !== null && typeof wanted === "string" ? readRun(runs, wanted) : null;
  if (problems.length === 0 && !record) {
    const near = nearest(
      String(wanted),
      heads.map(({ id }) => id),
    );
    problems.push(report("HR605", { what: `there is no run \`${wanted}\`` }, [], { help: near ? `--run ${near}` : "headrace runs" }));
  }
  const parts = record?.stages.filter((stage) => stage.name === name || stage.id === name) ?? [];
  if (problems.length === 0 && record && parts.length === 0) {
    const names = [...new Set(record.stages.map((stage) => stage.name))];
    // Plans of older records say nothing of it.
    const onTheWay = (record.plan.about.onTheWay ?? []).includes(name!);
    const what = onTheWay ? noStageOfItsOwn(name!) : `${record.head.id} has no stage \`${name}\``;
    const help = onTheWay ? stageByName(name!) : `headrace why ${nearest(name!, names) ?? names.join(" | ")}`;
    problems.push(report("HR605", { what }, [], { help }));
  }
  if (problems.length > 0 || !record || runs === null) {
    printProblems(problems, () => null);
    return 3;
  }
  const paint = painter(wantsColor(process.stdout));
  const width = widthOf(process.stdout);
  const answer = answerOf(name!, record, runs);
  const indent = "  ";
  process.stdout.write(
    `${[paint("bold", answer.head), ...answer.lines.flatMap((line) => wrapped(line, width - 4).map((part, i) => (i === 0 ? indent : `${indent}  `) + part))].join("\n")}\n`,
  );
  return 0;
}

function answerOf(name: string, record: RunRecord, runs: string): { readonly head: string; readonly lines: readonly string[] } {
  const { head, plan, stages } = record;
  const going = isGoing(head);
  const story = storyOf(plan, readEvents(runs, head.id));
  const parts = stages.filter((stage) => stage.name === name || stage.id === name).map(({ id }) => story.stages.get(id)!);
  const ran = parts.filter(({ state }) => state !== "reused" && state !== "skipped");
  const where = `in ${head.id}${going ? ", which is going on" : ""}`;
  if (ran.length === 0 && parts.some(({ state }) => state === "reused"))
    return {
      head: `${name} was reused ${where}`,
      lines: ["nothing that it is made from has changed since an earlier run, which left what it gives", ...laterThan(record, runs)],
    };
  if (ran.length === 0)
    return {
      head: `${name} wasn't needed ${where}`,
      lines: ["all that is made from it was there from an earlier run"],
    };
  const begun = ran.filter(({ startMs }) => startMs !== null);
  if (begun.length === 0)
    return { head: `${name} ${going ? "waits" : "never began"} ${where}`, lines: waitsFor(ran, record, story, going) };
  const before = lastRunOf(runs, plan, head);
  const made = stages.map(
    (stage): MadeStage => ({ ...stage, runs: !["reused", "skipped", "waiting"].includes(story.stages.get(stage.id)?.state ?? "waiting") }),
  );
  const code = (digest: string) => readCode(runs, digest);
  const old = before && { stages: before.stages.map((stage) => ({ ...stage, runs: false })), code };
  const causes = firstTelling(begun.map(({ stage }) => causesOf(stage, { plan, stages: made, code }, old)));
  const lines = causes.map(({ text, at }) => `it ${text.replace(/, which runs$/, ", which ran")}${at === null ? "" : `: ${at}`}`);
  const failed = ran.find(({ state }) => state === "failed");
  const tasks = begun.reduce((sum, one) => sum + one.done - one.reused, 0);
  const reused = begun.reduce((sum, one) => sum + one.reused, 0);
  const open = begun.some(({ state }) => state === "running");
  if (reused > 0) lines.push(`${reused} of its tasks didn't have to run: an earlier run had done them`);
  lines.push(...timesOf(begun, record, story));
  for (const { failures, lost } of begun) {
    const retried = failures.filter((one) => one.retried);
    if (retried.length > 0) lines.push(`${retried.length} attempts failed and were made again; the last: ${retried.at(-1)!.error.message}`);
    const last = failures.find((one) => !one.retried);
    if (last) lines.push(`block ${last.block}, attempt ${last.attempt} failed: ${last.error.name}: ${last.error.message}`);
    if (lost > 0) lines.push(`${lost} of its results were lost and made again`);
  }
  const state = failed ? "failed" : open ? (going ? "runs" : "was stopped") : "ran";
  return { head: `${name} ${state} ${where}: ${tasks} ${tasks === 1 ? "task" : "tasks"}`, lines };
}

/** A stage's helpers say the same in other words. */
function firstTelling(all: readonly (readonly Cause[])[]): readonly Cause[] {
  return all.find((causes) => causes.some(({ at }) => at !== null)) ?? all.find((causes) => causes.length > 0) ?? [];
}

function laterThan({ plan, head }: RunRecord, runs: string): string[] {
  const before = lastRunOf(runs, plan, head);
  return before ? [`the run before was ${before.head.id}`] : [];
}

/** Stages that those read, that aren't theirs. */
function producersOf(parts: readonly StageStory[], { stages }: RunRecord): readonly { readonly id: string; readonly name: string }[] {
  const own = new Set(parts.map(({ stage }) => stage));
  const reads = new Set(parts.flatMap(({ stage }) => stages.find(({ id }) => id === stage)?.made.reads ?? []));
  return stages.filter(({ id }) => reads.has(id) && !own.has(id));
}

function waitsFor(parts: readonly StageStory[], record: RunRecord, story: RunStory, going: boolean): string[] {
  const open = producersOf(parts, record).filter(({ id }) => {
    const state = story.stages.get(id)?.state;
    return state === "waiting" || state === "running" || state === "failed";
  });
  const lines = open.map(({ id, name }) => {
    const { state, done, tasks } = story.stages.get(id)!;
    if (state === "failed") return `it reads \`${name}\`, which failed`;
    if (state === "waiting") return `it reads \`${name}\`, which hasn't begun either`;
    return `it reads \`${name}\`, of which ${done} of ${tasks} tasks are done`;
  });
  if (lines.length > 0) return lines;
  if (story.end?.error) return [`the run ended before: ${story.end.error.message}`];
  return [going ? "all that it reads is there: it waits for a slot" : "the run was ended before its turn came"];
}

function timesOf(parts: readonly StageStory[], record: RunRecord, story: RunStory): string[] {
  const startMs = Math.min(...parts.flatMap(({ startMs: one }) => one ?? []));
  const producers = producersOf(parts, record).flatMap(({ id, name }) => {
    const made = story.stages.get(id);
    return made?.state === "finished" && made.endMs !== null && made.endMs <= startMs + WORTH_TELLING_MS
      ? [{ name, endMs: made.endMs }]
      : [];
  });
  const last = producers.sort((a, b) => b.endMs - a.endMs)[0];
  const lines: string[] = [];
  if (startMs > WORTH_TELLING_MS)
    lines.push(`it began ${duration(startMs)} into the run${last ? `, when \`${last.name}\` was done` : ", when a slot was free"}`);
  const ids = new Set(parts.map(({ stage }) => stage));
  const batches = story.batches.filter(({ stage }) => ids.has(stage));
  const slots = new Set(batches.map(({ worker, slot }) => `${worker}.${slot}`));
  const endMs = Math.max(0, ...parts.map((one) => one.endMs ?? story.atMs));
  const busyMs = parts.reduce((sum, one) => sum + one.busyMs, 0);
  if (batches.length > 0)
    lines.push(
      `it ${parts.some(({ state }) => state === "running") ? "has taken" : "took"} ${duration(endMs - startMs)} on ${slots.size} ${slots.size === 1 ? "slot" : "slots"}, ${duration(busyMs)} of their time`,
    );
  return lines;
}
