// Checks programs that no person would write, each made from a number: run by `test/lang/fuzz.test.ts` in a process of its own, whose
// memory is limited. Says the number before each, so that one that never ends or takes all memory is known.
import { readFileSync } from "node:fs";
import { check } from "../../compiler/compile.ts";
import { memoryCache, memorySources } from "../../compiler/sources.ts";
import { format } from "../../lang/format.ts";
import { parseStatements } from "../../lang/parse.ts";
import { render } from "../../lang/render.ts";

const [from = "1", count = "1", ...seeds] = process.argv.slice(2);
const texts = seeds.map((file) => ({ isTypeScript: file.endsWith(".ts"), text: readFileSync(file, "utf8") }));
const stages = texts.find(({ text }) => text.includes("export function loadOrders"))!.text;
const pipes = texts.filter(({ isTypeScript }) => !isTypeScript).map(({ text }) => text);
const typescripts = texts.filter(({ isTypeScript }) => isTypeScript).map(({ text }) => text);
const cache = memoryCache();

type Random = (n: number) => number;
function randomFrom(seed: number): Random {
  let state = Math.imul(seed, 2_654_435_761) >>> 0;
  return (n) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.floor(((state ^ (state >>> 13)) >>> 0) % Math.max(1, n));
  };
}
const pick = <T>(random: Random, of: readonly T[]): T => of[random(of.length)]!;

// --- Texts -----------------------------------------------------------------------------------------------------------------------

const odd = [
  "\0",
  "\r",
  "\r\n",
  "\ufeff",
  "\t",
  "\u2028",
  "\ud800",
  "\udc00",
  "\u200d",
  "é",
  "日本",
  "👩‍🚀",
  "“",
  "”",
  "—",
  "\\",
  "`",
  "$".concat("{"),
  "}",
  "/*",
  "*/",
  "//",
  "///",
  '"',
  "'",
  "\f",
  "\u00a0",
];
const signs = "( ) [ ] { } , : ; . .. ... ?. ? = <- -> => |> | ! ?? || && == != <= < >= > + - * / % === += ++".split(" ");
const words =
  "import let if else for in do true false null type param pipeline service schedule actor resource as from track expect keep minimizing stop after without improvement of on failure each epoch fit over loop until max search trials minimize using within log x y z 1 2.5 10m 1e9 0x1f".split(
    " ",
  );

const bytes = (random: Random) =>
  Buffer.from(Array.from({ length: random(400) }, () => random(256))).toString(pick(random, ["utf8", "utf16le", "latin1"]));
const soup = (random: Random) =>
  Array.from({ length: 1 + random(300) }, () => pick(random, [signs, words, words, odd, ["\n", "\n  ", " "]][random(5)]!)).join(
    pick(random, ["", " ", " "]),
  );

/** One form inside itself. */
const nests: readonly ((n: number) => string)[] = [
  (n) => `${"(".repeat(n)}1${")".repeat(n)}`,
  (n) => `${"[".repeat(n)}1${"]".repeat(n)}`,
  (n) => `${"{ a: ".repeat(n)}1${" }".repeat(n)}`,
  (n) => `${"(".repeat(n)}`,
  (n) => `${")".repeat(n)}`,
  (n) => `${"{".repeat(n)}`,
  (n) => `${"f(".repeat(n)}x${")".repeat(n)}`,
  (n) => `${"-".repeat(n)}1`,
  (n) => `${"!".repeat(n)}true`,
  (n) => Array.from({ length: n }, () => "1").join(" + "),
  (n) => `x${".a".repeat(n)}`,
  (n) => `x${"[0]".repeat(n)}`,
  (n) => `x${" |> map(y => y)".repeat(n)}`,
  (n) => `${"if true { 1 } else ".repeat(n)}{ 2 }`,
  (n) => `${"if true { ".repeat(n)}1${" } else { 2 }".repeat(n)}`,
  (n) => `xs |> ${"map(x => x |> ".repeat(n)}count${")".repeat(n)}`,
  (n) => `${`\`\${`.repeat(n)}1${"}`".repeat(n)}`,
  (n) => `${"for x in xs { ".repeat(n)}1${" }".repeat(n)}`,
  (n) => `x${" ?? 1".repeat(n)}`,
  (n) => `${"fit w = 1 over b in xs for 2 { w <- ".repeat(n)}1${" }".repeat(n)}`,
];
const typeNests: readonly ((n: number) => string)[] = [
  (n) => `${"[".repeat(n)}int${"]".repeat(n)}`,
  (n) => `int${"?".repeat(n)}`,
  (n) => `${"{ a: ".repeat(n)}int${" }".repeat(n)}`,
  (n) => `${"Dataset<".repeat(n)}int${">".repeat(n)}`,
  (n) => Array.from({ length: n }, (_, i) => `"${i}"`).join(" | "),
  (n) => `Tensor<f32, [${Array.from({ length: n }, () => "2").join(" * ")}]>`,
];
function deep(random: Random): string {
  const n = pick(random, [3, 50, 900, 3000, 20_000]);
  const value = pick(random, nests)(n);
  if (random(4) === 0)
    return `type T = ${pick(random, typeNests)(n)}\nparam p: ${pick(random, typeNests)(50)} = 1\npipeline main() -> T { 1 }\n`;
  return `import { loadOrders } from "./stages.ts"\npipeline main() -> float {\n  let xs = loadOrders("a", 1)\n  let x = ${value}\n  x\n}\nschedule s { x: ${random(2) ? "task" : value} }\n`;
}
function huge(random: Random): string {
  const n = pick(random, [2000, 20_000, 60_000, 300_000]);
  const long = pick(random, [
    "a",
    "1",
    "é",
    "\u{1f680}",
    " ",
    "\t",
    "(",
    "a.",
    "a,",
    "a = ",
    "/",
    "\\",
    '"',
    "`",
    "\r",
    "\n",
    "let x = 1\n",
    "param p: int = 1\n",
    "$",
  ]).repeat(n);
  return pick(random, [
    (text: string) => text,
    (text: string) => `let x = "${text}"`,
    (text: string) => `pipeline main() -> int {\n  let x = ${text}\n  x }`,
    (text: string) => `// ${text}`,
  ])(long);
}
function damaged(random: Random, from: readonly string[]): string {
  let text = pick(random, from);
  for (let times = 1 + random(6); times > 0; times--) {
    const [a, b] = [random(text.length), random(text.length)].sort((x, y) => x - y) as [number, number];
    const other = pick(random, from);
    text = pick<() => string>(random, [
      () => text.slice(0, b),
      () => text.slice(a),
      () => text.slice(0, a) + text.slice(Math.min(b, a + 30)),
      () => text.slice(0, a) + pick(random, odd) + text.slice(a),
      () => text.slice(0, a) + pick(random, signs) + text.slice(a),
      () => text.slice(0, a) + other.slice(random(other.length), random(other.length)) + text.slice(b),
      () => text.slice(0, b) + text.slice(a),
      () => text.replaceAll("\n", pick(random, ["\r\n", "\r", "\n\n", " ", "\u2028"])),
      () =>
        text
          .split("\n")
          .sort(() => random(3) - 1)
          .join("\n"),
      () => `\ufeff${text}`,
    ])();
    if (text.length > 200_000) text = text.slice(0, 200_000);
  }
  return text;
}

function program(random: Random): string {
  return pick<(random: Random) => string>(random, [
    bytes,
    soup,
    deep,
    deep,
    huge,
    (r) => damaged(r, pipes),
    (r) => damaged(r, pipes),
    (r) => damaged(r, [...pipes, ...typescripts]),
  ])(random);
}

// --- Checking them -----------------------------------------------------------------------------------------------------------------

async function checkOne(seed: number): Promise<void> {
  const random = randomFrom(seed);
  // TypeScript itself is slow; it is ours to read what it makes of a text.
  const kind = random(12);
  const files: Record<string, string> = { "stages.ts": stages, "main.pipe": pipes[random(pipes.length)]! };
  let main = "main.pipe";
  let schedule: string | undefined;
  if (kind === 0) {
    main = "main.pipeline.ts";
    files[main] = pick<() => string>(random, [
      () => damaged(random, typescripts),
      () => damaged(random, typescripts),
      () => bytes(random),
      () => soup(random),
    ])();
  } else if (kind === 1) files["stages.ts"] = pick<() => string>(random, [() => damaged(random, [stages]), () => bytes(random)])();
  else if (kind === 2) {
    files["lab.pipe"] = program(random);
    schedule = "lab.pipe";
  } else files[main] = program(random);
  const sources = { ...memorySources(files), cache };
  const { diagnostics } = await check(main, { sources, ...(schedule === undefined ? {} : { schedule }) });
  render(diagnostics, (file) => files[file] ?? null, { color: random(2) === 0 });
  for (const { frames } of diagnostics)
    for (const { span } of frames)
      if (!(span.start >= 0 && span.start <= span.end)) throw new Error(`a frame from ${span.start} to ${span.end}`);
  if (main === "main.pipe") {
    parseStatements(files[main]!, "cell");
    format(files[main]!);
  }
}

const problems: string[] = [];
for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
  process.stdout.write(`${seed}\n`);
  try {
    await checkOne(seed);
  } catch (error) {
    problems.push(`${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}
process.stdout.write(`${JSON.stringify({ problems, peakMb: Math.round(process.resourceUsage().maxRSS / 1024) })}\n`);
