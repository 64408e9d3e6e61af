// Functions that change their arguments, hand on what they only read, or give memory of their module, in random programs: what comes of
// them is what plain JavaScript gives that copies everything at every call. A wrong move, or a copy left out, changes somebody's numbers.
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Engine } from "../../runtime/index.ts";
import { compileFiles, shown } from "../harness/programs.ts";

const PROGRAMS = 150;
const stages = `import type { View } from "headrace";
export interface Point { x: number; y: number }
export interface State { v: Float64Array; p: Point }
const TABLE = Float64Array.of(5, 7, 9);
export function start(k: number): State { return { v: Float64Array.of(k, k + 1, k + 2), p: { x: k, y: -k } }; }
/** Changes what is its own, and gives it back. */
export function bump(s: State): State { s.v[0]! += 1; s.v[2]! *= 1.5; s.p.x += s.v[0]!; return s; }
export function add(s: State, o: View<State>): State { s.v.forEach((x, i) => { s.v[i] = x + o.v[i]! / 4; }); s.p.y += o.p.x; return s; }
/** Hand on what they only read, as TypeScript lets them. */
export function same(s: View<State>): View<State> { return s; }
export function either(a: View<State>, b: View<State>): View<State> { return a.v[0]! > b.v[0]! ? a : b; }
export function withPoint(s: State, o: View<State>): State { return { v: s.v, p: o.p }; }
export function swapped(s: State): State { return { v: s.v.reverse(), p: { x: s.p.y, y: s.p.x } }; }
/** Gives what its module keeps. */
export function table(): State { return { v: TABLE, p: { x: 1, y: 2 } }; }
export function numbers(s: View<State>): number[] { return [...s.v, s.p.x, s.p.y]; }
`;

interface State {
  v: Float64Array;
  p: { x: number; y: number };
}
const copy = (s: State): State => structuredClone(s);
const functions: Readonly<Record<string, { readonly takes: number; readonly run: (...args: State[]) => State }>> = {
  bump: {
    takes: 1,
    run: (s) => {
      s.v[0]! += 1;
      s.v[2]! *= 1.5;
      s.p.x += s.v[0]!;
      return s;
    },
  },
  add: {
    takes: 2,
    run: (s, o) => {
      s!.v.forEach((x, i) => {
        s!.v[i] = x + o!.v[i]! / 4;
      });
      s!.p.y += o!.p.x;
      return s!;
    },
  },
  same: { takes: 1, run: (s) => s! },
  either: { takes: 2, run: (a, b) => (a!.v[0]! > b!.v[0]! ? a! : b!) },
  withPoint: { takes: 2, run: (s, o) => ({ v: s!.v, p: o!.p }) },
  swapped: { takes: 1, run: (s) => ({ v: s!.v.reverse(), p: { x: s!.p.y, y: s!.p.x } }) },
  table: { takes: 0, run: () => ({ v: Float64Array.of(5, 7, 9), p: { x: 1, y: 2 } }) },
};

type Expr = { readonly name: string } | { readonly call: string; readonly args: readonly Expr[] };
type Values = Map<string, State>;

const text = (e: Expr): string => ("name" in e ? e.name : `${e.call}(${e.args.map(text).join(", ")})`);
const evaluate = (e: Expr, values: Values): State =>
  copy("name" in e ? values.get(e.name)! : functions[e.call]!.run(...e.args.map((arg) => evaluate(arg, values))));

type Random = (n: number) => number;
function randomFrom(seed: number): Random {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

function expression(names: readonly string[], random: Random, depth: number): Expr {
  if (depth === 0 || random(4) === 0) return { name: names[random(names.length)]! };
  const calls = Object.keys(functions);
  const call = calls[random(calls.length)]!;
  return { call, args: Array.from({ length: functions[call]!.takes }, () => expression(names, random, depth - 1)) };
}

interface Program {
  readonly text: string;
  readonly values: Readonly<Record<string, readonly number[]>>;
}

function program(random: Random): Program {
  const values: Values = new Map();
  const lines: string[] = [];
  const top: string[] = [];
  for (let i = 0; i < 2; i++) {
    lines.push(`  let s${i} = start(${i + 1}.0)`);
    values.set(`s${i}`, { v: Float64Array.of(i + 1, i + 2, i + 3), p: { x: i + 1, y: -(i + 1) } });
    top.push(`s${i}`);
  }
  for (let i = 0; i < 2; i++) {
    const made = expression(top, random, 3);
    lines.push(`  let t${i} = ${text(made)}`);
    values.set(`t${i}`, evaluate(made, values));
    top.push(`t${i}`);
  }
  const carried = random(2) === 0 ? ["a"] : ["a", "b"];
  const inits = carried.map(() => expression(top, random, 1));
  const step: { readonly kind: "let" | "next"; readonly name: string; readonly value: Expr }[] = [];
  const lets: string[] = [];
  carried.forEach((name, i) => {
    const open = carried.slice(i);
    for (let n = random(3); n > 0; n--) {
      const made = `l${lets.length}`;
      step.push({ kind: "let", name: made, value: expression([...top, ...open, ...lets], random, 2) });
      lets.push(made);
    }
    step.push({ kind: "next", name, value: expression([...top, ...open, ...open, ...lets], random, 3) });
  });
  const body = step.map(({ kind, name, value }) => `    ${kind === "let" ? `let ${name} =` : `${name} <-`} ${text(value)}`);
  // What is read after a value has moved on must be as it was.
  const late = lets.length > 0 ? [`    track late = numbers(${lets[random(lets.length)]!}) |> sum`] : [];
  lines.push(
    `  let m = fit ${carried.map((name, i) => `${name} = ${text(inits[i]!)}`).join(", ")}`,
    "  over batch in range(3, blocks: 1) |> batches(1)",
    "  for 2 {",
    ...body,
    ...late,
    "  }",
  );
  const inside: Values = new Map(values);
  const first = inits.map((init) => evaluate(init, values));
  carried.forEach((name, i) => {
    inside.set(name, first[i]!);
  });
  for (let n = 0; n < 6; n++) for (const { name, value } of step) inside.set(name, evaluate(value, inside));

  const shownNames = [...top, ...carried];
  const outputs = [
    ...top.map((name) => ({ name, from: name })),
    ...carried.map((name) => ({ name, from: carried.length === 1 ? "m" : `m.${name}` })),
  ];
  return {
    text: `import { start, numbers, ${Object.keys(functions).join(", ")} } from "./stages.ts"
pipeline main() -> { ${shownNames.map((name) => `${name}: [float]`).join(", ")} } {
${lines.join("\n")}
  { ${outputs.map(({ name, from }) => `${name}: numbers(${from})`).join(", ")} }
}
`,
    values: Object.fromEntries(
      shownNames.map((name) => {
        const { v, p } = inside.get(name)!;
        return [name, [...v, p.x, p.y]];
      }),
    ),
  };
}

let engine: Engine;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
});
afterAll(() => engine[Symbol.asyncDispose]());

it(`${PROGRAMS} random programs with functions that change and hand on`, async () => {
  const random = randomFrom(11);
  for (let i = 0; i < PROGRAMS; i++) {
    const { text: source, values } = program(random);
    const files = { "main.pipe": source, "stages.ts": stages };
    const compiled = await compileFiles(files, "main.pipe");
    expect(compiled.plan, shown(compiled, files)).not.toBeNull();
    const { outputs, error } = await engine.run(compiled.plan!, compiled.code, {});
    expect(error, source).toBeNull();
    expect(outputs, source).toEqual(values);
  }
});

const step = (text: string, values: Values, name: string, made: () => State) => ({ text, run: () => void values.set(name, copy(made())) });

it.each<readonly [name: string, body: (values: Values) => readonly { readonly text: string; readonly run: () => void }[]]>([
  [
    "a name that is read after its value has moved on",
    (v) => [
      step("let old = same(a)", v, "old", () => v.get("a")!),
      step("a <- bump(a)", v, "a", () => functions.bump!.run(v.get("a")!)),
      step("b <- add(b, old)", v, "b", () => functions.add!.run(v.get("b")!, v.get("old")!)),
    ],
  ],
  [
    "a carried value that takes the place of another",
    (v) => [step("b <- a", v, "b", () => v.get("a")!), step("a <- bump(a)", v, "a", () => functions.bump!.run(v.get("a")!))],
  ],
])("%s", async (_, bodyOf) => {
  const state = (k: number): State => ({ v: Float64Array.of(k, k + 1, k + 2), p: { x: k, y: -k } });
  const values: Values = new Map([
    ["a", state(1)],
    ["b", state(2)],
  ]);
  const body = bodyOf(values);
  for (let n = 0; n < 3; n++) for (const { run } of body) run();
  const files = {
    "main.pipe": `import { start, numbers, bump, add, same } from "./stages.ts"
pipeline main() -> { a: [float], b: [float] } {
  let m = fit a = start(1.0), b = start(2.0)
  over batch in range(3, blocks: 1) |> batches(1)
  for 1 {
${body.map(({ text: line }) => `    ${line}`).join("\n")}
  }
  { a: numbers(m.a), b: numbers(m.b) }
}
`,
    "stages.ts": stages,
  };
  const compiled = await compileFiles(files, "main.pipe");
  const used = { diagnostics: compiled.diagnostics.filter(({ severity }) => severity === "error") };
  expect(compiled.plan, shown(used, files)).not.toBeNull();
  const { outputs, error } = await engine.run(compiled.plan!, compiled.code, {});
  expect(error).toBeNull();
  const shownState = ({ v, p }: State) => [...v, p.x, p.y];
  expect(outputs).toEqual({ a: shownState(values.get("a")!), b: shownState(values.get("b")!) });
});
