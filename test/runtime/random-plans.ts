// Plans with `for`, `if` and `loop` in each other, as numbers say; what the compiler promises of plans holds of them too.
import type { ActorChoice, Plan, PlanInput } from "../../compiler/plan.ts";
import type { Written } from "./programs.ts";
import { block, blocks, program, value } from "./programs.ts";

/** What a block of stages may read: those of its own region and of regions around. */
interface Names {
  readonly values: readonly number[];
  readonly sets: readonly number[];
  /** Stages that make them. */
  readonly actors: readonly number[];
  readonly reads: readonly PlanInput[];
}

/** Writes plans with `for`, `if` and `loop` in each other, as numbers say. */
class Writer {
  readonly stages: Written[] = [];
  #regions = 0;
  readonly #dice: readonly number[];
  #at = 0;

  constructor(dice: readonly number[]) {
    this.#dice = dice;
  }

  roll(below: number): number {
    return (this.#dice[this.#at++ % this.#dice.length]! + this.#at) % below;
  }

  #add(kind: string, region: number | undefined, more: Partial<Written>): number {
    const id = `${kind}${this.stages.length}`;
    return this.stages.push({ id, ...(region === undefined ? {} : { region }), ...more }) - 1;
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list.length === 0 ? undefined : list[this.roll(list.length)];
  }

  /** Stages of one region; what they may read grows. */
  block(region: number | undefined, around: Names, depth: number): Names {
    let names = around;
    const own: { values: number[]; sets: number[] } = { values: [], sets: [] };
    const gave = (more: { values?: number[]; sets?: number[] }) => {
      own.values.push(...(more.values ?? []));
      own.sets.push(...(more.sets ?? []));
      names = { ...names, values: [...names.values, ...(more.values ?? [])], sets: [...names.sets, ...(more.sets ?? [])] };
    };
    const wanted = 1 + this.roll(3);
    for (let i = 0; i < wanted; i++) {
      const set = this.#pick(names.sets);
      const one = this.#pick(names.values);
      const reads: PlanInput[] = [...(one === undefined ? [] : [value(one)]), ...(this.roll(2) === 0 ? names.reads : [])];
      if (this.roll(8) === 0) {
        const made = this.#actors(region, names.actors, set, reads);
        own.values.push(...made.values);
        own.sets.push(...made.sets);
        names = {
          ...names,
          actors: [...names.actors, ...made.actors],
          values: [...names.values, ...made.values],
          sets: [...names.sets, ...made.sets],
        };
        continue;
      }
      const kind = this.roll(depth > 0 ? 9 : 5);
      if (kind === 0) gave({ sets: [this.#add("set", region, { output: "blocks", inputs: reads })] });
      else if (kind === 1 && set !== undefined)
        gave({
          sets: [
            this.#add("rows", region, {
              tasks: { kind: "perBlock", of: set },
              inputs: [block(set), ...reads],
              output: "block",
              strategy: this.#data(),
            }),
          ],
        });
      else if (kind === 2 && set !== undefined) gave({ values: [this.#add("all", region, { inputs: [blocks(set), ...reads] })] });
      else if (kind === 3) {
        const count = { kind: "const" as const, value: 1 + this.roll(3) };
        gave({
          sets: [
            this.#add("range", region, {
              tasks: { kind: "range", rows: count, blocks: count },
              inputs: [{ kind: "range" }, ...reads],
              output: "block",
              strategy: this.#data(),
            }),
          ],
        });
      } else if (kind === 4 && this.roll(4) === 0) {
        // What it gives is nothing; those that it comes before say so.
        const act = this.#add("act", region, { inputs: reads });
        names = { ...names, reads: [...names.reads, { kind: "after", stage: act }] };
      } else if (kind === 4) gave({ values: [this.#add("value", region, { inputs: reads, ...this.#gang() })] });
      else if (kind < 7) gave({ sets: [this.#each(region, names, depth)] });
      else if (kind === 7) gave({ values: this.#branch(region, names, depth) });
      else gave({ values: this.#loop(region, names, depth) });
    }
    // Something to give to whoever looks inside.
    if (own.values.length === 0) gave({ values: [this.#add("value", region, { inputs: names.reads })] });
    return { values: own.values, sets: own.sets, actors: [], reads: [] };
  }

  #data(): Written["strategy"] {
    return { kind: "data", slots: this.roll(4) === 0 ? 1 + this.roll(2) : null };
  }

  /** Stages that make actors, or that ask one of those that are known. */
  #actors(region: number | undefined, known: readonly number[], set: number | undefined, reads: readonly PlanInput[]): Names {
    const nothing: Names = { values: [], sets: [], actors: [], reads: [] };
    const of = this.#pick(known);
    if (of === undefined || this.roll(3) === 0) {
      const actors = { class: "C", replayed: true, reads: [], checkpoints: false };
      if (this.roll(2) === 0) return { ...nothing, actors: [this.#add("spawn", region, { inputs: reads, actors })] };
      const count = { kind: "const" as const, value: 1 + this.roll(4) };
      const tasks = { kind: "range" as const, rows: count, blocks: count };
      const inputs: PlanInput[] = [{ kind: "range" }, ...reads];
      return { ...nothing, actors: [this.#add("pool", region, { tasks, inputs, output: "row", strategy: this.#data(), actors })] };
    }
    const isPool = this.stages[of]!.tasks?.kind === "range";
    const asked = (which: ActorChoice): PlanInput => ({ kind: "actor", stage: of, which, reads: false, overlaps: false });
    if (isPool && this.roll(2) === 0) {
      const inputs = [asked("each"), ...reads];
      return {
        ...nothing,
        sets: [
          this.#add("members", region, { tasks: { kind: "perBlock", of }, inputs, output: "row", strategy: { kind: "data", slots: null } }),
        ],
      };
    }
    const which = isPool ? "free" : "one";
    if (set === undefined || this.roll(3) === 0)
      return { ...nothing, values: [this.#add("asks", region, { inputs: [asked(which), ...reads] })] };
    const inputs = [block(set), asked(which), ...reads];
    return {
      ...nothing,
      sets: [this.#add("asksRows", region, { tasks: { kind: "perBlock", of: set }, inputs, output: "block", strategy: this.#data() })],
    };
  }

  /** Some values are made by several members together, now and then by such as have to be on one worker. */
  #gang(): Partial<Written> {
    if (this.roll(3) > 0) return {};
    if (this.roll(4) === 0) return { strategy: { kind: "fit", architecture: "hogwild", members: 2, atomic: false } };
    return { strategy: { kind: "fit", architecture: "allreduce", members: 2 + this.roll(3), perWorker: false } };
  }

  /** Stages around that are read inside stand among a control stage's inputs. */
  #captured(region: number, from: number): PlanInput[] {
    const inside = new Set([region]);
    const found = new Set<number>();
    const all = this.stages;
    for (let changed = true; changed; ) {
      changed = false;
      for (const { tasks, region: own } of all) {
        if (own === undefined || !inside.has(own)) continue;
        const more =
          tasks?.kind === "each" || tasks?.kind === "loop" ? [tasks.region] : tasks?.kind === "branch" ? [tasks.then, tasks.else] : [];
        for (const one of more) if (!inside.has(one)) changed = Boolean(inside.add(one));
      }
    }
    for (const { region: own, inputs = [] } of all.slice(from))
      if (own !== undefined && inside.has(own))
        for (const input of inputs)
          if ("stage" in input && input.kind !== "item" && !inside.has(all[input.stage]!.region ?? -1)) found.add(input.stage);
    return [...found].map((stage) => ({ kind: "after", stage }));
  }

  #effects(region: number): PlanInput[] {
    return this.stages.flatMap(({ id, region: own }, stage): PlanInput[] =>
      own === region && id.startsWith("act") ? [{ kind: "after", stage }] : [],
    );
  }

  #each(region: number | undefined, names: Names, depth: number): number {
    const one = this.#pick(names.values);
    const of = this.#add("items", region, { output: "blocks", cut: "rows", inputs: one === undefined ? names.reads : [value(one)] });
    const inner = this.#regions++;
    const from = this.stages.length;
    const item: PlanInput = { kind: "item", stage: of };
    const empty = this.roll(8) === 0;
    const made = empty ? null : this.block(inner, { ...names, reads: [...names.reads, item] }, depth - 1);
    const set = made && this.#pick(made.sets);
    return this.#add("each", region, {
      tasks: { kind: "each", of, region: inner },
      inputs: [
        item,
        ...(made ? [value(this.#pick(made.values)!), ...this.#effects(inner)] : []),
        ...(typeof set === "number" ? [blocks(set)] : []),
        ...this.#captured(inner, from),
      ],
      output: "row",
      strategy: this.#data(),
    });
  }

  #branch(region: number | undefined, names: Names, depth: number): number[] {
    const condition = this.#pick(names.values) ?? this.#add("value", region, { inputs: names.reads });
    const sides = [0, 1].map(() => {
      const inner = this.#regions++;
      const from = this.stages.length;
      // A side may be nothing but a name from around.
      const outer = this.#pick(names.values);
      const gives = this.roll(4) === 0 && outer !== undefined ? outer : this.#pick(this.block(inner, names, depth - 1).values)!;
      return { inner, gives, captured: this.#captured(inner, from) };
    });
    const [then, otherwise] = sides as [(typeof sides)[number], (typeof sides)[number]];
    const control = this.#add("branch", region, { inputs: [value(condition), ...then.captured, ...otherwise.captured] });
    const given = this.#add("given", region, { tasks: { kind: "given" } });
    this.stages[control] = {
      ...this.stages[control]!,
      tasks: { kind: "branch", then: then.inner, else: otherwise.inner, gives: [{ given, then: then.gives, else: otherwise.gives }] },
    };
    return [given];
  }

  #loop(region: number | undefined, names: Names, depth: number): number[] {
    const init = this.#pick(names.values) ?? this.#add("value", region, { inputs: names.reads });
    const inner = this.#regions++;
    const from = this.stages.length;
    const given = this.#add("carried", inner, { tasks: { kind: "given" } });
    const iteration: PlanInput = { kind: "iteration", region: inner };
    const made = this.block(inner, { ...names, values: [...names.values, given], reads: [...names.reads, iteration] }, depth - 1);
    // Carried unchanged, now and then.
    const next = this.roll(5) === 0 ? given : this.#pick(made.values)!;
    const decision = this.#add("decision", inner, { inputs: [value(this.#pick(made.values)!), iteration, ...this.#effects(inner)] });
    const control = this.#add("loop", region, { inputs: this.#captured(inner, from) });
    const final = this.#add("final", region, { tasks: { kind: "given" } });
    this.stages[control] = {
      ...this.stages[control]!,
      tasks: { kind: "loop", region: inner, carried: [{ given, init, next, final }], decision },
    };
    return [final];
  }
}

export function randomPlan(dice: readonly number[]): Plan {
  const writer = new Writer(dice);
  writer.block(undefined, { values: [], sets: [], actors: [], reads: [] }, 3);
  const stages = writer.stages.map((one): Written => (one.id.startsWith("act") ? { ...one, effect: true } : one));
  const results = stages.flatMap(({ region, tasks, output = "value", actors }, index) =>
    region === undefined && !actors && tasks?.kind !== "branch" && tasks?.kind !== "loop" && output !== "partial" ? [index] : [],
  );
  return program(stages, { results }).plan;
}
