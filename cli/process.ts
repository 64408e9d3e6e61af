// How a command line's process begins and ends: exit codes, flushed output, a reader that went away, and bugs of ours.
// Shared by `headrace` and by the files that `headrace build` writes.

/** Ends the process with the code once all output has been taken. Never returns to the caller's hands. */
export function finish(code: Promise<number>): void {
  // `headrace … | head -1`: the reader has what it wanted. 141 is what a shell reports for SIGPIPE.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(141);
      throw error;
    });
  }
  code.then(leave, (error: unknown) => {
    const refused = refusal(error);
    process.stderr.write(
      refused !== null
        ? `headrace: ${refused}\n`
        : `headrace: this is a bug of Headrace's own, please report it\n${error instanceof Error ? error.stack : String(error)}\n`,
    );
    leave(2);
  });
}

/** What a file system says when it refuses; it is right, so nobody is to blame in our code. */
const refusals: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOENT: "no such file or folder",
  ENOTDIR: "a folder in this path is a file",
  EISDIR: "it is a folder",
  EEXIST: "it is there already",
  EMFILE: "too many open files",
};

/** What is asked for can't be done, for the reason that stands in the message: nobody's bug. */
export class Refused extends Error {
  override readonly name = "Refused";
}

export function refusal(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if (error instanceof Refused) return error.message;
  const { code = "", path } = error as NodeJS.ErrnoException;
  return path !== undefined && Object.hasOwn(refusals, code) ? `${path}: ${refusals[code]}` : null;
}

function leave(code: number): void {
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}
