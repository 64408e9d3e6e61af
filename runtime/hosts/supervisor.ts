// The host process's own thread. It starts slot threads, ends those that run past their time, starts others in their place, and
// keeps the table of shared objects. It runs no user code, so it always answers; it goes when its engine goes. Must not know
// plans: what a slot runs is a number to it.
import { readSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { Worker } from "node:worker_threads";
import { decode, partsBytes, split, writeParts } from "../objects/codec.ts";
import { SLOT_FIELD } from "./entry.ts";
import { thrownError } from "./errors.ts";
import { FrameReader, frame } from "./frames.ts";
import { Gangs } from "./gangs.ts";
import type { FromSlot, FromSupervisor, Hello, HostSettings, SharedValue, SlotSettings, SupervisorToSlot, ToSupervisor } from "./inside.ts";
import { Claims, SHARED_BYTES, sharedNowMs, Watch } from "./inside.ts";
import type { ObjectRef } from "./link.ts";
import { Collector, ObjectTable, ObjectWriter, sharedParts } from "./objects.ts";

const BEAT_EVERY_MS = 1000;
const WATCH_EVERY_MS = 20;
const MEMORY_EVERY_MS = 200;
const SHRINKS_MS = 2000;
const MB = 1024 * 1024;
/** So many times the memory has a thread in the place of one that used up its own. */
const ROOMIER = 2;
/** How long a task of a finished run may go on before its thread is ended. */
const GRACE_MS = 100;
/** How long an ended thread may take to be gone; one inside native code or `execSync` can't be stopped at all. */
const END_LIMIT_MS = 1000;
/** An object that was announced comes within moments; one that doesn't is gone. */
const OBJECT_WAIT_MS = 5000;
/** Threads of one slot that may die in a row before they have run anything. */
const STILLBORN_LIMIT = 3;

/** Becomes a host: reads its settings from standard input. Never returns control to a caller that has more to do. */
export function startSupervisor(): void {
  // Ctrl-C reaches the whole process group; what it means is the engine's decision.
  process.on("SIGINT", () => {});
  const settings = JSON.parse(readLine()) as HostSettings;
  const socket = connect(settings.socket);
  const supervisor = new Supervisor(settings, socket);
  const gone = () => {
    // The engine is gone: so is the reason for this process and its folder.
    rmSync(settings.folder, { recursive: true, force: true });
    endWithChildren();
  };
  socket.once("close", gone);
  socket.on("error", gone);
  socket.once("connect", () => void supervisor.start());
}

/** With all processes that user code has started: the host leads a process group. Doesn't wait for threads, as `process.exit` would. */
function endWithChildren(): void {
  process.kill(-process.pid, "SIGKILL");
}

function readLine(): string {
  const bytes: number[] = [];
  const one = new Uint8Array(1);
  while (readSync(0, one) === 1 && one[0] !== 10) bytes.push(one[0]!);
  return Buffer.from(bytes).toString("utf8");
}

interface Slot {
  life: number;
  worker: Worker;
  readonly watch: Watch;
  readonly claims: Claims;
  /** Why this thread is being ended by us. */
  ending: "timeout" | "cancelled" | "memory" | null;
  /** The task that it was last seen at, and how often. */
  at: { readonly task: string; readonly looks: number } | null;
  /** Its thread has more memory than the others. */
  roomy: boolean;
  limitMs: number;
  /** What user code let escape, if that ended the thread. */
  escaped: unknown;
  stillborn: number;
}

/** Waits for values that were announced elsewhere before they came here. */
interface Wanting {
  readonly run: number;
  readonly stage: number;
  readonly blocks: readonly number[];
  readonly answer: (values: (SharedValue | null)[]) => void;
}

class Supervisor {
  readonly #settings: HostSettings;
  readonly #socket: Socket;
  readonly #slots: Slot[] = [];
  readonly #objects = new ObjectTable();
  readonly #writer = new ObjectWriter(null);
  readonly #gangs = new Gangs();
  readonly #collector = new Collector();
  readonly #wanting = new Set<Wanting>();
  /** Runs with stages that have a time limit. */
  readonly #timed = new Set<number>();
  #watching: NodeJS.Timeout | null = null;

  constructor(settings: HostSettings, socket: Socket) {
    this.#settings = settings;
    this.#socket = socket;
  }

  async start(): Promise<void> {
    const { token, meetsAt } = this.#settings;
    let port: number | null = null;
    try {
      if (meetsAt !== null) port = await this.#gangs.listen(meetsAt.listen);
    } catch (error) {
      process.stderr.write(
        `others can't meet this worker at ${meetsAt!.listen}: ${error instanceof Error ? error.message : String(error)}\n`,
      );
    }
    const meets = meetsAt && port !== null ? { host: meetsAt.host, port } : null;
    const hello: Hello = { type: "hello", token, from: "host", pid: process.pid, meets };
    this.#socket.write(frame(hello));
    const reader = new FrameReader((message) => this.#heard(message as ToSupervisor));
    this.#socket.on("data", (chunk: Uint8Array) => reader.push(chunk));
    for (let index = 0; index < this.#settings.slots; index++) {
      const memory = new SharedArrayBuffer(SHARED_BYTES);
      const slot: Slot = {
        life: 0,
        worker: this.#thread(index, 0, memory, false),
        watch: new Watch(memory),
        claims: new Claims(memory),
        ending: null,
        at: null,
        roomy: false,
        limitMs: 0,
        escaped: undefined,
        stillborn: 0,
      };
      this.#slots.push(slot);
      this.#tend(index, slot, memory);
    }
    const beat = () => this.#send({ type: "beat", rssBytes: process.memoryUsage.rss() });
    beat();
    setInterval(beat, BEAT_EVERY_MS);
    setInterval(() => this.#watchMemory(), MEMORY_EVERY_MS);
  }

  // --- Slots ---------------------------------------------------------------------------------------------------------------

  #thread(index: number, life: number, shared: SharedArrayBuffer, roomy: boolean): Worker {
    const { socket, token, folder, slotEntry, slotHeapBytes, tellsCalls } = this.#settings;
    const settings: SlotSettings = { socket, token, slot: index, life, folder, tellsCalls, shared };
    const heapBytes = slotHeapBytes * (roomy ? ROOMIER : 1);
    const resourceLimits = { maxOldGenerationSizeMb: Math.round(heapBytes / MB) };
    return new Worker(slotEntry, { resourceLimits, workerData: { [SLOT_FIELD]: settings }, stdout: true, stderr: true, argv: [] });
  }

  #tend(index: number, slot: Slot, memory: SharedArrayBuffer): void {
    const { worker } = slot;
    let spoke = false;
    // A slot sends its output as messages; what comes here is what Node itself has to say.
    worker.stdout.pipe(process.stderr, { end: false });
    worker.stderr.pipe(process.stderr, { end: false });
    worker.on("message", (message: FromSlot) => {
      spoke = true;
      if (message.type === "begun") slot.stillborn = 0;
      else if (message.type === "join") this.#gangs.join(worker, message);
      else if (message.type === "stored") this.#stored(message.values.map((one) => [one.run, one.stage, one.block, one.value]));
      else {
        const { request } = message;
        this.#want(message.run, message.stage, message.blocks, (values) =>
          worker.postMessage({ type: "values", request, values } satisfies SupervisorToSlot),
        );
      }
    });
    worker.on("error", (error) => {
      slot.escaped = error;
    });
    worker.once("exit", (code) => {
      if (!spoke && ++slot.stillborn >= STILLBORN_LIMIT) {
        process.stderr.write(`slots can't start: ${slot.escaped instanceof Error ? slot.escaped.stack : `exit code ${code}`}\n`);
        process.exit(1);
      }
      this.#tellEnd(index, slot, code, false);
      slot.watch.end();
      // What ran there is tried once more, with nothing beside it.
      slot.roomy ||= isOutOfMemory(slot);
      slot.ending = null;
      slot.escaped = undefined;
      slot.life++;
      slot.worker = this.#thread(index, slot.life, memory, slot.roomy);
      this.#tend(index, slot, memory);
    });
  }

  #end(slot: Slot, why: NonNullable<Slot["ending"]>, limitMs: number): void {
    if (slot.ending) return;
    slot.ending = why;
    slot.limitMs = limitMs;
    const { life } = slot;
    void slot.worker.terminate();
    setTimeout(() => {
      if (slot.life !== life) return;
      this.#tellEnd(this.#slots.indexOf(slot), slot, 0, true);
      const reason = `slot ${this.#slots.indexOf(slot)} of host process ${process.pid} couldn't be ended (it is inside native code or a child process)`;
      this.#socket.end(frame({ type: "ending", reason } satisfies FromSupervisor), endWithChildren);
    }, END_LIMIT_MS);
  }

  #tellEnd(index: number, slot: Slot, code: number, stuck: boolean): void {
    const running = slot.watch.read();
    this.#send({
      type: "slotEnded",
      slot: index,
      life: slot.life,
      reason: endReason(slot, code, this.#settings),
      task: running && { run: running.run, planned: running.planned, block: running.block, attempt: running.attempt },
      stuck,
    });
  }

  /** Arrays lie outside of any heap: nobody sees which thread has them. The longest at its task is ended; alone, it can't be another. */
  #watchMemory(): void {
    for (const slot of this.#slots) {
      const running = slot.watch.read();
      const task = running && `${running.run}.${running.planned}.${running.block}.${running.attempt}`;
      slot.at = task === null ? null : slot.at?.task === task ? { task, looks: slot.at.looks + 1 } : { task, looks: 0 };
    }
    const nowMs = sharedNowMs();
    if (process.memoryUsage.rss() < this.#settings.limitBytes || nowMs < this.#shrinksUntilMs) return;
    const [longest] = this.#slots.filter(({ at, ending }) => at && !ending).sort((a, b) => b.at!.looks - a.at!.looks);
    if (!longest) return;
    this.#shrinksUntilMs = nowMs + SHRINKS_MS;
    this.#end(longest, "memory", 0);
  }
  /** What a thread had goes back to the system a while after its end. */
  #shrinksUntilMs = 0;

  #watchSlots(): void {
    const nowMs = sharedNowMs();
    for (const slot of this.#slots) {
      const running = slot.watch.read();
      if (running && running.deadlineMs < nowMs) this.#end(slot, "timeout", running.limitMs);
    }
  }

  // --- Messages of the engine's side -----------------------------------------------------------------------------------------

  #heard(message: ToSupervisor): void {
    switch (message.type) {
      case "watch":
        if (!message.timeouts) return;
        this.#timed.add(message.run);
        this.#watching ??= setInterval(() => this.#watchSlots(), WATCH_EVERY_MS);
        return;
      case "finish":
        this.#finish(message.run);
        return;
      case "free":
        for (const { stage, first, count } of message.objects) {
          this.#collector.released(this.#objects.free(message.run, stage, first, count));
          const gone = (want: Wanting) =>
            want.run === message.run && want.stage === stage && want.blocks.some((block) => block >= first && block < first + count);
          this.#giveUp(gone);
        }
        return;
      case "place": {
        const { ref, bytes } = message;
        this.#stored([[ref.run, ref.stage, ref.block, this.#writer.write(split(decode(bytes, { share: true })))]]);
        return;
      }
      case "abort":
        this.#gangs.giveUp(message);
        return;
      case "fetch":
        this.#fetch(message.request, message.ref);
        return;
      case "takeBack": {
        const { slot, life, order } = message;
        const taken = this.#slots[slot]!.life === life && this.#slots[slot]!.claims.takeBack(order);
        this.#send({ type: "tookBack", slot, life, order, taken });
        return;
      }
    }
  }

  #fetch(request: number, { run, stage, block }: ObjectRef): void {
    this.#want(run, stage, [block], ([value]) => {
      this.#send({ type: "object", request, bytes: value ? asBytes(value) : null });
    });
  }

  #finish(run: number): void {
    this.#collector.released(this.#objects.finish(run));
    this.#giveUp((want) => want.run === run);
    this.#timed.delete(run);
    this.#gangs.finish(run);
    if (this.#timed.size === 0 && this.#watching) {
      clearInterval(this.#watching);
      this.#watching = null;
    }
    setTimeout(() => {
      for (const slot of this.#slots) if (slot.watch.read()?.run === run) this.#end(slot, "cancelled", 0);
    }, GRACE_MS);
  }

  // --- Objects ---------------------------------------------------------------------------------------------------------------

  #stored(values: readonly (readonly [run: number, stage: number, block: number, value: SharedValue])[]): void {
    for (const [run, stage, block, value] of values) this.#objects.set(run, stage, block, value);
    for (const want of this.#wanting) this.#answer(want, false);
  }

  #want(run: number, stage: number, blocks: readonly number[], answer: Wanting["answer"]): void {
    const want: Wanting = { run, stage, blocks, answer };
    this.#wanting.add(want);
    this.#answer(want, false);
    if (this.#wanting.has(want)) setTimeout(() => this.#giveUp((one) => one === want), OBJECT_WAIT_MS).unref();
  }

  #giveUp(which: (want: Wanting) => boolean): void {
    for (const want of this.#wanting) if (which(want)) this.#answer(want, true);
  }

  #answer(want: Wanting, evenPartly: boolean): void {
    const values = want.blocks.map((block) => this.#objects.get(want.run, want.stage, block) ?? null);
    if (!evenPartly && values.includes(null)) return;
    this.#wanting.delete(want);
    want.answer(values);
  }

  #send(message: FromSupervisor): void {
    this.#socket.write(frame(message));
  }
}

function asBytes(value: SharedValue): Uint8Array {
  const parts = sharedParts(value);
  const bytes = new Uint8Array(partsBytes(parts));
  writeParts(parts, bytes);
  return bytes;
}

function isOutOfMemory({ ending, escaped }: Slot): boolean {
  return ending === "memory" || (escaped as { code?: unknown } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
}

const sizeText = (bytes: number): string => (bytes < 1024 * MB ? `${Math.round(bytes / MB)} MB` : `${(bytes / MB / 1024).toFixed(1)} GB`);

function endReason(
  slot: Slot,
  code: number,
  { folder, slotHeapBytes, limitBytes }: HostSettings,
): (FromSupervisor & { type: "slotEnded" })["reason"] {
  if (slot.ending === "timeout")
    return { kind: "timeout", name: "Timeout", message: `ran longer than its limit of ${slot.limitMs} ms and was ended`, stack: [] };
  if (slot.ending === "cancelled") return { kind: "cancelled", name: "Cancelled", message: "its run is over", stack: [] };
  if (slot.ending === "memory") {
    const message = `the code was running when its worker had used up ${sizeText(limitBytes)} of memory`;
    return { kind: "memory", name: "OutOfMemory", message, stack: [] };
  }
  if (slot.escaped === undefined)
    return { kind: "lost", name: "Exit", message: `the code called process.exit(${code}), which ends its slot`, stack: [] };
  if (isOutOfMemory(slot)) {
    const message = `the code used up the ${sizeText(slotHeapBytes * (slot.roomy ? ROOMIER : 1))} of memory that its slot has`;
    return { kind: "memory", name: "OutOfMemory", message, stack: [] };
  }
  const { name, message, stack } = thrownError(slot.escaped, folder);
  return {
    kind: "lost",
    name,
    message: `${message} (thrown outside any task, or a rejection that nobody handled, which ends the slot)`,
    stack,
  };
}
