// What names mean where: values, functions, types. Knows which names exist, not what is done with them.
import type { Name, Span, TypeNode } from "../../lang/ast.ts";
import type { Diagnostic, Frame } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Dim, Dtype, FieldType, Type } from "../../lang/types.ts";
import { optionalOf, unionOf } from "../../lang/types.ts";
import type { DeclaredType, Module, Signatures } from "../module.ts";
import { importedFile } from "../sources.ts";
import { ANY, ERROR } from "./operations.ts";
import type { Binding, CheckedPipeline, StageFunction } from "./typed.ts";

export const primary = (span: Span, label: string): Frame => ({ span, label, role: "primary" });
export const secondary = (span: Span, label: string): Frame => ({ span, label, role: "secondary" });

/** `did you mean …`, or nothing. */
export function meant(name: string, candidates: readonly string[], span?: Span): { help?: string; fix?: { span: Span; text: string } } {
  const near = nearest(name, candidates);
  if (near === null) return {};
  return { help: `did you mean \`${near}\`?`, ...(span ? { fix: { span, text: near } } : {}) };
}

/** The values in sight; a block's scope stands in that of the block around it. */
export class Scope {
  readonly depth: number;
  /** In the body of a `fit`, which is one task. */
  readonly inFit: boolean;
  /** Names that can't be read here though they are known around it, and why. */
  readonly unavailable: { readonly names: ReadonlySet<string>; readonly why: string } | null;
  private readonly around: Scope | null;
  private readonly held = new Map<string, Binding>();
  private present: ReadonlySet<string> = new Set();

  constructor(
    around: Scope | null,
    depth: number = around?.depth ?? 0,
    inFit: boolean = around?.inFit ?? false,
    unavailable = around?.unavailable ?? null,
  ) {
    this.around = around;
    this.depth = depth;
    this.inFit = inFit;
    this.unavailable = unavailable;
  }
  find(name: string): Binding | null {
    return this.held.get(name) ?? this.around?.find(name) ?? null;
  }
  add(binding: Binding): void {
    this.held.set(binding.name, binding);
  }
  names(): string[] {
    return [...this.held.keys(), ...(this.around?.names() ?? [])];
  }
  /** A scope inside this one, where these names and fields (`row.name`) aren't null. */
  knowing(present: Iterable<string>): Scope {
    const inner = new Scope(this);
    inner.present = new Set(present);
    return inner;
  }
  isPresent(path: string): boolean {
    return this.present.has(path) || (this.around?.isPresent(path) ?? false);
  }
}

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

/** The declarations of one module. */
export class Declarations {
  readonly diagnostics: Diagnostic[];
  readonly functions = new Map<string, StageFunction>();
  readonly pipelines = new Map<string, CheckedPipeline>();
  /** Names whose own problem has been reported: whatever uses them is silent. */
  readonly broken = new Set<string>();
  /** Ids of functions of which it has been said what they reach. */
  readonly remarked = new Set<string>();
  private readonly types = new Map<string, Type>();
  private readonly aliases = new Map<string, Module["types"][number]>();
  private readonly resolving = new Set<string>();

  constructor(module: Module, signatures: ReadonlyMap<string, Signatures>, diagnostics: Diagnostic[]) {
    this.diagnostics = diagnostics;
    const taken = new Map<string, Span>();
    const ids = new Set<string>();
    const unique = (name: Name) => {
      const before = taken.get(name.text);
      if (before)
        diagnostics.push(
          report("HR104", { name: name.text }, [primary(name.span, "declared again"), secondary(before, "first here")], {
            help: "give one of them another name",
          }),
        );
      else taken.set(name.text, name.span);
      return before === undefined;
    };
    for (const each of module.imports) {
      if (!unique(each.local)) continue;
      if (each.from.text.endsWith(".pipe")) {
        this.later("import from another `.pipe` file", each.span);
        this.broken.add(each.local.text);
        continue;
      }
      const found = signatures.get(importedFile(module.file, each.from.text));
      const exported = each.exported.text;
      if (each.what === "type" && found && Object.hasOwn(found.types, exported))
        this.types.set(each.local.text, found.types[exported]!.type);
      else if (each.what === "function" && found && Object.hasOwn(found.functions, exported)) {
        let id = exported;
        for (let n = 2; ids.has(id); n++) id = `${exported}_${n}`;
        ids.add(id);
        this.functions.set(each.local.text, { id, file: found.file, signature: found.functions[exported]! });
      } else {
        if (each.what === "actor" || each.what === "resource") this.later(`\`${each.what}\``, each.span);
        this.broken.add(each.local.text);
      }
    }
    for (const alias of module.types) if (unique(alias.name)) this.aliases.set(alias.name.text, alias);
    for (const { name } of module.pipelines) unique(name);
    // Those that nobody uses too.
    for (const alias of this.aliases.values()) this.alias(alias.name.text, alias.name.span);
  }

  later(form: string, span: Span): void {
    this.diagnostics.push(report("HR901", { form }, [primary(span, "not built yet")]));
  }

  declared(type: DeclaredType): Type {
    return type.kind === "type" ? type.type : this.type(type.node);
  }

  type(node: TypeNode): Type {
    switch (node.kind) {
      case "error":
        return ERROR;
      case "literal":
        return node.value === null ? { kind: "null" } : { kind: "literal", value: node.value };
      case "list":
        return { kind: "list", item: this.type(node.item) };
      case "optional":
        return optionalOf(this.type(node.of));
      case "union":
        return unionOf(node.members.map((member) => this.type(member)));
      case "record": {
        const fields = node.fields.map(
          (field): FieldType => ({ name: field.name.text, optional: field.optional, type: this.type(field.type) }),
        );
        return { kind: "record", name: null, fields };
      }
      case "named":
        return this.named(node);
    }
  }

  private named(node: TypeNode & { kind: "named" }): Type {
    const name = node.name.text;
    if (name === "Dataset" || name === "Part") {
      const [arg] = node.args;
      const of = arg?.kind === "type" ? this.type(arg.type) : ANY;
      return name === "Dataset" ? { kind: "dataset", row: of } : { kind: "part", of };
    }
    if (name === "Tensor") return this.tensor(node);
    const plain = Object.hasOwn(plainTypes, name) ? plainTypes[name] : undefined;
    const found = plain ?? this.types.get(name) ?? this.alias(name, node.span);
    if (found) return found;
    if (!this.broken.has(name)) {
      const known = [...Object.keys(plainTypes), "Dataset", "Tensor", ...this.types.keys(), ...this.aliases.keys()];
      this.diagnostics.push(report("HR105", { name }, [primary(node.name.span, "no such type")], meant(name, known, node.name.span)));
    }
    return ERROR;
  }

  private alias(name: string, span: Span): Type | null {
    const alias = this.aliases.get(name);
    const known = this.types.get(name);
    if (!alias || known) return known ?? null;
    if (this.resolving.has(name)) {
      this.diagnostics.push(report("HR113", { name }, [primary(span, "needs itself")]));
      return ERROR;
    }
    this.resolving.add(name);
    const type = this.type(alias.type);
    this.resolving.delete(name);
    const shown: Type = type.kind === "record" && type.name === null ? { ...type, name } : type;
    this.types.set(name, shown);
    return shown;
  }

  private tensor(node: TypeNode & { kind: "named" }): Type {
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
    const dims =
      second?.kind === "dims" ? second.dims.map((dim): Dim => (dim.kind === "any" ? { kind: "any" } : product(dim.factors))) : null;
    return { kind: "tensor", dtype: dtype as Dtype, dims };
  }
}

function product(factors: readonly (number | Name)[]): Dim {
  const symbols = factors.flatMap((factor) => (typeof factor === "number" ? [] : [factor.text])).sort();
  return {
    kind: "product",
    literal: factors.reduce<number>((all, factor) => (typeof factor === "number" ? all * factor : all), 1),
    symbols,
  };
}
