// Asks TypeScript whether values of one type may be given for another. Each type becomes an alias at the end of the file that knows
// its names, private ones too, and one file in memory compares the aliases. Must not know why it is asked.
import { ts } from "ts-morph";
import type { Dtype, Type } from "../../lang/types.ts";
import type { Sources } from "../sources.ts";
import { absolutePath } from "../sources.ts";
import type { Question, Verdict } from "./signatures.ts";
import { TypeScriptProgram } from "./typescript-program.ts";

const SHIM = "headrace-questions.ts";

const ARRAYS: Readonly<Record<Dtype, string>> = {
  f32: "Float32Array",
  f64: "Float64Array",
  i8: "Int8Array",
  u8: "Uint8Array",
  i16: "Int16Array",
  u16: "Uint16Array",
  i32: "Int32Array",
  u32: "Uint32Array",
  i64: "BigInt64Array",
  u64: "BigUint64Array",
};

export async function ask(
  questions: readonly Question[],
  sources: Sources,
): Promise<{ readonly answer: readonly Verdict[]; readonly read: Iterable<string> }> {
  const aliases = new Map<string, string[]>();
  const write = (type: Type): string => text(type, write, alias);
  const alias = (name: string, file: string): string => {
    const inFile = aliases.get(file) ?? [];
    aliases.set(file, inFile);
    if (!inFile.includes(name)) inFile.push(name);
    return `import(${JSON.stringify(absolutePath(sources.root, file))}).__headrace${inFile.indexOf(name)}`;
  };
  const lines = questions.map(({ from, to }, i) => `declare const from${i}: ${write(from)}; export const to${i}: ${write(to)} = from${i};`);
  const extra = new Map([[SHIM, `${lines.join("\n")}\n`]]);
  for (const [file, names] of aliases) {
    const added = names.map((name, i) => `export type __headrace${i} = ${name};`).join("\n");
    extra.set(file, `${sources.read(file) ?? ""}\n${added}\nexport {};\n`);
  }
  const program = new TypeScriptProgram([SHIM, ...aliases.keys()], sources, extra);

  // An alias that TypeScript can't make sense of would be `any`, which fits everything.
  const broken = new Set<string>();
  for (const [file, names] of aliases) {
    const start = (sources.read(file) ?? "").length;
    const errors = program.typeErrors(file).filter((error) => (error.start ?? 0) >= start);
    const whole = program.file(file).text;
    names.forEach((name, i) => {
      const from = whole.indexOf(`export type __headrace${i} = `, start);
      if (errors.some((error) => error.start! >= from && error.start! < from + name.length + 40))
        broken.add(`${absolutePath(sources.root, file)}").__headrace${i}`);
    });
  }
  const shim = program.file(SHIM).text;
  const problems = program.typeErrors(SHIM);
  let start = 0;
  const answer = lines.map((line): Verdict => {
    const [from, end] = [start, start + line.length];
    start = end + 1;
    if ([...broken].some((name) => new RegExp(`${escaped(name)}\\b`).test(shim.slice(from, end)))) return { kind: "unknown" };
    const problem = problems.find((found) => found.start! >= from && found.start! < end);
    if (problem === undefined) return { kind: "assignable" };
    // 2322 and its like say that types don't fit; anything else, that the question itself made no sense.
    const misfit = [2322, 2739, 2740, 2741, 2559, 2375, 4104, 2719].includes(problem.code);
    return misfit ? { kind: "not assignable", why: reason(problem) } : { kind: "unknown" };
  });
  const read = program.filesRead();
  read.delete(SHIM);
  return { answer, read };
}

/** The innermost line of TypeScript's message, free of the names that we made up. */
function reason(problem: ts.Diagnostic): string {
  let message = problem.messageText;
  while (typeof message !== "string" && message.next?.[0] !== undefined) message = message.next[0];
  return ts.flattenDiagnosticMessageText(message, " ").replace(/import\("[^"]*"\)\./g, "");
}

/** One of our types as TypeScript text; opaque ones by an alias in their own file. */
function text(type: Type, write: (type: Type) => string, alias: (name: string, file: string) => string): string {
  switch (type.kind) {
    case "int":
    case "float":
      return "number";
    case "bool":
      return "boolean";
    case "string":
    case "secret":
      return "string";
    case "file":
      return 'import("headrace").InputFile';
    case "files":
      return 'readonly import("headrace").InputFile[]';
    case "bytes":
      return "Uint8Array";
    case "timestamp":
      return "Date";
    case "actor":
    case "pool":
      return alias(type.name, type.file);
    case "null":
      return "null";
    case "void":
      return "void";
    case "literal":
      return JSON.stringify(type.value);
    case "union":
      return type.members.map((member) => `(${write(member)})`).join(" | ");
    case "list":
      return type.items ? `[${type.items.map(write).join(", ")}]` : `(${write(type.item)})[]`;
    case "record":
      return `{ ${type.fields.map((field) => `${JSON.stringify(field.name)}${field.optional ? "?" : ""}: ${write(field.type)}`).join("; ")} }`;
    case "array":
      return ARRAYS[type.dtype];
    case "tensor":
      return `{ readonly dtype: ${JSON.stringify(type.dtype)}; readonly shape: readonly number[]; readonly data: ${ARRAYS[type.dtype]} }`;
    case "dataset":
      return `import("headrace").Dataset<${write(type.row)}>`;
    case "part":
    case "resource":
      return write(type.of);
    case "function":
      return `(${type.parameters.map((parameter, i) => `a${i}: ${write(parameter)}`).join(", ")}) => ${write(type.returns)}`;
    case "opaque":
      return type.file === "" ? type.name : alias(type.name, type.file);
    // A variable's own checks are the compiler's; here it fits like anything.
    case "variable":
    case "any":
    case "error":
      return "any";
  }
}

const escaped = (literal: string): string => literal.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
