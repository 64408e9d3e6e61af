// `headrace kernel install | uninstall | start FILE`: the Jupyter kernel.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { report } from "../../lang/diagnostics.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { packageVersion } from "../package.ts";
import { printProblems } from "../problems.ts";

const flags: readonly Flag[] = [
  { name: "prefix", value: "DIR", summary: "under DIR/share/jupyter: a virtual environment, or /usr/local for all users" },
  { name: "user", value: null, summary: "under your own Jupyter folder; this is the default" },
  { name: "name", value: "NAME", summary: "name of the kernel (default: headrace)" },
];

const PARENT_EVERY_MS = 1000;

export const help = `    headrace kernel install      makes it known to Jupyter
    headrace kernel uninstall    takes it away
    headrace kernel start FILE   is what Jupyter calls; FILE is its connection file

${describeFlags(flags)}
`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const [what, file, ...more] = given.operands;
  const problems = [...given.problems];
  if (what !== "install" && what !== "uninstall" && what !== "start")
    problems.push(
      report("HR605", { what: "`headrace kernel` does `install`, `uninstall` or `start FILE`" }, [], { help: "headrace kernel install" }),
    );
  else if ((what === "start") !== (file !== undefined) || more.length > 0)
    problems.push(
      report(
        "HR605",
        { what: what === "start" ? "`headrace kernel start` needs one connection file" : `\`${file}\` is one argument too many` },
        [],
      ),
    );
  if (given.flags.has("prefix") && given.flags.has("user"))
    problems.push(report("HR605", { what: "`--prefix` and `--user` name two places" }, [], { help: "leave one of them out" }));
  const name = String(given.flags.get("name") ?? "headrace");
  if (!/^[a-z0-9._-]+$/i.test(name))
    problems.push(report("HR602", { flag: "--name", wants: "letters, digits, `.`, `_` and `-`", given: name }, []));
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  const prefix = given.flags.get("prefix");
  const folder = join(typeof prefix === "string" ? join(resolve(prefix), "share", "jupyter") : userFolder(), "kernels", name);
  if (what === "install") return install(folder, name);
  if (what === "uninstall") return uninstall(folder);
  return start(file!);
}

export function userFolder(): string {
  if (process.env.JUPYTER_DATA_DIR) return process.env.JUPYTER_DATA_DIR;
  if (process.platform === "darwin") return join(homedir(), "Library", "Jupyter");
  return join(process.env.XDG_DATA_HOME ?? join(homedir(), ".local", "share"), "jupyter");
}

function install(folder: string, name: string): number {
  const cli = join(dirname(createRequire(import.meta.url).resolve("headrace/package.json")), "dist", "cli", "main.js");
  const spec = {
    argv: [process.execPath, cli, "kernel", "start", "{connection_file}"],
    display_name: name === "headrace" ? "Headrace" : `Headrace (${name})`,
    language: "headrace",
    interrupt_mode: "message",
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "kernel.json"), `${JSON.stringify(spec, null, 2)}\n`);
  process.stdout.write(`${folder}\n`);
  return 0;
}

function uninstall(folder: string): number {
  if (!existsSync(join(folder, "kernel.json"))) {
    process.stderr.write(`headrace: there is no kernel in ${folder}\n`);
    return 3;
  }
  rmSync(folder, { recursive: true });
  process.stdout.write(`${folder}\n`);
  return 0;
}

async function start(file: string): Promise<number> {
  const [{ readConnection, serve }, { Kernel }] = await Promise.all([
    import("../../notebooks/wire.ts"),
    import("../../notebooks/kernel.ts"),
  ]);
  let connection: ReturnType<typeof readConnection>;
  try {
    connection = readConnection(readFileSync(file, "utf8"));
  } catch (error) {
    process.stderr.write(
      `headrace: ${file} is no connection file of Jupyter's: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return 3;
  }
  const kernel = new Kernel({ folder: process.cwd(), version: packageVersion() });
  const ended = new AbortController();
  // Jupyter interrupts by message; a Ctrl-C in its terminal reaches the kernel too.
  process.on("SIGINT", () => kernel.interrupt());
  process.on("SIGTERM", () => ended.abort());
  // A Jupyter that was killed can't say so.
  const parent = process.ppid;
  const watch = setInterval(() => process.ppid !== parent && ended.abort(), PARENT_EVERY_MS);
  try {
    await serve(kernel, connection, ended.signal);
  } finally {
    clearInterval(watch);
    await kernel.close();
  }
  return 0;
}
