// Values that may go to few places: a secret only to effects and resources, a resource only to the functions that use it, an actor only to where
// it is asked. Whatever is
// stored, sent, keyed or shown is somewhere else, so this is what keeps them out of it. Looks at finished expressions, whatever forms
// hold them.
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import { primary, secondary } from "./scope.ts";
import type { CheckedPipeline, Typed, TypedLet } from "./typed.ts";

type Confined = "secret" | "resource" | "actor";

/** Where a value stands, and what may stand there. */
interface Place {
  readonly may: readonly Confined[];
  /** What it would become, in the message. */
  readonly as: string;
  readonly frame?: ReturnType<typeof secondary>;
  readonly help?: string;
}

export function checkConfined(pipelines: readonly CheckedPipeline[]): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const { name, body, onFailure } of pipelines) {
    visit(onFailure, PART, found);
    if (!body) continue;
    visitBlock(body, { may: [], as: `the result of \`${name}\`` }, found);
  }
  return found;
}

function visitBlock(block: object, result: Place, found: Diagnostic[]): void {
  for (const [name, child] of Object.entries(block)) visit(child, name === "value" ? result : PART, found);
}

const ASKED: Place = { may: ["actor"], as: "what is asked" };
const PART: Place = { may: [], as: "part of another value" };

function visit(node: unknown, place: Place, found: Diagnostic[]): void {
  if (typeof node !== "object" || node === null) return;
  if (Array.isArray(node)) {
    for (const one of node) visit(one, place, found);
    return;
  }
  if (isTyped(node)) visitTyped(node, place, found);
  else if (isLet(node)) {
    const given = node.pattern.kind === "name" ? kindIn(node.pattern.binding.type) : null;
    visit(node.value, given === null ? PART : { may: [given], as: "a value of another type" }, found);
  } else visitBlock(node, PART, found);
}

function visitTyped(typed: Typed, place: Place, found: Diagnostic[]): void {
  const kind = kindIn(typed.type);
  // Only a param is a secret to begin with: what a function gives is kept.
  const made = kind === "secret" && typed.kind === "call";
  // What holds an actor is told of that one.
  const holds = kind === "actor" && typed.type.kind !== "actor" && typed.type.kind !== "pool";
  if (kind !== null && !holds && (made || !place.may.includes(kind))) {
    const as = made ? "what a function gives" : place.as;
    found.push(problem(kind, typed, { ...place, as }));
  }
  switch (typed.kind) {
    case "local":
    case "param":
    case "const":
      return;
    case "call":
    case "resource": {
      const { signature } = typed.function;
      const may: readonly Confined[] =
        typed.kind === "resource" ? ["secret"] : signature.tags.includes("effect") ? ["secret", "resource"] : ["resource"];
      for (const { parameter, value } of typed.args)
        visit(
          value,
          {
            may,
            as: `an argument of \`${signature.name}\``,
            frame: secondary(parameter.span, `\`${signature.name}\` is ${typed.kind === "resource" ? "a resource itself" : "no effect"}`),
            help:
              typed.kind === "resource"
                ? "make one resource of both, in TypeScript"
                : `tag \`${signature.name}\` \`@effect\` if it acts on the world, or import what needs the secret as a \`resource\``,
          },
          found,
        );
      return;
    }
    case "method":
      visit(typed.receiver, ASKED, found);
      for (const { value } of typed.args) visit(value, { may: [], as: `an argument of \`${typed.function.id}\`` }, found);
      return;
    case "callAll":
      visit(typed.pool, ASKED, found);
      visit(typed.f.body, { may: [], as: "what an actor gives" }, found);
      return;
    case "pipeline":
      typed.args.forEach((arg, i) => {
        const { binding } = typed.pipeline.parameters[i]!;
        // A resource has the type that its factory gives wherever it is handed to.
        const kind = kindIn(binding.type);
        const may: readonly Confined[] = kind === "secret" || kind === "actor" ? [kind] : ["resource"];
        visit(arg, { may, as: `\`${binding.name}\` of \`${typed.pipeline.name}\``, help: `${binding.name}: secret` }, found);
      });
      return;
    default:
      for (const [name, child] of Object.entries(typed))
        if (name !== "type" && name !== "span" && name !== "function") visit(child, PART, found);
  }
}

function problem(kind: Confined, { span, ...typed }: Typed, place: Place): Diagnostic {
  const frames = place.frame === undefined ? [] : [place.frame];
  if (kind === "secret")
    return report("HR306", { as: place.as }, [primary(span, "a secret"), ...frames], {
      help: place.help ?? "hand it to an effect, or to a `resource` that the others use",
    });
  if (kind === "actor") {
    const what = typed.kind === "local" ? `\`${typed.binding.name}\`` : "an actor";
    return report("HR311", { what, as: place.as }, [primary(span, print(typed.type)), ...frames], {
      help: "ask it here, and hand on what it gives; a pipeline may take a `Pool<…>` or an `Actor<…>`",
    });
  }
  const name = typed.kind === "resource" ? typed.function.signature.name : typed.kind === "local" ? typed.binding.name : null;
  return report("HR307", { name, as: place.as }, [primary(span, "stays in its slot"), ...frames], {
    help: "hand it to the function that uses it, and give what that gives",
  });
}

function isTyped(node: object): node is Typed {
  return "kind" in node && "type" in node && "span" in node && !("depth" in node);
}
function isLet(node: object): node is TypedLet {
  return "pattern" in node && "value" in node;
}

/** What of a type is confined, however deep. */
function kindIn(type: Type): Confined | null {
  switch (type.kind) {
    case "secret":
    case "resource":
      return type.kind;
    case "actor":
    case "pool":
      return "actor";
    case "list":
      return kindIn(type.item);
    case "dataset":
      return kindIn(type.row);
    case "part":
      return kindIn(type.of);
    case "union":
      return type.members.map(kindIn).find((kind) => kind !== null) ?? null;
    case "record":
      return type.fields.map((field) => kindIn(field.type)).find((kind) => kind !== null) ?? null;
    default:
      return null;
  }
}
