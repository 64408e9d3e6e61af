// Actors as stages: one whose tasks make them, and those whose tasks ask them, which run where they live. In which order, `calls.ts` says.
import type { ActorClass, Typed } from "../2-check/typed.ts";
import type { PlanActors } from "../plan.ts";
import type { Draft } from "./draft.ts";
import type { Env, Lowering, Value } from "./lower.ts";
import { scalar } from "./names.ts";
import type { Naming } from "./regions.ts";
import { TaskWriter } from "./tasks.ts";

export function lowerSpawn(lowering: Lowering, typed: Typed & { kind: "spawn" }, env: Env, { name, helper }: Naming): Value {
  const { count, actor, named } = typed;
  lowering.functions.set(actor.made.id, actor.made);
  const known = count && scalar(count);
  // Of a number that is known only while it runs: one task counts, and each actor is made for one of its rows.
  const numbers =
    count && !known
      ? lowering.draft(name, helper === null ? "count" : `${helper}/count`, count.span, count.type, { kind: "source" })
      : null;
  if (numbers && count) {
    numbers.cut = "rows";
    const rows = { kind: "range", rows: count, blocks: null, type: { kind: "dataset", row: count.type }, span: count.span } as const;
    const writer = new TaskWriter(lowering, numbers);
    // Whoever asked a pool of none would wait for ever.
    numbers.body = {
      op: "expect",
      condition: { op: "binary", operator: ">=", left: writer.write(count, env), right: { op: "const", value: 1 }, int: true },
      message: { op: "const", value: "a pool has at least one actor" },
      body: writer.range(rows, env),
    };
  }
  const draft = lowering.draft(name, helper, typed.span, typed.type, {
    kind: "spawn",
    count: known,
    numbers,
    actors: actorsOf(actor, named),
  });
  draft.body = new TaskWriter(lowering, draft).spawn(typed, env);
  return { kind: "stage", draft };
}

function actorsOf({ made, signature }: ActorClass, named: string | null): PlanActors {
  const checkpoints = Object.hasOwn(signature.methods, "checkpoint");
  const reads = Object.values(signature.methods).flatMap(({ name, tags }) => (tags.includes("reads") ? [name] : []));
  return { class: made.id, replayed: signature.replayed, reads: reads.sort(), checkpoints, ...(named === null ? {} : { named }) };
}

export function lowerEach(lowering: Lowering, typed: Typed & { kind: "callAll" }, env: Env, { name, path, helper }: Naming): Value {
  const of = actorsIn(lowering.value(typed.pool, env, name, path, "pool"));
  const draft = lowering.draft(name, helper, typed.span, typed.type, { kind: "members", of });
  draft.body = new TaskWriter(lowering, draft).members(typed, of, env);
  return { kind: "stage", draft };
}

/** The stage that makes the actors. */
export function actorsIn(value: Value): Draft {
  if (value.kind === "stage" && value.draft.work.kind === "spawn") return value.draft;
  throw new Error("bug: actors that no stage makes");
}
