// `headrace credentials ROLE NAME`: a file with which somebody is let into a secure cluster, or the same as a user for a server that has its own.
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Role } from "../../runtime/index.ts";
import { describeUser, hasKeys, writeCredentials } from "../credentials.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { homeIn } from "../home.ts";
import { printProblems } from "../problems.ts";
import { Refused } from "../process.ts";

const flags: readonly Flag[] = [
  {
    name: "keys",
    value: "FOLDER",
    summary: "the keys of the cluster (default: those of `headrace up --secure` here, .headrace/nats/keys)",
  },
  { name: "out", value: "FILE", summary: "where they are written (default: ROLE-NAME.creds)" },
  {
    name: "permissions",
    value: null,
    summary: "print them as a user of a nats-server's configuration, for a cluster whose keys are elsewhere",
  },
];

export const help = `Makes credentials for a cluster that was started by \`headrace up --secure\`. The server needn't be there, nor be told. A ROLE is
\`worker\` (runs and leads runs; one NAME for each machine), \`client\` (submits, watches and cancels runs) or \`admin\` (may do all).

${describeFlags(flags)}
`;

const ROLES: readonly Role[] = ["worker", "client", "admin"];

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const [role, name, extra] = given.operands;
  const problems: Diagnostic[] = [...given.problems];
  const problem = (what: string, help?: string) => problems.push(report("HR605", { what }, [], help === undefined ? {} : { help }));
  if (role === undefined || name === undefined)
    problem("`headrace credentials` needs a ROLE and a NAME", "headrace credentials worker big-one");
  else if (!isRole(role)) {
    const near = nearest(role, ROLES);
    problem(`there is no role \`${role}\``, near ? `did you mean \`${near}\`?` : `roles: ${ROLES.map((one) => `\`${one}\``).join(", ")}`);
  } else if (!/^[\w-]+$/.test(name)) problem(`\`${name}\` can't be a name: letters, digits, \`_ -\``);
  if (extra !== undefined) problem(`\`${extra}\` is one argument too many`);
  if (problems.length > 0 || name === undefined || !isRole(role)) {
    printProblems(problems, () => null);
    return 3;
  }
  if (given.flags.has("permissions")) {
    process.stdout.write(await describeUser(role, name));
    return 0;
  }
  const { runs } = homeIn();
  const told = given.flags.get("keys");
  const keys = typeof told === "string" ? resolve(told) : runs === null ? null : join(dirname(runs), "nats", "keys");
  if (keys === null || !hasKeys(keys))
    throw new Refused(
      `there are no keys in ${keys ?? "the working folder"}: \`headrace up --secure\` makes some, or say where they are: --keys FOLDER`,
    );
  const file = String(given.flags.get("out") ?? `${role}-${name}.creds`);
  if (existsSync(file)) throw new Refused(`${file} is there already`);
  await writeCredentials(keys, role, name, file);
  process.stderr.write(`${file}: whoever has it is ${role === "admin" ? "an" : "a"} ${role} of that cluster, named ${name}\n`);
  return 0;
}

const isRole = (text: string | undefined): text is Role => ROLES.some((one) => one === text);
