// What a stage may throw to say more than that it failed.

/** A failure that may pass by itself, such as a busy server: the task is tried again, after a pause. Known by its name, so that a bundled copy counts too. */
export class TransientError extends Error {
  override readonly name = "TransientError";
}
