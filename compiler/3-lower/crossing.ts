// What a stage gives leaves its process: it is stored, and read by other threads and machines. Says so where a type can't.
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Expr } from "../plan.ts";
import type { Draft } from "./draft.ts";

/** Whatever a stage gives is stored and sent: a message where that can't be. */
export function crossing({ type, span, name, body }: Draft): Diagnostic[] {
  const resource = keptResource(body);
  // By way of a pipeline whose parameter has the type that the factory gives.
  if (resource !== null)
    return [
      report("HR307", { name: resource, as: `a value of \`${name}\`` }, [{ span, label: "would hold it", role: "primary" }], {
        help: "hand it to the function that uses it, and give what that gives",
      }),
    ];
  const stuck = stays(type);
  if (!stuck) return [];
  return [
    report("HR207", { stage: name, is: print(stuck) }, [{ span, label: `gives ${print(type)}`, role: "primary" }], {
      help: stuck.kind === "opaque" && stuck.why !== undefined ? stuck.why : "a function stays where it was made",
    }),
  ];
}

/** A resource that is more than an argument of a function, by its factory's name. */
function keptResource(body: Expr): string | null {
  const visit = (node: unknown, isArgument: boolean): string | null => {
    if (typeof node !== "object" || node === null) return null;
    const { op, function: name } = node as { readonly op?: unknown; readonly function?: unknown };
    if (op === "const") return null;
    if (op === "resource" && !isArgument) return String(name);
    for (const [field, child] of Object.entries(node)) {
      const found = visit(child, (op === "call" && field === "args") || (isArgument && Array.isArray(node)));
      if (found !== null) return found;
    }
    return null;
  };
  return visit(body, false);
}

/** The part of a type that can't leave its process. */
function stays(type: Type): (Type & { kind: "opaque" | "function" }) | null {
  const first = (types: readonly Type[]) => types.reduce<ReturnType<typeof stays>>((found, one) => found ?? stays(one), null);
  switch (type.kind) {
    case "function":
      return type;
    case "opaque":
      return type.crosses ? null : type;
    case "list":
      return stays(type.item);
    case "dataset":
      return stays(type.row);
    case "record":
      return first(type.fields.map((field) => field.type));
    case "union":
      return first(type.members);
    default:
      return null;
  }
}
