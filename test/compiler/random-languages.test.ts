// Random programs, each written from one model as `.pipe` text and as annotated TypeScript: one module, and one plan.
import { expect, it } from "vitest";
import { bare, pipeModule, typeScriptModule } from "../harness/modules.ts";
import { compileFiles, shown } from "../harness/programs.ts";

const PROGRAMS = 120;
const PLANS = 6;
const stages = `import type { int } from "headrace";
export function load(n: int): int[] { return Array.from({ length: n }, (_, i) => i as int); }
export function twice(x: int): int { return (2 * x) as int; }
export async function next(x: int): Promise<int> { return (x + 1) as int; }
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

/** One thing in both languages. */
type Both = readonly [pipe: string, typed: string];
const both = (make: (side: 0 | 1) => string): Both => [make(0), make(1)];

/** A program's names in sight, and how many there have been. */
interface Sight {
  readonly random: Random;
  readonly numbers: readonly string[];
  count: number;
}
const inside = (sight: Sight, name: string): Sight => ({
  random: sight.random,
  numbers: [...sight.numbers, name],
  get count() {
    return sight.count;
  },
  set count(n) {
    sight.count = n;
  },
});
const fresh = (sight: Sight): string => `v${sight.count++}`;

function number(sight: Sight, depth: number): Both {
  const { random, numbers } = sight;
  const leaf = () => both(() => (numbers.length > 0 && leafKind > 0 ? numbers[leafAt]! : String(leafAt)));
  const leafKind = random(3);
  const leafAt = random(Math.max(1, numbers.length));
  if (depth === 0) return leaf();
  const [a, b] = [number(sight, depth - 1), number(sight, depth - 1)];
  const operator = ["+", "-", "*", "%"][random(4)]!;
  const forms: (() => Both)[] = [
    leaf,
    () => both((s) => `(${a[s]} ${operator} ${b[s]})`),
    () => both((s) => `twice(${a[s]})`),
    () => both((s) => (s === 0 ? `next(${a[s]})` : `(await next(${a[s]}))`)),
    () => both((s) => (s === 0 ? `abs(${a[s]})` : `Math.abs(${a[s]})`)),
    () => both((s) => (s === 0 ? `max(${a[s]}, ${b[s]})` : `Math.max(${a[s]}, ${b[s]})`)),
    () => both((s) => (s === 0 ? `if ${a[s]} > ${b[s]} && true { ${a[s]} } else { 1 }` : `(${a[s]} > ${b[s]} && true ? ${a[s]} : 1)`)),
    () => both((s) => `-(${a[s]})`),
    () => both((s) => `{ a: ${a[s]}, ...{ b: ${b[s]} } }.a`),
    () => both((s) => `[${a[s]}, ${b[s]}][0]${s === 0 ? "" : "!"}`),
  ];
  // A record at the start of an operand would open a block in the text of a condition.
  return forms[random(forms.length)]!();
}

function rows(sight: Sight): Both {
  const { random } = sight;
  let made: Both = both((s) => (s === 0 ? "load(5)" : "dataset(load(5))"));
  for (let left = random(4); left > 0; left--) {
    const before = made;
    const row = fresh(sight);
    const f = number(inside({ ...sight, numbers: [] }, row), 1);
    const g = both((s) => f[s].replace(/\(await (next\([^()]*\))\)/g, "$1"));
    const step = random(4);
    made = both((s) => {
      const pipe = s === 0 ? `${before[s]} |> ` : `${before[s]}.`;
      const arrow = s === 0 ? `${row} => ` : `(${row}) => `;
      if (step === 0) return `${pipe}map(${arrow}${g[s].startsWith("{") && s === 1 ? `(${g[s]})` : g[s]})`;
      if (step === 1) return `${pipe}filter(${arrow}${row} > 1)`;
      if (step === 2) return `${pipe}take(3)`;
      return s === 0 ? `${pipe}shuffle(2)` : `${pipe}shuffle(2)`;
    });
  }
  return made;
}

/** Statements, and the value at their end; what stands before a value grows with the names in sight. */
function block(sight: Sight, depth: number): Both {
  const { random } = sight;
  const lines: Both[] = [];
  let seen = sight;
  for (let left = 1 + random(3); left > 0; left--) {
    const name = fresh(seen);
    const made = value(seen, depth);
    lines.push(both((s) => `${s === 0 ? "let" : "const"} ${name} = ${made[s]}${s === 0 ? "" : ";"}`));
    seen = inside(seen, name);
  }
  const last = number(seen, 1);
  const other = number(seen, 1);
  const [x, y] = [number(seen, 0), number(seen, 0)];
  const early = random(3) === 0;
  const end = both((s) => {
    if (!early) return s === 0 ? last[s].replace(/^\{.*/s, (record) => `(${record})`) : `return ${last[s]};`;
    return s === 0
      ? `if ${x[s]} == ${y[s]} { (${last[s]}) } else { (${other[s]}) }`
      : `if (${x[s]} === ${y[s]}) { return ${last[s]}; }\nreturn ${other[s]};`;
  });
  return both((s) => [...lines.map((line) => line[s]), end[s]].join("\n"));
}

function value(sight: Sight, depth: number): Both {
  const { random } = sight;
  if (depth === 0) return number(sight, 2);
  const name = fresh(sight);
  const inner = block(inside(sight, name), depth - 1);
  const over = rows(sight);
  const start = number(sight, 1);
  const forms: (() => Both)[] = [
    () => number(sight, 3),
    () => both((s) => (s === 0 ? `${over[s]} |> count` : `${over[s]}.count()`)),
    () => both((s) => (s === 0 ? `${over[s]} |> sum(x => x)` : `${over[s]}.sum((x) => x)`)),
    () =>
      both((s) =>
        s === 0 ? `len(for ${name} in ${over[s]} { ${inner[s]} })` : `forEach(${over[s]}, async (${name}) => { ${inner[s]} }).length`,
      ),
    () => {
      const step = number(inside(sight, name), 1);
      return both((s) =>
        s === 0
          ? `loop ${name} = ${start[s]} until ${name}n > 9 max 3 { let ${name}n = ${step[s]}\n ${name} <- ${name}n }`
          : `loop(${start[s]}, { max: 3 }, async (${name}) => { const ${name}n = ${step[s]}; return { next: ${name}n, until: ${name}n > 9 }; })`,
      );
    },
  ];
  return forms[random(forms.length)]!();
}

const random = randomFrom(11);
const programs = Array.from({ length: PROGRAMS }, (_, i) => block({ random, numbers: ["n"], count: i * 1000 }, 2));
const pipe = `import { load, next, twice } from "./stages.ts"\n${programs.map(([text], i) => `pipeline p${i}(n: int) -> int {\n${text}\n}`).join("\n")}\n`;
const typed = `import { dataset, forEach, loop, type int } from "headrace";
import { load, next, twice } from "./stages.ts";
${programs.map(([, text], i) => `/** @pipeline */\nexport async function p${i}(n: int) {\n${text}\n}`).join("\n")}
`;

it(`${PROGRAMS} programs are read into the same modules`, async () => {
  const one = pipeModule(pipe);
  const other = await typeScriptModule(typed, { "stages.ts": stages }, "p0");
  expect([one.diagnostics, other.diagnostics]).toEqual([[], []]);
  for (const [i, [text, same]] of programs.entries())
    expect(bare(other.module!.pipelines[i]!.body), `${text}\n\n${same}`).toEqual(bare(one.module.pipelines[i]!.body));
});

it(`${PLANS} of them have one plan`, async () => {
  for (const [text, same] of programs.slice(0, PLANS)) {
    const files = {
      "stages.ts": stages,
      "main.pipe": `import { load, next, twice } from "./stages.ts"\nparam n: int\npipeline main() -> int {\n${text}\n}\n`,
      "main.pipeline.ts": `import { dataset, forEach, loop, type int } from "headrace";\nimport { load, next, twice } from "./stages.ts";\n/** @pipeline */\nexport async function main(n: int) {\n${same}\n}\n`,
    };
    const [one, other] = [await compileFiles(files, "main.pipe"), await compileFiles(files, "main.pipeline.ts")];
    expect(shown({ diagnostics: one.diagnostics.filter(({ severity }) => severity === "error") }, files)).toBe("");
    expect(other.plan!.hash, `${text}\n\n${same}`).toBe(one.plan!.hash);
  }
});
