// Types: how they print, what fits where and why not, what a call's arguments bind.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Dim, Type } from "../../lang/types.ts";
import {
  bind,
  bindings,
  differsInSize,
  join,
  knowing,
  mayBeNull,
  mismatch,
  optionalOf,
  presentOf,
  print,
  substitute,
  symbolsOf,
  unionOf,
} from "../../lang/types.ts";

const INT: Type = { kind: "int" };
const FLOAT: Type = { kind: "float" };
const STRING: Type = { kind: "string" };
const NULL: Type = { kind: "null" };
const literal = (value: string | number | boolean): Type => ({ kind: "literal", value });
const list = (item: Type): Type => ({ kind: "list", item });
const dataset = (row: Type): Type => ({ kind: "dataset", row });
const variable = (name: string): Type => ({ kind: "variable", name });
const record = (fields: Readonly<Record<string, Type>>, name: string | null = null): Type => ({
  kind: "record",
  name,
  fields: Object.entries(fields).map(([field, type]) => ({ name: field.replace("?", ""), type, optional: field.endsWith("?") })),
});
/** As in a signature before a call has bound anything. */
const open = (type: Type): Type => substitute(type, bindings(), "kept");
const tuple = (...items: Type[]): Type => ({ kind: "list", item: items.reduce(join), items });
/** `[2, "B"]`, `["2*B"]`, `["?"]`. */
const tensor = (...dims: (number | string)[]): Type => ({ kind: "tensor", dtype: "f32", dims: dims.map(dim) });
function dim(written: number | string): Dim {
  if (written === "?") return { kind: "any" };
  const factors = String(written).split("*");
  return {
    kind: "product",
    literal: factors.reduce((all, factor) => (/^\d+$/.test(factor) ? all * Number(factor) : all), 1),
    symbols: factors.filter((factor) => !/^\d+$/.test(factor)),
  };
}

it.each<[Type, string]>([
  [unionOf([literal("fast"), literal(3), NULL]), '"fast" | 3 | null'],
  [optionalOf(list(INT)), "[int]?"],
  [record({ a: INT, "b?": STRING }), "{ a: int, b?: string }"],
  [record({ a: INT }, "Row"), "Row"],
  [tensor("B", "28*28", "2*B", "?"), "Tensor<f32, [B, 784, 2*B, ?]>"],
  [{ kind: "tensor", dtype: "i32", dims: null }, "Tensor<i32>"],
  [{ kind: "part", of: dataset(record({ x: FLOAT })) }, "Part<Dataset<{ x: float }>>"],
  [{ kind: "function", parameters: [INT, STRING], returns: FLOAT }, "(int, string) => float"],
  [{ kind: "array", dtype: "u8" }, "Uint8Array"],
])("prints %j as %s", (type, text) => {
  expect(print(type)).toBe(text);
});

describe("what fits", () => {
  it.each<[Type, Type]>([
    [INT, FLOAT],
    [literal(3), INT],
    [literal(2.5), FLOAT],
    [literal("a"), unionOf([literal("a"), literal("b")])],
    [unionOf([literal("a"), literal("b")]), STRING],
    [INT, optionalOf(FLOAT)],
    [list(INT), list(FLOAT)],
    [list(INT), dataset(FLOAT)],
    [record({ a: INT, b: INT }), record({ a: FLOAT })],
    [record({}), record({ "a?": INT })],
    [record({}), record({ a: optionalOf(INT) })],
    [tensor(64, 784), open(tensor("B", 784))],
    [tensor("B", 784), tensor("B", "28*28")],
    [tensor("2*A*B"), tensor("2*B*A")],
    [tuple(INT, STRING), tuple(FLOAT, STRING)],
    [tuple(INT, INT), list(FLOAT)],
    [tensor(64, 784), tensor("?", "28*28")],
    [tensor(128), open(tensor("2*B"))],
    [tensor("B"), open(tensor("C"))],
    [{ kind: "error" }, INT],
    [INT, { kind: "any" }],
  ])("%j fits %j", (from, to) => {
    expect(mismatch(from, to)).toBeNull();
  });

  it.each<[Type, Type, string]>([
    [FLOAT, INT, "float isn't int"],
    [literal(2.5), INT, "2.5 isn't int"],
    [STRING, unionOf([literal("a"), literal("b")]), 'string is none of "a" | "b"'],
    [optionalOf(INT), INT, "null isn't int"],
    [dataset(INT), list(INT), "Dataset<int> isn't [int]; `collect` makes a list of a data set"],
    [record({ a: INT }), record({ b: INT }), "field `b` is missing"],
    [record({ "a?": INT }), record({ a: INT }), "field `a` may be missing"],
    [record({ a: record({ b: STRING }) }), record({ a: record({ b: INT }) }), "field `a`: field `b`: string isn't int"],
    [tensor(64, 785), open(tensor("B", 784)), "its dimension 2 is 785, not 784"],
    [tensor("B"), tensor("C"), "its dimension 1 is B, not C"],
    [tensor("B"), tensor(64), "its dimension 1 is B, not 64"],
    [tuple(INT, STRING), tuple(INT), "it has 2 items, not 1"],
    [tuple(INT, STRING), tuple(STRING, INT), "int isn't string"],
    [list(INT), tuple(INT, INT), "[int] isn't [int, int]"],
    [tensor(64), open(tensor("B", 784)), "it has 1 dimension, not 2"],
    [tensor(127), open(tensor("2*B")), "its dimension 1 is 127, not 2*B"],
    [tensor("2*B"), tensor("3*B"), "its dimension 1 is 2*B, not 3*B"],
    [{ kind: "tensor", dtype: "f64", dims: [dim(1)] }, tensor(1), "Tensor<f64, [1]> isn't Tensor<f32, [1]>"],
  ])("%j doesn't fit %j", (from, to, why) => {
    expect(mismatch(from, to)).toBe(why);
  });
});

describe("what a call binds", () => {
  /** The parameters with what the arguments bind, and the result. */
  function call(parameters: readonly Type[], args: readonly Type[], returns: Type) {
    const bound = bindings();
    parameters.forEach((parameter, i) => {
      bind(parameter, args[i]!, bound);
    });
    const wrong = parameters.map((parameter, i) => mismatch(args[i]!, substitute(parameter, bound, "kept")));
    return { wrong, returns: print(substitute(returns, bound)) };
  }

  it("type parameters, through lists, records and options", () => {
    expect(
      call(
        [list(variable("T")), optionalOf(variable("U"))],
        [list(INT), optionalOf(STRING)],
        record({ t: variable("T"), u: variable("U") }),
      ),
    ).toEqual({
      wrong: [null, null],
      returns: "{ t: int, u: string }",
    });
    expect(call([variable("T"), variable("T")], [INT, FLOAT], variable("T")).returns).toBe("float");
    expect(call([], [], variable("T")).returns).toBe("unknown");
  });

  it("dimensions: the first argument decides, a later one that disagrees doesn't fit", () => {
    const parameters = [tensor("B", 784), tensor("B")];
    expect(call(parameters, [tensor(64, 784), tensor(64)], tensor("B", 10))).toEqual({
      wrong: [null, null],
      returns: "Tensor<f32, [64, 10]>",
    });
    expect(call(parameters, [tensor(64, 784), tensor(32)], tensor("B")).wrong).toEqual([null, "its dimension 1 is 32, not 64"]);
    expect(call(parameters, [tensor("N", 784), tensor("N")], tensor("2*B")).returns).toBe("Tensor<f32, [2*N]>");
    expect(call([tensor("B", "B")], [tensor(3, 4)], FLOAT).wrong).toEqual(["its dimension 2 is 4, not 3"]);
  });

  it("dimensions: a product is solved, and an unknown one stays unknown", () => {
    expect(call([tensor("2*B")], [tensor(128)], tensor("B")).returns).toBe("Tensor<f32, [64]>");
    expect(call([tensor("B", "B*C")], [tensor(4, 12)], tensor("C")).returns).toBe("Tensor<f32, [3]>");
    expect(call([tensor("2*B")], [tensor(127)], tensor("B"))).toEqual({
      wrong: ["its dimension 1 is 127, not 2*B"],
      returns: "Tensor<f32, [?]>",
    });
    expect(call([tensor("B")], [tensor("?")], tensor("B")).returns).toBe("Tensor<f32, [?]>");
  });
});

const types: fc.Arbitrary<Type> = fc.letrec<{ type: Type }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Type>(
      INT,
      FLOAT,
      STRING,
      NULL,
      { kind: "bool" },
      literal("a"),
      literal(1),
      literal(true),
      tensor(2, "B"),
      tensor("?", 3),
    ),
    tie("type").map(list),
    tie("type").map(dataset),
    fc.tuple(tie("type"), tie("type")).map(([a, b]) => record({ a, "b?": b })),
    fc.tuple(tie("type"), tie("type")).map(([a, b]) => unionOf([a, b])),
  ),
})).type;

/** Types of signatures: with type parameters and symbols; each with what it stands for in some call. */
const calls: fc.Arbitrary<{ pattern: Type; given: Type }> = fc.letrec<{ pair: { pattern: Type; given: Type } }>((tie) => {
  const sizes: Readonly<Record<string, number>> = { B: 64, N: 10, K: 7 };
  const dims = fc.array(fc.constantFrom("B", "N", "2*B", "3", "B*N", "K"), { minLength: 1, maxLength: 3 });
  const sizeOf = (written: string) => written.split("*").reduce((all, factor) => all * (sizes[factor] ?? Number(factor)), 1);
  return {
    pair: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(INT, STRING).map((type) => ({ pattern: variable("T"), given: type })),
      // All that can be solved for one symbol after the other.
      dims.map((written) => {
        const names = ["B", "N", "K", ...written];
        return { pattern: tensor(...names), given: tensor(...names.map(sizeOf)) };
      }),
      tie("pair").map(({ pattern, given }) => ({ pattern: list(pattern), given: list(given) })),
      tie("pair").map(({ pattern, given }) => ({ pattern: dataset(pattern), given: list(given) })),
      fc.tuple(tie("pair"), tie("pair")).map(([a, b]) => ({
        pattern: record({ a: a.pattern, b: b.pattern }),
        given: record({ a: a.given, b: b.given, more: INT }),
      })),
    ),
  };
}).pair;

describe("for all types", () => {
  it("each fits itself, and what joins two takes both", () => {
    fc.assert(
      fc.property(types, types, (a, b) => {
        expect(mismatch(a, a)).toBeNull();
        const both = join(a, b);
        expect([mismatch(a, both), mismatch(b, both)]).toEqual([null, null]);
      }),
    );
  });
  it("what fits a type fits all that the type fits", () => {
    // Three types that are near each other, or else hardly any would fit. A missing field fits an optional one, as in TypeScript, and
    // any field may be left out on the way to a record without it: so no record here lacks what another has.
    const near = types.filter((type) => !JSON.stringify(type).includes('"optional":true'));
    const widened = (type: Type): fc.Arbitrary<Type> =>
      fc.constantFrom(type, optionalOf(type), unionOf([type, STRING]), type.kind === "list" ? dataset(type.item) : type, FLOAT, NULL);
    const chains = near.chain((a) => widened(a).chain((b) => widened(b).map((c) => [a, b, c] as const)));
    let fitting = 0;
    fc.assert(
      fc.property(chains, ([a, b, c]) => {
        const any = [a, b, c].some((type) => JSON.stringify(type).includes('"any"'));
        if (any || mismatch(a, b) !== null || mismatch(b, c) !== null) return;
        fitting++;
        expect(mismatch(a, c)).toBeNull();
      }),
      { numRuns: 500 },
    );
    expect(fitting).toBeGreaterThan(50);
  });
  it("what an argument binds makes it fit, and what a call gives has none of its symbols", () => {
    fc.assert(
      fc.property(calls, ({ pattern, given }) => {
        const bound = bindings();
        bind(pattern, given, bound);
        const wanted = substitute(pattern, bound, "kept");
        expect(mismatch(given, wanted)).toBeNull();
        expect(symbolsOf(substitute(pattern, bound))).toEqual(new Set());
      }),
    );
  });
  it("a symbol that stands for itself is no other size", () => {
    const bound = knowing(["B"]);
    bind(tensor("B", "N"), tensor(64, 10), bound);
    const wanted = substitute(tensor("B", "N"), bound, "kept");
    expect(print(wanted)).toBe("Tensor<f32, [B, 10]>");
    expect(mismatch(tensor(64, 10), wanted)).toBe("its dimension 1 is 64, not B");
    expect([differsInSize(tensor(64, 10), wanted), differsInSize(INT, wanted)]).toEqual([true, false]);
  });
  it("an optional one may be null, and isn't without", () => {
    const isNull = (type: Type): boolean => type.kind === "null" || (type.kind === "union" && type.members.every(isNull));
    fc.assert(
      fc.property(types, (type) => {
        expect(mayBeNull(optionalOf(type))).toBe(true);
        if (!isNull(type)) expect(mayBeNull(presentOf(optionalOf(type)))).toBe(false);
      }),
    );
  });
});
