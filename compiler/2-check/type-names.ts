// What the names of types mean in one file: the language's own, those of TypeScript, aliases of this file and of others. An alias is
// read once, with its parameters as they stand; a use puts its arguments in their place.
import type { DimNode, Name, Span, TypeArgument, TypeNode } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Bindings, Dim, Dtype, FieldType, TypeArgument as Given, Type } from "../../lang/types.ts";
import { bindings, optionalOf, substitute, unionOf } from "../../lang/types.ts";
import type { DeclaredType, Module } from "../module.ts";
import { ANY, ERROR } from "./operations.ts";
import { meant, primary, secondary } from "./scope.ts";

const plainTypes: Readonly<Record<string, Type>> = {
  int: { kind: "int" },
  float: { kind: "float" },
  bool: { kind: "bool" },
  string: { kind: "string" },
  bytes: { kind: "bytes" },
  timestamp: { kind: "timestamp" },
  file: { kind: "file" },
  files: { kind: "files" },
  secret: { kind: "secret" },
  Float32Array: { kind: "array", dtype: "f32" },
  Float64Array: { kind: "array", dtype: "f64" },
};
const dtypes: readonly string[] = ["f32", "f64", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"];

type Alias = Module["types"][number];
type ParameterKind = "type" | "dim";
/** Parameters of the alias that is being read; null outside of one, where a dimension may be any symbol. */
type Parameters = ReadonlyMap<string, ParameterKind> | null;

export class TypeNames {
  private readonly diagnostics: Diagnostic[];
  private readonly aliases = new Map<string, Alias>();
  private readonly elsewhere = new Map<string, { readonly home: TypeNames; readonly name: string }>();
  private readonly known = new Map<string, Type>();
  private readonly classes = new Map<string, { readonly name: string; readonly file: string }>();
  private readonly broken: ReadonlySet<string>;
  private readonly resolving = new Set<string>();
  private readonly kinds = new Map<string, ReadonlyMap<string, ParameterKind>>();

  /** `broken`: names whose own problem has been reported. */
  constructor(broken: ReadonlySet<string>, diagnostics: Diagnostic[]) {
    this.broken = broken;
    this.diagnostics = diagnostics;
  }

  addAlias(alias: Alias): void {
    this.aliases.set(alias.name.text, alias);
  }
  addType(name: string, type: Type): void {
    this.known.set(name, type);
  }
  /** A class, whose instances are `Actor<…>`s; by itself it is no type of values. */
  addClass(name: string, of: { readonly name: string; readonly file: string }): void {
    this.classes.set(name, of);
  }
  /** An alias of another file. */
  addImport(name: string, home: TypeNames, exported: string): void {
    this.elsewhere.set(name, { home, name: exported });
  }

  /** Reads every alias, those that nobody uses too. */
  checkAll(): void {
    for (const { name, parameters } of this.aliases.values()) {
      const seen = new Map<string, Span>();
      for (const parameter of parameters) {
        const before = seen.get(parameter.text);
        if (before)
          this.diagnostics.push(
            report("HR104", { name: parameter.text }, [primary(parameter.span, "declared again"), secondary(before, "first here")]),
          );
        seen.set(parameter.text, parameter.span);
      }
      this.body(name.text, name.span);
    }
  }

  declared(type: DeclaredType): Type {
    return type.kind === "type" ? type.type : this.read(type.node, null);
  }

  private read(node: TypeNode, parameters: Parameters): Type {
    const inner = (one: TypeNode) => this.read(one, parameters);
    switch (node.kind) {
      case "error":
        return ERROR;
      case "literal":
        return node.value === null ? { kind: "null" } : { kind: "literal", value: node.value };
      case "list":
        return { kind: "list", item: inner(node.item) };
      case "optional":
        return optionalOf(inner(node.of));
      case "union":
        return unionOf(node.members.map(inner));
      case "record": {
        const fields = node.fields.map(
          (field): FieldType => ({ name: field.name.text, optional: field.optional, type: inner(field.type) }),
        );
        return { kind: "record", name: null, fields };
      }
      case "named":
        return this.named(node, parameters);
    }
  }

  private named(node: TypeNode & { kind: "named" }, parameters: Parameters): Type {
    const name = node.name.text;
    if (name === "Tensor") return this.tensor(node, parameters);
    const own = parameters?.get(name);
    if (own === "dim") {
      this.wrong(node.name.span, `\`${name}\` stands for a dimension`, "for a type here", {});
      return ERROR;
    }
    if (own) return this.withoutArguments(node, { kind: "variable", name });
    if (name === "Dataset" || name === "Part") {
      const args = node.args.map((arg) => this.typeOf(arg, parameters, name));
      if (args.length > 1) this.wrongCount(node, name, [name === "Dataset" ? "Row" : "T"]);
      const of = args[0] ?? ANY;
      return name === "Dataset" ? { kind: "dataset", row: of } : { kind: "part", of };
    }
    if ((name === "Actor" || name === "Pool") && node.args.length === 1 && !this.find(name)) {
      const [arg] = node.args;
      const of = arg?.kind === "type" && arg.type.kind === "named" ? arg.type.name : null;
      const found = of && this.classes.get(of.text);
      if (found) return { kind: name === "Actor" ? "actor" : "pool", ...found };
      if (of && this.broken.has(of.text)) return ERROR;
      const help = meant(of?.text ?? "", [...this.classes.keys()], of?.span);
      this.wrong(of?.span ?? node.span, `\`${name}\` takes a class that is imported with \`actor\``, "is none", help);
      return ERROR;
    }
    const plain = Object.hasOwn(plainTypes, name) ? plainTypes[name] : undefined;
    if (plain) return this.withoutArguments(node, plain);
    const found = this.find(name);
    if (found)
      return found.home.aliases.has(found.name) ? this.instance(node, found, parameters) : this.withoutArguments(node, found.type!);
    if (!this.broken.has(name)) {
      const candidates = [...Object.keys(plainTypes), "Dataset", "Tensor", "Actor", "Pool", ...this.names(), ...(parameters?.keys() ?? [])];
      this.diagnostics.push(report("HR105", { name }, [primary(node.name.span, "no such type")], meant(name, candidates, node.name.span)));
    }
    return ERROR;
  }

  private names(): string[] {
    return [...new Set([...this.known.keys(), ...this.aliases.keys(), ...this.elsewhere.keys()])];
  }

  private find(name: string): { readonly home: TypeNames; readonly name: string; readonly type: Type | null } | null {
    const imported = this.elsewhere.get(name);
    if (imported) return imported.home.find(imported.name);
    if (this.aliases.has(name)) return { home: this, name, type: null };
    const type = this.known.get(name);
    return type ? { home: this, name, type } : null;
  }

  private withoutArguments(node: TypeNode & { kind: "named" }, type: Type): Type {
    if (node.args.length > 0) this.wrongCount(node, node.name.text, []);
    return type;
  }

  // --- Aliases ---------------------------------------------------------------------------------------------------------------

  /** What stands behind the `=`, with the parameters as they stand. */
  private body(name: string, span: Span): Type {
    const known = this.known.get(name);
    if (known) return known;
    const alias = this.aliases.get(name)!;
    if (this.resolving.has(name)) {
      this.diagnostics.push(report("HR113", { name }, [primary(span, "needs itself")]));
      return ERROR;
    }
    this.resolving.add(name);
    const kinds = this.kindsOf(alias);
    const type = this.read(alias.type, kinds);
    this.resolving.delete(name);
    const args = alias.parameters.map(
      ({ text }): Given =>
        kinds.get(text) === "type" ? { kind: "type", type: { kind: "variable", name: text } } : { kind: "dim", dim: symbol(text) },
    );
    const shown: Type = type.kind === "record" && type.name === null ? { ...type, name, ...(args.length > 0 ? { args } : {}) } : type;
    this.known.set(name, shown);
    return shown;
  }

  private instance(
    node: TypeNode & { kind: "named" },
    { home, name }: { readonly home: TypeNames; readonly name: string },
    parameters: Parameters,
  ): Type {
    const alias = home.aliases.get(name)!;
    const body = home.body(name, node.span);
    if (alias.parameters.length === 0) return this.withoutArguments(node, body);
    if (node.args.length !== alias.parameters.length) {
      this.wrongCount(
        node,
        node.name.text,
        alias.parameters.map(({ text }) => text),
        alias.name.span,
      );
      return ERROR;
    }
    const kinds = home.kindsOf(alias);
    const bound: Bindings = bindings();
    let failed = false;
    for (const [i, { text }] of alias.parameters.entries()) {
      const arg = node.args[i]!;
      if (kinds.get(text) === "type") {
        const type = this.typeOf(arg, parameters, node.name.text);
        if (type.kind === "error") failed = true;
        bound.types.set(text, type);
      } else {
        const dim = this.dimOf(arg, parameters, node.name.text);
        if (dim) bound.dims.set(text, dim);
        else failed = true;
      }
    }
    return failed ? ERROR : substitute(body, bound, "kept");
  }

  /** What each parameter of an alias stands for: dimensions are those that stand where a tensor has its own. */
  private kindsOf(alias: Alias): ReadonlyMap<string, ParameterKind> {
    const known = this.kinds.get(alias.name.text);
    if (known) return known;
    const found = new Map<string, ParameterKind>();
    // Those of an alias that needs itself are decided by its other uses.
    this.kinds.set(alias.name.text, new Map());
    const names = alias.parameters.map(({ text }) => text);
    // The first use decides; others that disagree are told where they are read.
    const use = ({ text }: Name, kind: ParameterKind) => {
      if (names.includes(text) && !found.has(text)) found.set(text, kind);
    };
    const visitDim = (dim: DimNode) => {
      if (dim.kind === "product") for (const factor of dim.factors) if (typeof factor !== "number") use(factor, "dim");
    };
    const visit = (node: TypeNode): void => {
      if (node.kind === "list") visit(node.item);
      else if (node.kind === "optional") visit(node.of);
      else if (node.kind === "union") node.members.forEach(visit);
      else if (node.kind === "record") for (const field of node.fields) visit(field.type);
      else if (node.kind === "named") {
        if (node.args.length === 0) use(node.name, "type");
        const of = this.find(node.name.text);
        const inner = of?.home.aliases.get(of.name);
        const kinds = inner && of!.home.kindsOf(inner);
        for (const [i, arg] of node.args.entries()) {
          if (arg.kind === "dims") arg.dims.forEach(visitDim);
          else if (arg.kind === "dim") visitDim(arg.dim);
          else if (inner && kinds!.get(inner.parameters[i]?.text ?? "") !== "type" && arg.type.kind === "named") use(arg.type.name, "dim");
          else visit(arg.type);
        }
      }
    };
    visit(alias.type);
    const kinds = new Map(names.map((name) => [name, found.get(name) ?? "type"]));
    this.kinds.set(alias.name.text, kinds);
    return kinds;
  }

  private typeOf(arg: TypeArgument, parameters: Parameters, of: string): Type {
    if (arg.kind === "type") return this.read(arg.type, parameters);
    this.wrong(arg.kind === "dim" ? arg.dim.span : arg.span, `\`${of}\` takes a type here`, "is a dimension", {});
    return ERROR;
  }

  /** A number, a symbol, a product of them, or `?`. */
  private dimOf(arg: TypeArgument, parameters: Parameters, of: string): Dim | null {
    const notOne = (span: Span): null => {
      this.wrong(span, `\`${of}\` takes a dimension here`, "is none", { help: `\`${of}<64>\`, \`${of}<B>\` or \`${of}<?>\`` });
      return null;
    };
    if (arg.kind === "dim") return this.dim(arg.dim, parameters);
    if (arg.kind === "dims") return notOne(arg.span);
    const { type } = arg;
    if (type.kind === "error") return null;
    if (type.kind === "literal" && typeof type.value === "number" && Number.isInteger(type.value) && type.value >= 0)
      return { kind: "product", literal: type.value, symbols: [] };
    if (type.kind !== "named" || type.args.length > 0) return notOne(type.span);
    const { name } = type;
    const isType = Object.hasOwn(plainTypes, name.text) || this.find(name.text) !== null;
    return isType ? notOne(name.span) : this.dim({ kind: "product", factors: [name], span: name.span }, parameters);
  }

  private dim(node: DimNode, parameters: Parameters): Dim {
    if (node.kind === "any") return { kind: "any" };
    if (parameters)
      for (const factor of node.factors) {
        if (typeof factor === "number" || parameters.get(factor.text) === "dim") continue;
        if (parameters.has(factor.text)) {
          this.wrong(factor.span, `\`${factor.text}\` stands for a type`, "for a dimension here", {});
          return { kind: "any" };
        }
        const near = meant(factor.text, [...parameters.keys()], factor.span);
        this.diagnostics.push(
          report("HR124", { name: factor.text }, [primary(factor.span, "no parameter of this type")], {
            ...(near.help ? near : { help: `a parameter, as in \`type Batch<${factor.text}> = …\`, a number, or \`?\`` }),
          }),
        );
        return { kind: "any" };
      }
    return product(node.factors);
  }

  // --- Messages --------------------------------------------------------------------------------------------------------------

  private wrong(
    span: Span,
    what: string,
    label: string,
    help: { readonly help?: string },
    others: readonly ReturnType<typeof secondary>[] = [],
  ): void {
    this.diagnostics.push(report("HR123", { what }, [primary(span, label), ...others], help));
  }

  private wrongCount(node: TypeNode & { kind: "named" }, name: string, parameters: readonly string[], declared?: Span): void {
    const takes = parameters.length === 0 ? "no arguments" : parameters.length === 1 ? "one argument" : `${parameters.length} arguments`;
    const has = node.args.length === 0 ? "has none" : `has ${node.args.length}`;
    this.wrong(
      node.span,
      `the type \`${name}\` takes ${takes}`,
      has,
      { help: parameters.length === 0 ? `\`${name}\`` : `\`${name}<${parameters.join(", ")}>\`` },
      declared ? [secondary(declared, "declared here")] : [],
    );
  }

  private tensor(node: TypeNode & { kind: "named" }, parameters: Parameters): Type {
    const [first, second] = node.args;
    const dtype = first?.kind === "type" && first.type.kind === "named" ? first.type.name.text : null;
    if (dtype === null || !dtypes.includes(dtype)) {
      const at = first?.kind === "type" ? first.type.span : node.span;
      this.diagnostics.push(
        report(
          "HR105",
          { name: dtype ?? "Tensor" },
          [primary(at, dtype === null ? "an element type stands first" : "no such element type")],
          {
            help: `Tensor<f32, [?]>; element types: ${dtypes.join(" ")}`,
          },
        ),
      );
      return ERROR;
    }
    const dims = second?.kind === "dims" ? second.dims.map((dim) => this.dim(dim, parameters)) : null;
    return { kind: "tensor", dtype: dtype as Dtype, dims };
  }
}

const symbol = (name: string): Dim => ({ kind: "product", literal: 1, symbols: [name] });

function product(factors: readonly (number | Name)[]): Dim {
  const symbols = factors.flatMap((factor) => (typeof factor === "number" ? [] : [factor.text])).sort();
  const written = factors.filter((factor) => typeof factor === "number").length > 1;
  return {
    kind: "product",
    literal: factors.reduce<number>((all, factor) => (typeof factor === "number" ? all * factor : all), 1),
    symbols,
    ...(written ? { written: factors.map((factor) => (typeof factor === "number" ? factor : factor.text)).join("*") } : {}),
  };
}
