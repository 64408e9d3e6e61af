// Actors: classes whose instances keep state between calls. `spawn` makes one or several, a method call goes to one of them, `each` to all.
// Where such a value may stand, `confined.ts` says; in which order calls are made, `3-lower/calls.ts`.
import type { Span } from "../../lang/ast.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Argument, Expr } from "../module.ts";
import { callFunction, checkLoosely } from "./calls.ts";
import type { Context } from "./expressions.ts";
import { check, checkLambda, errorAt } from "./expressions.ts";
import { expectType, whole } from "./fitting.ts";
import { INT, operationNames } from "./operations.ts";
import { inTypeScript, meant, primary, Scope, secondary } from "./scope.ts";
import { bindName, inTaskOfItsOwn } from "./statements.ts";
import type { ActorClass, Typed } from "./typed.ts";

type Call = Expr & { kind: "call" };

/** `spawn(4, i => Sim(seed: i))` or `spawn(Sim(seed: 7))`, with `named: "…"` for what outlives the run. */
export function callSpawn(call: Call, scope: Scope, context: Context): Typed {
  const wrong = (): Typed => {
    checkLoosely(call.args, scope, context);
    return errorAt(call.span);
  };
  if (!inTaskOfItsOwn("`spawn`", "actors live longer than the task that they would stand in", call.span, scope, context)) return wrong();
  const named = call.args.find(({ name }) => name?.text === "named");
  const places = call.args.filter((arg) => arg !== named);
  const [first, second] = places;
  const stray = places.find(({ name }) => name !== null) ?? places[2];
  const made = places.length === 1 ? first?.value : second?.value;
  const shape = places.length === 1 ? made?.kind === "call" : made?.kind === "lambda" && made.parameters.length <= 1;
  if (!first || stray || !made || !shape) {
    context.diagnostics.push(
      report(
        "HR130",
        { what: "`spawn` takes an instance, or how many and a function that makes each" },
        [primary(call.span, "is neither")],
        {
          help: "spawn(Sim(seed: 7)), or spawn(4, i => Sim(seed: i))",
        },
      ),
    );
    return wrong();
  }
  const name = named ? nameOf(named, context) : null;
  if (made.kind !== "lambda") return instance(made, null, null, name, call.span, scope, context);
  const count = check(first.value, scope, context);
  expectType(count, INT, "the number of actors", context);
  if (count.kind === "const" && typeof count.value === "number" && count.value < 1)
    context.diagnostics.push(report("HR130", { what: "a pool has at least one actor" }, [primary(count.span, `is ${count.value}`)]));
  const inner = new Scope(scope, scope.depth + 1);
  const [parameter] = made.parameters;
  const index = parameter ? bindName(parameter, INT, "lambda", inner, context) : null;
  return instance(made.body, count, index, name, call.span, inner, context);
}

/** Known before anything runs: where it is kept. */
function nameOf({ value }: Argument, context: Context): string | null {
  if (value.kind === "string" && /^[\w-]+$/.test(value.value)) return value.value;
  if (value.kind !== "error")
    context.diagnostics.push(
      report("HR130", { what: "the name of actors that outlive the run is written out: letters, digits, `-` and `_`" }, [
        primary(value.span, "isn't one"),
      ]),
    );
  return null;
}

function instance(
  made: Expr,
  count: Typed | null,
  index: (Typed & { kind: "spawn" })["index"],
  named: string | null,
  span: Span,
  scope: Scope,
  context: Context,
): Typed {
  const actor = made.kind === "call" && made.receiver === null ? context.declarations.actors.get(made.callee.text) : undefined;
  if (!actor || made.kind !== "call") {
    const value = check(made, scope, context);
    if (value.type.kind === "error") return errorAt(span);
    const classes = [...context.declarations.actors.keys()];
    context.diagnostics.push(
      report("HR130", { what: "`spawn` makes instances of a class" }, [primary(made.span, `is ${print(value.type)}`)], {
        help: classes[0] === undefined ? 'import { actor Sim } from "./sim.ts"' : `spawn(${classes[0]}(…))`,
      }),
    );
    return errorAt(span);
  }
  const { make, name, methods } = actor.signature;
  const cannot = (what: string, help: string): Typed => {
    context.diagnostics.push(
      report("HR131", { name, what }, [primary(made.span, "made here"), secondary(actor.signature.span, "declared here")], { help }),
    );
    return errorAt(span);
  };
  if (!make) return cannot("its constructor can't be called from outside", "give it a public constructor, or extend it");
  const kept = Object.hasOwn(methods, "checkpoint");
  if (kept !== Object.hasOwn(methods, "restore")) {
    const [has, lacks] = kept ? ["checkpoint", "restore"] : ["restore", "checkpoint"];
    return cannot(`it has \`${has}\` and no \`${lacks}\``, "what `checkpoint(): T` gives, `restore(state: T)` takes");
  }
  if (named !== null && !kept) return cannot("it outlives the run and can't be kept", "give it `checkpoint(): T` and `restore(state: T)`");
  const value = callFunction(made, actor.made, scope, context);
  if (value.kind !== "call") return errorAt(span);
  const type: Type = { kind: count ? "pool" : "actor", name, file: actor.signature.span.file };
  return { kind: "spawn", count, index, actor, args: value.args, named, type, span };
}

/** `pool |> each(a => a.rollout(policy))`: of all of them, in their order. */
export function callEach(call: Call, scope: Scope, context: Context): Typed {
  const [first, second] = call.args;
  const pool = first ? check(first.value, scope, context) : null;
  if (!pool || !first || pool.type.kind !== "pool" || !second || call.args.length > 2) {
    checkLoosely(call.args.slice(1), scope, context);
    if (pool?.type.kind === "error") return errorAt(call.span);
    const what = "`each` takes a pool of actors, and what to ask of each";
    const is = pool && pool.type.kind !== "pool" ? `is ${print(pool.type)}` : "lacks it";
    const help = pool?.type.kind === "list" || pool?.type.kind === "dataset" ? "rows are asked by `map`" : "pool |> each(a => a.step())";
    context.diagnostics.push(report("HR130", { what }, [primary(first?.span ?? call.span, is)], { help }));
    return errorAt(call.span);
  }
  if (!inTaskOfItsOwn("`each`", "a call of all actors is a stage", call.span, scope, context)) {
    checkLoosely([second], scope, context);
    return errorAt(call.span);
  }
  const member: Type = { ...pool.type, kind: "actor" };
  const f = checkLambda(second.value, [member], scope, context);
  if (!f || f.body.type.kind === "error") return errorAt(call.span);
  const gives = f.body.type.kind === "void" ? ({ kind: "null" } as const) : whole(f.body.type);
  return { kind: "callAll", pool, f, type: { kind: "list", item: gives }, span: call.span };
}

/** `sim.step(x)`: a call of an actor; of a pool, of the next one that is free. */
export function callMethod(call: Call, scope: Scope, context: Context): Typed {
  const receiver = check(call.receiver!, scope, context);
  const { type } = receiver;
  const { text } = call.callee;
  if (type.kind !== "actor" && type.kind !== "pool") {
    checkLoosely(call.args, scope, context);
    if (type.kind === "error") return errorAt(call.span);
    const help = operationNames.includes(text) ? { help: `operations take their rows by a pipe: \`… |> ${text}(…)\`` } : {};
    context.diagnostics.push(report("HR111", { name: text, type: print(type) }, [primary(call.callee.span, "no such method")], help));
    return errorAt(call.span);
  }
  const actor = context.declarations.classOf(type);
  if (!Object.hasOwn(actor.signature.methods, text)) {
    checkLoosely(call.args, scope, context);
    const names = Object.keys(actor.signature.methods);
    const near = meant(text, names, call.callee.span);
    const has = names.length > 0 ? `it has ${names.map((one) => `\`${one}\``).join(", ")}` : "it has no public methods";
    const frames = [primary(call.callee.span, "no such method"), secondary(actor.signature.span, "declared here")];
    context.diagnostics.push(report("HR111", { name: text, type: print(type), what: "method" }, frames, near.help ? near : { help: has }));
    return errorAt(call.span);
  }
  if (scope.inFit) {
    inTaskOfItsOwn("a call of an actor", "a `fit` may run in another slot than the actor", call.span, scope, context);
    checkLoosely(call.args, scope, context);
    return errorAt(call.span);
  }
  const method = actor.methods.get(text)!;
  if (method.signature.iterates !== "no") {
    context.diagnostics.push(
      report(
        "HR131",
        { name: actor.signature.name, what: `\`${text}\` gives its rows one by one` },
        [primary(call.callee.span, "called here"), secondary(method.signature.span, "an iterator stays where it was made")],
        { help: "give them as a list" },
      ),
    );
    return errorAt(call.span);
  }
  const value = callFunction(call, method, scope, context);
  if (value.kind !== "call") return value;
  return { kind: "method", receiver, function: method, args: value.args, type: value.type, span: call.span };
}

/** A class that is called as if it were a function. */
export function calledClass(call: Call, actor: ActorClass, scope: Scope, context: Context): Typed {
  checkLoosely(call.args, scope, context);
  const text = context.textOf(call.span);
  const shown = text === null || text.includes("\n") ? `${call.callee.text}(…)` : text;
  context.diagnostics.push(
    report(
      "HR130",
      { what: `\`${call.callee.text}\` is a class: \`spawn\` makes its instances` },
      [primary(call.span, "called here"), secondary(actor.signature.span, "declared here")],
      {
        help: `spawn(${shown})`,
        ...(inTypeScript(call.span) || shown !== text ? {} : { fix: { span: call.span, text: `spawn(${shown})` } }),
      },
    ),
  );
  return errorAt(call.span);
}
