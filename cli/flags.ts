// Arguments of a verb: flags with their metavariables, the params of a program as typed flags, and the messages for what doesn't
// fit. Reads text only; runs nothing.
import { parseArgs } from "node:util";
import type { Json, PlanParam } from "../compiler/plan.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import { nearest } from "../lang/suggest.ts";

export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** What stands for the value in help; null: the flag takes none. */
  readonly value: string | null;
  readonly summary: string;
  /** Taken so that it can be answered; not in help. */
  readonly hidden?: true;
}

export interface Arguments {
  /** The last value of each flag given; `true` for one that takes none. */
  readonly flags: ReadonlyMap<string, string | true>;
  readonly operands: readonly string[];
  readonly problems: readonly Diagnostic[];
}

/** Unknown flags are problems, unless `lenient`: then they and what may be their values are left out. */
export function readArguments(argv: readonly string[], flags: readonly Flag[], lenient = false): Arguments {
  const options = Object.fromEntries(
    flags.map((flag) => [
      flag.name,
      { type: flag.value === null ? ("boolean" as const) : ("string" as const), ...(flag.short && { short: flag.short }) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const found = new Map<string, string | true>();
  const operands: string[] = [];
  const problems: Diagnostic[] = [];
  let mayBeValue = false;
  for (const token of tokens) {
    const guessed = mayBeValue;
    mayBeValue = false;
    if (token.kind === "positional") {
      if (!guessed || looksLikeProgram(token.value)) operands.push(token.value);
    } else if (token.kind === "option") {
      const flag = flags.find((one) => one.name === token.name);
      if (!flag) {
        mayBeValue = token.value === undefined;
        if (!lenient) problems.push(unknownFlag(token.rawName, flags));
      } else if (flag.value !== null && token.value === undefined) {
        problems.push(report("HR602", { flag: `--${flag.name}`, wants: flag.value, given: null }, []));
      } else {
        found.set(flag.name, token.value ?? true);
      }
    }
  }
  return { flags: found, operands, problems };
}

/** Arguments of a verb without flags, `most` of them. */
export function readOperands(argv: readonly string[], most: number): Pick<Arguments, "operands" | "problems"> {
  const { operands, problems } = readArguments(argv, []);
  const extra = operands[most];
  return {
    operands,
    problems: extra === undefined ? problems : [...problems, report("HR605", { what: `\`${extra}\` is one argument too many` }, [])],
  };
}

/** `digits.pipe`, `lib/digits.pipeline.ts:other`. */
function looksLikeProgram(text: string): boolean {
  return /\.(pipe|[mc]?ts|tsx)(:[\w$]+)?$/.test(text);
}

function unknownFlag(raw: string, flags: readonly Flag[]): Diagnostic {
  const near = nearest(
    raw.replace(/^-+(no-)?/, ""),
    flags.map((flag) => flag.name),
  );
  return report(
    "HR601",
    { flag: raw },
    [],
    flags.length === 0 ? {} : { help: near ? `--${near}` : `flags: ${flags.map((flag) => `--${flag.name}`).join(" ")}` },
  );
}

/** A whole number from 1, or a problem. */
export function readCount(given: Arguments, name: string): number | null | Diagnostic {
  const text = given.flags.get(name);
  if (typeof text !== "string") return null;
  const count = Number(text);
  return Number.isSafeInteger(count) && count >= 1
    ? count
    : report("HR602", { flag: `--${name}`, wants: "a whole number from 1", given: text }, []);
}

// --- The params of a program ------------------------------------------------------------------------------------------

/** A param whose name is one of the verb's own flags is given as `--param.NAME`. */
export function paramFlags(
  params: readonly PlanParam[],
  own: readonly Flag[],
  about: (name: string) => string,
): readonly { readonly param: PlanParam; readonly flag: Flag }[] {
  return params.map((param) => {
    if (param.type === "secret") return { param, flag: { name: `${param.name}-file`, value: "FILE", summary: about(param.name) } };
    const name = own.some((flag) => flag.name === param.name) ? `param.${param.name}` : param.name;
    return { param, flag: { name, value: param.type === "bool" ? null : param.type.toUpperCase(), summary: about(param.name) } };
  });
}

/** Typed values of the flags given, and every problem: a wrong type, a value out of range, a param that is missing. */
export function readParams(
  given: Arguments,
  flags: readonly { readonly param: PlanParam; readonly flag: Flag }[],
): { readonly params: { readonly [name: string]: Json }; readonly problems: readonly Diagnostic[] } {
  const params: { [name: string]: Json } = {};
  const problems: Diagnostic[] = [];
  for (const { param, flag } of flags) {
    if (param.type === "secret") continue;
    const text = given.flags.get(flag.name);
    if (text === undefined) {
      if (param.default === undefined && !param.optional)
        problems.push(report("HR604", { flag: `--${flag.name}`, type: param.type }, [], exampleOf(param)));
      continue;
    }
    const value = readValue(text, param.type);
    if (value === undefined)
      problems.push(report("HR602", { flag: `--${flag.name}`, wants: described[param.type], given: String(text) }, [], exampleOf(param)));
    else if (typeof value === "number" && (value < (param.min ?? value) || value > (param.max ?? value)))
      problems.push(report("HR603", { flag: `--${flag.name}`, given: String(text), low: param.min ?? null, high: param.max ?? null }, []));
    else params[param.name] = value;
  }
  return { params, problems };
}

const described: Record<PlanParam["type"], string> = {
  int: "an int",
  float: "a float",
  bool: "true or false",
  string: "a string",
  file: "a file",
  files: "files",
  secret: "a secret",
};

const examples: Record<PlanParam["type"], string> = {
  ...{ int: "10", float: "0.5", bool: "true", string: "text", file: "data.csv", files: '"data/*.csv"', secret: "…" },
};
const exampleOf = ({ name, type, min, max, default: fallback }: PlanParam): { help: string } => {
  const value = fallback ?? min ?? max ?? examples[type];
  return { help: `--${name}${type === "bool" ? "=" : " "}${typeof value === "object" ? examples[type] : String(value)}` };
};

function readValue(text: string | true, type: PlanParam["type"]): Json | undefined {
  if (type === "bool") return text === true || text === "true" ? true : text === "false" ? false : undefined;
  if (text === true) return undefined;
  if (type !== "int" && type !== "float") return text;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) return undefined;
  return type === "int" && !Number.isSafeInteger(value) ? undefined : value;
}

// --- Help -------------------------------------------------------------------------------------------------------------

export function describeFlags(flags: readonly Flag[]): string {
  const shown = flags.filter(({ hidden }) => !hidden);
  const left = shown.map((flag) => `${flag.short ? `-${flag.short}, ` : ""}--${flag.name}${flag.value === null ? "" : ` ${flag.value}`}`);
  const width = Math.max(...left.map((text) => text.length));
  return shown.map((flag, i) => `  ${left[i]!.padEnd(width)}  ${flag.summary}\n`).join("");
}
