// Two thousand programs with one to ten mistakes each: every mistake is told on its own line, and nothing else is said.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { readSignatures } from "../../compiler/1-read/signatures.ts";
import { check } from "../../compiler/compile.ts";
import type { FunctionSignature } from "../../compiler/module.ts";
import type { Sources } from "../../compiler/sources.ts";
import { memoryCache, nodeSources } from "../../compiler/sources.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { mend } from "../../lang/fix.ts";
import { parse } from "../../lang/parse.ts";
import { render } from "../../lang/render.ts";
import type { Program, Site } from "../harness/mutators.ts";
import { mutate, readProgram } from "../harness/mutators.ts";

const PROGRAMS = 2000;
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

interface Subject extends Program {
  readonly file: string;
  readonly sources: (text: string) => Sources;
}

const cache = memoryCache();
const subjects: Subject[] = [];

async function addSubject(folder: string, file: string): Promise<void> {
  const disk = nodeSources(folder);
  const text = readFileSync(`${folder}/${file}`, "utf8");
  const sources = (mutated: string): Sources => ({ ...disk, cache, read: (name) => (name === file ? mutated : disk.read(name)) });
  expect((await check(file, { sources: sources(text) })).diagnostics, file).toEqual([]);
  const imported = parse(text, file).file.declarations.flatMap((one) => (one.kind === "import" ? [one.from.text.slice(2)] : []));
  const { signatures } = await readSignatures(imported, sources(text));
  const functions: Record<string, FunctionSignature> = {};
  for (const one of signatures.values()) Object.assign(functions, one.functions);
  subjects.push({ ...readProgram(file, text, functions), file, sources });
}

beforeAll(async () => {
  const fixtures = path("fixtures");
  for (const file of readdirSync(fixtures)) if (file.endsWith(".pipe")) await addSubject(fixtures, file);
  const examples = path("../../examples");
  for (const folder of readdirSync(examples))
    for (const file of readdirSync(`${examples}/${folder}`)) if (file.endsWith(".pipe")) await addSubject(`${examples}/${folder}`, file);
});

function randomFrom(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

interface Told {
  readonly missed: readonly Site[];
  readonly extra: readonly Diagnostic[];
}

/** Which mistakes have a message on their line, and which messages are nobody's. */
function match(text: string, file: string, sites: readonly Site[], diagnostics: readonly Diagnostic[]): Told {
  const lineOf = (one: Diagnostic) => {
    const at = one.frames[0]?.span;
    return at?.file === file ? text.slice(0, at.start).split("\n").length - 1 : null;
  };
  const left = [...diagnostics];
  const missed = sites.filter(({ lines }) => {
    const found = left.findIndex((one) => lines.includes(lineOf(one) ?? -1));
    if (found >= 0) left.splice(found, 1);
    return found < 0;
  });
  return { missed, extra: left };
}

it(`${PROGRAMS} programs with mistakes are told of each, on its line, and of nothing else`, async () => {
  const random = randomFrom(20);
  const tally = new Map<string, { made: number; missed: number; extra: number }>();
  const shows: string[] = [];
  let made = 0;
  let missed = 0;
  let extra = 0;
  for (let i = 0; i < PROGRAMS; i++) {
    const subject = subjects[i % subjects.length]!;
    const { text, sites } = mutate(subject, 1 + random(10), random);
    const { diagnostics } = await check(subject.file, { sources: subject.sources(text) });
    const told = match(text, subject.file, sites, diagnostics);
    made += sites.length;
    missed += told.missed.length;
    extra += told.extra.length;
    for (const site of sites) {
      const row = tally.get(site.mutator) ?? { made: 0, missed: 0, extra: 0 };
      row.made++;
      if (told.missed.includes(site)) row.missed++;
      if (sites.length === 1) row.extra += told.extra.length;
      tally.set(site.mutator, row);
    }
    if (told.missed.length + told.extra.length > 0)
      shows.push(
        `${subject.file}, ${sites.map((one) => one.mutator).join(", ")}\nmissed: ${told.missed.map((one) => `${one.mutator} ${one.lines[0]! + 1}`).join(", ")}\nextra:\n${render(
          diagnostics.filter((one) => told.extra.includes(one) || process.env.ALL),
          (file) => (file === subject.file ? text : null),
          { color: false },
        )}\nlines: ${sites.map((one) => text.split("\n")[one.lines[0]!]).join("\n       ")}`,
      );
  }
  const rows = [...tally].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, row]) => ({ name, ...row }));
  if (process.env.MUTATIONS) {
    console.table(rows);
    console.log(
      `${made} mistakes, ${missed} missed (${((100 * missed) / made).toFixed(2)} %), ${extra} messages too many (${((100 * extra) / made).toFixed(2)} %)`,
    );
    console.log(shows.slice(0, Number(process.env.MUTATIONS)).join("\n\n"));
  }
  expect(tally.size).toBeGreaterThanOrEqual(20);
  expect(made / PROGRAMS).toBeGreaterThan(4);
  expect(1 - missed / made).toBeGreaterThanOrEqual(0.98);
  expect(extra / made).toBeLessThanOrEqual(0.02);
}, 180_000);

/** Mistakes that a machine can mend, by the kind of mistake; whatever a fix leaves, its own message is gone. */
const mendable = ["===", "= for <-", "? :", "and, or", "const", "missing mean", "misspelt field", "misspelt function", "misspelt keyword"];
mendable.push("misspelt value", "return", "unknown import", "unknown option", "unknown type", "missing file");

it("a fix takes its message away, and brings no other, but for guesses; what is mechanical is mended", async () => {
  const random = randomFrom(4);
  const told = (one: Diagnostic) => `${one.code} ${one.message}`;
  const worse: string[] = [];
  const restored = new Map<string, { made: number; mended: number; same: number }>();
  for (let i = 0; i < 900; i++) {
    const subject = subjects[i % subjects.length]!;
    const { text, sites } = mutate(subject, 1, random);
    const kind = sites[0]!.mutator;
    const before = (await check(subject.file, { sources: subject.sources(text) })).diagnostics;
    const row = restored.get(kind) ?? { made: 0, mended: 0, same: 0 };
    restored.set(kind, row);
    row.made++;
    const fixes = before.flatMap(({ fix }) => (fix ? [fix] : []));
    if (fixes.length === 0) continue;
    for (const { span } of fixes) expect(span.file, `${kind}: ${before.map(told).join("; ")}`).toBe(subject.file);
    const right = mend(text, fixes);
    const after = (await check(subject.file, { sources: subject.sources(right.text) })).diagnostics;
    const shown = () =>
      `${kind}\n${render(before, () => text, { color: false })}then\n${render(after, () => right.text, { color: false })}`;
    // A line's number may have changed, what is said of it not.
    for (const one of before) if (one.fix) expect(after.map(told), shown()).not.toContain(told(one));
    if (after.some((one) => !before.some((other) => told(other) === told(one)))) {
      worse.push(shown());
      continue;
    }
    if (after.length === 0) row.mended++;
    if (right.text === subject.text) row.same++;
  }
  if (process.env.MUTATIONS) console.table([...restored].sort().map(([name, row]) => ({ name, ...row })));
  // What was meant is a guess, which may be another name than the right one.
  expect(worse.length, worse.join("\n\n")).toBeLessThanOrEqual(9);
  for (const kind of mendable) {
    const row = restored.get(kind);
    expect(row?.made ?? 0, kind).toBeGreaterThan(2);
    expect((row?.mended ?? 0) / row!.made, kind).toBeGreaterThan(0.7);
  }
}, 180_000);
