// Random programs of nested `for`, `loop` and `if` against plain JavaScript: what blocks that become stages compute, under two schedules. Each
// program is its text and its meaning, made side by side.
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../runtime/index.ts";
import { compileFiles, shown } from "../harness/programs.ts";

const stages = `import type { int } from "headrace";
export function twice(x: int): int { return ((x * 2) % 1000) as int; }
export async function next(x: int): Promise<int> { return (x + 1) as int; }
export function numbers(n: int): int[] { return Array.from({ length: n }, (_, i) => ((i * 7) % 11) as int); }
`;
const imports = `import { twice, next, numbers } from "./stages.ts"\n`;

type Env = ReadonlyMap<string, unknown>;
interface Made<T> {
  readonly text: string;
  readonly value: (env: Env) => T;
}
type Int = Made<number>;
type List = Made<readonly number[]>;

/** Names in sight, and how much deeper things may get. */
interface Around {
  readonly ints: readonly string[];
  readonly lists: readonly string[];
  readonly depth: number;
  /** Inside a function of rows: an expression, and no block. */
  readonly inRow: boolean;
}

class Generator {
  private state: number;
  private names = 0;

  constructor(seed: number) {
    this.state = (seed * 2_654_435_761) >>> 0;
  }

  private below(n: number): number {
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.state / 0x1_0000_0000) * n);
  }
  private pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!;
  }
  private name(): string {
    return `v${this.names++}`;
  }

  program(): { text: string; value: unknown } {
    const { text, value } = this.block({ ints: ["n"], lists: [], depth: 3, inRow: false }, "list", "  ");
    return {
      text: `${imports}param n: int = 4\npipeline main() -> [int] {\n${text}\n}\nschedule tasks {\n  *: task\n}\n`,
      value: value(new Map([["n", 4]])),
    };
  }

  /** Statements and a last expression; later ones see what earlier ones name. */
  private block(around: Around, kind: "int", indent: string): Int;
  private block(around: Around, kind: "list", indent: string): List;
  private block(around: Around, kind: "int" | "list", indent: string): Int | List;
  private block(around: Around, kind: "int" | "list", indent: string): Made<never> | Int | List {
    const lines: string[] = [];
    const lets: { readonly name: string; readonly value: (env: Env) => unknown }[] = [];
    let inside = around;
    for (let i = 1 + this.below(2); i > 0; i--) {
      const name = this.name();
      const isInt = this.below(2) === 0;
      const made: Int | List = isInt ? this.int(inside, indent) : this.list(inside, indent);
      lines.push(`${indent}let ${name} = ${made.text}`);
      lets.push({ name, value: made.value });
      inside = isInt ? { ...inside, ints: [...inside.ints, name] } : { ...inside, lists: [...inside.lists, name] };
    }
    const last: Int | List = kind === "int" ? this.int(inside, indent) : this.list(inside, indent);
    lines.push(indent + last.text);
    const value = (env: Env): never => {
      const own = new Map(env);
      for (const each of lets) own.set(each.name, each.value(own));
      return last.value(own) as never;
    };
    return { text: lines.join("\n"), value };
  }

  private int(around: Around, indent: string): Int {
    const inner = { ...around, depth: around.depth - 1 };
    const forms: (() => Int)[] = [
      () => {
        const k = this.below(9);
        return { text: String(k), value: () => k };
      },
      () => {
        const name = this.pick(around.ints);
        return { text: name, value: (env) => env.get(name) as number };
      },
    ];
    if (around.depth > 0) {
      forms.push(
        () => this.sum(inner, indent),
        () => this.called(inner, indent),
        () => this.reduced(inner, indent),
      );
      if (!around.inRow)
        forms.push(
          () => this.loop(inner, indent),
          () => this.branch(inner, "int", indent),
        );
    }
    return this.pick(forms)();
  }

  private sum(around: Around, indent: string): Int {
    const [a, b] = [this.int(around, indent), this.int(around, indent)];
    return { text: `((${a.text} + ${b.text}) % 1000)`, value: (env) => (a.value(env) + b.value(env)) % 1000 };
  }
  private called(around: Around, indent: string): Int {
    const x = this.int(around, indent);
    if (this.below(2) === 0) return { text: `twice(${x.text})`, value: (env) => (x.value(env) * 2) % 1000 };
    return { text: `next(${x.text})`, value: (env) => x.value(env) + 1 };
  }
  private reduced(around: Around, indent: string): Int {
    const xs = this.list(around, indent);
    if (this.below(2) === 0) return { text: `(${xs.text} |> count)`, value: (env) => xs.value(env).length };
    return { text: `((${xs.text} |> sum) % 1000)`, value: (env) => xs.value(env).reduce((a, b) => a + b, 0) % 1000 };
  }

  private list(around: Around, indent: string): List {
    const inner = { ...around, depth: around.depth - 1 };
    const forms: (() => List)[] = [
      () => {
        const n = this.int({ ...around, depth: 0 }, indent);
        return { text: `numbers(${n.text} % 5)`, value: (env) => Array.from({ length: n.value(env) % 5 }, (_, i) => (i * 7) % 11) };
      },
    ];
    if (around.lists.length > 0)
      forms.push(() => {
        const name = this.pick(around.lists);
        return { text: name, value: (env) => env.get(name) as readonly number[] };
      });
    if (around.depth > 0) {
      forms.push(
        () => this.mapped(inner, indent),
        () => this.filtered(inner, indent),
      );
      if (!around.inRow)
        forms.push(
          () => this.forEach(inner, indent),
          () => this.forEach(inner, indent),
          () => this.branch(inner, "list", indent),
        );
    }
    return this.pick(forms)();
  }

  private mapped(around: Around, indent: string): List {
    const xs = this.list(around, indent);
    const row = this.name();
    const f = this.int({ ...around, ints: [...around.ints, row], inRow: true }, indent);
    return {
      text: `(${xs.text} |> map(${row} => ${f.text}))`,
      value: (env) => xs.value(env).map((x) => f.value(new Map(env).set(row, x))),
    };
  }
  private filtered(around: Around, indent: string): List {
    const xs = this.list(around, indent);
    const row = this.name();
    const f = this.int({ ...around, ints: [row, ...around.ints], depth: Math.min(around.depth, 1), inRow: true }, indent);
    const keep = (env: Env, x: number) => f.value(new Map(env).set(row, x)) % 2 === 0;
    return { text: `(${xs.text} |> filter(${row} => ${f.text} % 2 == 0))`, value: (env) => xs.value(env).filter((x) => keep(env, x)) };
  }
  private forEach(around: Around, indent: string): List {
    const xs = this.list({ ...around, depth: Math.min(around.depth, 1) }, indent);
    const row = this.name();
    const body = this.block({ ...around, ints: [...around.ints, row] }, "int", `${indent}  `);
    return {
      text: `(for ${row} in ${xs.text} {\n${body.text}\n${indent}})`,
      value: (env) => xs.value(env).map((x) => body.value(new Map(env).set(row, x))),
    };
  }

  private loop(around: Around, indent: string): Int {
    const [carried, rounds] = [this.name(), 1 + this.below(3)];
    const init = this.int({ ...around, depth: 0 }, indent);
    const body = this.block({ ...around, ints: [...around.ints, carried] }, "int", `${indent}  `);
    const limit = 5 + this.below(40);
    const lines = body.text.split("\n");
    // The block's value is what the name carries on. It may have several lines: those of its last statement.
    const at = lines.findLastIndex((line) => line.startsWith(`${indent}  `) && !/^\s*[)}]/.test(line) && line[indent.length + 2] !== " ");
    lines[at] = `${indent}  ${carried} <- ${lines[at]!.trimStart()}`;
    return {
      text: `(loop ${carried} = ${init.text} until ${carried} > ${limit} max ${rounds} {\n${lines.join("\n")}\n${indent}})`,
      value: (env) => {
        let c = init.value(env);
        for (let i = 0; i < rounds; i++) {
          c = body.value(new Map(env).set(carried, c));
          if (c > limit) break;
        }
        return c;
      },
    };
  }

  private branch(around: Around, kind: "int", indent: string): Int;
  private branch(around: Around, kind: "list", indent: string): List;
  private branch(around: Around, kind: "int" | "list", indent: string): Int | List {
    const condition = this.int({ ...around, depth: Math.min(around.depth, 1) }, indent);
    const limit = this.below(9);
    const [a, b] = [this.block(around, kind, `${indent}  `), this.block(around, kind, `${indent}  `)];
    const value = (env: Env) => (condition.value(env) > limit ? a.value(env) : b.value(env)) as never;
    return { text: `(if ${condition.text} > ${limit} {\n${a.text}\n${indent}} else {\n${b.text}\n${indent}})`, value };
  }
}

describe("random programs of nested blocks", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await localEngine({ slots: 2 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  const count = Number(process.env.RANDOM_PROGRAMS ?? 40);
  it.each(Array.from({ length: count }, (_, seed) => seed))(
    "seed %i",
    async (seed) => {
      const { text, value } = new Generator(seed).program();
      const files = { "main.pipe": text, "stages.ts": stages };
      for (const schedule of ["auto", "tasks"]) {
        const compiled = await compileFiles(files, "main.pipe", { schedule });
        expect(compiled.plan, `${text}\n${shown(compiled, files)}`).not.toBeNull();
        const { error, outputs } = await engine.run(compiled.plan!, compiled.code, {});
        expect(error, text).toBeNull();
        expect(outputs.result, `${schedule}\n${text}`).toEqual(value);
      }
    },
    60_000,
  );
});
