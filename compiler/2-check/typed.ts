// The checked program: every name resolved, every expression typed, every argument at its parameter. Made by `2-check`, read by
// `3-lower`; a `Module` can't be lowered, so nothing unchecked is. Spans stay, for messages about plans.
import type { BinaryOperator, Span } from "../../lang/ast.ts";
import type { Type } from "../../lang/types.ts";
import type { ClassSignature, FunctionSignature, Module, SignatureParameter } from "../module.ts";
import type { Json, PlanParam, ReadExpr, Shape, WriteExpr } from "../plan.ts";

/** A name that stands for one value. Bindings are compared by identity. */
export interface Binding {
  readonly name: string;
  readonly type: Type;
  readonly span: Span;
  readonly kind: "let" | "parameter" | "lambda" | "carried" | "batch" | "epoch" | "step" | "failure";
  /** How many lambdas it stands in. */
  readonly depth: number;
  readonly doc: string | null;
}

/** A function of the user's TypeScript. */
export interface StageFunction {
  /** Its exported name, with a suffix where two files export the same: what plans call it. */
  readonly id: string;
  readonly file: string;
  readonly signature: FunctionSignature;
  /** Imported as one: what it gives is made once a slot. */
  readonly resource: boolean;
}

/** A class of the user's TypeScript whose instances keep state between calls. */
export interface ActorClass {
  readonly file: string;
  readonly signature: ClassSignature;
  /** Its constructor, by the id that plans call it by. */
  readonly made: StageFunction;
  readonly methods: ReadonlyMap<string, StageFunction>;
}

export interface TypedArgument {
  readonly parameter: SignatureParameter;
  readonly value: Typed;
}

export interface TypedLambda {
  readonly parameters: readonly Binding[];
  readonly body: Typed;
}

export type Typed = { readonly type: Type; readonly span: Span } & (
  | { readonly kind: "const"; readonly value: Json }
  | { readonly kind: "local"; readonly binding: Binding }
  | { readonly kind: "param"; readonly name: string }
  | { readonly kind: "field"; readonly of: Typed; readonly name: string; readonly optional: boolean }
  | { readonly kind: "index"; readonly of: Typed; readonly index: Typed }
  | { readonly kind: "record"; readonly fields: readonly ({ readonly name: string; readonly value: Typed } | { readonly spread: Typed })[] }
  | { readonly kind: "list"; readonly items: readonly Typed[] }
  | { readonly kind: "template"; readonly parts: readonly (string | Typed)[] }
  | { readonly kind: "if"; readonly condition: Typed; readonly then: TypedBlock; readonly else: TypedBlock }
  | { readonly kind: "unary"; readonly operator: "-" | "!"; readonly operand: Typed; readonly int: boolean }
  | { readonly kind: "binary"; readonly operator: BinaryOperator; readonly left: Typed; readonly right: Typed; readonly int: boolean }
  | { readonly kind: "builtin"; readonly name: string; readonly args: readonly Typed[] }
  | { readonly kind: "call"; readonly function: StageFunction; readonly args: readonly TypedArgument[] }
  /** What a resource's factory gives, made once a slot for these arguments. */
  | { readonly kind: "resource"; readonly function: StageFunction; readonly args: readonly TypedArgument[] }
  /** Instances of a class: one, or `count` of them by their `index`. `named`: kept under that name when the run is over. */
  | {
      readonly kind: "spawn";
      readonly count: Typed | null;
      readonly index: Binding | null;
      readonly actor: ActorClass;
      readonly args: readonly TypedArgument[];
      readonly named: string | null;
    }
  /** Of one actor; of a pool, whichever is free. */
  | { readonly kind: "method"; readonly receiver: Typed; readonly function: StageFunction; readonly args: readonly TypedArgument[] }
  /** What all actors of a pool give, in their order. */
  | { readonly kind: "callAll"; readonly pool: Typed; readonly f: TypedLambda }
  | { readonly kind: "pipeline"; readonly pipeline: CheckedPipeline; readonly args: readonly Typed[] }
  | { readonly kind: "range"; readonly rows: Typed; readonly blocks: Typed | null }
  /** Operations on data sets and lists that give one. */
  | {
      readonly kind: "data";
      readonly name: string;
      readonly source: Typed;
      readonly args: Readonly<Record<string, Typed>>;
      readonly lambdas: Readonly<Record<string, TypedLambda>>;
    }
  /** A record of data sets, by part. Shares are cumulative. */
  | {
      readonly kind: "split";
      readonly source: Typed;
      readonly seed: Typed;
      readonly parts: readonly { readonly name: string; readonly from: number; readonly to: number }[];
    }
  | { readonly kind: "reduce"; readonly name: string; readonly source: Typed; readonly by: TypedLambda | null }
  /** Rows into a file: an effect. */
  | {
      readonly kind: "write";
      readonly format: WriteExpr["format"];
      readonly source: Typed;
      readonly path: Typed;
      readonly columns: readonly string[] | null;
    }
  /** Rows of files. */
  | {
      readonly kind: "read";
      readonly format: ReadExpr["format"];
      readonly files: Typed;
      readonly shape: Shape | null;
      readonly separator: string;
    }
  /** `groupBy`, `agg`, and one after the other. Without `agg` a group is its key and its rows. */
  | {
      readonly kind: "aggregate";
      readonly source: Typed;
      /** `named`: the source are groups already, which a `groupBy` elsewhere makes. */
      readonly grouping:
        | { readonly kind: "none" }
        | { readonly kind: "named"; readonly keyFields: readonly string[] | null }
        | { readonly kind: "by"; readonly key: TypedLambda; readonly keyFields: readonly string[] | null };
      readonly aggregates: readonly TypedAggregate[];
    }
  /** The parts of a batch become one value. */
  | { readonly kind: "combine"; readonly name: string; readonly part: Typed }
  | {
      readonly kind: "fit";
      /** Several make a record. */
      readonly carried: readonly { readonly binding: Binding; readonly init: Typed }[];
      readonly batch: Binding;
      readonly epoch: Binding;
      readonly step: Binding;
      readonly over: Typed;
      readonly epochs: Typed;
      readonly body: readonly TypedFitStatement[];
      readonly eachEpoch: readonly TypedEpochStatement[] | null;
    }
  /** The block for each row, the list of its values. */
  | { readonly kind: "for"; readonly item: TypedLet["pattern"]; readonly in: Typed; readonly body: TypedBlock }
  /** Gives the last carried values: one by itself, several as a record. */
  | {
      readonly kind: "loop";
      /** `next` is the carried value after the body, as `until` reads it. */
      readonly carried: readonly { readonly binding: Binding; readonly next: Binding; readonly init: Typed }[];
      readonly body: readonly TypedStatement[];
      readonly until: Typed;
      readonly max: Typed;
    }
  /** `{ ok, failed }`: the rows for which a function gave a value, and those for which it threw, with what. */
  | { readonly kind: "attempt"; readonly source: Typed; readonly f: TypedLambda }
  | { readonly kind: "within"; readonly value: Typed; readonly limitMs: number; readonly otherwise: Typed }
  /** Its problem has been reported. */
  | { readonly kind: "error" }
);

export interface TypedAggregate {
  readonly field: string;
  /** A reduction. */
  readonly name: string;
  readonly by: TypedLambda | null;
  /** Of what it gives. */
  readonly type: Type;
}

export type TypedFitStatement =
  | { readonly kind: "let"; readonly binding: Binding; readonly value: Typed }
  | { readonly kind: "track"; readonly name: string; readonly value: Typed }
  | { readonly kind: "next"; readonly carried: Binding; readonly value: Typed }
  | TypedExpect;

/** After each pass over the batches. */
export type TypedEpochStatement =
  | Exclude<TypedFitStatement, { kind: "next" }>
  /** What is kept where the metric is best becomes the value of the `fit`. */
  | { readonly kind: "keep"; readonly value: Typed; readonly direction: "minimizing" | "maximizing"; readonly metric: string }
  | { readonly kind: "stop"; readonly after: Typed; readonly direction: "minimizing" | "maximizing"; readonly metric: string };

export interface TypedBlock {
  readonly statements: readonly TypedStatement[];
  /** Of type `void` where the block has none. */
  readonly value: Typed;
}

export type TypedStatement =
  | TypedLet
  | TypedExpect
  /** A call that acts on the world outside: never left out, in order with the others. */
  | { readonly kind: "do"; readonly call: Typed; readonly span: Span }
  /** An `if`, `for`, `loop` or pipeline that is there for what it does. */
  | { readonly kind: "run"; readonly value: Typed }
  /** In a `loop`: a number along its iterations, and the carried name's next value. */
  | { readonly kind: "track"; readonly name: string; readonly value: Typed; readonly span: Span }
  | { readonly kind: "next"; readonly carried: Binding; readonly value: Typed };

interface TypedExpect {
  readonly kind: "expect";
  readonly condition: Typed;
  readonly message: Typed;
  readonly span: Span;
}

export interface TypedLet {
  readonly kind: "let";
  readonly pattern:
    | { readonly kind: "name"; readonly binding: Binding }
    | { readonly kind: "fields"; readonly fields: readonly { readonly field: string; readonly binding: Binding }[] }
    | { readonly kind: "items"; readonly bindings: readonly Binding[] };
  readonly value: Typed;
}

export interface CheckedPipeline {
  readonly name: string;
  readonly doc: string | null;
  readonly span: Span;
  readonly parameters: readonly { readonly binding: Binding; readonly default: Typed | null }[];
  /** Known once its body has been checked where TypeScript doesn't write it. */
  returns: Type;
  /** Filled when its body has been checked; a pipeline may be called above its own declaration. */
  body: TypedBlock | null;
  /** What is done when a run of it fails; the failure is a param of the plan of that name. */
  onFailure: { readonly binding: Binding; readonly statements: readonly TypedStatement[] } | null;
}

export interface CheckedProgram {
  readonly module: Module;
  readonly entry: CheckedPipeline;
  readonly params: readonly { readonly plan: PlanParam; readonly doc: string | null; readonly span: Span }[];
}
