// From the FILE on a command line to a compiled program, for the verbs that take one: `FILE`, `FILE:name`, its diagnostics printed.
import type { Sources } from "../compiler/sources.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import type { Arguments } from "./flags.ts";

export interface Target {
  readonly file: string;
  /** `digits.pipe:other`; undefined: the file's own rule decides. */
  readonly entry: string | undefined;
}

export function readTarget(text: string): Target {
  const found = /^(.+\.\w+):([A-Za-z_$][\w$]*)$/.exec(text);
  return found ? { file: found[1]!, entry: found[2] } : { file: text, entry: undefined };
}

/** The one FILE of a verb, or a problem. */
export function oneTarget(given: Arguments, verb: string): Target | Diagnostic {
  const [first, second] = given.operands;
  if (first === undefined) return report("HR605", { what: `\`headrace ${verb}\` needs a FILE` }, [], { help: `headrace ${verb} FILE` });
  if (second !== undefined) return report("HR605", { what: `\`${second}\` is one argument too many` }, []);
  return readTarget(first);
}

export function isProblem(value: Target | Diagnostic): value is Diagnostic {
  return "code" in value;
}

/** Diagnostics for programs: plain JSON with lines and columns from 1. */
export function diagnosticsJson(diagnostics: readonly Diagnostic[], sources: Sources): unknown[] {
  return diagnostics.map((diagnostic) => ({
    code: diagnostic.code,
    severity: diagnostic.severity,
    message: diagnostic.message,
    help: diagnostic.help,
    frames: diagnostic.frames.map((frame) => ({
      file: frame.span.file,
      role: frame.role,
      label: frame.label,
      start: position(sources.read(frame.span.file) ?? "", frame.span.start),
      end: position(sources.read(frame.span.file) ?? "", frame.span.end),
    })),
    fix: diagnostic.fix && {
      file: diagnostic.fix.span.file,
      start: position(sources.read(diagnostic.fix.span.file) ?? "", diagnostic.fix.span.start),
      end: position(sources.read(diagnostic.fix.span.file) ?? "", diagnostic.fix.span.end),
      text: diagnostic.fix.text,
    },
  }));
}

function position(text: string, offset: number): { line: number; column: number; offset: number } {
  const before = text.slice(0, offset);
  const start = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: before.length - start + 1, offset };
}
