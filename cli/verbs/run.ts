// `headrace run FILE`: compile, then execute; with `--watch` again whenever a file changes that it was made from.
import type { FSWatcher } from "node:fs";
import { statSync, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { compile } from "../../compiler/compile.ts";
import type { Sources } from "../../compiler/sources.ts";
import { nodeSources } from "../../compiler/sources.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Engine } from "../../runtime/index.ts";
import { localEngine } from "../../runtime/index.ts";
import type { Execution } from "../execute.ts";
import { execute, runFlags } from "../execute.ts";
import type { Arguments, Flag } from "../flags.ts";
import { describeFlags, readArguments, readCount } from "../flags.ts";
import { homeIn } from "../home.ts";
import { compiledProgram, programHelp } from "../invocation.ts";
import { printProblems } from "../problems.ts";
import type { Target } from "../program.ts";
import { isProblem, oneTarget } from "../program.ts";
import { painter, wantsColor } from "../terminal.ts";

const flags: readonly Flag[] = [
  ...runFlags,
  { name: "watch", value: null, summary: "run again whenever a file changes that it was made from, as far as the change reaches" },
];

const general = `Checks FILE, plans it and runs it. Every \`param\` of the program is a flag. Results are printed on stdout, all else on stderr.
What an earlier run left in .headrace is reused where nothing has changed that it was made from: the code of a stage, with all that
it calls, the packages, params and the content of files. \`HEADRACE_CACHE=off\` keeps nothing, \`HEADRACE_CACHE=FOLDER\` keeps it there.

${describeFlags(flags)}
`;

/** With a FILE, its params too. */
export async function help(argv: readonly string[]): Promise<string> {
  const target = oneTarget(readArguments(argv, flags, true), "run");
  if (isProblem(target)) return general;
  const { plan } = await compile(target.file, { sources: nodeSources(), entry: target.entry });
  return plan ? `${general}${programHelp(plan, runFlags)}` : general;
}

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags, true);
  const target = oneTarget(given, "run");
  if (isProblem(target)) {
    printProblems([target], () => null);
    return 3;
  }
  const operand = argv.indexOf(given.operands[0]!);
  const rest = argv.filter((arg, index) => index !== operand && arg !== "--watch");
  if (given.flags.has("watch") && given.flags.has("detach")) {
    printProblems(
      [report("HR605", { what: "`--watch` stays with its run, and `--detach` leaves it" }, [], { help: "one of them" })],
      () => null,
    );
    return 3;
  }
  if (!given.flags.has("watch")) return once(target, given, rest, nodeSources(), { home: homeIn() });
  return watching(target, given, rest);
}

async function once(target: Target, given: Arguments, rest: readonly string[], sources: Sources, how: Execution): Promise<number> {
  const schedule = given.flags.get("schedule");
  const compiled = await compile(target.file, { sources, entry: target.entry, ...(typeof schedule === "string" ? { schedule } : {}) });
  printProblems(compiled.diagnostics, (file) => sources.read(file));
  if (!compiled.plan) return 3;
  return execute(compiledProgram(compiled.plan, compiled.code, schedule), rest, how);
}

/** Ends with Ctrl-C. A change ends the run that is going on; what it has finished is reused by the next. */
async function watching(target: Target, given: Arguments, rest: readonly string[]): Promise<number> {
  const paint = painter(wantsColor(process.stderr));
  const slots = readCount(given, "slots");
  const own = typeof given.flags.get("nats") === "string" ? null : await localEngine(typeof slots === "number" ? { slots } : {});
  let stopped = false;
  const stop = () => {
    stopped = true;
  };
  process.on("SIGINT", stop);
  try {
    while (!stopped) {
      const read = new Set<string>([resolve(target.file)]);
      const sources = recording(nodeSources(), read);
      const ending = new AbortController();
      const change = new Changes(read);
      const first = change.next.then(() => ending.abort());
      await once(target, given, rest, sources, { home: homeIn(), signal: ending.signal, ...(own ? { engine: own as Engine } : {}) });
      for (const file of filesOf(given)) read.add(resolve(file));
      change.watch(read);
      if (stopped) break;
      if (!ending.signal.aborted) process.stderr.write(paint("dim", `watching ${read.size} files; Ctrl-C ends it\n`));
      const interrupted = new Promise<void>((done) => process.once("SIGINT", () => done()));
      await Promise.race([first, interrupted]);
      change.close();
    }
  } finally {
    process.off("SIGINT", stop);
    await own?.[Symbol.asyncDispose]();
  }
  return 130;
}

/** Files that were given as params. */
function filesOf({ flags: all }: Arguments): string[] {
  return [...all.values()].filter((value): value is string => typeof value === "string" && isFile(value));
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** The same files; every one that is read is noted, by its absolute path. */
function recording(sources: Sources, read: Set<string>): Sources {
  return {
    ...sources,
    read(file) {
      const path = resolve(sources.root, file);
      if (!path.includes("/node_modules/")) read.add(path);
      return sources.read(file);
    },
  };
}

/** Tells of the first change of any of some files. Folders are watched, since editors put new files in the place of old ones. */
class Changes {
  readonly next: Promise<void>;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #files: Set<string>;
  #changed: () => void = () => {};
  #timer: NodeJS.Timeout | null = null;
  readonly #stamps = new Map<string, string>();

  constructor(files: Set<string>) {
    this.#files = files;
    this.next = new Promise((resolve) => {
      this.#changed = resolve;
    });
    this.watch(files);
  }

  watch(files: ReadonlySet<string>): void {
    for (const file of files) {
      if (!this.#stamps.has(file)) this.#stamps.set(file, stampOf(file));
      const folder = dirname(file);
      if (this.#watchers.has(folder)) continue;
      this.#watchers.set(
        folder,
        watch(folder, (_event, name) => this.#touched(name === null ? null : resolve(folder, name))),
      );
    }
  }

  /** Editors write a file in several steps: it is looked at when they are done. */
  #touched(file: string | null): void {
    if (file !== null && !this.#files.has(file)) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      for (const [one, before] of this.#stamps) if (stampOf(one) !== before) this.#changed();
    }, SETTLED_MS);
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
  }
}
const SETTLED_MS = 60;

function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? `${found.mtimeMs} ${found.size} ${found.ino}` : `no ${basename(file)}`;
}
