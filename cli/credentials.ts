// Who may do what on a NATS server of ours: the keys that vouch for credentials, kept in one folder that its owner alone may read, what the server has
// to know of them, and credentials for one worker, client or admin after another. The only user of the JWT library. Prints nothing.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KeyPair } from "@nats-io/jwt";
import {
  Algorithms,
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
  fromSeed,
} from "@nats-io/jwt";
import type { Role } from "../runtime/index.ts";
import { permissionsOf } from "../runtime/index.ts";

/** What is kept: with these anybody makes credentials. */
interface Seeds {
  readonly operator: string;
  readonly account: string;
  readonly system: string;
}

const KEYS = "keys.json";
const CONFIG = "server.conf";
const V2 = { algorithm: Algorithms.v2 };
/** Nothing of it is limited. */
const ALL = -1;
/** An answer is let through for so long. */
const ANSWER_NS = 60 * 1e9;

export const hasKeys = (folder: string): boolean => existsSync(join(folder, KEYS));

/** Makes the keys where there are none. Gives the file that the server is started with. */
export async function makeKeys(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const config = join(folder, CONFIG);
  if (hasKeys(folder)) return config;
  const [operator, account, system] = [createOperator(), createAccount(), createAccount()];
  const storage = { mem_storage: ALL, disk_storage: ALL, streams: ALL, consumer: ALL };
  const limits = {
    ...{ conn: ALL, leaf: ALL, subs: ALL, data: ALL, payload: ALL, imports: ALL, exports: ALL, wildcards: true },
    ...storage,
  };
  const [operatorToken, accountToken, systemToken] = await Promise.all([
    encodeOperator("headrace", operator, { system_account: system.getPublicKey() }, V2),
    encodeAccount("runs", account, { limits } as Parameters<typeof encodeAccount>[2], { ...V2, signer: operator }),
    encodeAccount("system", system, {}, { ...V2, signer: operator }),
  ]);
  writePrivate(
    config,
    [
      `operator: ${operatorToken}`,
      `system_account: ${system.getPublicKey()}`,
      "resolver: MEMORY",
      `resolver_preload: {\n  ${account.getPublicKey()}: ${accountToken}\n  ${system.getPublicKey()}: ${systemToken}\n}`,
      "",
    ].join("\n"),
  );
  // Last: what is there is whole.
  const seeds: Seeds = { operator: seedOf(operator), account: seedOf(account), system: seedOf(system) };
  writePrivate(join(folder, KEYS), `${JSON.stringify(seeds)}\n`);
  return config;
}

/** What a server knows somebody by: a worker isn't taken for a client of that name. */
const userOf = (role: Role, name: string): string => `${role}-${name}`;

/** Writes credentials into a file; who has it may do what its role may. */
export async function writeCredentials(folder: string, role: Role, name: string, file: string): Promise<void> {
  const { account } = JSON.parse(readFileSync(join(folder, KEYS), "utf8")) as Seeds;
  const { publish, subscribe, answers } = await permissionsOf(role, userOf(role, name));
  const user = createUser();
  const token = await encodeUser(
    userOf(role, name),
    user,
    fromSeed(Buffer.from(account)),
    {
      ...{ subs: ALL, data: ALL, payload: ALL },
      pub: { allow: [...publish] },
      sub: { allow: [...subscribe] },
      ...(answers ? { resp: { max: 1, ttl: ANSWER_NS } } : {}),
    } as Parameters<typeof encodeUser>[3],
    V2,
  );
  writePrivate(file, Buffer.from(fmtCreds(token, user)).toString());
}

const seedOf = (key: KeyPair): string => Buffer.from(key.getSeed()).toString();

/** The same as a user in the configuration of a server that has users with passwords. */
export async function describeUser(role: Role, name: string): Promise<string> {
  const { publish, subscribe, answers } = await permissionsOf(role, userOf(role, name));
  const list = (subjects: readonly string[]) =>
    `{ allow: [\n${subjects.map((one) => `        ${JSON.stringify(one)}\n`).join("")}      ] }`;
  return `{
    user: ${userOf(role, name)}, password: "…"
    permissions: {
      publish: ${list(publish)}
      subscribe: ${list(subscribe)}${answers ? `\n      allow_responses: { max: 1, expires: "${ANSWER_NS / 1e9}s" }` : ""}
    }
  }
`;
}

function writePrivate(path: string, text: string): void {
  writeFileSync(`${path}.part`, text, { mode: 0o600 });
  renameSync(`${path}.part`, path);
}
