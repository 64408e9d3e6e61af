// What a checked run found, as a message of the catalogue: which function did it, where it is declared, and the mend.
import type { Plan } from "../compiler/plan.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import type { TaskError } from "../runtime/events/events.ts";

/** Null for any other failure. */
export function checkFailed(error: TaskError, plan: Plan): Diagnostic | null {
  const { broken, stage } = error;
  if (!broken || stage === null) return null;
  const { functions, parameter } = broken;
  const places = functions.map((name) => {
    const id = Object.keys(plan.functions).find((one) => plan.functions[one]!.export === name);
    const span = id === undefined ? null : (plan.about.functions[id]?.span ?? null);
    return span === null ? `\`${name}\`` : `\`${name}\` (${span.file}:${span.line})`;
  });
  if (parameter !== null)
    return report("HR308", { callee: places[0]!, parameter, stage }, [], {
      help: `copy \`${parameter}\` before changing it, or declare it of a mutable type: then it is the function's own`,
    });
  return report("HR309", { callees: places.join(", "), stage }, [], {
    help: "take what it depends on as an argument, or tag it `@volatile`",
  });
}
