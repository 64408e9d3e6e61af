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
    process.stderr.write(
      `headrace: this is a bug of Headrace's own, please report it\n${error instanceof Error ? error.stack : String(error)}\n`,
    );
    leave(2);
  });
}

function leave(code: number): void {
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}
