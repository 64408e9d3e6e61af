// Jupyter's requests and what they are answered with, by the messaging protocol 5.4. Knows messages, not sockets: `wire.ts` has those.

import { operationNames } from "../compiler/2-check/operations.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { render } from "../lang/render.ts";
import { nearest } from "../lang/suggest.ts";
import type { TaskError } from "../runtime/events/events.ts";
import { askedText } from "../runtime/events/events.ts";
import type { MimeBundle } from "./display.ts";
import { displayValue, Progress } from "./display.ts";
import type { SessionOptions } from "./session.ts";
import { Session } from "./session.ts";

export type Content = Readonly<Record<string, unknown>>;

export interface Request {
  readonly type: string;
  readonly content: Content;
}

/** What is to be done after an answer: drop the cells that wait behind one that failed, or end the process. */
export type Next = "go on" | "abort waiting" | "shutdown";

/** Where a request's answers go. */
export interface Outlet {
  reply(type: string, content: Content): void;
  /** To everybody who watches. */
  publish(type: string, content: Content): void;
}

const PROTOCOL = "5.4";
const PROGRESS_EVERY_MS = 150;
const words = [
  "let",
  "if",
  "else",
  "for",
  "in",
  "do",
  "true",
  "false",
  "null",
  "fit",
  "over",
  "loop",
  "until",
  "max",
  "track",
  "param",
  "pipeline",
  "schedule",
  "import",
  "type",
];

export class Kernel {
  readonly #session: Session;
  readonly #version: string;
  /** What was run, as history has it. */
  readonly #inputs: { readonly count: number; readonly code: string }[] = [];
  #count = 0;
  #unstored = 0;
  #running: AbortController | null = null;
  #display = 0;

  constructor(options: SessionOptions & { readonly version: string }) {
    this.#session = new Session(options);
    this.#version = options.version;
  }

  /** Answers a request. */
  async handle(request: Request, outlet: Outlet): Promise<Next> {
    outlet.publish("status", { execution_state: "busy" });
    try {
      return await this.#answer(request, outlet);
    } finally {
      outlet.publish("status", { execution_state: "idle" });
    }
  }

  /** Answers a request to run a cell that was sent before its sender knew that an earlier one would fail. */
  abort(outlet: Outlet): void {
    outlet.publish("status", { execution_state: "busy" });
    outlet.reply("execute_reply", { status: "aborted", execution_count: this.#count });
    outlet.publish("status", { execution_state: "idle" });
  }

  /** Ends what runs, and the hosts. */
  async close(): Promise<void> {
    this.interrupt();
    await this.#session[Symbol.asyncDispose]();
  }

  interrupt(): void {
    this.#running?.abort();
  }

  async #answer({ type, content }: Request, outlet: Outlet): Promise<Next> {
    switch (type) {
      case "kernel_info_request":
        outlet.reply("kernel_info_reply", this.#info());
        return "go on";
      case "execute_request":
        return (await this.#execute(content, outlet)) || content.stop_on_error === false ? "go on" : "abort waiting";
      case "is_complete_request": {
        const status = Session.state(String(content.code ?? ""));
        outlet.reply("is_complete_reply", status === "incomplete" ? { status, indent: "  " } : { status });
        return "go on";
      }
      case "complete_request":
        outlet.reply("complete_reply", this.#complete(String(content.code ?? ""), Number(content.cursor_pos ?? 0)));
        return "go on";
      case "inspect_request":
        outlet.reply("inspect_reply", this.#inspect(String(content.code ?? ""), Number(content.cursor_pos ?? 0)));
        return "go on";
      case "history_request":
        outlet.reply("history_reply", { status: "ok", history: this.#history(content) });
        return "go on";
      case "comm_info_request":
        outlet.reply("comm_info_reply", { status: "ok", comms: {} });
        return "go on";
      case "interrupt_request":
        this.interrupt();
        outlet.reply("interrupt_reply", { status: "ok" });
        return "go on";
      case "shutdown_request":
        await this.close();
        outlet.reply("shutdown_reply", { status: "ok", restart: content.restart === true });
        return "shutdown";
      default:
        // Requests of newer protocols are none of ours; clients time them out.
        return "go on";
    }
  }

  #info(): Content {
    return {
      status: "ok",
      protocol_version: PROTOCOL,
      implementation: "headrace",
      implementation_version: this.#version,
      banner: `Headrace ${this.#version}: cells are declarations and statements of one growing pipeline`,
      language_info: {
        name: "headrace",
        version: this.#version,
        mimetype: "text/x-headrace",
        file_extension: ".pipe",
        pygments_lexer: "typescript",
        codemirror_mode: "typescript",
      },
      help_links: [],
    };
  }

  /** False where the cell failed. Whatever goes wrong is the cell's failure: the kernel lives on. */
  async #execute(content: Content, outlet: Outlet): Promise<boolean> {
    const code = String(content.code ?? "");
    const silent = content.silent === true;
    const stored = !silent && content.store_history !== false;
    if (stored) this.#inputs.push({ count: ++this.#count, code });
    const execution_count = this.#count;
    if (!silent) outlet.publish("execute_input", { code, execution_count });
    const done = () => outlet.reply("execute_reply", { status: "ok", execution_count, payload: [], user_expressions: {} });
    const fail = (ename: string, evalue: string, traceback: readonly string[]): false => {
      const error = { ename, evalue, traceback };
      if (!silent) outlet.publish("error", error);
      outlet.reply("execute_reply", { status: "error", execution_count, ...error });
      return false;
    };
    if (code.trim() === "") {
      done();
      return true;
    }

    const view = new RunView(outlet, `progress-${++this.#display}`, silent);
    const running = new AbortController();
    this.#running = running;
    try {
      const file = stored ? `cell ${execution_count}` : `unnumbered cell ${++this.#unstored}`;
      const result = await this.#session.run(file, code, { onEvent: (event) => view.event(event), signal: running.signal });
      view.close();
      if (result.kind === "wrong") {
        const first = result.diagnostics.find(({ severity }) => severity === "error");
        return fail(first?.code ?? "Error", first?.message ?? "", this.#rendered(result.diagnostics).trimEnd().split("\n"));
      }
      if (result.kind === "failed") return fail(result.error.name, result.error.message, traceback(result.error));
      if (!silent) {
        if (result.remarks.length > 0) outlet.publish("stream", { name: "stderr", text: this.#rendered(result.remarks) });
        const curves = view.curves(result.names);
        if (curves) outlet.publish("display_data", { data: curves, metadata: {}, transient: {} });
        if (result.value) outlet.publish("execute_result", { execution_count, data: displayValue(result.value.shown), metadata: {} });
      }
      done();
      return true;
    } catch (error) {
      const { name, message, stack = "" } = error instanceof Error ? error : new Error(String(error));
      return fail(name, message, ["This is a bug of Headrace's own, please report it:", ...stack.split("\n")]);
    } finally {
      this.#running = null;
      view.close();
    }
  }

  #rendered(diagnostics: readonly Diagnostic[]): string {
    return render(diagnostics, (file) => this.#session.read(file), { color: true });
  }

  #history({ hist_access_type, n, start, stop, pattern, output }: Content): readonly unknown[] {
    let found = this.#inputs;
    if (hist_access_type === "range")
      found = found.filter(({ count }) => count >= Number(start ?? 0) && (stop === undefined || stop === null || count < Number(stop)));
    if (hist_access_type === "search" && typeof pattern === "string") {
      const parts = pattern.split(/([*?])/).map((part) => (part === "*" ? ".*" : part === "?" ? "." : part.replace(/[^\w\s]/g, "\\$&")));
      const matches = new RegExp(`^${parts.join("")}$`, "s");
      found = found.filter(({ code }) => matches.test(code));
    }
    if (hist_access_type !== "range" && typeof n === "number") found = n > 0 ? found.slice(-n) : [];
    return found.map(({ count, code }) => [0, count, output === true ? [code, null] : code]);
  }

  #complete(code: string, cursor: number): Content {
    const before = firstPoints(code, cursor);
    const prefix = /[\w$]*$/.exec(before)?.[0] ?? "";
    const matches = [...new Set([...this.#session.names(), ...operationNames, ...words])]
      .filter((name) => name.startsWith(prefix) && name !== prefix)
      .sort();
    return { status: "ok", matches, cursor_start: cursor - prefix.length, cursor_end: cursor, metadata: {} };
  }

  #inspect(code: string, cursor: number): Content {
    const before = firstPoints(code, cursor);
    const name = (/[\w$]*$/.exec(before)?.[0] ?? "") + (/^[\w$]*/.exec(code.slice(before.length))?.[0] ?? "");
    const known = this.#session.describe(name);
    const near = known !== null || name === "" ? null : nearest(name, this.#session.names());
    const text = known ?? (near ? `there is no \`${name}\`; did you mean \`${near}\`?` : null);
    return { status: "ok", found: text !== null, data: text === null ? {} : { "text/plain": text }, metadata: {} };
  }
}

/** Jupyter counts a cursor's place in Unicode code points, JavaScript in UTF-16. */
function firstPoints(text: string, points: number): string {
  return [...text].slice(0, points).join("");
}

function traceback(error: TaskError): string[] {
  const asked = error.actor ? `, ${askedText(error)}` : "";
  const where = error.stage === null ? "" : ` in stage \`${error.stage}\`${error.block === null ? "" : `, block ${error.block}`}${asked}`;
  return [`${error.name}${where}: ${error.message}`, ...error.stack.map((line) => `    ${line.trim()}`)];
}

/** A run as the notebook sees it: lines that stages print, progress that is updated in place, curves at the end. */
class RunView {
  readonly #outlet: Outlet;
  readonly #id: string;
  readonly #silent: boolean;
  readonly #progress = new Progress();
  #shown = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(outlet: Outlet, id: string, silent: boolean) {
    this.#outlet = outlet;
    this.#id = id;
    this.#silent = silent;
  }

  event(event: Parameters<Progress["event"]>[0]): void {
    if (this.#silent) return;
    if (event.type === "log") {
      const lines = event.text.replace(/\n$/, "").split("\n");
      this.#outlet.publish("stream", { name: event.stream, text: lines.map((line) => `${event.name} │ ${line}\n`).join("") });
    } else if (this.#progress.event(event)) this.#timer ??= setTimeout(() => this.#show(), PROGRESS_EVERY_MS);
  }

  #show(): void {
    this.#timer = null;
    const data: MimeBundle = this.#progress.display();
    const content = { data, metadata: {}, transient: { display_id: this.#id } };
    this.#outlet.publish(this.#shown ? "update_display_data" : "display_data", content);
    this.#shown = true;
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    // A run that was over at once needs no account of itself.
    if (this.#timer && this.#shown) this.#show();
    this.#timer = null;
  }

  /** Of the stages that the cell itself named: others were shown with theirs. */
  curves(names: readonly string[]): MimeBundle | null {
    return this.#progress.curves(names);
  }
}
