// The program as both front ends give it: names unresolved, types unchecked, pipes and methods already plain calls. Each
// node keeps the span it was read from, so the checker's messages point into the user's own text, `.pipe` or TypeScript.
// Must not know chevrotain, ts-morph or how either text looked.
import type { BinaryOperator, Name, Span, TypeNode } from "../lang/ast.ts";
import type { Type } from "../lang/types.ts";

interface Node {
  readonly span: Span;
}

export interface Module {
  readonly file: string;
  readonly frontEnd: "pipe" | "typescript";
  readonly doc: string | null;
  readonly imports: readonly Import[];
  readonly types: readonly (Node & { readonly name: Name; readonly parameters: readonly Name[]; readonly type: TypeNode })[];
  /** Of the entry file: typed flags of the program. In annotated TypeScript: the entry function's parameters. */
  readonly params: readonly Parameter[];
  readonly pipelines: readonly Pipeline[];
  readonly schedules: readonly Schedule[];
}

export interface Import extends Node {
  readonly what: "function" | "actor" | "resource" | "type";
  /** Name in the imported file, and in this one. */
  readonly exported: Name;
  readonly local: Name;
  /** As written: `./digits.ts`. */
  readonly from: Name;
}

/** All files of a program, linked: each import stands for something, or its problem has been reported. */
export interface Program {
  readonly entry: Module;
  /** The entry's first, then in the order in which they were met. */
  readonly files: readonly ProgramFile[];
}

export interface ProgramFile {
  readonly module: Module;
  readonly imports: readonly LinkedImport[];
  readonly offers: readonly Offer[];
}

/** What a file that is imported from has for calls, by the path that the import gives. */
export interface Offer {
  readonly from: string;
  readonly functions: readonly string[];
}

export interface LinkedImport extends Import {
  readonly target: ImportTarget;
}

export type ImportTarget =
  | { readonly kind: "function" | "resource"; readonly file: string; readonly signature: FunctionSignature }
  /** A class whose instances keep state between calls. */
  | { readonly kind: "actor"; readonly file: string; readonly signature: ClassSignature }
  /** A type of TypeScript. */
  | { readonly kind: "type"; readonly type: Type }
  /** A pipeline or an alias of another module of the program. */
  | { readonly kind: "pipeline" | "alias"; readonly file: string; readonly name: string }
  /** Nothing that is there; `meant` is likely what was meant. */
  | { readonly kind: "none"; readonly meant?: string | null };

/** A declared type: `.pipe` text gives a node, TypeScript a finished type. */
export type DeclaredType =
  | { readonly kind: "node"; readonly node: TypeNode }
  | { readonly kind: "type"; readonly type: Type; readonly span?: Span };

export interface Parameter extends Node {
  readonly name: Name;
  readonly doc: string | null;
  readonly type: DeclaredType;
  readonly default: Expr | null;
  readonly range: { readonly low: Expr; readonly high: Expr } | null;
}

export interface Pipeline extends Node {
  readonly kind: "pipeline" | "service";
  readonly name: Name;
  readonly doc: string | null;
  readonly parameters: readonly Parameter[];
  /** Null in annotated TypeScript, where it is inferred. */
  readonly returns: DeclaredType | null;
  readonly body: Block;
}

export interface Schedule extends Node {
  readonly name: Name;
  readonly pipeline: Name | null;
  readonly entries: readonly ScheduleEntry[];
}
export interface ScheduleEntry extends Node {
  readonly selectors: readonly { readonly path: readonly string[]; readonly span: Span }[];
  readonly strategy: {
    readonly name: Name;
    readonly demanded: boolean;
    readonly args: readonly Argument[];
    readonly architecture: { readonly name: Name; readonly args: readonly Argument[] } | null;
    readonly span: Span;
  } | null;
  readonly options: readonly { readonly name: Name; readonly value: Expr; readonly span: Span }[];
}

export interface Block extends Node {
  readonly statements: readonly Statement[];
}

export type Statement =
  | (Node & {
      readonly kind: "let";
      readonly doc: string | null;
      readonly pattern: Pattern;
      readonly type: DeclaredType | null;
      readonly value: Expr;
    })
  | (Node & { readonly kind: "track"; readonly name: Name; readonly value: Expr })
  | (Node & { readonly kind: "next"; readonly name: Name; readonly value: Expr })
  | (Node & { readonly kind: "do"; readonly value: Expr })
  | (Node & { readonly kind: "expect"; readonly condition: Expr; readonly message: Expr | null })
  | (Node & { readonly kind: "keep"; readonly value: Expr; readonly direction: "minimizing" | "maximizing"; readonly metric: Name })
  | (Node & { readonly kind: "stop"; readonly after: Expr; readonly metric: Name })
  | (Node & { readonly kind: "onFailure"; readonly name: Name; readonly body: Block })
  /** The last one of a block is the block's value. */
  | (Node & { readonly kind: "expression"; readonly value: Expr });

export type Pattern =
  | (Node & { readonly kind: "name"; readonly name: Name })
  | (Node & { readonly kind: "fields"; readonly fields: readonly { readonly field: Name; readonly name: Name }[] })
  | (Node & { readonly kind: "items"; readonly names: readonly Name[] });

export interface Argument extends Node {
  readonly name: Name | null;
  readonly value: Expr;
}

export type Expr =
  /** `numeric: "either"` is TypeScript's plain `64`: an `int` where one is wanted, else a `float`. */
  | (Node & { readonly kind: "number"; readonly value: number; readonly numeric: "int" | "float" | "either" })
  | (Node & { readonly kind: "quantity"; readonly value: number; readonly unit: string })
  | (Node & { readonly kind: "string"; readonly value: string })
  | (Node & { readonly kind: "template"; readonly parts: readonly (string | Expr)[] })
  | (Node & { readonly kind: "bool"; readonly value: boolean })
  | (Node & { readonly kind: "null" })
  | (Node & { readonly kind: "name"; readonly name: string })
  | (Node & { readonly kind: "list"; readonly items: readonly Expr[] })
  | (Node & { readonly kind: "record"; readonly fields: readonly RecordField[] })
  | (Node & { readonly kind: "field"; readonly of: Expr; readonly name: Name; readonly optional: boolean })
  | (Node & { readonly kind: "index"; readonly of: Expr; readonly index: Expr })
  /** `xs |> mean(f)`, `mean(xs, f)` and TypeScript's `xs.mean(f)` are all `mean` with the arguments `xs` and `f`; a piped step without brackets too. */
  | (Node & {
      readonly kind: "call";
      readonly callee: Name /** `pool.rollout(x)`: the value whose method is called. */;
      readonly receiver: Expr | null;
      /** `csv<Flight>(…)`: types that the call is given. */
      readonly types?: readonly DeclaredType[];
      readonly args: readonly Argument[];
    })
  | (Node & { readonly kind: "unary"; readonly operator: "-" | "!"; readonly operand: Expr })
  | (Node & { readonly kind: "binary"; readonly operator: BinaryOperator; readonly left: Expr; readonly right: Expr })
  | (Node & { readonly kind: "if"; readonly condition: Expr; readonly then: Block; readonly else: Block | null })
  | (Node & { readonly kind: "lambda"; readonly parameters: readonly Name[]; readonly body: Expr })
  | (Node & {
      readonly kind: "fit";
      readonly carried: readonly Carried[];
      readonly batch: Name;
      readonly over: Expr;
      readonly epochs: Expr;
      readonly body: Block;
      readonly eachEpoch: Block | null;
    })
  | (Node & { readonly kind: "loop"; readonly carried: readonly Carried[]; readonly until: Expr; readonly max: Expr; readonly body: Block })
  | (Node & { readonly kind: "for"; readonly pattern: Pattern; readonly in: Expr; readonly body: Block })
  | (Node & { readonly kind: "search"; readonly metric: Name; readonly body: Block })
  | (Node & { readonly kind: "within"; readonly value: Expr; readonly limit: Expr; readonly otherwise: Expr })
  | (Node & { readonly kind: "error" });

export interface Carried extends Node {
  readonly name: Name;
  readonly init: Expr;
}
export type RecordField =
  | (Node & { readonly kind: "field"; readonly name: Name; readonly value: Expr })
  | (Node & { readonly kind: "spread"; readonly value: Expr });

// --- What a TypeScript file offers to a pipeline -----------------------------------------------------------------------

/** The exports of one TypeScript file, read once per content of the files and packages it reaches. */
export interface Signatures {
  readonly file: string;
  readonly functions: Readonly<Record<string, FunctionSignature>>;
  readonly types: Readonly<Record<string, { readonly type: Type; readonly span: Span }>>;
  /** What `actor` imports look for. */
  readonly classes: Readonly<Record<string, ClassSignature>>;
  /** What they are, and what to write instead. */
  readonly others: Readonly<Record<string, { readonly is: string; readonly help: string }>>;
}

export interface ClassSignature {
  readonly name: string;
  readonly span: Span;
  /** Its constructor, as a function that gives an instance; null where nobody can call it. */
  readonly make: FunctionSignature | null;
  /** Public ones. */
  readonly methods: Readonly<Record<string, FunctionSignature>>;
  /** `@replayed`: rebuilt after a loss, with its calls applied again. */
  readonly replayed: boolean;
}

export interface FunctionSignature {
  readonly name: string;
  /** The declaration's name in its own file, for the second frame of a message. */
  readonly span: Span;
  /** Its other signatures, in the order of the text; empty for most. */
  readonly overloads: readonly FunctionSignature[];
  readonly typeParameters: readonly TypeParameter[];
  readonly parameters: readonly SignatureParameter[];
  /** Promises unwrapped (`async`); an iterator, generator or async iterable of `T` is `Dataset<T>` (`iterates`). */
  readonly returns: Type;
  readonly returnSpan: Span;
  readonly async: boolean;
  readonly iterates: "no" | "sync" | "async";
  /** `@effect @volatile @associative @elementwise`, and `@pipeline`, whose function is a graph and no stage. */
  readonly tags: readonly string[];
  /** What it reaches outside itself, through the user's own files: one place for each kind. */
  readonly reaches: readonly Reached[];
  /**
   * Kinds of memory in what it gives that may be a read-only argument's, by TypeScript's own rules: `readonly` fields fit mutable ones, so a
   * record can be handed on as one that may be changed, while a read-only list or array can't.
   */
  readonly lends: readonly string[];
  /** What it gives may be memory that its module keeps, which the next call would see changed. */
  readonly keepsMemory: boolean;
}

/** What makes a function depend on more than its arguments, or do more than give a value. */
export type Reach = "files" | "network" | "environment" | "clock" | "chance" | "state" | "processes" | "exit";

export interface Reached {
  readonly what: Reach;
  /** As it is written there: `Date.now`, `readFileSync`, the name of a module's variable. */
  readonly name: string;
  readonly span: Span;
  /** Names of the declarations between the function and the place, the nearest to the function first. */
  readonly via: readonly string[];
}

export interface TypeParameter {
  readonly name: string;
  /** `T extends …` and `T = …`. */
  readonly constraint: Type | null;
  readonly fallback: Type | null;
}

export interface SignatureParameter {
  readonly name: string;
  readonly span: Span;
  readonly type: Type;
  readonly optional: boolean;
  readonly rest: boolean;
  /** False where the type is read-only through and through (`View<…>`, `ReadonlyTensor`, `readonly number[]`, numbers, strings): memory may be shared. */
  readonly mutable: boolean;
}
