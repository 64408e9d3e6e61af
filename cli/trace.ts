// A run's events as a trace that Perfetto and chrome://tracing open: a process a worker, a thread a slot, a slice a batch of tasks; numbers
// that stages track as counters. The format is the JSON array of the "Trace Event Format" (Google, 2016), whose end may be missing, so that
// a run that is killed leaves a trace all the same. Knows events, not runs.
import type { RunEvent } from "../runtime/events/events.ts";

/** Takes text in pieces, in order. */
export type Write = (text: string) => void;

export interface Trace {
  readonly event: (event: RunEvent) => void;
  /** Nothing may come after it. */
  close(): void;
}

type Entry = { readonly [key: string]: unknown };

/** The process that what no worker does is shown in. */
const ENGINE = 0;

export function createTrace(write: Write): Trace {
  const workers = new Map<string, number>();
  /** By slot: when its last slice ended, in whole microseconds: slices of a thread never overlap. */
  const ends = new Map<string, number>();
  let begun = false;
  let closed = false;

  function put(entry: Entry): void {
    write(`${begun ? ",\n" : "[\n"}${JSON.stringify(entry)}`);
    begun = true;
  }

  const microseconds = (ms: number) => Math.round(ms * 1000);
  const instant = (event: RunEvent, name: string, args: Entry, pid = ENGINE) =>
    put({ ph: "i", name, cat: event.type, ts: microseconds(event.atMs), pid, tid: 0, s: "g", args });

  function joined(worker: string, slots: number): number {
    const known = workers.get(worker);
    if (known !== undefined) return known;
    const pid = workers.size + 1;
    workers.set(worker, pid);
    put({ ph: "M", name: "process_name", pid, tid: 0, args: { name: `worker ${worker}` } });
    for (let slot = 0; slot < slots; slot++) put({ ph: "M", name: "thread_name", pid, tid: slot, args: { name: `slot ${slot}` } });
    return pid;
  }

  function event(event: RunEvent): void {
    switch (event.type) {
      case "run.started":
        put({ ph: "M", name: "process_name", pid: ENGINE, tid: 0, args: { name: `headrace ${event.plan}` } });
        put({ ph: "M", name: "process_labels", pid: ENGINE, tid: 0, args: { labels: `${event.engine}, plan ${event.hash.slice(0, 12)}` } });
        return;
      case "worker.joined":
        joined(event.worker, event.slots);
        return;
      case "tasks.finished": {
        const { stage, instance, worker, slot, first, count, startMs, runMs } = event;
        const pid = joined(worker, slot + 1);
        const key = `${pid}.${slot}`;
        // When a batch began is reckoned from when its end was heard of, so it may seem to begin before the one before it ended.
        const ts = Math.max(microseconds(startMs), ends.get(key) ?? 0);
        const dur = Math.max(0, microseconds(startMs + runMs) - ts);
        ends.set(key, ts + dur);
        const blocks = count === 1 ? `${first}` : `${first}…${first + count - 1}`;
        const name = instance === undefined ? stage : `${stage}[${instance}]`;
        put({ ph: "X", name, cat: "task", ts, dur, pid, tid: slot, args: { blocks, tasks: count } });
        return;
      }
      case "metric": {
        const name = event.instance === undefined ? event.stage : `${event.stage}[${event.instance}]`;
        // Points of one event came within moments of each other: the last one stands for them.
        const value = event.values.at(-1);
        if (value !== undefined)
          put({ ph: "C", name: `${name} ${event.name}`, ts: microseconds(event.atMs), pid: ENGINE, tid: 0, args: { [event.name]: value } });
        return;
      }
      case "task.failed": {
        const { name, instance, block, attempt, error, retried } = event;
        instant(event, `${instance === undefined ? name : `${name}[${instance}]`} failed`, {
          block,
          attempt,
          error: error.message,
          retried,
        });
        return;
      }
      case "worker.lost":
        instant(event, `worker ${event.worker} lost`, { reason: event.reason, tasks: event.tasks }, workers.get(event.worker) ?? ENGINE);
        return;
      case "leader.changed":
        instant(event, `${event.worker} leads the run now`, { epoch: event.epoch }, workers.get(event.worker) ?? ENGINE);
        return;
      case "object.lost":
        instant(event, `${event.stage}: lost results are made again`, { blocks: event.blocks });
        return;
      case "run.finished":
        put({ ph: "X", name: "run", cat: "run", ts: 0, dur: microseconds(event.ms), pid: ENGINE, tid: 0, args: { status: event.status } });
        return;
      default:
        return;
    }
  }

  return {
    event,
    close() {
      if (closed) return;
      closed = true;
      write(begun ? "\n]\n" : "[]\n");
    },
  };
}
