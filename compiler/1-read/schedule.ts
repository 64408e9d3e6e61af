// Which schedule a run was asked to follow: one of the program, or one of a file of schedules alone. Must not know stages.

import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import { addAll } from "../findings.ts";
import type { Module, Program, Schedule } from "../module.ts";
import type { Sources } from "../sources.ts";
import { fileName } from "../sources.ts";
import { readPipeFile } from "./link.ts";

/** The schedule asked for: `laptop` is the program's own, `lab.pipe` and `lab.pipe:night` stand in a file of schedules. */
export function pickSchedule(
  { entry: module, files }: Program,
  entry: string,
  asked: string | undefined,
  sources: Sources,
  diagnostics: Diagnostic[],
): Schedule | null {
  if (asked === undefined || asked === "auto") return null;
  const [, path, part] = /^(.+\.pipe)(?::(\w+))?$/.exec(asked) ?? [];
  let schedules = module.schedules;
  if (path !== undefined) {
    const file = fileName(sources.root, path);
    const read = readPipeFile(file, sources);
    if (!read?.module) {
      diagnostics.push(report("HR501", { file }, []));
      return null;
    }
    addAll(diagnostics, read.diagnostics);
    schedules = read.module.schedules;
  }
  const fitting = schedules.filter(({ pipeline }) => pipeline === null || pipeline.text === entry);
  const name = path === undefined ? asked : part;
  const found = name === undefined && fitting.length === 1 ? fitting[0] : schedules.find((schedule) => schedule.name.text === name);
  if (!found) {
    const names = [...schedules.map((schedule) => schedule.name.text), ...(path === undefined ? ["auto"] : [])];
    const near = name === undefined ? null : nearest(name, names);
    const elsewhere = path === undefined ? files.find((other) => has(other.module, asked))?.module.file : undefined;
    const help =
      elsewhere !== undefined
        ? `it stands in ${elsewhere}: \`--schedule ${elsewhere}:${asked}\``
        : near
          ? `did you mean \`${near}\`?`
          : `schedules: ${names.join(", ") || "none"}`;
    diagnostics.push(report("HR401", { name: asked }, [], { help }));
    return null;
  }
  if (found.pipeline !== null && found.pipeline.text !== entry) {
    diagnostics.push(
      report("HR409", { what: `the schedule \`${asked}\` is for \`${found.pipeline.text}\`, and \`${entry}\` is to run` }, [
        { span: found.pipeline.span, label: "for this one", role: "primary" },
      ]),
    );
    return null;
  }
  return found;
}

const has = ({ schedules }: Module, wanted: string): boolean => schedules.some(({ name }) => name.text === wanted);
