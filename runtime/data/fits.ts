// A `fit` of a plan as JavaScript: its program for the runtime's training, with the body of a step whole, and where batches are cut also in
// phases between combinations. Must not know architectures, nor how batches come.
import type { EpochStatement, Expr, FitExpr, FitStatement } from "../../compiler/plan.ts";
import type { Frame, Local, Scope, Writer } from "./expressions.ts";
import { bug, declarations, quote } from "./expressions.ts";

export class FitWriter {
  private readonly writer: Writer;

  constructor(writer: Writer) {
    this.writer = writer;
  }

  /** The program of a fit, which the runtime's training goes through batch by batch. */
  write(expr: FitExpr, scope: Scope, frame: Frame): string {
    const own: Frame = { async: false, hoisted: [] };
    const [state, epoch, step, batch] = [this.writer.fresh(), this.writer.fresh(), this.writer.fresh(), this.writer.fresh()];
    const { names, code: starts } = this.writer.starts(expr.carried, scope, own);
    const count = this.writer.expression(expr.epochs, scope, own);
    const inEpoch: Scope = new Map([...scope, ["epoch", { js: epoch, own: true }], ["step", { js: step, own: true }]]);
    const carried = expr.carried.map(({ name }, i): [string, Local] => [name, { js: `${state}[${i}]`, own: true }]);
    const inStep: Scope = new Map([...inEpoch, ...carried]);
    const inBody: Scope = new Map([...inStep, [expr.batch, { js: batch, own: false }]]);
    const rows = this.writer.fresh();
    const { same, differs } = cutWhereSame(expr.over);
    const once = same === null ? [] : [`const ${rows} = ${this.writer.expression(same, scope, own)};`];
    const inOver: Scope = new Map([...inEpoch, [SAME_ROWS, { js: rows, own: false }]]);
    const over = this.closure([epoch, step], own, (inner) => [`return h.allRows(${this.writer.expression(differs, inOver, inner)});`]);
    const [outer, outerAlone, outerPhase] = [this.writer.inFit, this.writer.alone, this.writer.phase];
    this.writer.inFit = true;
    this.writer.alone = expr.carried.length === 1;
    this.writer.phase = null;
    const body = this.closure([state, batch, epoch, step, "tell"], own, (inner) => this.statements(expr.body, inBody, inner));
    // Only a stage's own fit is cut: one inside another value is that task's alone.
    const { strategy, body: whole } = this.writer.stage;
    const architecture = strategy.kind === "fit" && whole === expr ? strategy : null;
    const cut = architecture && !["sequential", "pipelined", "tensor"].includes(architecture.architecture);
    const phases = cut ? this.phases(expr, [state, batch, epoch, step], inBody, own) : "[]";
    this.writer.phase = null;
    this.writer.inFit = outer;
    this.writer.alone = outerAlone;
    const after = this.eachEpoch(expr.eachEpoch, [state, epoch, step], inStep, own);
    this.writer.phase = outerPhase;
    const { kind: _kind, ...chosen } = architecture ?? { kind: "fit", architecture: "sequential" as const };
    const result = after?.keeps
      ? "memory.kept"
      : this.writer.ends(
          expr.carried,
          names.map((_, i) => `${state}[${i}]`),
        );
    const lines = [
      ...starts,
      ...once,
      "return h.train({",
      `start: [${names.join(", ")}],`,
      `epochs: h.epochs(${count}),`,
      `over: ${over},`,
      `step: ${body},`,
      `phases: () => ${phases},`,
      `after: ${after?.js ?? "null"},`,
      // Without an epoch nothing was kept.
      `result: (${state}, memory) => (${after?.keeps ? `!memory.has ? null : ${result}` : result}),`,
      `}, ${quote(chosen)}, context);`,
    ];
    return this.writer.called(lines, own, frame);
  }

  private closure(parameters: readonly string[], frame: Frame, write: (inner: Frame) => readonly string[]): string {
    const inner: Frame = { async: false, hoisted: [] };
    return closed(parameters, inner, write(inner), frame);
  }

  /**
   * The body of a fit cut where parts are combined: what each member computes of its part, and the update, which somebody else may do at another
   * time. What both need of the state alone both compute. A new phase begins where a member's value needs what came of one before.
   */
  private phases(expr: FitExpr, [state, batch, epoch, step]: readonly string[], scope: Scope, frame: Frame): string {
    const shared: string[] = [];
    const written: string[] = [];
    const forMembers = neededByMembers(expr);
    const names = { member: new Map(scope), update: scope };
    let open = this.openPhase(names.member);
    /** Names that came of combining in this phase. */
    let bound = new Set<string>();
    const close = () => {
      const gives = open.partials.map(({ js }) => js).join(", ");
      const parts = closed([state!, batch!, epoch!, step!], open.parts, [...open.partLines, `return [${gives}];`], frame);
      const apply = closed([state!, open.combined, epoch!, step!, "tell"], open.apply, open.applyLines, frame);
      written.push(
        `{ combiners: ${quote(open.partials.map(({ name, borrowed }) => ({ name, borrowed })))}, parts: ${parts}, apply: ${apply} }`,
      );
      open = this.openPhase(names.member);
      bound = new Set();
    };
    for (const statement of expr.body) {
      const atMember = statement.at === "worker";
      if ((atMember && readsAny(statement, bound)) || partialsRead(statement, bound)) close();
      const ofState = statement.kind === "let" && !atMember && !combines(statement) && !readsAny(statement, bound);
      if (atMember || (ofState && forMembers.has(statement.name))) {
        const { js, scope: next } = this.fitStatement(statement, names.member, open.parts, shared);
        open.partLines.push(js);
        names.member = open.member = new Map(next);
      }
      if (atMember) continue;
      this.writer.phase = open;
      const { js, scope: next } = this.fitStatement(statement, names.update, open.apply, shared);
      this.writer.phase = null;
      open.applyLines.push(js);
      names.update = next;
      if (statement.kind !== "let" || ofState) continue;
      bound.add(statement.name);
      names.member.set(statement.name, next.get(statement.name)!);
    }
    close();
    return `(() => {\n${declarations({ async: false, hoisted: shared }).join("\n")}\nreturn [${written.join(",\n")}];\n})()`;
  }

  private openPhase(member: Scope): OpenPhase {
    const frame = (): Frame => ({ async: false, hoisted: [] });
    return { parts: frame(), apply: frame(), partLines: [], applyLines: [], partials: [], combined: this.writer.fresh(), member };
  }

  /** What follows each epoch: what is kept, and whether it is time to stop. */
  private eachEpoch(
    statements: readonly EpochStatement[],
    [state, epoch, step]: readonly string[],
    scope: Scope,
    frame: Frame,
  ): { readonly js: string; readonly keeps: boolean } | null {
    if (statements.length === 0) return null;
    const metrics = new Map<string, string>();
    const stops: string[] = [];
    let [bests, waits, keeps] = [0, 0, false];
    const js = this.closure([state!, epoch!, step!, "memory", "tell"], frame, (own) => {
      const code: string[] = [];
      let inner = scope;
      for (const statement of statements) {
        if (statement.kind === "track") {
          const value = this.writer.fresh();
          metrics.set(statement.name, value);
          code.push(`const ${value} = h.metricValue(${quote(statement.name)}, ${this.writer.expression(statement.value, inner, own)});`);
          code.push(`tell(${quote(statement.name)}, ${value});`);
        } else if (statement.kind === "keep" || statement.kind === "stop") {
          const metric = metrics.get(statement.metric);
          if (metric === undefined) throw bug(`nothing tracks ${statement.metric}`);
          const best = `memory.best[${bests}]`;
          const now = `${statement.direction === "minimizing" ? "" : "-"}${metric}`;
          code.push(`${best} ??= Infinity;`);
          bests++;
          if (statement.kind === "keep") {
            keeps = true;
            // Later epochs change what is carried, so what is kept is a copy.
            const value = `h.copy(${this.writer.expression(statement.value, inner, own)})`;
            code.push(
              `if (!memory.has || ${now} < ${best}) { if (${now} < ${best}) ${best} = ${now}; memory.kept = ${value}; memory.has = true; }`,
            );
          } else {
            const waited = `memory.waited[${waits++}]`;
            code.push(`if (${now} < ${best}) { ${best} = ${now}; ${waited} = 0; } else ${waited} = (${waited} ?? 0) + 1;`);
            stops.push(`${waited} >= ${this.writer.expression(statement.after, inner, own)}`);
          }
        } else {
          const { js: line, scope: next } = this.fitStatement(statement, inner, own, null);
          code.push(line);
          inner = next;
        }
      }
      code.push(`return ${stops.join(" || ") || "false"};`);
      return code;
    });
    return { js, keeps };
  }

  private statements(statements: readonly FitStatement[], scope: Scope, frame: Frame): string[] {
    let inner = scope;
    return statements.map((statement) => {
      const { js, scope: next } = this.fitStatement(statement, inner, frame, null);
      inner = next;
      return js;
    });
  }

  /** `shared`: names that outlive the function in which they are bound. */
  private fitStatement(statement: FitStatement, scope: Scope, frame: Frame, shared: string[] | null): { js: string; scope: Scope } {
    if (statement.kind === "expect") return { js: `${this.writer.expectation(statement, scope, frame)};`, scope };
    const value = this.writer.expression(statement.value, scope, frame);
    switch (statement.kind) {
      case "let": {
        const js = this.writer.fresh();
        shared?.push(js);
        return {
          js: `${shared ? "" : "const "}${js} = ${value};`,
          scope: new Map([...scope, [statement.name, { js, own: this.writer.own(statement.value, scope) }]]),
        };
      }
      case "track":
        return { js: `tell(${quote(statement.name)}, h.metricValue(${quote(statement.name)}, ${value}));`, scope };
      case "next": {
        const carried = scope.get(statement.name);
        if (!carried) throw bug(`the plan gives ${statement.name}, which nothing carries`);
        // Of several carried values, none may be another name for the memory of one that is changed in place.
        const mine = this.writer.alone ? this.writer.own(statement.value, scope) : this.writer.sole(statement.value, scope);
        return { js: `${carried.js} = ${mine ? value : `h.copy(${value})`};`, scope };
      }
    }
  }
}

/** A function of its own around lines; asynchronous where they are, and then so is `frame`. */
function closed(parameters: readonly string[], inner: Frame, lines: readonly string[], frame: Frame): string {
  if (inner.async) frame.async = true;
  return `${inner.async ? "async " : ""}(${parameters.join(", ")}) => {\n${[...declarations(inner), ...lines].join("\n")}\n}`;
}

/** No name of a program has such a sign. */
const SAME_ROWS = "#rows";

/** The longest beginning of a chain of rows that is the same in every epoch, to be computed once, and the rest. */
function cutWhereSame(over: Expr): { readonly same: Expr | null; readonly differs: Expr } {
  if (over.op !== "data" || over.name === "range") return { same: null, differs: over };
  if (!readsAny(over, EPOCH_NAMES)) return { same: over, differs: { op: "local", name: SAME_ROWS } };
  const { same, differs } = cutWhereSame(over.source);
  return { same, differs: { ...over, source: differs } };
}
const EPOCH_NAMES: ReadonlySet<string> = new Set(["epoch", "step"]);

/** A step's code between two combinations, as it is written. */
export interface OpenPhase {
  readonly parts: Frame;
  readonly apply: Frame;
  readonly partLines: string[];
  readonly applyLines: string[];
  readonly partials: { readonly name: string; readonly js: string; readonly borrowed: boolean }[];
  /** The list of what they came to. */
  readonly combined: string;
  /** Names as members have them. */
  member: Scope;
}

const combines = (statement: object): boolean => everyNode(statement).some(({ op }) => op === "combine");

/** Whether a part that is combined is computed from any of those names. */
function partialsRead(statement: object, names: ReadonlySet<string>): boolean {
  return everyNode(statement).some(({ op, partials }) => op === "combine" && readsAny(partials as object, names));
}

const readsAny = (value: object, names: ReadonlySet<string>): boolean =>
  everyNode(value).some(({ op, name }) => op === "local" && names.has(String(name)));

/** Values of the state alone that members' values are computed from. */
function neededByMembers({ body }: FitExpr): ReadonlySet<string> {
  const needed = new Set<string>();
  const reads = (value: object) => {
    for (const { op, name } of everyNode(value)) if (op === "local") needed.add(String(name));
  };
  for (const statement of body.toReversed()) {
    if (statement.at === "worker" || (statement.kind === "let" && needed.has(statement.name))) reads(statement);
    for (const { op, partials } of everyNode(statement)) if (op === "combine") reads(partials as object);
  }
  return needed;
}

interface Node {
  readonly op?: unknown;
  readonly [field: string]: unknown;
}

function everyNode(value: object): Node[] {
  const own = [value as Node];
  for (const child of Object.values(value)) if (typeof child === "object" && child !== null) own.push(...everyNode(child as object));
  return own;
}
