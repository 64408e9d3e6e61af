// Training architectures as schedules name them: their options, and whether a `fit` can be trained so. What one can't carry is refused with the
// reason; it is never replaced by another, since most of them change the arithmetic.
import type { Diagnostic, Frame } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { FitFacts } from "../3-lower/fit-facts.ts";
import type { FlowFunction } from "../3-lower/flow.ts";
import type { Argument, ScheduleEntry, Expr as Written } from "../module.ts";
import type { Architecture, Expr, FitExpr, FitStatement } from "../plan.ts";

type Strategy = NonNullable<ScheduleEntry["strategy"]>;

/** Every one that there is. */
export const architectures: readonly string[] = [
  "sequential",
  "allreduce",
  "parameterServer",
  "average",
  "hogwild",
  "downpour",
  "pipelined",
  "tensor",
];

const options: Readonly<Record<string, readonly string[]>> = {
  allreduce: ["batch"],
  average: ["every"],
  hogwild: ["atomic"],
  downpour: ["push", "fetch"],
  parameterServer: ["servers", "staleness", "consistency"],
  pipelined: ["microbatches"],
  tensor: [],
};

/** What of a program is spread: its data, or its model. */
const spreads = (called: string): "data" | "model" => (called === "pipelined" || called === "tensor" ? "model" : "data");

const at = (span: Written["span"], label: string): Frame => ({ span, label, role: "primary" });

/** What a strategy says of training, whatever the stage is: null where it names no architecture of a gang. */
export function readArchitecture({ name, args, architecture, span }: Strategy, stage: string): Architecture | Diagnostic | null {
  const called = architecture?.name.text;
  if (!architecture || !called || called === "sequential" || !Object.hasOwn(options, called)) return null;
  const wrong = (what: string, place: Written["span"], label: string, help: string) =>
    report("HR403", { what }, [at(place, label)], { help });
  const members = args[0] ? countOf(args[0].value) : null;
  const over = spreads(called);
  if (name.text !== over || members === null || args.length > 1)
    return wrong(
      name.text === over || name.text !== "data"
        ? `\`${called}\` wants the number of its members`
        : `\`${called}\` spreads a model, not its data`,
      name.text === over ? span : name.span,
      name.text === over ? "says no number" : `not \`${over}(n)\``,
      `${stage}: ${over}(2) ${called}`,
    );
  const given = new Map<string, Argument>();
  for (const one of architecture.args) {
    const option = one.name?.text;
    if (option === undefined || !options[called]!.includes(option)) {
      const near = option === undefined ? null : nearest(option, options[called]!);
      return wrong(
        option === undefined ? `options of \`${called}\` have names` : `\`${called}\` has no option \`${option}\``,
        one.name?.span ?? one.span,
        option === undefined ? "which one?" : "no such option",
        near ? `did you mean \`${near}\`?` : `options: ${options[called]!.map((each) => `\`${each}\``).join(", ")}`,
      );
    }
    given.set(option, one);
  }
  const number = (option: string, least: number): number | null | Diagnostic => {
    const value = given.get(option)?.value;
    if (!value) return null;
    if (value.kind === "number" && Number.isInteger(value.value) && value.value >= least) return value.value;
    return wrong(`\`${option}\` of \`${called}\` is a number from ${least}`, value.span, "not such a number", `${option}: ${least || 2}`);
  };
  const word = (option: string, words: readonly string[]): string | null | Diagnostic => {
    const value = given.get(option)?.value;
    if (!value) return null;
    const text = value.kind === "name" ? value.name : value.kind === "bool" ? String(value.value) : "";
    if (words.includes(text)) return text;
    return wrong(
      `\`${option}\` of \`${called}\` is ${words.map((each) => `\`${each}\``).join(" or ")}`,
      value.span,
      "not one of them",
      `${option}: ${nearest(text, words) ?? words[0]}`,
    );
  };
  switch (called) {
    case "allreduce": {
      const batch = word("batch", ["perWorker", "split"]);
      if (isProblem(batch)) return batch;
      return { architecture: called, members, perWorker: batch === "perWorker" };
    }
    case "pipelined": {
      const microbatches = number("microbatches", 1);
      if (isProblem(microbatches)) return microbatches;
      return { architecture: called, members, microbatches: microbatches ?? 4 * members };
    }
    case "tensor":
      return { architecture: called, members };
    case "average": {
      const everySteps = number("every", 1);
      if (isProblem(everySteps)) return everySteps;
      return { architecture: called, members, everySteps };
    }
    case "hogwild": {
      const atomic = word("atomic", ["true", "false"]);
      if (isProblem(atomic)) return atomic;
      return { architecture: called, members, atomic: atomic === "true" };
    }
    case "downpour": {
      const [push, fetch] = [number("push", 1), number("fetch", 1)];
      if (isProblem(push)) return push;
      if (isProblem(fetch)) return fetch;
      return { architecture: called, members, pushSteps: push ?? 1, fetchSteps: fetch ?? 1 };
    }
    default: {
      const [servers, staleness] = [number("servers", 1), number("staleness", 0)];
      const consistency = word("consistency", ["bsp", "ssp", "async"]);
      if (isProblem(servers)) return servers;
      if (isProblem(staleness)) return staleness;
      if (isProblem(consistency)) return consistency;
      const place = given.get("staleness")?.span ?? span;
      if (consistency === "bsp" && (staleness ?? 0) > 0)
        return wrong("under `bsp` nobody is ahead of anybody", place, "more than 0", "staleness: 0, or `consistency: ssp`");
      if (consistency === "async" && staleness !== null)
        return wrong("under `async` staleness has no bound", place, "a bound", "leave it out, or `consistency: ssp`");
      if (consistency === "ssp" && staleness === null)
        return wrong("`ssp` wants to know how far a member may be ahead", given.get("consistency")!.span, "how far?", "staleness: 2");
      const bound = consistency === "async" ? null : (staleness ?? 0);
      return { architecture: "parameterServer", members, servers: servers ?? 1, staleness: bound };
    }
  }
}

const isProblem = (value: unknown): value is Diagnostic => typeof value === "object" && value !== null && "code" in value;

const countOf = (value: Written): number | null =>
  value.kind === "number" && Number.isInteger(value.value) && value.value >= 1 ? value.value : null;

/** Why a fit can't be trained so, with what to write instead; null where it can. */
export function unfitFor(
  architecture: Architecture,
  stage: string,
  body: Expr,
  facts: FitFacts,
  functions: Readonly<Record<string, FlowFunction>>,
): { readonly why: string; readonly help: string } | null {
  if (architecture.architecture === "sequential" || body.op !== "fit") return null;
  const { members } = architecture;
  const splits = architecture.architecture === "parameterServer" || (architecture.architecture === "allreduce" && !architecture.perWorker);
  if (splits && !facts.batchIsRows)
    return {
      why: `it cuts each batch in ${members}, and a batch is ${facts.batch}, not a list of rows`,
      help: `\`… |> batches(64)\` makes batches of rows${architecture.architecture === "allreduce" ? ", or `allreduce(batch: perWorker)` takes whole ones" : ""}`,
    };
  switch (architecture.architecture) {
    case "pipelined":
    case "tensor": {
      if (facts.models.length === 0)
        return {
          why: "none of its functions is given a `Model` of layers",
          help: 'export a function that gives `layers([dense(…), …], softmaxCrossEntropy())`, and import it as a resource: `import { resource network } from "./layers.ts"`',
        };
      const opaque = wholeUpdate(body, functions);
      if (opaque === null) return null;
      return {
        why: `each place updates the layers that it has, and \`${opaque}\` isn't tagged \`@elementwise\`: it may need all numbers at once, as clipping by a norm does`,
        help: `\`/** @elementwise */\` where each number is updated by itself, else ${stage}: data(${members}) allreduce`,
      };
    }
    case "allreduce":
      return null;
    case "average":
    case "hogwild":
      if (facts.averaged.length > 0) return null;
      return {
        why: `what it carries has no numbers that could be ${architecture.architecture === "average" ? "averaged" : "shared"}`,
        help: `${stage}: data(${members}) allreduce`,
      };
    case "downpour":
    case "parameterServer": {
      if (facts.secondRound !== null)
        return {
          why: `a step is one pass from members to the update, and \`${facts.secondRound}\` is computed at members from what the update combined`,
          help: `${stage}: data(${members}) allreduce`,
        };
      const other = combinersOf(body).find((name) => name !== "mean" && name !== "sum");
      if (other !== undefined)
        return { why: `what members push is added up, and \`${other}\` isn't a sum`, help: `${stage}: data(${members}) allreduce` };
      const opaque = architecture.architecture === "parameterServer" ? wholeUpdate(body, functions) : null;
      if (opaque === null) return null;
      return {
        why: `each server updates its range alone, and \`${opaque}\` isn't tagged \`@elementwise\`: it may need all numbers at once, as clipping by a norm does`,
        help: `\`/** @elementwise */\` where each number is updated by itself, else ${stage}: data(${members}) allreduce`,
      };
    }
  }
}

// --- What a step's update needs ------------------------------------------------------------------------------------------------

function nodesOf(value: unknown): Expr[] {
  if (typeof value !== "object" || value === null) return [];
  const own = "op" in value ? [value as Expr] : [];
  return [...own, ...Object.values(value).flatMap(nodesOf)];
}

/** Without what members compute of their parts. */
function atUpdate(value: unknown): Expr[] {
  if (typeof value !== "object" || value === null) return [];
  const own = "op" in value ? [value as Expr] : [];
  return own[0]?.op === "combine" ? own : [...own, ...Object.values(value).flatMap(atUpdate)];
}

const combinersOf = ({ body }: FitExpr): string[] => nodesOf(body).flatMap((node) => (node.op === "combine" ? [node.name] : []));

const readsAny = (value: unknown, names: ReadonlySet<string>): boolean =>
  nodesOf(value).some((node) => node.op === "local" && names.has(node.name));

/** What depends on what was combined: names bound at the update. */
function updateNames(body: readonly FitStatement[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const statement of body)
    if (statement.kind === "let" && statement.at === "update")
      if (nodesOf(statement).some(({ op }) => op === "combine") || readsAny(statement, names)) names.add(statement.name);
  return names;
}

/** A function that gets all of what is carried or combined, and doesn't say that it works number by number. */
function wholeUpdate({ carried, body }: FitExpr, functions: Readonly<Record<string, FlowFunction>>): string | null {
  const names = new Set([...carried.map(({ name }) => name), ...updateNames(body)]);
  for (const statement of body) {
    if (statement.at !== "update" || statement.kind === "track" || statement.kind === "expect") continue;
    for (const node of atUpdate(statement.value)) {
      if (node.op !== "call" || functions[node.function]?.tags.includes("elementwise")) continue;
      const gets = node.args.some((arg) => readsAny(arg, names) || nodesOf(arg).some(({ op }) => op === "combine"));
      if (gets) return functions[node.function]?.export ?? node.function;
    }
  }
  return null;
}

/** For people: what a gang's members do. */
export function architectureReason(architecture: Architecture, facts: FitFacts): string {
  switch (architecture.architecture) {
    case "sequential":
      return "by the schedule";
    case "allreduce":
      return architecture.perWorker
        ? `by the schedule: ${architecture.members} batches a step, one a member; not what the fold gives`
        : `by the schedule: each batch in ${architecture.members} parts; the update alike at all`;
    case "average": {
      const what = list(facts.averaged);
      const when = architecture.everySteps === null ? "once at the end" : `every ${architecture.everySteps} steps`;
      const kept = facts.kept.length > 0 ? `; ${list(facts.kept)} is the first member's` : "";
      return `by the schedule: averages ${what} of ${architecture.members} folds ${when}${kept}; not what the fold gives`;
    }
    case "hogwild":
      return `by the schedule: ${architecture.members} members write one ${list(facts.averaged)} without locks; not what the fold gives`;
    case "pipelined":
      return `by the schedule: layers of ${list(facts.models)} over ${architecture.members} places, each batch in ${architecture.microbatches} parts`;
    case "tensor":
      return `by the schedule: columns and rows of the layers of ${list(facts.models)} over ${architecture.members} places`;
    case "downpour":
      return `by the schedule: ${architecture.members} replicas push every ${architecture.pushSteps} and fetch every ${architecture.fetchSteps} steps; not what the fold gives`;
    case "parameterServer": {
      const { servers, staleness, members } = architecture;
      const ranges = servers === 1 ? "one range" : `${servers} ranges`;
      if (staleness === 0) return `by the schedule: each batch in ${members} parts; the state in ${ranges}`;
      const bound = staleness === null ? "as they come" : `at most ${staleness} ${staleness === 1 ? "batch" : "batches"} stale`;
      return `by the schedule: ${members} members, the state in ${ranges}, ${bound}; not what the fold gives`;
    }
  }
}

const list = (words: readonly string[]) =>
  words
    .slice(0, 4)
    .map((word) => `\`${word}\``)
    .join(", ") + (words.length > 4 ? ", …" : "");
