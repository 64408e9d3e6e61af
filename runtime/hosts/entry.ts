// Which files a host process and its slot threads start from, and what a process or thread was started as.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, workerData } from "node:worker_threads";

/** Scripts to start. Both are the bundle's own file where all is in one. */
export interface HostEntry {
  readonly host: string;
  readonly slot: string;
}

/** The first argument of a host process. */
export const HOST_ARGUMENT = "--headrace-host";
/** The field of `workerData` that makes a thread a slot. */
export const SLOT_FIELD = "headraceSlot";

/** What this process or thread was started as. */
export function role(): "host" | "slot" | null {
  if (!isMainThread) return typeof workerData === "object" && workerData !== null && SLOT_FIELD in workerData ? "slot" : null;
  return process.argv[2] === HOST_ARGUMENT ? "host" : null;
}

let oneFile: string | null = null;
/** From now on hosts and slots start from this file, which holds everything; see `roles.ts`. */
export function startFrom(file: string): void {
  oneFile = file;
}

/** The bundle that this code is part of, else the package's built files. */
export function defaultEntry(): HostEntry {
  return oneFile === null ? builtEntry() : { host: oneFile, slot: oneFile };
}

/** This module may stand in the sources, in `dist` or in a chunk there: look upward for them. */
function builtEntry(): HostEntry {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    for (const place of [folder, join(folder, "dist")]) {
      const host = join(place, "runtime/hosts/host-main.js");
      if (existsSync(host)) return { host, slot: join(place, "runtime/hosts/slot-main.js") };
    }
    const above = dirname(folder);
    if (above === folder) throw new Error("bug: the built host isn't beside this package; has it been built (`node build.mjs`)?");
    folder = above;
  }
}
