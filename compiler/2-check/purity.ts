// What is said of a stage function that depends on more than its arguments: once for each, where it is called first. Knows what
// functions reach, not how that was found.
import type { Span } from "../../lang/ast.ts";
import { report } from "../../lang/diagnostics.ts";
import type { FunctionSignature, Reach, Reached } from "../module.ts";
import type { Context } from "./expressions.ts";
import { primary, secondary } from "./scope.ts";
import type { StageFunction } from "./typed.ts";

const does: Readonly<Record<Exclude<Reach, "state">, string>> = {
  files: "uses files",
  network: "uses the network",
  environment: "reads its environment",
  clock: "reads the clock",
  chance: "draws random numbers",
  processes: "starts processes or threads",
  exit: "may end its process",
};
const mends: Readonly<Record<Exclude<Reach, "state">, string>> = {
  files: "take the file as an `InputFile`, whose content is known before anything runs, or tag it `@volatile`: read once a run",
  network: "tag it `@volatile` where it reads, `@effect` where it acts",
  environment: "make it a `param`, or tag the function `@volatile`",
  clock: "take the time as an argument, or tag it `@volatile`: read once a run",
  chance: "take a `seed: int` as an argument and make the numbers from it, or tag it `@volatile`",
  processes: "tag it `@volatile` where it only reads, `@effect` where it acts",
  exit: "throw an error: it fails the stage, and says why",
};

/** Tags by which an author says that it is meant. */
const isDeclared = ({ tags }: FunctionSignature): boolean => tags.includes("effect") || tags.includes("volatile");

export function remarkReaches(stage: StageFunction, at: Span, context: Context): void {
  const { signature } = stage;
  const { remarked } = context.declarations;
  // A resource is there for what lies outside.
  if (stage.resource || isDeclared(signature) || remarked.has(stage.id)) return;
  remarked.add(stage.id);
  const callee = signature.name;
  const outside = signature.reaches.filter((one): one is Reached & { what: keyof typeof does } => one.what !== "state");
  if (outside.length > 0) {
    const what = outside.map((one) => does[one.what]);
    const listed = what.length === 1 ? what[0]! : `${what.slice(0, -1).join(", ")} and ${what[what.length - 1]}`;
    const frames = outside.map((one) => secondary(one.span, `${does[one.what]}${byWayOf(callee, one)}`));
    context.diagnostics.push(
      report("HR303", { callee, what: listed }, [primary(at, listed), ...frames], { help: mends[outside[0]!.what] }),
    );
  }
  const state = signature.reaches.find((one) => one.what === "state");
  if (state)
    context.diagnostics.push(
      report(
        "HR304",
        { callee, variable: state.name },
        [primary(at, `depends on \`${state.name}\``), secondary(state.span, `a variable of the module${byWayOf(callee, state)}`)],
        { help: "hand it in and give it back, or keep it in a `resource`" },
      ),
    );
}

function byWayOf(callee: string, { via }: Reached): string {
  return via.length === 0 ? "" : `, by way of ${[callee, ...via].map((name) => `\`${name}\``).join(" → ")}`;
}
