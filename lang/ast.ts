// The syntax tree of one `.pipe` file, as written: pipes, parentheses and comments are still there. Owned by the parser and
// the formatter. It must not know names, types or TypeScript: `compiler/1-read/pipe.ts` turns it into a `Module`.

/** A range of UTF-16 offsets in one source file; `end` is exclusive. */
export interface Span {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

export interface Name {
  readonly text: string;
  readonly span: Span;
}

interface Node {
  readonly span: Span;
}

export interface File extends Node {
  /** `///` lines above the imports. */
  readonly doc: string | null;
  readonly declarations: readonly Declaration[];
}

export type Declaration = ImportDeclaration | TypeDeclaration | ParamDeclaration | PipelineDeclaration | ScheduleDeclaration;

export interface ImportDeclaration extends Node {
  readonly kind: "import";
  readonly items: readonly ImportItem[];
  readonly from: Name;
}
export interface ImportItem extends Node {
  readonly what: "function" | "actor" | "resource" | "type";
  readonly name: Name;
  readonly as: Name | null;
}
export interface TypeDeclaration extends Node {
  readonly kind: "type";
  readonly doc: string | null;
  readonly name: Name;
  /** Dimension symbols bound by the alias. */
  readonly parameters: readonly Name[];
  readonly type: TypeNode;
}
export interface ParamDeclaration extends Node {
  readonly kind: "param";
  readonly doc: string | null;
  readonly name: Name;
  readonly type: TypeNode;
  readonly default: Expression | null;
  readonly range: { readonly low: Expression; readonly high: Expression } | null;
}
export interface PipelineDeclaration extends Node {
  readonly kind: "pipeline" | "service";
  readonly doc: string | null;
  readonly name: Name;
  readonly parameters: readonly Parameter[];
  /** Null is an error of the checker, not of the parser. */
  readonly returns: TypeNode | null;
  readonly body: Block;
}
export interface Parameter extends Node {
  readonly name: Name;
  readonly type: TypeNode;
  readonly default: Expression | null;
}
export interface ScheduleDeclaration extends Node {
  readonly kind: "schedule";
  readonly doc: string | null;
  readonly name: Name;
  readonly pipeline: Name | null;
  readonly entries: readonly ScheduleEntry[];
}
export interface ScheduleEntry extends Node {
  readonly selectors: readonly Selector[];
  readonly strategy: StrategyNode | null;
  readonly options: readonly OptionNode[];
}
export interface Selector extends Node {
  /** `["*"]`, `["report", "*"]`, `["model"]`. */
  readonly path: readonly string[];
}
export interface StrategyNode extends Node {
  readonly name: Name;
  readonly demanded: boolean;
  readonly args: readonly Argument[];
  /** `data(2) allreduce(batch: perWorker)`: the training architecture. */
  readonly architecture: { readonly name: Name; readonly args: readonly Argument[] } | null;
}
export interface OptionNode extends Node {
  readonly name: Name;
  readonly value: Expression;
}

export interface Block extends Node {
  readonly statements: readonly Statement[];
}
export type Statement =
  | (Node & {
      readonly kind: "let";
      readonly doc: string | null;
      readonly pattern: Pattern;
      readonly type: TypeNode | null;
      readonly value: Expression;
    })
  | (Node & { readonly kind: "track"; readonly name: Name; readonly value: Expression | null })
  | (Node & { readonly kind: "next"; readonly name: Name; readonly value: Expression })
  | (Node & { readonly kind: "do"; readonly value: Expression })
  | (Node & { readonly kind: "expect"; readonly condition: Expression; readonly message: Expression | null })
  | (Node & { readonly kind: "keep"; readonly value: Expression; readonly direction: "minimizing" | "maximizing"; readonly metric: Name })
  | (Node & { readonly kind: "stop"; readonly after: Expression; readonly metric: Name })
  | (Node & { readonly kind: "onFailure"; readonly name: Name; readonly body: Block })
  | (Node & { readonly kind: "expression"; readonly value: Expression });

export type Pattern =
  | (Node & { readonly kind: "name"; readonly name: Name })
  | (Node & { readonly kind: "fields"; readonly fields: readonly { readonly field: Name; readonly name: Name }[] })
  | (Node & { readonly kind: "items"; readonly names: readonly Name[] });

export interface Argument extends Node {
  readonly name: Name | null;
  readonly value: Expression;
}
export interface Carried extends Node {
  readonly name: Name;
  readonly init: Expression;
}

export type Expression =
  | (Node & { readonly kind: "number"; readonly value: number /** `1.0` and `1e3` are floats. */; readonly float: boolean })
  | (Node & { readonly kind: "quantity"; readonly value: number; readonly unit: string })
  | (Node & { readonly kind: "string"; readonly value: string })
  | (Node & { readonly kind: "template"; readonly parts: readonly (string | Expression)[] })
  | (Node & { readonly kind: "bool"; readonly value: boolean })
  | (Node & { readonly kind: "null" })
  | (Node & { readonly kind: "name"; readonly name: string })
  | (Node & { readonly kind: "paren"; readonly value: Expression })
  | (Node & { readonly kind: "list"; readonly items: readonly Expression[] })
  | (Node & { readonly kind: "record"; readonly fields: readonly RecordField[] })
  | (Node & { readonly kind: "field"; readonly of: Expression; readonly name: Name; readonly optional: boolean })
  | (Node & { readonly kind: "index"; readonly of: Expression; readonly index: Expression })
  | (Node & {
      readonly kind: "call";
      readonly callee: Expression;
      /** `csv<Flight>(…)`. */
      readonly types: readonly TypeNode[];
      readonly args: readonly Argument[];
    })
  | (Node & {
      readonly kind: "pipe";
      readonly left: Expression /** A name, or a field path on a name. */;
      readonly callee: Expression;
      readonly types: readonly TypeNode[];
      readonly args: readonly Argument[] | null;
    })
  | (Node & { readonly kind: "unary"; readonly operator: "-" | "!"; readonly operand: Expression })
  | (Node & { readonly kind: "binary"; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression })
  | (Node & { readonly kind: "if"; readonly condition: Expression; readonly then: Block; readonly else: Block | null })
  | (Node & { readonly kind: "lambda"; readonly parameters: readonly Name[]; readonly body: Expression })
  | (Node & {
      readonly kind: "fit";
      readonly carried: readonly Carried[];
      readonly batch: Name;
      readonly over: Expression;
      readonly epochs: Expression;
      readonly body: Block;
      readonly eachEpoch: Block | null;
    })
  | (Node & {
      readonly kind: "loop";
      readonly carried: readonly Carried[];
      readonly until: Expression;
      readonly max: Expression;
      readonly body: Block;
    })
  | (Node & { readonly kind: "for"; readonly pattern: Pattern; readonly in: Expression; readonly body: Block })
  | (Node & {
      readonly kind: "search";
      readonly space: readonly SearchField[];
      readonly trials: Expression;
      readonly direction: "minimize" | "maximize";
      readonly metric: Name;
      readonly using: { readonly name: Name; readonly args: readonly Argument[] } | null;
      readonly body: Block;
    })
  | (Node & { readonly kind: "within"; readonly value: Expression; readonly limit: Expression; readonly otherwise: Expression })
  /** Stands where recovery skipped text; a diagnostic has already been reported. */
  | (Node & { readonly kind: "error" });

export type BinaryOperator = "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "&&" | "||" | "??";

export type RecordField =
  | (Node & { readonly kind: "field"; readonly name: Name /** Null: `{ model }`. */; readonly value: Expression | null })
  | (Node & { readonly kind: "spread"; readonly value: Expression });

export type SearchField =
  | (Node & { readonly kind: "range"; readonly name: Name; readonly low: Expression; readonly high: Expression; readonly log: boolean })
  | (Node & { readonly kind: "choices"; readonly name: Name; readonly choices: readonly Expression[] });

export type TypeNode =
  | (Node & { readonly kind: "named"; readonly name: Name; readonly args: readonly TypeArgument[] })
  | (Node & { readonly kind: "literal"; readonly value: string | number | null })
  | (Node & { readonly kind: "list"; readonly item: TypeNode })
  | (Node & {
      readonly kind: "record";
      readonly fields: readonly { readonly name: Name; readonly optional: boolean; readonly type: TypeNode }[];
    })
  | (Node & { readonly kind: "union"; readonly members: readonly TypeNode[] })
  | (Node & { readonly kind: "optional"; readonly of: TypeNode })
  | (Node & { readonly kind: "error" });

export type TypeArgument =
  /** A number and a name may stand for a dimension too. */
  | { readonly kind: "type"; readonly type: TypeNode }
  /** `?`, or a product, of an alias. */
  | { readonly kind: "dim"; readonly dim: DimNode }
  | { readonly kind: "dims"; readonly dims: readonly DimNode[]; readonly span: Span };
/** `?`, or a product of literals and symbols. */
export type DimNode =
  | (Node & { readonly kind: "any" })
  | (Node & { readonly kind: "product"; readonly factors: readonly (number | Name)[] });
