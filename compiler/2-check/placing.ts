// Arguments at their parameters, by place or by name. Knows names and order, not types.
import type { Span } from "../../lang/ast.ts";
import type { Frame } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Argument, Expr } from "../module.ts";
import type { Context } from "./expressions.ts";
import { inTypeScript, meant, primary, secondary } from "./scope.ts";

type Call = Expr & { kind: "call" };

interface Placed<P> {
  readonly parameter: P;
  readonly arg: Argument;
}

/** Arguments at their parameters, by place or by name; every one that has no place and every parameter left empty is reported. */
export function place<P extends { readonly name: string; readonly optional?: boolean | undefined }>(
  call: Call,
  parameters: readonly P[],
  declared: Span | null,
  context: Context,
  rest: P | null = null,
): Placed<P>[] | null {
  const placed: Placed<P>[] = [];
  let ok = true;
  let next = 0;
  const frames = (span: Span, label: string): Frame[] => [
    primary(span, label),
    ...(declared ? [secondary(declared, "declared here")] : []),
  ];
  for (const arg of call.args) {
    if (arg.name) {
      const parameter = parameters.find((one) => one.name === arg.name!.text);
      if (!parameter) {
        // Those that have their argument aren't meant.
        const places = call.args.filter(({ name }) => name === null).length;
        const named = call.args.flatMap(({ name }) => (name ? [name.text] : []));
        const free = parameters.filter(({ name }, i) => i >= places && !named.includes(name)).map(({ name }) => name);
        const near = meant(arg.name.text, free, arg.name.span);
        const help = near.help
          ? near
          : parameters.length > 0
            ? { help: `it takes ${parameters.map((one) => `\`${one.name}\``).join(", ")}` }
            : {};
        context.diagnostics.push(
          report("HR108", { name: arg.name.text, callee: call.callee.text }, frames(arg.name.span, "no such parameter"), help),
        );
        ok = false;
      } else if (placed.some((one) => one.parameter === parameter)) {
        context.diagnostics.push(
          report("HR110", { what: `\`${parameter.name}\` of \`${call.callee.text}\` is given twice` }, frames(arg.span, "once more"), {}),
        );
        ok = false;
      } else placed.push({ parameter, arg });
      continue;
    }
    while (next < parameters.length && placed.some((one) => one.parameter === parameters[next])) next++;
    const parameter = parameters[next++] ?? rest;
    if (parameter) placed.push({ parameter, arg });
    else {
      const takes = parameters.length === 0 ? "nothing" : parameters.length === 1 ? "one argument" : `${parameters.length} arguments`;
      context.diagnostics.push(report("HR110", { what: `\`${call.callee.text}\` takes ${takes}` }, frames(arg.span, "one too many"), {}));
      return null;
    }
  }
  const missing = parameters.filter(
    (parameter) => !parameter.optional && parameter !== rest && !placed.some((one) => one.parameter === parameter),
  );
  if (ok && missing.length > 0) {
    const names = missing.map((parameter) => `\`${parameter.name}\``).join(", ");
    const help = withArguments(call, missing, context);
    context.diagnostics.push(report("HR109", { callee: call.callee.text, missing: names }, frames(call.span, `lacks ${names}`), help));
    ok = false;
  }
  return ok ? placed : null;
}

/** The call with the names of what it lacks, where it stands on one line. */
function withArguments(call: Call, missing: readonly { readonly name: string }[], context: Context): { help?: string } {
  const text = context.textOf(call.span);
  if (text === null || text.includes("\n") || inTypeScript(call.span)) return {};
  const named = missing.map(({ name }) => `${name}: …`).join(", ");
  if (!text.endsWith(")")) return { help: `${text}(${named})` };
  const open = /\(\s*\)$/.test(text);
  return { help: `${text.slice(0, -1).trimEnd()}${open ? "" : ", "}${named})` };
}
