// What names mean where: values, functions, pipelines. Knows which names exist, not what is done with them.
import type { Name, Span } from "../../lang/ast.ts";
import type { Diagnostic, Frame } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Type } from "../../lang/types.ts";
import { symbolsOf } from "../../lang/types.ts";
import type { ClassSignature, DeclaredType, FunctionSignature, LinkedImport, ProgramFile } from "../module.ts";
import { TypeNames } from "./type-names.ts";
import type { ActorClass, Binding, CheckedPipeline, StageFunction } from "./typed.ts";

/** Where a help has to be written as annotated TypeScript. */
export const inTypeScript = ({ file }: Span): boolean => /\.[mc]?tsx?$/.test(file);
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
  /** A batch is in sight: values may be parts of it. */
  holdsParts(): boolean {
    return [...this.held.values()].some(({ type }) => type.kind === "part") || (this.around?.holdsParts() ?? false);
  }
  /** Dimension symbols of the values in sight. */
  sizes(): Set<string> {
    const found = this.around?.sizes() ?? new Set<string>();
    for (const { type } of this.held.values()) for (const symbol of symbolsOf(type)) found.add(symbol);
    return found;
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

const NO_CONSTRUCTOR: FunctionSignature = {
  ...{ name: "constructor", span: { file: "", start: 0, end: 0 }, overloads: [], typeParameters: [], parameters: [] },
  ...{ returns: { kind: "any" }, returnSpan: { file: "", start: 0, end: 0 }, async: false, iterates: "no" },
  ...{ tags: [], reaches: [], lends: [], keepsMemory: false },
};

/** Stage functions by what plans call them: an exported name, with a suffix where two files export the same. One for a whole program. */
export class StageIds {
  /** By file and exported name. */
  readonly classes = new Map<string, ActorClass>();
  private readonly stages = new Map<string, StageFunction>();
  private readonly taken = new Set<string>();
  /** Those of which it has been said what they reach. */
  readonly remarked = new Set<string>();

  of(file: string, signature: FunctionSignature, resource: boolean): StageFunction {
    return this.named(`${file}:${signature.name}:${resource}`, file, signature, resource);
  }

  class(file: string, signature: ClassSignature): ActorClass {
    const key = `${signature.span.file}#${signature.name}`;
    const known = this.classes.get(key);
    if (known) return known;
    const of = (one: FunctionSignature, name: string) => this.named(`${key}.${one.name}`, file, one, false, name);
    const { make, methods, name } = signature;
    const found: ActorClass = {
      file,
      signature,
      // Where it can't be made, that is told where somebody tries.
      made: of(make ?? NO_CONSTRUCTOR, name),
      methods: new Map(Object.entries(methods).map(([method, one]) => [method, of(one, `${name}.${method}`)])),
    };
    this.classes.set(key, found);
    return found;
  }

  private named(key: string, file: string, signature: FunctionSignature, resource: boolean, name = signature.name): StageFunction {
    const known = this.stages.get(key);
    if (known) return known;
    let id = name;
    for (let n = 2; this.taken.has(id); n++) id = `${name}_${n}`;
    this.taken.add(id);
    const stage = { id, file, signature, resource };
    this.stages.set(key, stage);
    return stage;
  }
}

/** The declarations of one file: its name space. */
export class Declarations {
  readonly diagnostics: Diagnostic[];
  readonly functions = new Map<string, StageFunction>();
  readonly pipelines = new Map<string, CheckedPipeline>();
  readonly actors = new Map<string, ActorClass>();
  /** Names whose own problem has been reported: whatever uses them is silent. */
  readonly broken = new Set<string>();
  /** Ids of functions of which it has been said what they reach, in any file. */
  readonly remarked: Set<string>;
  readonly types: TypeNames;
  private readonly imports: readonly LinkedImport[];
  private readonly offers: ProgramFile["offers"];

  private readonly classes: ReadonlyMap<string, ActorClass>;

  constructor({ module, imports, offers }: ProgramFile, ids: StageIds, diagnostics: Diagnostic[]) {
    this.classes = ids.classes;
    this.diagnostics = diagnostics;
    this.remarked = ids.remarked;
    this.offers = offers;
    this.types = new TypeNames(this.broken, diagnostics);
    const taken = new Map<string, Span>();
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
    this.imports = imports.filter((each) => unique(each.local));
    for (const { local, target } of this.imports) {
      if (target.kind === "function" || target.kind === "resource")
        this.functions.set(local.text, ids.of(target.file, target.signature, target.kind === "resource"));
      else if (target.kind === "type") this.types.addType(local.text, target.type);
      else if (target.kind === "actor") {
        this.actors.set(local.text, ids.class(target.file, target.signature));
        this.types.addClass(local.text, { name: target.signature.name, file: target.signature.span.file });
      }
      if (target.kind === "none") this.broken.add(local.text);
      // Who calls the right name of a misspelt import is right.
      if (target.kind === "none" && target.meant && !imports.some((one) => one.local.text === target.meant)) this.broken.add(target.meant);
    }
    for (const alias of module.types) if (unique(alias.name)) this.types.addAlias(alias);
    for (const { name } of module.pipelines) unique(name);
  }

  /** Aliases of other files, once each of these has its name space. */
  linkTypes(files: ReadonlyMap<string, Declarations>): void {
    for (const { local, target } of this.imports)
      if (target.kind === "alias") this.types.addImport(local.text, files.get(target.file)!.types, target.name);
  }

  /** Pipelines of other files, as far as those have declared them. */
  linkPipelines(files: ReadonlyMap<string, Declarations>): void {
    for (const { local, target } of this.imports) {
      const found = target.kind === "pipeline" ? files.get(target.file)!.pipelines.get(target.name) : undefined;
      if (found) this.pipelines.set(local.text, found);
    }
  }

  /** What actors of that type are instances of. */
  classOf({ name, file }: Type & { readonly kind: "actor" | "pool" }): ActorClass {
    return this.classes.get(`${file}#${name}`)!;
  }

  /** The path of the imported file that has a function or pipeline of this name. */
  fileWith(name: string): string | null {
    return this.offers.find(({ functions }) => functions.includes(name))?.from ?? null;
  }

  later(form: string, span: Span): void {
    this.diagnostics.push(report("HR901", { form }, [primary(span, "not built yet")]));
  }

  declared(type: DeclaredType): Type {
    return this.types.declared(type);
  }
}
