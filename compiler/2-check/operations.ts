// The operations that the language brings itself: what each takes, and what it gives. Data only; `calls.ts` applies it.
import type { Type } from "../../lang/types.ts";

export const INT: Type = { kind: "int" };
export const FLOAT: Type = { kind: "float" };
export const BOOL: Type = { kind: "bool" };
export const STRING: Type = { kind: "string" };
export const NULL: Type = { kind: "null" };
export const ANY: Type = { kind: "any" };
export const TIME: Type = { kind: "timestamp" };
/** What a time can be made of: text, another time, or milliseconds since 1970. */
const TIME_LIKE: Type = { kind: "union", members: [STRING, TIME, INT] };
export const ERROR: Type = { kind: "error" };

export interface OperationParameter {
  readonly name: string;
  /** A scalar of a type, or a function of one row, or of two. */
  readonly takes:
    | {
        readonly kind: "value";
        readonly type: Type;
        /** The smallest that works, as far as it is known before running. */
        readonly least?: number;
      }
    | {
        readonly kind: "function";
        /** How many rows it takes: one, two, or a run of them as a list. */
        readonly of: 1 | 2 | "run";
        readonly gives: Type | "any" | "list" | "row";
      }
    | { readonly kind: "rows" };
  readonly optional?: true;
}

const f = (gives: Type | "any" | "list" | "row", name = "f"): OperationParameter => ({ name, takes: { kind: "function", of: 1, gives } });
const value = (name: string, type: Type): OperationParameter => ({ name, takes: { kind: "value", type } });
const whole = (name: string, least: number): OperationParameter => ({ name, takes: { kind: "value", type: INT, least } });

/** How the rows that come out are made of those that went in. */
type Rows = "same" | "lambda" | "lambdaItems" | "indexed" | "batches" | "pairs" | "joined";

export const dataOperations: Readonly<
  Record<
    string,
    { readonly parameters: readonly OperationParameter[]; readonly rows: Rows /** Rows stay in their blocks. */; readonly rowWise: boolean }
  >
> = {
  map: { parameters: [f("any")], rows: "lambda", rowWise: true },
  filter: { parameters: [f(BOOL)], rows: "same", rowWise: true },
  flatMap: { parameters: [f("list")], rows: "lambdaItems", rowWise: true },
  mapBatches: {
    parameters: [whole("size", 1), { name: "f", takes: { kind: "function", of: "run", gives: "list" } }],
    rows: "lambdaItems",
    rowWise: true,
  },
  withIndex: { parameters: [], rows: "indexed", rowWise: true },
  shuffle: { parameters: [value("seed", INT)], rows: "same", rowWise: false },
  sortBy: { parameters: [f("any", "key")], rows: "same", rowWise: false },
  batches: { parameters: [whole("n", 1), { ...value("dropLast", BOOL), optional: true }], rows: "batches", rowWise: false },
  first: { parameters: [whole("n", 0)], rows: "same", rowWise: false },
  take: { parameters: [whole("n", 0)], rows: "same", rowWise: false },
  zip: { parameters: [{ name: "other", takes: { kind: "rows" } }], rows: "pairs", rowWise: false },
  concat: { parameters: [{ name: "other", takes: { kind: "rows" } }], rows: "joined", rowWise: false },
};

/** Operations whose result depends on the rows' places in their source. */
export const readsKeys = (operation: string): boolean => ["withIndex", "shuffle", "sample"].includes(operation);

/** Rows stay in their blocks, and each block is worked on by itself. A share of the rows is drawn row by row, a number of them from all. */
export const isRowWise = (operation: string, args: object): boolean =>
  operation === "sample" ? "share" in args : dataOperations[operation]!.rowWise;

const by = (gives: Type | "any"): readonly OperationParameter[] => [{ ...f(gives, "by"), optional: true }];

/** `gives`: a fixed type, or the type of what was reduced (`value`), a number of its kind (`number`), or a list of rows. */
export const reductions: Readonly<
  Record<
    string,
    {
      readonly parameters: readonly OperationParameter[];
      readonly wants: "any" | "additive" | "number" | "bool";
      readonly gives: Type | "value" | "mean" | "rows";
    }
  >
> = {
  count: { parameters: [], wants: "any", gives: INT },
  sum: { parameters: by("any"), wants: "additive", gives: "value" },
  mean: { parameters: by("any"), wants: "additive", gives: "mean" },
  min: { parameters: by("any"), wants: "number", gives: "value" },
  max: { parameters: by("any"), wants: "number", gives: "value" },
  any: { parameters: by(BOOL), wants: "bool", gives: BOOL },
  all: { parameters: by(BOOL), wants: "bool", gives: BOOL },
  reduce: { parameters: [{ name: "f", takes: { kind: "function", of: 2, gives: "row" } }], wants: "any", gives: "value" },
  collect: { parameters: [], wants: "any", gives: "rows" },
  first: { parameters: [], wants: "any", gives: "value" },
};

/** Make one value of the parts of a batch. */
export const combiners: readonly string[] = ["mean", "sum", "min", "max", "concat"];

/** Scalar functions: parameters, and the result, `same` being the kind of number that went in. */
export const scalars: Readonly<
  Record<string, { readonly parameters: readonly Type[]; readonly many?: true; readonly gives: Type | "same" }>
> = {
  abs: { parameters: [FLOAT], gives: "same" },
  sign: { parameters: [FLOAT], gives: "same" },
  exp: { parameters: [FLOAT], gives: FLOAT },
  log: { parameters: [FLOAT], gives: FLOAT },
  log2: { parameters: [FLOAT], gives: FLOAT },
  log10: { parameters: [FLOAT], gives: FLOAT },
  sqrt: { parameters: [FLOAT], gives: FLOAT },
  pow: { parameters: [FLOAT, FLOAT], gives: FLOAT },
  sin: { parameters: [FLOAT], gives: FLOAT },
  cos: { parameters: [FLOAT], gives: FLOAT },
  tanh: { parameters: [FLOAT], gives: FLOAT },
  round: { parameters: [FLOAT], gives: INT },
  floor: { parameters: [FLOAT], gives: INT },
  ceil: { parameters: [FLOAT], gives: INT },
  min: { parameters: [FLOAT, FLOAT], many: true, gives: "same" },
  max: { parameters: [FLOAT, FLOAT], many: true, gives: "same" },
  len: { parameters: [ANY], gives: INT },
  lower: { parameters: [STRING], gives: STRING },
  upper: { parameters: [STRING], gives: STRING },
  trim: { parameters: [STRING], gives: STRING },
  contains: { parameters: [ANY, ANY], gives: BOOL },
  startsWith: { parameters: [STRING, STRING], gives: BOOL },
  endsWith: { parameters: [STRING, STRING], gives: BOOL },
  replace: { parameters: [STRING, STRING, STRING], gives: STRING },
  timestamp: { parameters: [TIME_LIKE], gives: TIME },
  date: { parameters: [TIME_LIKE], gives: TIME },
  year: { parameters: [TIME], gives: INT },
  month: { parameters: [TIME], gives: INT },
  day: { parameters: [TIME], gives: INT },
  hour: { parameters: [TIME], gives: INT },
  minute: { parameters: [TIME], gives: INT },
  second: { parameters: [TIME], gives: INT },
  weekday: { parameters: [TIME], gives: INT },
  float: { parameters: [FLOAT], gives: FLOAT },
  int: { parameters: [FLOAT], gives: INT },
  string: { parameters: [ANY], gives: STRING },
};

/** Operations on rows that are read in a way of their own. */
export const rowForms: readonly string[] = ["split", "sample", "groupBy", "agg"];

/** Sources of rows that lie in files. */
export const readers: readonly string[] = ["text", "csv", "jsonLines"];

/** What puts rows into files, behind `do`. */
export const writers: readonly string[] = ["writeCsv", "writeJsonLines", "writeText"];

/** Of the language, but not built yet. */
export const laterOperations: readonly string[] = [
  "select",
  "drop",
  "rename",
  "fillNull",
  "flatten",
  "splitAt",
  "kfold",
  "bootstrap",
  "partitionBy",
  "distinct",
  "window",
  "std",
  "quantile",
  "countDistinct",
  "countBy",
  "topK",
  "join",
  "describe",
  "show",
  "parquet",
];

/** Every operation by name, for the nearest to a misspelt one. */
export const operationNames: readonly string[] = [
  ...new Set([
    ...Object.keys(dataOperations),
    ...Object.keys(reductions),
    ...Object.keys(scalars),
    ...rowForms,
    ...readers,
    ...writers,
    "range",
    "dataset",
    "spawn",
    "each",
  ]),
];
