// What a stage gives leaves its process: it is stored, and read by other threads and machines. Says so where a type can't.
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Draft } from "./draft.ts";

/** Whatever a stage gives is stored and sent: a message where that can't be. */
export function crossing({ type, span, name }: Draft): Diagnostic[] {
  const stuck = stays(type);
  if (!stuck) return [];
  return [
    report("HR207", { stage: name, is: print(stuck) }, [{ span, label: `gives ${print(type)}`, role: "primary" }], {
      help: stuck.kind === "opaque" && stuck.why !== undefined ? stuck.why : "a function stays where it was made",
    }),
  ];
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
