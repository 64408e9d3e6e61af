// The engine's side of a host: starts the process, gives every slot a socket of its own, and is one `WorkerLink` over all of
// them. It restores what a replaced slot must know. Must not know what a plan means, nor decide what runs where.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import type { Json, Plan } from "../../compiler/plan.ts";
import { withoutSecrets } from "../secrets.ts";
import type { HostEntry } from "./entry.ts";
import { defaultEntry, HOST_ARGUMENT } from "./entry.ts";
import { FrameReader, frame } from "./frames.ts";
import type { FromSupervisor, Hello, HostSettings, SlotAnswer, ToSlot, ToSupervisor } from "./inside.ts";
import { isCacheable } from "./inside.ts";
import type { FromHost, MeetingPoint, ToHost, WorkerLink } from "./link.ts";

export type { HostEntry } from "./entry.ts";

export interface HostOptions {
  /** Threads. */
  readonly slots: number;
  /** What to start; default: the bundle that this code is part of, else the package's built files. */
  readonly entry?: HostEntry;
  /** Where members of gangs at other hosts meet those of this one; default: nowhere. */
  readonly meetsAt?: HostSettings["meetsAt"];
  /** What actors are asked is told (`called`), and asked for (`callsWanted`); default: the host writes it down itself. */
  readonly tellsCalls?: boolean;
}

const START_LIMIT_MS = 15_000;
const CLOSE_LIMIT_MS = 2000;
/** So long slots may take to dispose of their resources. */
const DISPOSE_LIMIT_MS = 5000;
/** A finished run is forgotten at the latest then. */
const FINISH_AFTER_MS = 20;
const SMALL_BYTES = 64 * 1024;
const STDERR_KEPT_BYTES = 4096;

/** Starts a host process on this machine. Rejects where it can't be started. */
export async function startHost({ slots, entry = defaultEntry(), meetsAt = null, tellsCalls = false }: HostOptions): Promise<WorkerLink> {
  if (!Number.isSafeInteger(slots) || slots < 1) throw new RangeError(`a host has at least one slot, not ${slots}`);
  // mkdtemp makes folders that only their owner can enter.
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "headrace-")));
  const host = new Host(folder, slots);
  try {
    await host.start(entry, { meetsAt, tellsCalls });
  } catch (error) {
    await host.close();
    throw error;
  }
  return host;
}

/**
 * How much a host may have in all, with what it holds for others, and how much heap each of its slots: `HEADRACE_WORKER_MEMORY` and
 * `HEADRACE_SLOT_MEMORY` say so in megabytes.
 */
function memoryLimits(slots: number): Pick<HostSettings, "slotHeapBytes" | "limitBytes"> {
  // A container that has no limit of its own tells a number beyond all memory.
  const machineBytes = Math.min(process.constrainedMemory?.() || totalmem(), totalmem());
  const limitBytes = megabytes("HEADRACE_WORKER_MEMORY") ?? machineBytes * MACHINE_SHARE;
  const heapBytes = Math.min(MOST_HEAP_BYTES, Math.max(LEAST_HEAP_BYTES, limitBytes / slots));
  return { slotHeapBytes: megabytes("HEADRACE_SLOT_MEMORY") ?? heapBytes, limitBytes };
}

function megabytes(variable: string): number | null {
  const told = process.env[variable];
  if (told === undefined || told === "") return null;
  const value = Number(told);
  if (!(value > 0)) throw new RangeError(`${variable} is \`${told}\`, and has to be a number of megabytes`);
  return value * MB;
}
const MB = 1024 * 1024;
const MACHINE_SHARE = 0.85;
const MOST_HEAP_BYTES = 4096 * MB;
const LEAST_HEAP_BYTES = 256 * MB;

/** What a slot must know of a run before it works for it. */
interface KnownRun {
  readonly plan: Plan;
  readonly params: { readonly [name: string]: Json };
  readonly check: boolean;
  readonly results: string | null;
  /** The plan and its params, written once for all slots that haven't had the plan before. */
  whole: Uint8Array | null;
  /** Values provided so far, and not forgotten. */
  readonly frames: Map<string, Uint8Array>;
}

interface SlotState {
  /** How many threads this slot has had before. */
  life: number;
  socket: Socket | null;
  /** Frames for the thread that is coming up. */
  waiting: Uint8Array[];
  /** Frames that go out together, once what is being done now is done: many small tasks are often handed out at once. */
  outgoing: Uint8Array[];
  /** The thread has ended, as its host told; its socket may still hold answers. */
  ended: Extract<FromSupervisor, { type: "slotEnded" }> | null;
  greeted: boolean;
  /** Runs that this thread has been told of, and plans that it has read. */
  readonly runs: Set<number>;
  readonly plans: Set<string>;
  /** Runs that it may forget, told with whatever comes next. */
  readonly finished: number[];
  /** How many assignments it has had. */
  order: number;
  /** The latest of them by what they are, and those that have been asked back. */
  readonly assigned: Map<string, number>;
  readonly asked: Map<number, Recall>;
}

type Recall = Extract<ToHost, { type: "recall" }>;
/** Of an assignment, as a slot's engine names it: which run, stage, first block and attempt. */
const nameOf = ({ run, stage, first, attempt }: { run: number; stage: number; first: number; attempt: number }) =>
  `${run}:${stage}:${first}:${attempt}`;
/** No slot has as many assignments before it. */
const MOST_ASSIGNED = 4096;

class Host implements WorkerLink {
  readonly id: string;
  readonly slots: number;
  meets: MeetingPoint | null = null;
  onMessage: (message: FromHost) => void = (message) => {
    this.#early.push(message);
    queueMicrotask(() => {
      for (const one of this.#early.splice(0)) this.onMessage(one);
    });
  };
  onLost: (reason: string) => void = () => {};

  /** Sockets and slices; gone with the host. */
  readonly folder: string;
  readonly #token = randomBytes(32);
  readonly #slots: SlotState[];
  readonly #early: FromHost[] = [];
  /** What a new thread must know of each run that is going on. */
  readonly #runs = new Map<number, KnownRun>();
  readonly #written = new Set<string>();
  #server: Server | null = null;
  #child: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();
  #supervisor: Socket | null = null;
  #begun: { resolve(): void; reject(error: Error): void } | null = null;
  #stderr = "";
  #endReason: string | null = null;
  #over = false;
  readonly #atExit = () => {
    this.#endGroup();
    rmSync(this.folder, { recursive: true, force: true });
  };

  constructor(folder: string, slots: number) {
    this.folder = folder;
    this.id = folder.slice(folder.lastIndexOf("-") + 1);
    this.slots = slots;
    this.#slots = Array.from({ length: slots }, () => ({
      life: 0,
      socket: null,
      waiting: [],
      outgoing: [],
      runs: new Set(),
      plans: new Set(),
      finished: [],
      order: 0,
      assigned: new Map(),
      asked: new Map(),
      ended: null,
      greeted: false,
    }));
  }

  async start(entry: HostEntry, asked: Pick<HostSettings, "meetsAt" | "tellsCalls">): Promise<void> {
    const path = join(this.folder, "s");
    const server = (this.#server = createServer((socket) => this.#connected(socket)));
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
    process.once("exit", this.#atExit);
    const begun = new Promise<void>((resolve, reject) => {
      this.#begun = { resolve, reject };
    });
    const child = (this.#child = spawn(process.execPath, ["--expose-gc", entry.host, HOST_ARGUMENT], {
      stdio: ["pipe", "pipe", "pipe"],
      env: withoutSecrets(process.env),
      // A process group of its own: Ctrl-C is the engine's to decide, and what user code starts ends with the host.
      detached: true,
    }));
    this.#exited = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#lost(`the host process couldn't be started: ${error.message}`);
        resolve();
      });
      child.once("exit", (code, signal) => {
        this.#endGroup();
        this.#lost(this.#exitReason(code, signal));
        resolve();
      });
    });
    const settings: HostSettings = {
      socket: path,
      token: this.#token.toString("hex"),
      slots: this.slots,
      slotEntry: entry.slot,
      ...memoryLimits(this.slots),
      folder: this.folder,
      ...asked,
    };
    // A host that dies at once is reported by its exit, not by this pipe.
    child.stdin.on("error", () => {});
    child.stdin.end(`${JSON.stringify(settings)}\n`);
    // Only what goes around `console` and `process.stdout` comes here; results have standard output for themselves.
    child.stdout.on("data", (chunk: Buffer) => process.stderr.write(chunk));
    child.stderr.on("data", (chunk: Buffer) => this.#said(chunk.toString("utf8")));
    const late = setTimeout(() => this.#begun?.reject(new Error(`the host didn't start within ${START_LIMIT_MS} ms`)), START_LIMIT_MS);
    try {
      await begun;
    } finally {
      clearTimeout(late);
      this.#begun = null;
    }
  }

  // --- Connections -----------------------------------------------------------------------------------------------------------

  #connected(socket: Socket): void {
    let heard = (message: unknown): void => {
      const hello = message as Hello;
      const token = Buffer.from(String(hello?.token), "hex");
      if (hello?.type !== "hello" || token.length !== this.#token.length || !timingSafeEqual(token, this.#token)) {
        socket.destroy();
        return;
      }
      if (hello.from === "host") this.meets = hello.meets;
      heard = hello.from === "host" ? this.#supervised(socket) : this.#greeted(socket, hello.slot, hello.life);
    };
    const reader = new FrameReader((message) => heard(message));
    socket.on("data", (chunk: Uint8Array) => {
      if (!socket.destroyed) reader.push(chunk);
    });
    // What a broken connection means, its `close` and the host's exit tell.
    socket.on("error", () => {});
  }

  #supervised(socket: Socket): (message: unknown) => void {
    this.#supervisor = socket;
    this.#begun?.resolve();
    return (message) => {
      const from = message as FromSupervisor;
      if (from.type === "ending") {
        this.#endReason = from.reason;
        return;
      }
      if (from.type === "tookBack") {
        this.#tookBack(from);
        return;
      }
      if (from.type !== "slotEnded") {
        this.onMessage(from);
        return;
      }
      const slot = this.#slots[from.slot]!;
      slot.ended = from;
      if (from.stuck) {
        slot.socket?.destroy();
        slot.socket = null;
      }
      // Its last answers may still be on their way: they count, and come before the loss.
      if (slot.socket === null) this.#replaced(from.slot);
    };
  }

  #greeted(socket: Socket, index: number, life: number): (message: unknown) => void {
    const slot = this.#slots[index]!;
    if (life < slot.life) {
      socket.destroy();
      return () => {};
    }
    // The new thread may greet before the old one's end is known here; what is sent until then is lost with the old one.
    if (life > slot.life) forgetThread(slot);
    const greeted = () => {
      slot.socket = socket;
      slot.greeted = true;
      const frames = slot.waiting;
      slot.waiting = [];
      socket.cork();
      for (const one of frames) socket.write(one);
      socket.uncork();
    };
    if (life === slot.life) greeted();
    else this.#whenReplaced.set(index, greeted);
    socket.once("close", () => {
      if (slot.socket !== socket) return;
      slot.socket = null;
      if (slot.ended) this.#replaced(index);
    });
    if (this.#slots.every((one) => one.greeted) && !this.#announced) {
      this.#announced = true;
      this.onMessage({ type: "ready", slots: this.slots, pid: this.#child!.pid! });
    }
    return (message) => {
      const answer = message as SlotAnswer;
      if (answer.type === "dropped") this.#takenBack(slot, answer.order);
      else this.onMessage(answer);
    };
  }
  readonly #whenReplaced = new Map<number, () => void>();
  #announced = false;

  /** A slot's thread is gone, and all that it had to say has been heard. */
  #replaced(index: number): void {
    const slot = this.#slots[index]!;
    const { reason, task } = slot.ended!;
    const stage = task ? (this.#runs.get(task.run)?.plan.stages[task.planned]?.id ?? null) : null;
    slot.ended = null;
    slot.life++;
    forgetThread(slot);
    const greeted = this.#whenReplaced.get(index);
    this.#whenReplaced.delete(index);
    greeted?.();
    this.onMessage({
      type: "slotLost",
      slot: index,
      run: stage === null ? null : task!.run,
      reason: { ...reason, stage, block: stage === null ? null : task!.block, attempt: stage === null ? null : task!.attempt },
    });
  }

  // --- Sending ---------------------------------------------------------------------------------------------------------------

  send(message: ToHost): void {
    if (this.#over) return;
    switch (message.type) {
      case "prepare":
        this.#prepare(message);
        break;
      case "provide": {
        const bytes = frame(message);
        this.#runs.get(message.run)?.frames.set(message.key, bytes);
        for (const slot of this.#slots) if (slot.runs.has(message.run)) this.#toSlot(slot, [bytes]);
        break;
      }
      case "forget":
        for (const key of message.keys) this.#runs.get(message.run)?.frames.delete(key);
        for (const slot of this.#slots) if (slot.runs.has(message.run)) this.#toSlot(slot, [frame(message)]);
        break;
      case "assign":
        this.#assign(message);
        break;
      case "calls": {
        const slot = this.#slots[message.slot];
        // Whoever asked is gone with its thread.
        if (slot?.life === message.life) this.#toSlot(slot, [frame(message)]);
        break;
      }
      case "recall":
        this.#recall(message);
        break;
      case "finish":
        this.#finish(message.run);
        break;
      case "free":
        this.#toSupervisor(message);
        for (const slot of this.#slots) if (slot.runs.has(message.run)) this.#toSlot(slot, [frame(message)]);
        break;
      case "fetch":
      case "place":
      case "abort":
        this.#toSupervisor(message);
        break;
    }
  }

  #prepare({ run, plan, params, check, results, code }: Extract<ToHost, { type: "prepare" }>): void {
    for (const { digest, module, map } of code) this.#writeSlice(digest, module, map);
    this.#runs.set(run, { plan, params, check, results, whole: null, frames: new Map() });
    this.#hasResources ||= Object.values(plan.functions).some(({ resource }) => resource);
    if (plan.stages.some((stage) => stage.options.timeoutMs !== undefined || stage.within))
      this.#toSupervisor({ type: "watch", run, timeouts: true });
  }

  /** A slot is told of a run when it gets its first work of it, in one go: most runs never need all slots. */
  #assign(message: Extract<ToHost, { type: "assign" }>): void {
    const slot = this.#slots[message.slot]!;
    const known = this.#runs.get(message.run);
    const messages: ToSlot[] = [];
    let provided: readonly Uint8Array[] = [];
    if (known && !slot.runs.has(message.run)) {
      slot.runs.add(message.run);
      const { plan, params, check, results } = known;
      const had = slot.plans.has(plan.hash);
      if (isCacheable(plan)) slot.plans.add(plan.hash);
      const { run } = message;
      if (had) messages.push({ type: "prepare", run, plan: plan.hash, params, check, results });
      else this.#toSlot(slot, [(known.whole ??= frame({ type: "prepare", run, plan, params, check, results } satisfies ToSlot))]);
      provided = [...known.frames.values()];
    }
    // Values that were provided before stand between a run's beginning and its first work.
    if (provided.length > 0) this.#toSlot(slot, [...messages.splice(0).map(frame), ...provided]);
    const order = ++slot.order;
    slot.assigned.set(nameOf(message), order);
    if (slot.assigned.size > MOST_ASSIGNED) slot.assigned.delete(slot.assigned.keys().next().value!);
    const assign = { ...message, order };
    messages.push(assign);
    if (slot.socket) messages.unshift(...slot.finished.splice(0).map((run): ToSlot => ({ type: "finish", run })));
    this.#toSlot(slot, [frame(messages.length === 1 ? assign : ({ type: "several", messages } satisfies ToSlot))]);
  }

  /** A whole assignment is taken back over the head of its thread, which may be inside a task; the end of one by the thread itself. */
  #recall(message: Recall): void {
    const slot = this.#slots[message.slot]!;
    const order = slot.assigned.get(nameOf(message));
    if (order === undefined) this.#toSlot(slot, [frame(message)]);
    else {
      slot.asked.set(order, message);
      this.#toSupervisor({ type: "takeBack", slot: message.slot, life: slot.life, order });
    }
  }

  #tookBack({ slot: index, life, order, taken }: Extract<FromSupervisor, { type: "tookBack" }>): void {
    const slot = this.#slots[index]!;
    // All that an ended thread had is lost with it.
    if (life !== slot.life) return;
    if (taken) this.#takenBack(slot, order);
    else {
      const asked = slot.asked.get(order);
      slot.asked.delete(order);
      if (asked) this.#toSlot(slot, [frame(asked)]);
    }
  }

  /** Heard of twice, and told once: by the host's own thread, and by the slot before any answer to what stood behind it. */
  #takenBack(slot: SlotState, order: number): void {
    const asked = slot.asked.get(order);
    if (!asked) return;
    slot.asked.delete(order);
    const { run, stage, first, count, attempt } = asked;
    this.onMessage({ type: "recalled", run, slot: asked.slot, stage, first, count, attempt });
  }

  #finish(run: number): void {
    this.#runs.delete(run);
    for (const slot of this.#slots) if (slot.runs.delete(run)) slot.finished.push(run);
    this.#finished.push(run);
    if (this.#hasResources) this.#tellFinished();
    else this.#finishing ??= setTimeout(() => this.#tellFinished(), FINISH_AFTER_MS);
  }
  /** Some slot may hold what wants to be disposed of. */
  #hasResources = false;
  /** Runs that the host may forget; told a little later, so that the next run needn't wait for that. */
  readonly #finished: number[] = [];
  #finishing: NodeJS.Timeout | null = null;

  #tellFinished(): void {
    if (this.#finishing) clearTimeout(this.#finishing);
    this.#finishing = null;
    if (this.#over) return;
    for (const run of this.#finished.splice(0)) this.#toSupervisor({ type: "finish", run });
    for (const slot of this.#slots) if (slot.finished.length > 0) this.#toSlot(slot, []);
  }

  #toSupervisor(message: ToSupervisor): void {
    this.#supervisor?.write(frame(message));
  }

  #toSlot(slot: SlotState, frames: readonly Uint8Array[]): void {
    const all =
      slot.finished.length > 0
        ? [...slot.finished.splice(0).map((run) => frame({ type: "finish", run } satisfies ToSlot)), ...frames]
        : frames;
    if (!slot.socket) {
      slot.waiting.push(...all);
      return;
    }
    if (slot.outgoing.length === 0 && all.length > 0) queueMicrotask(() => this.#write(slot));
    slot.outgoing.push(...all);
  }

  #write(slot: SlotState): void {
    const frames = slot.outgoing;
    slot.outgoing = [];
    const { socket } = slot;
    // The thread is gone, and with it whoever these were for.
    if (!socket || frames.length === 0) return;
    // One write of one piece: each wakes the thread, and gathering many small pieces costs more than copying them.
    if (frames.length > 1 && frames.reduce((bytes, one) => bytes + one.length, 0) < SMALL_BYTES) socket.write(Buffer.concat(frames));
    else for (const one of frames) socket.write(one);
  }

  /** Slices are files, so that each slot that needs one reads it and the others don't. */
  #writeSlice(digest: string, module: string, map: string | null): void {
    if (!/^[0-9a-f]+$/.test(digest)) throw new Error(`bug: \`${digest}\` is no digest`);
    if (this.#written.has(digest)) return;
    this.#written.add(digest);
    const mapped = map === null ? "" : `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString("base64")}\n`;
    writeFileSync(join(this.folder, `${digest}.mjs`), module + mapped);
  }

  // --- The end ---------------------------------------------------------------------------------------------------------------

  #said(text: string): void {
    this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT_BYTES);
    // V8 dying of memory prints pages; the reason says it in a line.
    if (!OUT_OF_MEMORY.test(this.#stderr)) process.stderr.write(text);
  }

  #exitReason(code: number | null, signal: NodeJS.Signals | null): string {
    const pid = this.#child?.pid;
    if (this.#endReason !== null) return this.#endReason;
    if (OUT_OF_MEMORY.test(this.#stderr)) return `the host process ${pid} ran out of memory`;
    return signal ? `the host process ${pid} was ended by ${signal}` : `the host process ${pid} ended with exit code ${code}`;
  }

  #lost(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#release();
    if (this.#begun) this.#begun.reject(new Error(reason));
    else this.onLost(reason);
  }

  #endGroup(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch (error) {
      // Nobody of the group is left.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  #release(): void {
    if (this.#finishing) clearTimeout(this.#finishing);
    process.removeListener("exit", this.#atExit);
    this.#server?.close();
    this.#supervisor?.destroy();
    for (const { socket } of this.#slots) socket?.destroy();
    this.#runs.clear();
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true });
  }

  /** Slots close their connections once they have disposed of what they hold; one that is stuck doesn't keep the others waiting for long. */
  async #disposed(): Promise<void> {
    for (const run of [...this.#runs.keys()]) this.#finish(run);
    const closed = this.#slots.flatMap(({ socket }) => (socket ? [new Promise((resolve) => socket.once("close", resolve).end())] : []));
    let late: NodeJS.Timeout | undefined;
    await Promise.race([Promise.all(closed), new Promise((resolve) => (late = setTimeout(resolve, DISPOSE_LIMIT_MS)))]);
    clearTimeout(late);
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (!this.#over && this.#hasResources) await this.#disposed();
    if (!this.#over) {
      this.#over = true;
      this.#release();
    }
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    // It ends by itself when its connection closes.
    const late = setTimeout(() => this.#endGroup(), CLOSE_LIMIT_MS);
    await this.#exited;
    clearTimeout(late);
  }
}

const OUT_OF_MEMORY = /heap out of memory|Allocation failed|FATAL ERROR: .*memory/i;

/** The thread is another: it knows nothing. */
function forgetThread(slot: SlotState): void {
  slot.waiting = [];
  slot.outgoing = [];
  slot.runs.clear();
  slot.plans.clear();
  slot.finished.length = 0;
  slot.assigned.clear();
  slot.asked.clear();
}
