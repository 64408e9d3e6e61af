// For a file that is command line, host and slot at once (a bundle).
import { role, startFrom } from "./entry.ts";
import { startSlot } from "./slot.ts";
import { startSupervisor } from "./supervisor.ts";

/**
 * To be called first, with the file's own path: hosts are started from this file from now on. True where this process or thread
 * *is* a host or slot: it has been started, and nothing else should be.
 */
export function startedAsHost(file: string): boolean {
  startFrom(file);
  const started = role();
  if (started === "host") startSupervisor();
  if (started === "slot") startSlot();
  return started !== null;
}
