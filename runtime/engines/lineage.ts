// Keys by lineage: a stage's key says all that its results are made from: its body, the slices of its functions, params, and the keys of what
// it reads. What a stage reads of the world outside is in no key, so whatever comes of that has none.
import { createHash } from "node:crypto";
import type { Json, Plan, PlanInput, PlanStage, Scalar } from "../../compiler/plan.ts";
import { neededFunctions } from "../data/stage.ts";
import { identityOf } from "./files.ts";
import { controlsOf, partsOf } from "./narrowing.ts";

export interface Lineage {
  /** SHA-256, in hex. Of a stage in a region the same for all its instances: see `instanceKey`. */
  readonly key: string;
  /** Why nobody else may take its results for theirs; null: they may. */
  readonly unkept: Unkept | null;
  /** What the key is of, in parts that can be told apart. */
  readonly made: Ingredients;
  /** Keys of the loops around. */
  readonly loops: readonly string[];
}

/** What a key is made of, for people: which of it has changed. */
export interface Ingredients {
  /** What the program itself says of the stage. */
  readonly body: string;
  /** Digests of slices, by function. */
  readonly functions: { readonly [id: string]: string };
  readonly params: { readonly [name: string]: string };
  /** Ids of stages that it reads, and what is made inside it. */
  readonly reads: readonly string[];
}

export type Unkept =
  /** It acts on the world. */
  | { readonly kind: "effect" }
  /** It makes actors, or asks some: what they give depends on all that they were asked before. */
  | { readonly kind: "actor"; readonly actors: string; readonly asks: boolean }
  /** A secret could be read off its results. */
  | { readonly kind: "secret"; readonly param: string }
  /** A function of it reads the world outside. */
  | { readonly kind: "world"; readonly function: string; readonly reaches: readonly string[] }
  /** It reads what such a stage gives. */
  | { readonly kind: "reads"; readonly stage: string };

/** Of each stage, in the plan's order. `origin`: where a stage was asked for, where that counts. */
export function lineageOf(
  plan: Plan,
  params: { readonly [name: string]: Json },
  originOf: (stage: string) => string | null = () => null,
): readonly Lineage[] {
  const found: Omit<Lineage, "unkept" | "loops">[] = [];
  const controls = controlsOf(plan);
  const carried = carriedPlaces(plan);
  const hash = (value: unknown) => createHash("sha256").update(JSON.stringify(value)).digest("hex");
  // A secret decides who may do something, not what comes of it, and would lie open in its hash.
  const secrets = new Set(plan.params.flatMap(({ name, type }) => (type === "secret" ? [name] : [])));
  const param = (name: string): Json => (secrets.has(name) ? "" : (identityOf(params[name] ?? null) as Json));
  const keyOf = (stage: number) => found[stage]?.key ?? null;
  const owners = ownersOf(plan);
  /** How many regions out the one is whose items these are. */
  const depthOf = (items: number, region: number): number => {
    const { tasks, region: around } = plan.stages[owners.get(region)!]!;
    if (tasks.kind === "each" && tasks.of === items) return 0;
    return 1 + depthOf(items, around!);
  };
  plan.stages.forEach((stage, index) => {
    const reads = new Set<number>();
    const read = (input: PlanInput): unknown => {
      if (input.kind === "param") return ["param", param(input.name)];
      if (!("stage" in input)) return input;
      reads.add(input.stage);
      // Which item it is, an instance's key says.
      if (input.kind === "item" && stage.region !== undefined && stage.tasks.kind !== "each")
        return ["item", depthOf(input.stage, stage.region)];
      return [input.kind, keyOf(input.stage)];
    };
    const named = new Set(stage.inputs.flatMap((input) => (input.kind === "param" ? [input.name] : [])));
    const scalar = (value: Scalar) => {
      if (value.kind === "const") return value.value;
      named.add(value.name);
      return Math.min(params[value.name] as number, value.atMost ?? Number.POSITIVE_INFINITY);
    };
    const tasks = (): unknown => {
      switch (stage.tasks.kind) {
        case "range":
          return [scalar(stage.tasks.rows), scalar(stage.tasks.blocks)];
        case "perBlock":
          reads.add(stage.tasks.of);
          return keyOf(stage.tasks.of);
        case "given": {
          const control = controls.get(index);
          if (control) reads.add(control.control);
          return ["given", control?.place ?? carried.get(index) ?? index, control ? keyOf(control.control) : null];
        }
        case "each":
        case "branch":
        case "loop": {
          // What it brings to life is part of it.
          const parts = partsOf(plan, stage.tasks);
          for (const part of parts) reads.add(part);
          return [stage.tasks.kind, parts.map(keyOf)];
        }
        default:
          return null;
      }
    };
    const functions = neededFunctions(plan, index).map((id) => ({ id, ...plan.functions[id]! }));
    const own = {
      body: stage.body,
      within: stage.within ?? null,
      output: stage.output,
      cut: stage.cut ?? null,
      keyed: stage.keyed ?? false,
      fit: stage.strategy.kind === "fit" ? stage.strategy : null,
      origin: originOf(stage.id),
    };
    const slices = functions.map((one) => [one.id, one.digest, one.export, one.native]);
    const key = hash([own, tasks(), stage.inputs.map(read), slices]);
    const made: Ingredients = {
      body: hash([own, stage.tasks.kind]),
      functions: Object.fromEntries(functions.map(({ id, digest, native }) => [id, native.length === 0 ? digest : hash([digest, native])])),
      params: Object.fromEntries([...named].map((name) => [name, secrets.has(name) ? "" : JSON.stringify(param(name))])),
      reads: [...reads].map((one) => plan.stages[one]!.id),
    };
    found.push({ key, made });
  });
  const unkept = unkeptOf(plan, secrets);
  const around = loopsAround(plan);
  return found.map((one, index) => ({ ...one, unkept: unkept[index]!, loops: around[index]!.map((loop) => found[loop]!.key) }));
}

/** Of one instance: `around` are the items and iterations around it. What a loop carries into it depends on all of the loop. */
export function instanceKey({ key, loops }: Lineage, around: readonly string[]): string {
  return createHash("sha256")
    .update(JSON.stringify([key, loops, around]))
    .digest("hex");
}

function carriedPlaces(plan: Plan): ReadonlyMap<number, number> {
  return new Map(
    plan.stages.flatMap(({ tasks }) =>
      tasks.kind === "loop" ? tasks.carried.map(({ given }, place): [number, number] => [given, place]) : [],
    ),
  );
}

/** By region: its control stage. */
function ownersOf(plan: Plan): ReadonlyMap<number, number> {
  const owners = new Map<number, number>();
  plan.stages.forEach(({ tasks }, index) => {
    if (tasks.kind === "each" || tasks.kind === "loop") owners.set(tasks.region, index);
    if (tasks.kind === "branch") for (const region of [tasks.then, tasks.else]) owners.set(region, index);
  });
  return owners;
}

/** By stage: the loops whose region it stands in. */
function loopsAround(plan: Plan): readonly (readonly number[])[] {
  const owners = ownersOf(plan);
  return plan.stages.map(({ region }) => {
    const loops: number[] = [];
    for (let at = region; at !== undefined; ) {
      const owner = owners.get(at)!;
      const { tasks, region: next } = plan.stages[owner]!;
      if (tasks.kind === "loop") loops.push(owner);
      at = next;
    }
    return loops;
  });
}

function unkeptOf(plan: Plan, secrets: ReadonlySet<string>): readonly (Unkept | null)[] {
  const controls = controlsOf(plan);
  const around = loopsAround(plan);
  const found = plan.stages.map((stage, index) => ownReason(plan, stage, index, secrets));
  /** What an effect gives is null, and what a secret opened is there for all: neither makes others unkept. */
  const spreads = (index: number) => found[index] !== null && found[index]!.kind !== "effect" && found[index]!.kind !== "secret";
  for (let changed = true; changed; ) {
    changed = false;
    plan.stages.forEach(({ inputs, tasks }, index) => {
      if (found[index]) return;
      const reads = inputs.flatMap((input) => ("stage" in input ? [input.stage] : []));
      if (tasks.kind === "perBlock") reads.push(tasks.of);
      if (tasks.kind === "given" && controls.has(index)) reads.push(controls.get(index)!.control);
      if (tasks.kind === "each" || tasks.kind === "branch" || tasks.kind === "loop") reads.push(...partsOf(plan, tasks));
      reads.push(...around[index]!);
      const source = reads.find((read) => read !== index && spreads(read));
      if (source === undefined) return;
      found[index] = { kind: "reads", stage: plan.stages[source]!.id };
      changed = true;
    });
  }
  return found;
}

function ownReason(plan: Plan, stage: PlanStage, index: number, secrets: ReadonlySet<string>): Unkept | null {
  if (stage.effect) return { kind: "effect" };
  const asked = stage.inputs.find((input) => input.kind === "actor");
  if (stage.actors) return { kind: "actor", actors: stage.id, asks: false };
  if (asked?.kind === "actor") return { kind: "actor", actors: plan.stages[asked.stage]!.id, asks: true };
  for (const id of neededFunctions(plan, index)) {
    const { reaches = [], tags = [] } = plan.functions[id]!;
    if (tags.includes("effect")) return { kind: "effect" };
    if (tags.includes("volatile") || reaches.length > 0) return { kind: "world", function: id, reaches };
  }
  const secret = stage.inputs.find((input) => input.kind === "param" && secrets.has(input.name));
  return secret?.kind === "param" ? { kind: "secret", param: secret.name } : null;
}
