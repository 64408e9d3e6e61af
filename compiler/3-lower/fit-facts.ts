// What a schedule has to know of a `fit` before it lets an architecture train it: what a batch is, and what of the state could be averaged.
// Types only; what is computed stands in the stage's body.
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import { whole } from "../2-check/fitting.ts";
import type { Binding, Typed, TypedFitStatement } from "../2-check/typed.ts";
import { someChild } from "../walk.ts";

export interface FitFacts {
  /** As it is printed. */
  readonly batch: string;
  /** A list, so that parts of a batch are batches. */
  readonly batchIsRows: boolean;
  /** Paths of what has numbers to average, such as `s.w`, and of what hasn't. */
  readonly averaged: readonly string[];
  readonly kept: readonly string[];
  /** Resources that are models of layers, as they are called. */
  readonly models: readonly string[];
  /** The first value that is computed at members from what was combined in the same step. */
  readonly secondRound: string | null;
}

export function fitFacts({ carried, batch, body }: Typed & { kind: "fit" }): FitFacts {
  const models = new Set<string>();
  find(body, (one) => {
    if (isModel(one.type))
      models.add(one.kind === "resource" ? one.function.signature.name : one.kind === "local" ? one.binding.name : "a model");
    return false;
  });
  const type = whole(batch.type);
  const averaged: string[] = [];
  const kept: string[] = [];
  for (const { binding } of carried) paths(whole(binding.type), binding.name, averaged, kept);
  return {
    batch: print(type),
    batchIsRows: type.kind === "list" || type.kind === "any" || type.kind === "opaque",
    averaged,
    kept,
    models: [...models],
    secondRound: secondRound(body),
  };
}

/** The package's own, in its sources or as it is installed. */
const isModel = (type: Type | undefined): boolean =>
  type?.kind === "resource" && type.of.kind === "opaque" && type.of.name === "Model" && /(^|\/)api\/layers(\.d)?\.ts$/.test(type.of.file);

function secondRound(body: readonly TypedFitStatement[]): string | null {
  const combined = new Set<Binding>();
  for (const statement of body) {
    if (statement.kind === "let") {
      const isPart = statement.value.type.kind === "part";
      if (isPart && readsAny(statement.value, combined)) return statement.binding.name;
      if (!isPart && (combinesAny(statement.value) || readsAny(statement.value, combined))) combined.add(statement.binding);
    }
    const late = find(statement, (one) => one.kind === "combine" && readsAny(one.part, combined));
    if (late) return statement.kind === "let" ? statement.binding.name : statement.kind === "next" ? statement.carried.name : "a value";
  }
  return null;
}

const combinesAny = (value: object): boolean => find(value, ({ kind }) => kind === "combine");
const readsAny = (value: object, names: ReadonlySet<Binding>): boolean =>
  find(value, (one) => one.kind === "local" && names.has(one.binding));

function find(value: object, is: (typed: Typed) => boolean): boolean {
  if ("kind" in value && is(value as Typed)) return true;
  return someChild(value, (child) => find(child, is), ["type", "span", "binding", "carried", "function", "parameter"]);
}

function paths(type: Type, path: string, averaged: string[], kept: string[]): void {
  switch (type.kind) {
    case "record":
      for (const field of type.fields) paths(field.type, `${path}.${field.name}`, averaged, kept);
      return;
    case "list":
      paths(type.item, `${path}[]`, averaged, kept);
      return;
    case "array":
    case "tensor":
      (type.dtype === "f32" || type.dtype === "f64" ? averaged : kept).push(path);
      return;
    case "int":
    case "float":
    case "any":
    // What only TypeScript knows is looked into when it is there.
    case "opaque":
      averaged.push(path);
      return;
    case "literal":
      (typeof type.value === "number" ? averaged : kept).push(path);
      return;
    default:
      kept.push(path);
  }
}
