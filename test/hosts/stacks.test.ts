// Stacks in the user's own lines, of code as the compiler builds it.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildSlices } from "../../compiler/code.ts";
import { memorySources } from "../../compiler/sources.ts";
import { call, plan, TestHost } from "./harness.ts";

const files = {
  "train.ts": `import { check } from "./lib/check.ts";

export function train(): number {
  return check({
    rate: -1,
  });
}
export function grumble(): void {
  console.error(new Error("grumble"));
}
`,
  "lib/check.ts": `// Checks.
interface Settings {
  readonly rate: number;
}

export function check(settings: Settings): number {
  if (settings.rate < 0) {
    throw new RangeError("a rate is positive", { cause: new Error("read so") });
  }
  return settings.rate;
}
`,
};

describe("stacks", () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await TestHost.start(1);
  });
  afterAll(async () => {
    await host.link.close();
  });

  async function begin(run: number, name: string): Promise<void> {
    const { slices, diagnostics } = await buildSlices([{ file: "train.ts", export: name }], memorySources(files));
    expect(diagnostics).toEqual([]);
    const { module, map } = slices[0]!;
    host.prepare(run, plan({ [name]: {} }, [{ id: name, body: call(name) }], module), module, map);
    host.assign(run, 0);
  }

  it("name the user's files and lines, and nothing else", async () => {
    await begin(1, "train");
    const { error } = await host.one("failed");
    expect(error.message).toBe("a rate is positive");
    expect(error.stack[0]).toMatch(/check.*lib\/check\.ts:8:11\)?$/);
    expect(error.stack[1]).toMatch(/train.*train\.ts:4:10\)?$/);
    expect(error.stack[2]).toBe("caused by Error: read so");
    expect(error.stack.filter((line) => !line.startsWith("caused")).every((line) => /(train|check)\.ts:/.test(line))).toBe(true);
    expect(error.stack.join()).not.toContain(".mjs");
  });

  it("are in what code prints, too", async () => {
    await begin(2, "grumble");
    await host.finished(2, 0);
    const { text } = await host.one("log", (message) => message.run === 2);
    expect(text).toMatch(/^Error: grumble\n\s+at grumble \(train\.ts:9:17\)\n$/);
  });
});
