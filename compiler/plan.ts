// The plan: versioned plain JSON, the only thing that the runtime knows of a program. Written by `compiler/4-plan`, read by
// `runtime`. Nothing here may hold a span, a path or a comment except `about`, which the hash leaves out.

export const PLAN_FORMAT = "headrace-plan/1";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Plan {
  readonly format: typeof PLAN_FORMAT;
  /** SHA-256 (hex) of the canonical JSON (sorted keys, no white space) of everything here but `hash` and `about`. */
  readonly hash: string;
  readonly name: string;
  readonly params: readonly PlanParam[];
  /** The user's functions, by the id that `call` expressions use. */
  readonly functions: Readonly<Record<string, PlanFunction>>;
  /** In an order in which every stage stands after those it reads; those of regions too. */
  readonly stages: readonly PlanStage[];
  readonly regions: readonly PlanRegion[];
  readonly outputs: readonly PlanOutput[];
  /** Runs when the run has failed; reads params, and the failure as one more param: `{ stage, block, name, message }`. */
  readonly onFailure?: { readonly param: string; readonly stages: readonly PlanStage[]; readonly regions: readonly PlanRegion[] };
  readonly about: PlanAbout;
}

/**
 * Stages that come to life together, once or many times, when a control stage (`each`, `branch`, `loop`) says so while the run goes on. An
 * instance of a region has its own instance of each of these stages. Where one of them names a stage of the region, it means that of
 * its own instance; a stage of a region around it means that of the instance around it; else that of the run.
 */
export interface PlanRegion {
  /** The region around it; null: the run itself. */
  readonly around: number | null;
  /** Its own stages, not those of regions inside it. Each says so by its `region`. */
  readonly stages: readonly number[];
}

export interface PlanParam {
  readonly name: string;
  readonly type: "int" | "float" | "bool" | "string" | "file" | "files" | "secret";
  readonly optional: boolean;
  /** Absent: the run must give it. */
  readonly default?: Json;
  readonly min?: number;
  readonly max?: number;
}

export interface PlanFunction {
  /** SHA-256 (hex) of the function's slice, an ES module without its source map. */
  readonly digest: string;
  /** Name under which the slice exports it. */
  readonly export: string;
  readonly async: boolean;
  readonly iterates: "no" | "sync" | "async";
  /** `.node` addons the slice reaches: it then runs in a process of its own. */
  readonly native: readonly string[];
  /** What it reaches outside itself, by kind (`clock`, `files`, `state`, …), in the alphabet's order; absent: nothing. */
  readonly reaches?: readonly string[];
  /** Its type says `int`: another number, which TypeScript can't tell from one, fails the task. */
  readonly integer?: true;
  /** Called by `resource` expressions. */
  readonly resource?: true;
  /** Tags that its author gave it, those that say how it may be run; absent: none. */
  readonly tags?: readonly ("effect" | "volatile" | "associative")[];
}

/** A stage is a template of tasks: the same body over one value, or over each block. Stages are addressed by their index in `Plan.stages`. */
export interface PlanStage {
  /** Unique: the path of `let` names (`model`, `report.accuracy`), with a suffix for helpers (`accuracy/combine`). */
  readonly id: string;
  /** What people see; helpers of one stage share it. */
  readonly name: string;
  /** The region it stands in; absent: the run itself. */
  readonly region?: number;
  readonly tasks: TaskCount;
  readonly inputs: readonly PlanInput[];
  /** Evaluated by a slot once per task, with `inputs` bound. */
  readonly body: Expr;
  /** `value`: one plain value. `blocks`: a list that is cut into blocks (min(N, 1024), block i being rows ⌊iN/b⌋ to ⌊(i+1)N/b⌋). `block`: task i gives block i of a data set. `row`: task i gives the one row of block i. `partial`: task i gives a partial result of a reduction. */
  readonly output: "value" | "blocks" | "block" | "row" | "partial";
  /** Of output `blocks`: each row gets a block of its own, being an item of a `for`. */
  readonly cut?: "rows";
  /** Its tasks act on the world outside: never run again but after a loss, never twice at a time, and given an idempotency key. */
  readonly effect?: true;
  /** A task that takes longer is ended, and `otherwise` is evaluated in its place. */
  readonly within?: { readonly limitMs: number; readonly otherwise: Expr };
  /** Its tasks make actors, one each, that live where they were made until nobody asks them any more. */
  readonly actors?: PlanActors;
  /** Blocks are stored with their rows' keys (places in the source), since a later stage reads these: `split`, `shuffle`, `withIndex`, `sample`. */
  readonly keyed?: true;
  readonly strategy: Strategy;
  readonly options: {
    readonly timeoutMs?: number;
    readonly memoryBytes?: number;
    readonly retries?: number;
    readonly checkpointSteps?: number;
    /** On a cluster: its tasks run on workers alone that were started with this label. */
    readonly label?: string;
  };
}

/** Whether workers can be given a label. */
export const isLabel = (text: string): boolean => /^[\w.-]+$/.test(text);

export interface PlanActors {
  /** In `Plan.functions`. */
  readonly class: string;
  /** Made again after a loss, with their calls; else a loss fails the run. */
  readonly replayed: boolean;
  /** Methods that change nothing. */
  readonly reads: readonly string[];
  /** `checkpoint` and `restore` say what they are. */
  readonly checkpoints: boolean;
  /** What they are is kept under this name when nobody asks them any more, for the next run. */
  readonly named?: string;
}

export type TaskCount =
  | { readonly kind: "one" }
  /** One a block of that stage's data set; known once it has finished where its output is `blocks`. */
  | { readonly kind: "perBlock"; readonly of: number }
  /** `range(n, blocks: b)`: task i covers the integers ⌊iN/b⌋ up to ⌊(i+1)N/b⌋. */
  | { readonly kind: "range"; readonly rows: Scalar; readonly blocks: Scalar }
  /** None: it stands for another stage, once the control stage that names it here has said which. Whoever reads it reads that one. */
  | { readonly kind: "given" }
  | ControlTasks;

/** Control stages. None of their work is done in a slot, but for the tasks of `each`. */
export type ControlTasks =
  /**
   * `for`: task i runs after instance i of the region has made what it reads of it, for block i of `of` (a stage with `cut: "rows"`); output
   * `row`. Its own inputs, and those of the stages inside, may read the `item`. Stages around that are read inside stand among its inputs, as `after` at least.
   */
  | { readonly kind: "each"; readonly of: number; readonly region: number }
  /** `if`: input 0 is the condition's `value`, a bool. One of the regions gets its one instance, and each `given` stands for what that gives. */
  | {
      readonly kind: "branch";
      readonly then: number;
      readonly else: number;
      readonly gives: readonly { readonly given: number; readonly then: number; readonly else: number }[];
    }
  /**
   * Instances of the region one after another. In the first, `given` stands for `init`, in each further one for the `next` of the one before; when
   * the value of `decision` isn't 0 (1: the condition is met, 2: the most iterations are done), `final` stands for the last `next`.
   */
  | {
      readonly kind: "loop";
      readonly region: number;
      readonly carried: readonly { readonly given: number; readonly init: number; readonly next: number; readonly final: number }[];
      readonly decision: number;
    };

/** A number known when the run starts. */
export type Scalar =
  | { readonly kind: "const"; readonly value: number }
  /** The param's value, or `atMost` where that is less. */
  | { readonly kind: "param"; readonly name: string; readonly atMost?: number };

export type Strategy =
  | { readonly kind: "task" }
  /** `slots: null` is all there are. */
  | { readonly kind: "data"; readonly slots: number | null }
  | ({ readonly kind: "fit" } & Architecture);

/** How a `fit` is trained. All but the first have `members` that run side by side, each in a slot of its own. */
export type Architecture =
  | { readonly architecture: "sequential" }
  /** Each batch in parts, one a member; all update alike. `perWorker`: each member has a batch of its own in each step instead. */
  | { readonly architecture: "allreduce"; readonly members: number; readonly perWorker: boolean }
  /** Each member folds its share of the batches alone; what can be averaged is, every so many of its steps or (null) once at the end. */
  | { readonly architecture: "average"; readonly members: number; readonly everySteps: number | null }
  /** One shared state that all members write without locks; `atomic`: number by number, so that no update is lost. */
  | { readonly architecture: "hogwild"; readonly members: number; readonly atomic: boolean }
  /** Members push what they gathered, which is applied on arrival, and fetch what is there, every so many of their steps. */
  | { readonly architecture: "downpour"; readonly members: number; readonly pushSteps: number; readonly fetchSteps: number }
  /** A `Model` whose layers are dealt out to the members; each batch goes through them in so many parts (1F1B). */
  | { readonly architecture: "pipelined"; readonly members: number; readonly microbatches: number }
  /** A `Model` of whose layers each member has some of the columns or rows. */
  | { readonly architecture: "tensor"; readonly members: number }
  /** Each batch in parts; a member may be `staleness` batches ahead of the slowest (null: any number). The state is in so many ranges. */
  | { readonly architecture: "parameterServer"; readonly members: number; readonly servers: number; readonly staleness: number | null };

/** As schedules write it, without options. */
export function architectureText(strategy: Extract<Strategy, { kind: "fit" }>): string {
  if (strategy.architecture === "sequential") return strategy.architecture;
  const over = strategy.architecture === "pipelined" || strategy.architecture === "tensor" ? "model" : "data";
  return `${over}(${strategy.members}) ${strategy.architecture}`;
}

/** Slots that a task of a stage takes at once. */
export function membersOf(strategy: Strategy): number {
  return strategy.kind === "fit" && strategy.architecture !== "sequential" ? strategy.members : 1;
}

/** Whether its members write one memory by meaning: they can't be on several machines. */
export function meetsInMemory(strategy: Strategy): boolean {
  return strategy.kind === "fit" && strategy.architecture === "hogwild";
}

export type PlanInput =
  /** The whole value of a stage whose output is `value`. */
  | { readonly kind: "value"; readonly stage: number }
  /** Block i, for task i, of a stage whose output is `blocks` or `block`. */
  | { readonly kind: "block"; readonly stage: number }
  /** All blocks of a data set, or all partials, in order. */
  | { readonly kind: "blocks"; readonly stage: number }
  | { readonly kind: "param"; readonly name: string }
  /** Block i of the stage's own `range` task count. */
  | { readonly kind: "range" }
  /**
   * The one row of block i of `stage`, which an `each` goes over: i is the number of the task in the `each` itself, and in stages inside its region the
   * number of the instance that they are of.
   */
  | { readonly kind: "item"; readonly stage: number }
  /**
   * The actor that the task asks, where it runs: of a stage with `actors` that of task i (`each`), whichever is free (`free`), or the one that
   * there is, block after block (`one`). `reads`: its state stays what it is, so that the order doesn't matter; `overlaps`: and most of it is
   * waiting, so that such calls go on side by side.
   */
  | { readonly kind: "actor"; readonly stage: number; readonly which: ActorChoice; readonly reads: boolean; readonly overlaps: boolean }
  /** Inside the region of a `loop`: which instance this is, from 0. */
  | { readonly kind: "iteration"; readonly region: number }
  /** Waits until that stage is done, keeps what it gave from being freed, and reads nothing. */
  | { readonly kind: "after"; readonly stage: number };

export type ActorChoice = "each" | "free" | "one";

export interface PlanOutput {
  /** Field of the pipeline's record, or `result`. */
  readonly name: string;
  readonly from:
    | { readonly kind: "stage"; readonly stage: number /** `blocks`: the concatenated rows. */; readonly take: "value" | "blocks" }
    | { readonly kind: "param"; readonly name: string }
    | { readonly kind: "const"; readonly value: Json };
}

/** For people only; not part of the hash. Keyed by stage id, function id and parameter name. */
export interface PlanAbout {
  readonly file: string;
  readonly entry: string;
  readonly schedule: string | null;
  readonly doc: string | null;
  readonly stages: Readonly<
    Record<string, { readonly span: AboutSpan | null; readonly type: string /** Why this strategy. */; readonly why: string }>
  >;
  readonly functions: Readonly<
    Record<
      string,
      {
        readonly span: AboutSpan | null;
        /** Names of its parameters. */
        readonly parameters?: readonly string[];
        /** Where it reaches what, and by way of which of the user's other declarations. */
        readonly reaches?: readonly {
          readonly what: string;
          readonly name: string;
          readonly span: AboutSpan | null;
          readonly via: readonly string[];
        }[];
      }
    >
  >;
  readonly params: Readonly<Record<string, { readonly doc: string | null; readonly span: AboutSpan | null }>>;
  readonly outputs: Readonly<Record<string, { readonly type: string }>>;
  /** Names of values that no stage gives: whoever reads one computes it, or nobody reads it. */
  readonly onTheWay: readonly string[];
}
export interface AboutSpan {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}

/** The code that a plan names, by digest: ES modules and their source maps (kept out of the digest). */
export type CodeStore = Readonly<Record<string, { readonly module: string; readonly map: string | null }>>;

// --- Expressions: what a task computes -------------------------------------------------------------------------------

/** How a callee gets an argument: `share` its memory (read-only parameter), `move` it (the caller is done with it), or `copy`. */
export type Passing = "share" | "move" | "copy";

/**
 * A small expression tree that `runtime/data` turns into JavaScript. Inside a task a data set is either one block (input
 * `block` or `range`) or the ordered list of all blocks (input `blocks`); row-wise operations work on both, operations on
 * whole sets on the second only.
 */
export type Expr =
  | { readonly op: "const"; readonly value: Json }
  | { readonly op: "input"; readonly index: number }
  /** A lambda's parameter, a name of `let`, or inside `fit`: the carried name, the batch, `epoch`, `step`. */
  | { readonly op: "local"; readonly name: string }
  | { readonly op: "let"; readonly name: string; readonly value: Expr; readonly body: Expr }
  | { readonly op: "field"; readonly of: Expr; readonly name: string; readonly optional: boolean }
  | { readonly op: "index"; readonly of: Expr; readonly index: Expr }
  | { readonly op: "record"; readonly fields: readonly ({ readonly name: string; readonly value: Expr } | { readonly spread: Expr })[] }
  | { readonly op: "list"; readonly items: readonly Expr[] }
  | { readonly op: "template"; readonly parts: readonly (string | Expr)[] }
  | { readonly op: "if"; readonly condition: Expr; readonly then: Expr; readonly else: Expr }
  | { readonly op: "unary"; readonly operator: "-" | "!"; readonly operand: Expr; readonly int: boolean }
  /** `int`: both sides are `int`, so the result must be a safe integer. `==` is structural. */
  | {
      readonly op: "binary";
      readonly operator: "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "&&" | "||" | "??";
      readonly left: Expr;
      readonly right: Expr;
      readonly int: boolean;
    }
  /** A scalar built-in: `exp`, `sqrt`, `len`, … */
  | { readonly op: "builtin"; readonly name: string; readonly args: readonly Expr[] }
  /** A user's function. */
  | {
      readonly op: "call";
      readonly function: string;
      readonly args: readonly Expr[];
      readonly passing: readonly Passing[];
      /** What it gives may be memory of an argument that is shared, or of its module: somebody else may see it. */
      readonly lends?: true;
    }
  /** What a resource's factory gives for these arguments: made once a slot, kept for the run. An argument of `call` only. */
  | { readonly op: "resource"; readonly function: string; readonly args: readonly Expr[] }
  /** An instance of a class, the whole body of a stage with `actors`. */
  | { readonly op: "spawn"; readonly function: string; readonly args: readonly Expr[] }
  /** A call of an actor. */
  | {
      readonly op: "method";
      readonly of: Expr;
      readonly name: string;
      readonly args: readonly Expr[];
      readonly async: boolean;
      /** Gives an `int`. */
      readonly integer: boolean;
    }
  | { readonly op: "lambda"; readonly parameters: readonly string[]; readonly body: Expr }
  /** A list seen as a data set, cut into its fixed blocks, row keys being places in the list. */
  | { readonly op: "dataset"; readonly list: Expr }
  /** A data-set operation: `map filter flatMap splitPart(seed, from, to) shuffle(seed) batches(n) sortBy first take concat collect …`; `args` are scalars or lambdas by name. */
  | { readonly op: "data"; readonly name: string; readonly source: Expr; readonly args: Readonly<Record<string, Expr>> }
  /** One block folded into a partial result (`mean sum sumInt count min max reduce collect any all first`; `sumInt` is the `sum` of `int`s, which fails where it overflows). `by`: value per row. */
  | { readonly op: "fold"; readonly name: string; readonly source: Expr; readonly by: Expr | null }
  /** Partials (a list, in block order) combined in the fixed binary tree, and finished. */
  | { readonly op: "combine"; readonly name: string; readonly partials: Expr; readonly by: Expr | null }
  /** `fold` of every block, then `combine`, inside one task: the same arithmetic in the same order. */
  | { readonly op: "reduce"; readonly name: string; readonly source: Expr; readonly by: Expr | null }
  /** Fails the task with the message where the condition doesn't hold; gives `body`. */
  | { readonly op: "expect"; readonly condition: Expr; readonly message: Expr; readonly body: Expr }
  /** Tells a number along the iterations of a `loop`; gives null. */
  | { readonly op: "track"; readonly name: string; readonly step: Expr; readonly value: Expr }
  | ReadExpr
  | WriteExpr
  /** Several reductions at once, of all rows or of groups. */
  | AggregateExpr
  | LoopExpr
  | FitExpr;

/**
 * Rows are put in groups by their key, and each group is reduced in several ways: a row for each group, in the order of first appearance.
 * As for one reduction there is the `fold` of a block, the `combine` of such partials (`source` then gives these), and `reduce` for both
 * in one task. Ungrouped all rows are one group, which gives one record.
 */
export interface AggregateExpr {
  readonly op: "aggregate";
  readonly step: "fold" | "combine" | "reduce";
  readonly source: Expr;
  /** A group's key stands in its row as `key`, or its `fields` do. */
  readonly grouped: "no" | "key" | "fields";
  /** Of a row; null where nothing is grouped, and in `combine`. */
  readonly key: Expr | null;
  readonly aggregates: readonly {
    readonly field: string;
    /** A reduction. */
    readonly name: string;
    readonly by: Expr | null;
  }[];
}

/** A `loop` inside one task. Gives the last carried value, or a record of several by their fields. */
export interface LoopExpr {
  readonly op: "loop";
  readonly carried: readonly { readonly name: string; readonly field: string; readonly init: Expr }[];
  /** A list: the next value of each that is carried, and whether it was the last round. */
  readonly round: Expr;
  readonly max: Expr;
}

/**
 * Rows of files, in four steps, each of which gives a data set: the `ranges` of 4 MiB of one file or several in their order; what a `scan` of each
 * finds of records; the `places` where the records of each range begin, so that one which straddles ranges belongs to that where it begins; and
 * the `rows` of each range. A row's key is its number among all records.
 */
export interface ReadExpr {
  readonly op: "read";
  readonly step: "ranges" | "scan" | "places" | "rows";
  readonly format: "text" | "csv" | "jsonLines";
  /** A file or a list of files for `ranges`, else what the step before gave. */
  readonly source: Expr;
  /** What a row has to be; null for `text`. */
  readonly shape: Shape | null;
  /** Between the fields of `csv`. */
  readonly separator: string;
}

/** All rows into a file, whole or not at all; gives null. */
export interface WriteExpr {
  readonly op: "write";
  readonly format: "text" | "csv" | "jsonLines";
  readonly source: Expr;
  readonly path: Expr;
  /** Of `csv`: the fields, in the order of the header. */
  readonly columns: readonly string[] | null;
}

/** Plain data as readers hold it to a type. Fields that aren't named are left out; a field that may be missing is `optional`. */
export type Shape =
  | { readonly kind: "int" | "float" | "bool" | "string" | "timestamp" | "any" | "null" }
  | { readonly kind: "literal"; readonly value: string | number | boolean }
  | { readonly kind: "optional"; readonly of: Shape }
  | { readonly kind: "list"; readonly item: Shape }
  | { readonly kind: "record"; readonly fields: readonly { readonly name: string; readonly shape: Shape }[] }
  | { readonly kind: "union"; readonly members: readonly Shape[] };

export interface FitExpr {
  readonly op: "fit";
  /** Several give a record of them by their fields. */
  readonly carried: readonly { readonly name: string; readonly field: string; readonly init: Expr }[];
  readonly batch: string;
  /** A data set of batches, evaluated once an epoch with the local `epoch` (from 0) in scope. */
  readonly over: Expr;
  readonly epochs: Expr;
  /** In order. `worker` statements depend on the batch and give a `Part`; `update` ones run once a step. */
  readonly body: readonly FitStatement[];
  /** Once after each epoch: may read what is carried, `epoch` and `step`. */
  readonly eachEpoch: readonly EpochStatement[];
}
type Direction = "minimizing" | "maximizing";
export type EpochStatement =
  | Exclude<FitStatement, { kind: "next" }>
  /** The value of the fit is that of the epoch in which the metric, tracked above it, was best. */
  | { readonly kind: "keep"; readonly value: Expr; readonly direction: Direction; readonly metric: string }
  /** After that many epochs in which the metric didn't get better. */
  | { readonly kind: "stop"; readonly after: Expr; readonly direction: Direction; readonly metric: string };
export type FitStatement =
  | { readonly kind: "let"; readonly name: string; readonly value: Expr; readonly at: "worker" | "update" }
  | { readonly kind: "track"; readonly name: string; readonly value: Expr; readonly at: "update" }
  | { readonly kind: "expect"; readonly condition: Expr; readonly message: Expr; readonly at: "update" }
  /** The carried name's next value. Stands last among those that read the old one. */
  | { readonly kind: "next"; readonly name: string; readonly value: Expr; readonly at: "update" };
// Inside a fit body, `{ op: "combine", name: "mean" | "sum" | …, partials: <a Part> }` is the boundary between the two sides:
// `mean` is weighted by the rows of each part.
