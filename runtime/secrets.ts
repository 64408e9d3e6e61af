// The secrets of a run: where they come from when nobody hands them in, and how they are kept out of what is told. Texts only: a secret
// that user code spells in another way (reversed, in base64) can't be found.
import { inspect } from "node:util";
import type { Json, Plan } from "../compiler/plan.ts";

const PREFIX = "HEADRACE_SECRET_";
/** Names what lets a worker or client into a cluster. */
const CREDENTIALS = "HEADRACE_CREDS";

/** The environment variable that holds a secret: `HEADRACE_SECRET_API_TOKEN` of `apiToken`. */
export function secretVariable(name: string): string {
  return PREFIX + name.replace(/([a-z\d])([A-Z])/g, "$1_$2").toUpperCase();
}

/** Named here, so that whoever imports Headrace's types needs none of Node's. */
type Environment = { [name: string]: string | undefined };

/** What user code may see of the environment: whoever is given a secret is given it as an argument. */
export function withoutSecrets(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith(PREFIX) && name !== CREDENTIALS));
}

/** Lines shorter than this, of a text of several, are taken to be no secret by themselves. */
const TELLING_LINE = 8;

/** As it is, as it stands in JSON and in what `console.log` makes of an object, and line by line. */
function spellings(text: string): string[] {
  const written = [text, ...text.split(/\r?\n/).filter((line) => line.length >= TELLING_LINE)];
  return [...new Set(written.flatMap((one) => [one, JSON.stringify(one).slice(1, -1), inspect(one).slice(1, -1)]))];
}

/** A copy of plain data in which each secret's text is its name; the very value where the plan has no secrets. */
export function redactor(plan: Plan, params: { readonly [name: string]: Json }): <T>(value: T) => T {
  const secrets = plan.params.flatMap(({ name, type }) => {
    const text = params[name];
    if (type !== "secret" || typeof text !== "string" || text === "") return [];
    return spellings(text).map((spelt) => ({ spelt, as: `[secret ${name}]` }));
  });
  if (secrets.length === 0) return (value) => value;
  // The longest first: one may hold another.
  secrets.sort((a, b) => b.spelt.length - a.spelt.length);
  const text = (value: string) => secrets.reduce((said, { spelt, as }) => said.replaceAll(spelt, as), value);
  const redact = (value: unknown): unknown => {
    if (typeof value === "string") return text(value);
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || value instanceof Date) return value;
    if (Array.isArray(value)) return value.map(redact);
    if (value instanceof Set) return new Set([...value].map(redact));
    if (value instanceof Map) return new Map([...value].map(([key, item]) => [redact(key), redact(item)]));
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [text(name), redact(item)]));
  };
  return <T>(value: T) => redact(value) as T;
}
