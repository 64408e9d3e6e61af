// What stages made, read in the engine: for results, and for the inputs of a task that failed. Values lie here, on disk or with workers; where
// one is gone the core is told, and the reader gets `MISSING`. Decides nothing.
import type { Json, Plan } from "../../compiler/plan.ts";
import type { Stage, State } from "../core/model.ts";
import { DISK, ENGINE, Live } from "../core/model.ts";
import { iterationOf } from "../core/regions.ts";
import type { StoredBlock } from "../data/stage.ts";
import { storedRows } from "../data/stage.ts";
import { columnValues, decode } from "../objects/codec.ts";
import type { InlineValues } from "./values.ts";

export const MISSING = Symbol("missing");

export interface ReadingOptions {
  readonly plan: Plan;
  readonly state: State;
  readonly params: { readonly [name: string]: Json };
  readonly valuesOf: (stage: number) => InlineValues;
  readonly onDisk: (stage: Stage, block: number) => Uint8Array;
  /** From the worker that holds it; null: it doesn't, and the core knows by now. */
  readonly fetch: (holder: number, stage: number, block: number) => Promise<Uint8Array | null>;
}

export class Reading {
  readonly #options: ReadingOptions;

  constructor(options: ReadingOptions) {
    this.#options = options;
  }

  async value(stage: number, block: number): Promise<unknown> {
    const { state, valuesOf, onDisk, fetch } = this.#options;
    const made = state.stages[stage]!;
    if (made.output[block] !== Live) return MISSING;
    const at = made.holder[block]!;
    if (at === ENGINE) return valuesOf(stage).value(block);
    const bytes = at === DISK ? onDisk(made, block) : await fetch(at, stage, block);
    return bytes === null ? MISSING : decode(bytes, { share: false });
  }

  async rows(stage: number): Promise<unknown> {
    const { holder, blocks } = this.#options.state.stages[stage]!;
    const rows: unknown[] = [];
    let block = 0;
    while (block < blocks) {
      if (holder[block] !== ENGINE) {
        const stored = await this.value(stage, block++);
        if (stored === MISSING) return MISSING;
        append(rows, storedRows(stored as StoredBlock));
        continue;
      }
      const first = block;
      while (block < blocks && holder[block] === ENGINE) block++;
      for (const { column } of this.#options.valuesOf(stage).runs(first, block - first)) {
        if (column.kind === "rows") append(rows, column.values);
        else for (const stored of columnValues(column, { share: false })) append(rows, storedRows(stored as StoredBlock));
      }
    }
    return rows;
  }

  /** What a task reads, by the stage's inputs, as a slot would hand it to the stage's runner. */
  async inputs(stage: Stage, block: number): Promise<readonly unknown[] | typeof MISSING> {
    const planned = this.#options.plan.stages[stage.template.index]!;
    const read: unknown[] = [];
    for (let place = 0; place < planned.inputs.length; place++) {
      const found = await this.#input(stage, place, block);
      if (found === MISSING) return MISSING;
      read.push(found);
    }
    return read;
  }

  async #input(stage: Stage, place: number, block: number): Promise<unknown> {
    const { plan, state, params } = this.#options;
    const { inputs, tasks } = plan.stages[stage.template.index]!;
    const input = inputs[place]!;
    const producer = stage.producers[place]!;
    switch (input.kind) {
      case "param":
      case "after":
      // Whoever runs the task again makes the actor.
      case "actor":
        return null;
      case "range": {
        if (tasks.kind !== "range") throw new Error(`bug: ${stage.id} reads a range and has none`);
        return { rows: tasks.rows.kind === "const" ? tasks.rows.value : (params[tasks.rows.name] as number), blocks: stage.tasks };
      }
      case "iteration":
        return iterationOf(stage, input.region);
      case "block":
        return this.value(producer, block);
      case "item": {
        const point = stage.points.find((one) => one.producer === producer);
        return point ? this.value(point.producer, point.block) : this.value(producer, block);
      }
      case "value":
        return state.stages[producer]!.template.isEffect ? null : this.value(producer, 0);
      case "blocks": {
        const all: unknown[] = [];
        for (let at = 0; at < state.stages[producer]!.blocks; at++) {
          const found = await this.value(producer, at);
          if (found === MISSING) return MISSING;
          all.push(found);
        }
        return all;
      }
    }
  }
}

/** Spread would overflow the stack with very many. */
function append(rows: unknown[], more: ArrayLike<unknown>): void {
  for (let i = 0; i < more.length; i++) rows.push(more[i]);
}
