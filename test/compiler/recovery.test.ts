// What the parser can't read doesn't make the checker complain of the rest.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { check } from "../../compiler/compile.ts";
import { memoryCache, nodeSources } from "../../compiler/sources.ts";
import { parse } from "../../lang/parse.ts";
import { mutantsOf } from "../harness/mutants.ts";

const folder = fileURLToPath(new URL("../../examples/digits", import.meta.url));
const digits = readFileSync(`${folder}/digits.pipe`, "utf8");
const disk = nodeSources(folder);
const cache = memoryCache();

async function messages(text: string): Promise<string[]> {
  const sources = { ...disk, cache, read: (file: string) => (file.endsWith("digits.pipe") ? text : disk.read(file)) };
  return (await check("digits.pipe", { sources })).diagnostics.map(({ code, message }) => `${code} ${message}`);
}

it("a mistake that the parser tells in one message is told in one by the whole check, with few exceptions", async () => {
  expect(await messages(digits)).toEqual([]);
  const broken = mutantsOf(digits).filter((mutant, i) => i % 3 === 0 && parse(mutant, "digits.pipe").diagnostics.length === 1);
  let single = 0;
  for (const mutant of broken) if ((await messages(mutant)).length === 1) single++;
  expect(broken.length).toBeGreaterThan(200);
  expect(single / broken.length).toBeGreaterThan(0.95);
});

it.each([
  ["an import", (text: string) => text.replace("loadDigits, init", "loadDigits init")],
  ["an import without its file", (text: string) => text.replace(' from "./digits.ts"', "")],
  ["a param", (text: string) => text.replace("param seed: int", "param seed int")],
  ["a param without its name", (text: string) => text.replace("param seed: int", "param : int")],
  ["a pipeline's head", (text: string) => text.replace("digits() ->", "digits( ->")],
  ["a pattern", (text: string) => text.replace("{ train, test }", "{ train test }")],
  ["a `fit`", (text: string) => text.replace("over batch in", "over batch")],
])("%s that can't be read is told once", async (_, mistake) => {
  const found = await messages(mistake(digits));
  expect(found.length, found.join("\n")).toBe(1);
});

it("an import that can't be read, but for its names, hides no other name", async () => {
  const text = digits
    .replace("loadDigits, init", "loadDigits init")
    .replace("sgd(w,", "sdg(w,")
    .replace("model: Weights", "model: Wieghts");
  expect((await messages(text)).map((message) => message.slice(0, 5))).toEqual(["HR001", "HR105", "HR103"]);
});

it("other mistakes are told beside it", async () => {
  const text = digits.replace("param seed: int", "param seed int").replace("sgd(w,", "sdg(w,");
  expect(await messages(text)).toEqual(["HR001 `int` can't stand here: `:` was expected", "HR103 there is no function `sdg`"]);
});
