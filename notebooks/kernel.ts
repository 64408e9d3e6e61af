// Jupyter's requests and what they are answered with, by the messaging protocol 5.4. Knows messages, not sockets: `wire.ts` has those.

import { operationNames } from "../compiler/2-check/operations.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { render } from "../lang/render.ts";
import { nearest } from "../lang/suggest.ts";
import type { TaskError } from "../runtime/events/events.ts";
import type { MimeBundle } from "./display.ts";
import { displayValue, Progress } from "./display.ts";
import { Session } from "./session.ts";

export type Content = Readonly<Record<string, unknown>>;

export interface Request {
  readonly type: string;
  readonly content: Content;
}

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
  #count = 0;
  #running: AbortController | null = null;
  #display = 0;

  constructor(folder: string, version: string) {
    this.#session = new Session(folder);
    this.#version = version;
  }

  /** Answers a request; `shutdown` asks the process to end. */
  async handle(request: Request, outlet: Outlet): Promise<"go on" | "shutdown"> {
    outlet.publish("status", { execution_state: "busy" });
    try {
      return await this.#answer(request, outlet);
    } finally {
      outlet.publish("status", { execution_state: "idle" });
    }
  }

  interrupt(): void {
    this.#running?.abort();
  }

  async #answer({ type, content }: Request, outlet: Outlet): Promise<"go on" | "shutdown"> {
    switch (type) {
      case "kernel_info_request":
        outlet.reply("kernel_info_reply", this.#info());
        return "go on";
      case "execute_request":
        await this.#execute(content, outlet);
        return "go on";
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
        outlet.reply("history_reply", { status: "ok", history: [] });
        return "go on";
      case "comm_info_request":
        outlet.reply("comm_info_reply", { status: "ok", comms: {} });
        return "go on";
      case "interrupt_request":
        this.interrupt();
        outlet.reply("interrupt_reply", { status: "ok" });
        return "go on";
      case "shutdown_request":
        this.interrupt();
        await this.#session.close();
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

  async #execute(content: Content, outlet: Outlet): Promise<void> {
    const code = String(content.code ?? "");
    const silent = content.silent === true;
    if (!silent && content.store_history !== false) this.#count++;
    const execution_count = this.#count;
    if (!silent) outlet.publish("execute_input", { code, execution_count });
    const fail = (ename: string, evalue: string, traceback: readonly string[]) => {
      const error = { ename, evalue, traceback };
      if (!silent) outlet.publish("error", error);
      outlet.reply("execute_reply", { status: "error", execution_count, ...error });
    };
    if (code.trim() === "") {
      outlet.reply("execute_reply", { status: "ok", execution_count, payload: [], user_expressions: {} });
      return;
    }

    const view = new RunView(outlet, `progress-${++this.#display}`, silent);
    this.#running = new AbortController();
    let result: Awaited<ReturnType<Session["run"]>>;
    try {
      result = await this.#session.run(`cell ${execution_count}`, code, {
        onEvent: (event) => view.event(event),
        signal: this.#running.signal,
      });
    } finally {
      this.#running = null;
      view.close();
    }
    switch (result.kind) {
      case "wrong": {
        const errors = result.diagnostics.filter(({ severity }) => severity === "error");
        fail(errors[0]?.code ?? "Error", errors[0]?.message ?? "", this.#rendered(result.diagnostics).split("\n"));
        return;
      }
      case "failed":
        fail(result.error.name, result.error.message, traceback(result.error));
        return;
      case "ok":
        if (!silent) {
          if (result.remarks.length > 0) outlet.publish("stream", { name: "stderr", text: this.#rendered(result.remarks) });
          view.curves();
          if (result.value) outlet.publish("execute_result", { execution_count, data: displayValue(result.value.shown), metadata: {} });
        }
        outlet.reply("execute_reply", { status: "ok", execution_count, payload: [], user_expressions: {} });
    }
  }

  #rendered(diagnostics: readonly Diagnostic[]): string {
    return render(diagnostics, (file) => this.#session.read(file), { color: true });
  }

  #complete(code: string, cursor: number): Content {
    const start = cursor - (/[\w$]*$/.exec(code.slice(0, cursor))?.[0].length ?? 0);
    const prefix = code.slice(start, cursor);
    const matches = [...new Set([...this.#session.names(), ...operationNames, ...words])]
      .filter((name) => name.startsWith(prefix) && name !== prefix)
      .sort();
    return { status: "ok", matches, cursor_start: start, cursor_end: cursor, metadata: {} };
  }

  #inspect(code: string, cursor: number): Content {
    const before = /[\w$]*$/.exec(code.slice(0, cursor))?.[0] ?? "";
    const after = /^[\w$]*/.exec(code.slice(cursor))?.[0] ?? "";
    const name = before + after;
    const known = this.#session.names();
    const found = known.includes(name);
    const near = found || name === "" ? null : nearest(name, known);
    const text = found ? `${name}: a name of this notebook` : near ? `did you mean ${near}?` : null;
    return { status: "ok", found: text !== null, data: text === null ? {} : { "text/plain": text }, metadata: {} };
  }
}

function traceback(error: TaskError): string[] {
  const where = error.stage === null ? "" : ` in stage \`${error.stage}\`${error.block === null ? "" : `, block ${error.block}`}`;
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
    if (this.#shown) this.#show();
  }

  curves(): void {
    const data = this.#progress.curves();
    if (data) this.#outlet.publish("display_data", { data, metadata: {}, transient: {} });
  }
}
