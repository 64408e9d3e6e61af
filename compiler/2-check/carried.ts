// Names that a `fit` or `loop` carries from one round to the next: each gets its next value once, at the top level of the body, after
// all that read the old one.
import type { Span } from "../../lang/ast.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Expr, Statement } from "../module.ts";
import type { Context } from "./expressions.ts";
import { needs } from "./fitting.ts";
import { primary, secondary } from "./scope.ts";
import type { Binding, Typed } from "./typed.ts";

type Next = Statement & { readonly kind: "next" };

export class CarriedNames {
  private readonly form: "fit" | "loop";
  private readonly bindings: readonly Binding[];
  private readonly context: Context;
  private readonly given = new Map<Binding, Next>();
  /** No problem so far. */
  ok = true;

  constructor(form: "fit" | "loop", bindings: readonly Binding[], context: Context) {
    this.form = form;
    this.bindings = bindings;
    this.context = context;
  }

  private wrong(what: string, frames: Parameters<typeof report>[2], help?: string): void {
    this.context.diagnostics.push(report("HR209", { what }, frames, help === undefined ? {} : { help }));
    this.ok = false;
  }

  /** Says so where a statement reads a carried name whose next value is given already. */
  notLate(statement: Statement): void {
    for (const [binding, next] of this.given) {
      const late = nameIn(statement, binding.name);
      if (late)
        this.wrong(`\`${binding.name}\` is read after its next value was given`, [
          primary(late, "reads the old one"),
          secondary(next.span, "given here"),
        ]);
    }
  }

  /** The name that a `<-` gives its next value. */
  give(statement: Next): Binding | null {
    const { text, span } = statement.name;
    const binding = this.bindings.find(({ name }) => name === text) ?? null;
    const names = this.bindings.map(({ name }) => `\`${name}\``).join(" and ");
    if (!binding) {
      this.wrong(`\`${text} <-\` gives a value that this \`${this.form}\` doesn't carry`, [
        primary(span, "not carried"),
        secondary(this.bindings[0]!.span, `it carries ${names}`),
      ]);
      return null;
    }
    const before = this.given.get(binding);
    if (before) this.wrong(`\`${text} <-\` stands twice`, [primary(statement.span, "once more"), secondary(before.span, "first here")]);
    this.given.set(binding, statement);
    return binding;
  }

  fits(value: Typed, binding: Binding): boolean {
    if (value.type.kind === "error" || binding.type.kind === "error") return false;
    return needs(value, binding.type, this.context, ({ span, is, needs: needed, inside, help }) =>
      report(
        "HR202",
        { what: `${inside}the next value of \`${binding.name}\``, is, needs: needed },
        [primary(span, `is ${is}, needs ${needed}`), secondary(binding.span, `begins as ${print(binding.type)}`)],
        help,
      ),
    );
  }

  /** Says so where a name stays as it is. */
  allGiven(): void {
    if (!this.ok) return;
    for (const binding of this.bindings) {
      if (this.given.has(binding)) continue;
      const help = `${binding.name} <- ${this.form === "fit" ? "update" : "step"}(${binding.name}, …)`;
      this.wrong(`this \`${this.form}\` never gives \`${binding.name}\` its next value`, [primary(binding.span, "stays as it is")], help);
    }
  }
}

/** What several carried values make together. */
export function carriedType(carried: readonly { readonly binding: Binding }[]): Type {
  if (carried.length === 1) return carried[0]!.binding.type;
  if (carried.some(({ binding }) => binding.type.kind === "error")) return { kind: "error" };
  return {
    kind: "record",
    name: null,
    fields: carried.map(({ binding }) => ({ name: binding.name, type: binding.type, optional: false })),
  };
}

/** Where a statement reads a name. */
function nameIn(statement: Statement, name: string): Span | null {
  const visit = (node: unknown): Span | null => {
    if (typeof node !== "object" || node === null) return null;
    if ("kind" in node && node.kind === "name" && "name" in node && node.name === name && "span" in node) return node.span as Span;
    for (const child of Object.values(node)) {
      const found = visit(child);
      if (found) return found;
    }
    return null;
  };
  // A name that a lambda or pattern gives is no reading; none may hide another, so there is none of the same name.
  const read: Statement | Expr = statement.kind === "next" || statement.kind === "let" ? statement.value : statement;
  return visit(read);
}
