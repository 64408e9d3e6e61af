// What the parts of one host say among themselves: the engine's side (`host.ts`), the host's own thread (`supervisor.ts`) and its
// slots (`slot.ts`). Data only. What engines see of hosts is in `link.ts`.
import type { MessagePort } from "node:worker_threads";
import type { Json, Plan } from "../../compiler/plan.ts";
import type { TaskError } from "../events/events.ts";
import type { FromHost, GangPlan, MeetingPoint, ToHost } from "./link.ts";

/** A piece of shared memory. */
export interface Region {
  readonly buffer: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A value in shared memory, as the codec splits it. Threads hand it to each other without copying. */
export interface SharedValue {
  /** Size as one run of bytes. */
  readonly bytes: number;
  readonly structure: Region;
  readonly arrays: readonly (Region & { /** Element type, as the codec numbers them. */ readonly code: number })[];
}

export interface StoredValue {
  readonly run: number;
  readonly stage: number;
  readonly block: number;
  readonly value: SharedValue;
}

/** First frame of each connection to the engine's side. */
export type Hello =
  | { readonly type: "hello"; readonly token: string; readonly from: "host"; readonly pid: number; readonly meets: MeetingPoint | null }
  /** `life` counts the threads that this slot has had. */
  | { readonly type: "hello"; readonly token: string; readonly from: "slot"; readonly slot: number; readonly life: number };

/** Engine's side → the host's own thread. */
export type ToSupervisor =
  | Extract<ToHost, { type: "free" | "fetch" | "place" | "finish" | "abort" }>
  /** A run begins; `timeouts`: some of its stages have one. */
  | { readonly type: "watch"; readonly run: number; readonly timeouts: boolean }
  /** Take an assignment back that the slot hasn't begun. */
  | { readonly type: "takeBack"; readonly slot: number; readonly life: number; readonly order: number };

/**
 * The host's own thread → engine's side. `task` is what the lost slot was running; `stuck`: the thread can't be ended, so the host
 * process ends itself next.
 */
export type FromSupervisor =
  | Extract<FromHost, { type: "object" | "beat" }>
  | {
      readonly type: "slotEnded";
      readonly slot: number;
      readonly life: number;
      readonly reason: Omit<TaskError, "stage" | "block" | "attempt">;
      readonly task: RunningTask | null;
      readonly stuck: boolean;
    }
  | { readonly type: "tookBack"; readonly slot: number; readonly life: number; readonly order: number; readonly taken: boolean }
  /** The host process ends itself. */
  | { readonly type: "ending"; readonly reason: string };

/** Engine's side → a slot. */
export type ToSlot =
  | Exclude<ToHost, { type: "fetch" | "place" | "prepare" | "assign" | "abort" }>
  /** `order` numbers what a slot was ever assigned. */
  | (Extract<ToHost, { type: "assign" }> & { readonly order: number })
  /** In this order. One frame costs less than several. */
  | { readonly type: "several"; readonly messages: readonly ToSlot[] }
  /** Code has become files by then. A plan that the slot has had before goes by its hash. */
  | {
      readonly type: "prepare";
      readonly run: number;
      readonly plan: Plan | string;
      readonly params: { readonly [name: string]: Json };
      readonly check: boolean;
      readonly results: string | null;
    };

/**
 * A slot → engine's side. `dropped`: it came to an assignment that had been taken back. Said in its place among the answers, which may be
 * heard before the host's own thread says the same.
 */
export type SlotAnswer = FromHost | { readonly type: "dropped"; readonly order: number };

/** A member of a gang, as its host's own thread knows it. */
export interface Member {
  readonly run: number;
  readonly stage: number;
  readonly attempt: number;
  readonly rank: number;
  readonly members: number;
  /** Null: all of them are at this host. */
  readonly plan: GangPlan | null;
}

/** Slot → the host's own thread. */
export type FromSlot =
  /** Answered by `joined` once all members are there, or the gang is given up. */
  | ({ readonly type: "join" } & Member)
  /** The thread runs. */
  | { readonly type: "begun" }
  | { readonly type: "stored"; readonly values: readonly StoredValue[] }
  /** Answered by `values` in the order of `blocks`, once all are there. */
  | { readonly type: "wanted"; readonly request: number; readonly run: number; readonly stage: number; readonly blocks: readonly number[] };

/** The host's own thread → slot. `null`: nobody holds it any more. */
export type SupervisorToSlot =
  /**
   * `control` as `SharedCollective` lays it out, and a port to each other member by rank; null: the gang was given up, or `refused`, with why.
   */
  | {
      readonly type: "joined";
      readonly run: number;
      readonly stage: number;
      readonly attempt: number;
      readonly gang: {
        readonly control: SharedArrayBuffer;
        readonly ports: readonly (MessagePort | null)[];
        /** Where members are at several hosts. */
        readonly wire: { readonly port: MessagePort; readonly here: number; readonly places: readonly number[] } | null;
      } | null;
      readonly refused?: string;
    }
  | { readonly type: "values"; readonly request: number; readonly values: readonly (SharedValue | null)[] };

/** What a slot thread is started with. */
export interface SlotSettings {
  readonly socket: string;
  readonly token: string;
  readonly slot: number;
  readonly life: number;
  /** Where the slices lie, by digest. */
  readonly folder: string;
  /** Calls of actors are told, not written down here. */
  readonly tellsCalls: boolean;
  /** As `Watch` and `Claims` lay it out. */
  readonly shared: SharedArrayBuffer;
}

export const SHARED_BYTES = 56 + 4 * 1024;

/** What a host process reads from its standard input, as one line of JSON. */
export interface HostSettings {
  readonly socket: string;
  readonly token: string;
  readonly slots: number;
  readonly slotEntry: string;
  /** JavaScript heap that a slot may have. */
  readonly slotHeapBytes: number;
  /** Memory that the whole process may have. */
  readonly limitBytes: number;
  readonly folder: string;
  readonly tellsCalls: boolean;
  /** Where members of gangs at other hosts meet those of this one: the address to listen at, and the one that others know. */
  readonly meetsAt: { readonly listen: string; readonly host: string } | null;
}

export interface RunningTask {
  readonly run: number;
  /** In `Plan.stages`. */
  readonly planned: number;
  readonly block: number;
  readonly attempt: number;
}

/** Milliseconds on a clock that all threads of a process share. */
export function sharedNowMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** What a slot is doing, in shared memory: written by the slot before and after each task, read by the host's own thread. */
export class Watch {
  readonly #cells: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Float64Array(memory, 0, 7);
  }

  begin(run: number, planned: number, block: number, attempt: number, limitMs: number): void {
    const cells = this.#cells;
    cells[1] = run;
    cells[2] = planned;
    cells[3] = block;
    cells[4] = attempt;
    cells[5] = limitMs;
    // Reading the clock costs more than a small task does.
    cells[6] = limitMs === Infinity ? Infinity : sharedNowMs() + limitMs;
    cells[0] = 1;
  }

  end(): void {
    this.#cells[0] = 0;
  }

  /** What runs now, how long it may, and by when it must be done on the shared clock (`Infinity`: no limit). */
  read(): (RunningTask & { readonly limitMs: number; readonly deadlineMs: number }) | null {
    const cells = this.#cells;
    if (cells[0] === 0) return null;
    return { run: cells[1]!, planned: cells[2]!, block: cells[3]!, attempt: cells[4]!, limitMs: cells[5]!, deadlineMs: cells[6]! };
  }
}

/**
 * Which assignments a slot has begun, and which were taken back before: in shared memory, since a thread inside one long task hears no
 * message, and what waits behind that task is what another slot could do. Assignments use the cells in turn; a cell holds the last that
 * was decided, twice its number, and one more where it was taken back. Numbers may wrap: their differences don't.
 */
export class Claims {
  readonly #cells: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory, 56, 1024);
  }

  /** False: it was taken back. */
  begin(order: number): boolean {
    const place = order % this.#cells.length;
    const begun = (order * 2) | 0;
    const before = Atomics.load(this.#cells, place);
    // A later one may stand here where very much is assigned; then this one can't be taken back any more.
    if (((before - begun) | 0) >= 0) return before !== begun + 1;
    return Atomics.compareExchange(this.#cells, place, before, begun) !== begun + 1;
  }

  isTakenBack(order: number): boolean {
    return Atomics.load(this.#cells, order % this.#cells.length) === ((order * 2 + 1) | 0);
  }

  /** False: it has begun. */
  takeBack(order: number): boolean {
    const place = order % this.#cells.length;
    const begun = (order * 2) | 0;
    const before = Atomics.load(this.#cells, place);
    if (((before - begun) | 0) >= 0) return false;
    return Atomics.compareExchange(this.#cells, place, before, begun + 1) === before;
  }
}

/** Plans made by hand, as in tests, have no hash to be known by. */
export function isCacheable(plan: Plan): boolean {
  return /^[0-9a-f]{64}$/.test(plan.hash);
}
