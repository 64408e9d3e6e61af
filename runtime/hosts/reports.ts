// What a slot tells while tasks run: printed text, tracked numbers, progress. Gathered, and sent at most every REPORT_EVERY_MS,
// also from within code that never lets timers run. Must not know how it is sent.
import type { FromHost } from "./link.ts";

const REPORT_EVERY_MS = 50;
/** So many texts in one interval are sent at once each, so that what was printed before a crash is seen. */
const PROMPT_TEXTS = 32;
const MOST_POINTS = 4096;

type Report = Extract<FromHost, { type: "metric" | "progress" | "log" }>;

export class Reports {
  readonly #send: (report: Report) => void;
  #run = -1;
  #stage = -1;
  readonly #metrics = new Map<string, { steps: number[]; values: number[] }>();
  #points = 0;
  #progress: { done: number; total: number; unit: string } | null = null;
  readonly #texts: { stream: "stdout" | "stderr"; text: string }[] = [];
  #prompt = 0;
  #sentMs = -Infinity;
  #timer: NodeJS.Timeout | null = null;

  constructor(send: (report: Report) => void) {
    this.#send = send;
  }

  /** What follows belongs to this stage. */
  begin(run: number, stage: number): void {
    if (run === this.#run && stage === this.#stage) return;
    this.flush();
    this.#run = run;
    this.#stage = stage;
  }

  readonly metric = (name: string, step: number, value: number): void => {
    let points = this.#metrics.get(name);
    if (!points) this.#metrics.set(name, (points = { steps: [], values: [] }));
    points.steps.push(step);
    points.values.push(value);
    this.#points++;
    this.#due();
  };

  readonly progress = (done: number, total: number, unit: string): void => {
    this.#progress = { done, total, unit };
    this.#due();
  };

  text(stream: "stdout" | "stderr", text: string): void {
    const last = this.#texts.at(-1);
    if (last?.stream === stream) last.text += text;
    else this.#texts.push({ stream, text });
    if (this.#prompt++ < PROMPT_TEXTS) this.#flushTexts();
    this.#due();
  }

  flush(): void {
    if (this.#timer) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    this.#flushTexts();
    this.#prompt = 0;
    const [run, stage] = [this.#run, this.#stage];
    for (const [name, { steps, values }] of this.#metrics)
      this.#send({ type: "metric", run, stage, name, steps: Float64Array.from(steps), values: Float64Array.from(values) });
    this.#metrics.clear();
    this.#points = 0;
    if (this.#progress) this.#send({ type: "progress", run, stage, ...this.#progress });
    this.#progress = null;
  }

  #flushTexts(): void {
    for (const { stream, text } of this.#texts) this.#send({ type: "log", run: this.#run, stage: this.#stage, stream, text });
    this.#texts.length = 0;
  }

  #due(): void {
    const nowMs = performance.now();
    if (nowMs - this.#sentMs >= REPORT_EVERY_MS || this.#points >= MOST_POINTS) {
      this.#sentMs = nowMs;
      this.flush();
    } else this.#timer ??= setTimeout(() => this.flush(), REPORT_EVERY_MS);
  }
}

/** Everything that user code prints in this thread goes to `text`. */
export function capturePrinting(text: (stream: "stdout" | "stderr", text: string) => void): void {
  for (const stream of ["stdout", "stderr"] as const) {
    const write = (chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
      text(stream, typeof chunk === "string" ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString("utf8"));
      const callback = typeof encoding === "function" ? encoding : done;
      if (typeof callback === "function") process.nextTick(callback as () => void);
      return true;
    };
    process[stream].write = write as typeof process.stdout.write;
  }
}
