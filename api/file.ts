// A file as a stage function gets it. Types only.

/** A file that a run reads, found before anything runs and known by its content: the value of a `param` of type `file`. */
export interface InputFile {
  /** Where it lies on this machine; no part of what it is, so results mustn't depend on it. */
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** All files that a pattern finds, by path. */
export type InputFiles = readonly InputFile[];
