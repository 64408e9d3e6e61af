// Random programs over rows, run by the real engine under four schedules: all give the same, and what a few lines of plain JavaScript
// give. Where order or choice is by a hash (`shuffle`, `split`), only the former can be asked.
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Engine } from "../../runtime/index.ts";
import { compileFiles, shown } from "../harness/programs.ts";

const PROGRAMS = 60;
const stages = `import type { int } from "headrace";
export function load(n: int): int[] { return Array.from({ length: n }, (_, i) => (i * 7919) % 101) as int[]; }
export function* numbers(n: int): Generator<int> { for (let i = 0; i < n; i++) yield ((i * 31) % 57) as int; }
export async function next(x: int): Promise<int> { return (x + 1) as int; }
export function doubled(xs: readonly int[]): int[] { return xs.map((x) => 2 * x) as int[]; }
export function twice(x: int): int { return (2 * x) as int; }
`;

/** A number below `n`, the same in every run of the tests. */
type Random = (n: number) => number;
function randomFrom(seed: number): Random {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** Rows as text and as what they should be; null where only schedules can be compared. */
interface Rows {
  readonly text: string;
  readonly rows: readonly number[] | null;
}
const upTo = (n: number, value: (i: number) => number) => Array.from({ length: n }, (_, i) => value(i));
function groups(rows: readonly number[], key: (x: number) => number): { key: number; rows: number[] }[] {
  return [...new Set(rows.map(key))].map((one) => ({ key: one, rows: rows.filter((x) => key(x) === one) }));
}
const sum = (rows: readonly number[]) => rows.reduce((a, b) => a + b, 0);

function source(random: Random, named: readonly Rows[]): Rows {
  const n = [0, 1, 3, 10, 40, 1500][random(6)]!;
  if (named.length > 0 && random(2) === 0) return named[random(named.length)]!;
  return [
    { text: `load(${n})`, rows: upTo(n, (i) => (i * 7919) % 101) },
    { text: `numbers(${n})`, rows: upTo(n, (i) => (i * 31) % 57) },
    { text: `range(${n}, blocks: ${1 + random(4)})`, rows: upTo(n, (i) => i) },
    { text: "[1, 5, 2]", rows: [1, 5, 2] },
  ][random(4)]!;
}

function step({ text, rows }: Rows, random: Random, named: readonly Rows[]): Rows {
  const then = (operation: string, change: ((rows: readonly number[]) => readonly number[]) | null): Rows => ({
    text: `${text} |> ${operation}`,
    rows: rows === null || change === null ? null : change(rows),
  });
  const n = 1 + random(9);
  const other = named.length > 0 ? named[random(named.length)]! : { text: "[4]", rows: [4] };
  const steps: (() => Rows)[] = [
    () => then("map(x => x * 2 + 1)", (r) => r.map((x) => x * 2 + 1)),
    () => then("map(next)", (r) => r.map((x) => x + 1)),
    () => then("map(x => twice(x) + (if x > 10 { 1 } else { twice(2) }))", (r) => r.map((x) => 2 * x + (x > 10 ? 1 : 4))),
    () => then("filter(x => x % 3 != 0)", (r) => r.filter((x) => x % 3 !== 0)),
    () => then("flatMap(x => [x, twice(x)])", (r) => r.flatMap((x) => [x, 2 * x])),
    () => then("sortBy(x => -x)", (r) => r.toSorted((a, b) => b - a)),
    () => then(`take(${n})`, (r) => r.slice(0, n)),
    () => then(`batches(${n}) |> map(b => b |> sum)`, (r) => upTo(Math.ceil(r.length / n), (i) => sum(r.slice(i * n, i * n + n)))),
    () => ({
      text: `${text} |> concat(${other.text} |> map(x => x + 1))`,
      rows: rows && other.rows && [...rows, ...other.rows.map((x) => x + 1)],
    }),
    () =>
      then(
        `groupBy(x => x % ${n}) |> agg(n: count(), s: sum(x => x), low: min(x => twice(x))) |> map(g => g.key + g.n * 100 + g.s - g.low)`,
        (r) => groups(r, (x) => x % n).map(({ key, rows: g }) => key + g.length * 100 + sum(g) - 2 * Math.min(...g)),
      ),
    () =>
      then(`groupBy(x => { a: x % 2, b: x > ${n} }) |> agg(all: collect(), first: first()) |> map(g => g.a + g.first + len(g.all))`, (r) =>
        groups(r, (x) => (x % 2) * 2 + Number(x > n)).map(({ rows: g }) => (g[0]! % 2) + g[0]! + g.length),
      ),
    () =>
      then(`groupBy(x => \`\${x % 3}\`) |> filter(g => len(g.rows) > 1) |> map(g => g.rows |> sum)`, (r) =>
        groups(r, (x) => x % 3).flatMap(({ rows: g }) => (g.length > 1 ? [sum(g)] : [])),
      ),
    () => then(`mapBatches(${n}, doubled)`, (r) => r.map((x) => 2 * x)),
    () => then(`sample(${n / 10}, seed: 1)`, null),
    () => then(`sample(${n}, seed: 1) |> map(x => x - 1)`, null),
    () => then("withIndex |> map(p => p.index + p.row)", null),
    () => then(`shuffle(seed: ${n})`, null),
    () => ({ text: `(${text} |> split(a: 0.5, b: 0.5, seed: ${n})).a`, rows: null }),
  ];
  return steps[random(steps.length)]!();
}

interface Output {
  readonly text: string;
  readonly type: string;
  readonly value: unknown;
}
function output({ text, rows }: Rows, random: Random): Output {
  const outputs: Output[] = [
    { text, type: "Dataset<int>", value: rows },
    { text: `${text} |> sum`, type: "int", value: rows && sum(rows) },
    {
      text: `${text} |> agg(n: count(), s: sum(), odd: any(x => x % 2 == 1))`,
      type: "{ n: int, s: int, odd: bool }",
      value: rows && { n: rows.length, s: sum(rows), odd: rows.some((x) => x % 2 === 1) },
    },
    {
      text: `[2, 3] |> map(k => ${text} |> groupBy(x => x % k) |> agg(n: count()) |> map(g => g.n) |> collect)`,
      type: "Dataset<[int]>",
      value: rows && [2, 3].map((k) => groups(rows, (x) => x % k).map((g) => g.rows.length)),
    },
    { text: `${text} |> filter(x => x > 3) |> count`, type: "int", value: rows?.filter((x) => x > 3).length ?? null },
    {
      text: `[1, 2] |> map(k => ${text} |> map(x => x * k) |> sum)`,
      type: "Dataset<int>",
      value: rows && [1, 2].map((k) => sum(rows) * k),
    },
    { text: `${text} |> collect |> map(x => next(x))`, type: "Dataset<int>", value: rows?.map((x) => x + 1) ?? null },
  ];
  return outputs[random(outputs.length)]!;
}

function program(random: Random): { readonly text: string; readonly values: Readonly<Record<string, unknown>> } {
  const named: Rows[] = [];
  const lets: string[] = [];
  for (let i = 0; i <= random(4); i++) {
    let rows = source(random, named);
    for (let left = random(5); left > 0; left--) rows = step(rows, random, named);
    lets.push(`  let v${i} = ${rows.text}`);
    named.push({ text: `v${i}`, rows: rows.rows });
  }
  const outputs = upTo(1 + random(4), (i) => i).map((i) => ({ name: `o${i}`, ...output(named[random(named.length)]!, random) }));
  const mixed = named.map(({ text }, i) => `  ${text}: ${["task", "data(1)", "data(2)"][i % 3]}`);
  return {
    text: `import { doubled, load, next, numbers, twice } from "./stages.ts"

pipeline main() -> { ${outputs.map(({ name, type }) => `${name}: ${type}`).join(", ")} } {
${lets.join("\n")}
  { ${outputs.map(({ name, text }) => `${name}: ${text}`).join(", ")} }
}
schedule tasks { *: task }
schedule one { *: data(1) }
schedule mixed {
${mixed.join("\n")}
}
`,
    values: Object.fromEntries(outputs.filter(({ value }) => value !== null).map(({ name, value }) => [name, value])),
  };
}

let engine: Engine;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
});
afterAll(() => engine[Symbol.asyncDispose]());

it(`${PROGRAMS} random programs mean what they say, whatever the schedule`, async () => {
  const random = randomFrom(7);
  for (let i = 0; i < PROGRAMS; i++) {
    const { text, values } = program(random);
    const files = { "main.pipe": text, "stages.ts": stages };
    let first: unknown;
    for (const schedule of ["auto", "tasks", "one", "mixed"]) {
      const compiled = await compileFiles(files, "main.pipe", { schedule });
      expect(compiled.plan, shown(compiled, files)).not.toBeNull();
      const { outputs, error } = await engine.run(compiled.plan!, compiled.code, { params: {} });
      expect(error, text).toBeNull();
      first ??= outputs;
      expect(outputs, `${schedule} of\n${text}`).toEqual(first);
      expect(outputs, text).toMatchObject(values);
    }
  }
});
