// Who else may see the memory of an argument. A callee may change what it gets by a mutable parameter, so it gets a value that nobody
// else can reach, or a copy. In doubt it is a copy: a wrong `move` would corrupt somebody's data.
import type { Type } from "../../lang/types.ts";
import type { Binding, Typed, TypedFitStatement } from "../2-check/typed.ts";
import { eachChild } from "../walk.ts";

/** A value just made, whose memory nobody else knows. */
export function isFresh(value: Typed): boolean {
  if (memoryOf(value.type).size === 0) return true;
  switch (value.kind) {
    case "record":
      return value.fields.every((field) => "name" in field && isFresh(field.value));
    case "list":
      return value.items.every(isFresh);
    case "call":
      if (value.function.signature.keepsMemory) return false;
      // Memory that the callee only read may come out again, if it is of a type that comes out.
      return value.args.every(
        ({ parameter, value: arg }) =>
          (parameter.mutable && arg.type.kind !== "resource") || !overlaps(memoryOf(arg.type), memoryOf(value.type)),
      );
    default:
      return false;
  }
}

/** Whether others may see what a call gives: by way of arguments that it shares, a resource that it uses, or its own module. */
export function lends({ function: { signature }, args, type }: Typed & { kind: "call" }): boolean {
  const given = memoryOf(type);
  if (given.size === 0) return false;
  if (signature.keepsMemory || args.some(({ value }) => value.type.kind === "resource")) return true;
  const lent = new Set(signature.lends);
  return args.some(({ parameter, value }) => !parameter.mutable && overlaps(memoryOf(value.type), lent));
}

/**
 * Whether a statement of a fit's body, after the one that gives a carried value anew, reads a name that may be another for the memory of the
 * old one.
 */
export function isHeldAfter(carried: Binding, body: readonly TypedFitStatement[], next: TypedFitStatement): boolean {
  const memory = memoryOf(carried.type);
  const place = body.indexOf(next);
  const names = new Set<Binding>();
  for (const statement of body.slice(0, place))
    if (statement.kind === "let" && !isFresh(statement.value) && overlaps(memoryOf(statement.binding.type), memory))
      names.add(statement.binding);
  return names.size > 0 && body.slice(place + 1).some((statement) => readsAny(statement, names));
}

function readsAny(node: object, names: ReadonlySet<Binding>): boolean {
  if ("kind" in node && node.kind === "local" && "binding" in node) return names.has(node.binding as Binding);
  let found = false;
  eachChild(
    node,
    (child) => {
      found ||= readsAny(child, names);
    },
    ["type", "span", "function", "parameter"],
  );
  return found;
}

/**
 * The one place where `next` reads the carried value, if it is an argument itself, evaluated once: its callee is then the last to
 * see it.
 */
export function onlyRead(next: Typed, carried: Binding): Typed | null {
  const reads: { readonly at: Typed; readonly once: boolean }[] = [];
  const visit = (node: object, once: boolean): void => {
    if ("kind" in node && node.kind === "local" && "binding" in node) {
      if (node.binding === carried) reads.push({ at: node as Typed, once });
      return;
    }
    // A lambda has a body and parameters, and runs once for each row.
    const lambda = "body" in node && "parameters" in node;
    eachChild(node, (child) => visit(child, once && !lambda), ["type", "span", "function", "parameter"]);
  };
  visit(next, true);
  const [only, ...more] = reads;
  return only?.once && more.length === 0 ? only.at : null;
}

/** The kinds of memory in a value: two values can share memory only where they have one in common. */
function memoryOf(type: Type, found: Set<string> = new Set()): Set<string> {
  switch (type.kind) {
    case "list":
      return memoryOf(type.item, found.add("list"));
    case "dataset":
      return memoryOf(type.row, found.add("list"));
    case "part":
      return memoryOf(type.of, found);
    case "resource":
      return found.add(ANYTHING);
    case "record":
      // One record type may stand for another with more fields, so names tell nothing.
      found.add("record");
      for (const field of type.fields) memoryOf(field.type, found);
      return found;
    case "union":
      for (const member of type.members) memoryOf(member, found);
      return found;
    case "array":
    case "tensor":
      return found.add(type.dtype);
    case "bytes":
      return found.add("u8");
    case "opaque":
    case "any":
    case "variable":
    case "function":
      return found.add(ANYTHING);
    default:
      return found;
  }
}
const ANYTHING = "anything";

function overlaps(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size === 0 || b.size === 0) return false;
  return a.has(ANYTHING) || b.has(ANYTHING) || [...a].some((one) => b.has(one));
}
