// The exports of one TypeScript file as signatures, with the places that a message may want to show. Must not know pipelines.
import { ts } from "ts-morph";
import type { Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Type } from "../../lang/types.ts";
import type { ClassSignature, FunctionSignature, SignatureParameter, Signatures } from "../module.ts";
import type { TypeScriptProgram } from "./typescript-program.ts";
import { ReachReader } from "./typescript-reach.ts";
import { TypeReader } from "./typescript-types.ts";

/** Tags of a doc comment that say how a function may be run, or that it isn't: a pipeline is read. */
const TAGS = ["effect", "volatile", "associative", "elementwise", "pipeline"];
/** Of a method: it changes nothing. Of a class: its instances can be made again, with their calls. */
const READS = "reads";
const REPLAYED = "replayed";

/** Tags that others give a meaning, however near they are to ours. */
const COMMON = ["element", "event", "external", "exports", "package", "function", "see", "since", "yields", "abstract"];
/** What says nothing here, or what another tag says. */
const MEANT: Readonly<Record<string, string>> = {
  pure: "a function is pure unless a tag says otherwise: leave it out",
  impure: "`@volatile` if it reads the world outside, `@effect` if it acts on it",
  sideEffect: "`@effect`",
  sideEffects: "`@effect`",
  nondeterministic: "`@volatile`",
  idempotent: "an `@effect` gets a key that is the same in every attempt: `currentTask().idempotencyKey`",
  commutative: "`@associative`: the order of what is combined is fixed",
};

/** Tags of the file's functions that look like ours and aren't: what they promise would be dropped silently. */
export function strangeTags(program: TypeScriptProgram, file: string): Diagnostic[] {
  const { checker } = program;
  const module = checker.getSymbolAtLocation(program.file(file));
  return (module === undefined ? [] : checker.getExportsOfModule(module)).flatMap((exported) => {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const declaration = symbol.valueDeclaration;
    if (declaration === undefined || !program.isLocal(declaration.getSourceFile())) return [];
    const strange = (of: ts.Node, callee: string, own: readonly string[]) =>
      ts.getJSDocTags(of).flatMap(({ tagName }) => strangeTag(tagName.text, program.span(tagName), callee, own));
    if (!ts.isClassDeclaration(declaration)) return strange(declaration, exported.name, TAGS);
    const methods = declaration.members.filter(ts.isMethodDeclaration);
    return [
      ...strange(declaration, exported.name, [REPLAYED]),
      ...methods.flatMap((method) => strange(method, `${exported.name}.${method.name.getText()}`, [READS])),
    ];
  });
}

function strangeTag(name: string, span: Span, callee: string, own: readonly string[]): Diagnostic[] {
  if (own.includes(name) || COMMON.includes(name)) return [];
  const meaning = Object.hasOwn(MEANT, name) ? MEANT[name]! : null;
  const near = meaning === null ? nearest(name, own) : null;
  if (meaning === null && near === null) return [];
  return [
    report("HR305", { tag: name, callee }, [{ span, label: "no such tag", role: "primary" }], {
      help: meaning ?? `did you mean \`@${near}\`?`,
      ...(near === null ? {} : { fix: { span, text: near } }),
    }),
  ];
}

export function signaturesOf(program: TypeScriptProgram, file: string): Signatures {
  const { checker } = program;
  const types = new TypeReader(program, file);
  const reach = new ReachReader(program);
  const functions: Record<string, FunctionSignature> = {};
  const named: Record<string, { type: Type; span: Span }> = {};
  const classes: Record<string, ClassSignature> = {};
  const others: Record<string, { is: string; help: string }> = {};
  const module = checker.getSymbolAtLocation(program.file(file));
  for (const exported of module === undefined ? [] : checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const declaration = symbol.valueDeclaration ?? symbol.declarations?.[0];
    if (declaration === undefined) continue;
    const name = exported.name;
    const [call, ...overloads] = symbol.flags & ts.SymbolFlags.Value ? checker.getTypeOfSymbol(symbol).getCallSignatures() : [];
    if (symbol.flags & ts.SymbolFlags.Class) classes[name] = classSignature(name, symbol, declaration, program, types, reach);
    else if (call !== undefined) {
      const signature = (of: ts.Signature) => functionSignature(name, of, declaration, program, types, reach);
      functions[name] = { ...signature(call), overloads: overloads.map(signature) };
    } else if (symbol.flags & ts.SymbolFlags.Value) others[name] = notAFunction(name, symbol, checker);
    if (call === undefined && !(symbol.flags & ts.SymbolFlags.Class) && symbol.flags & ts.SymbolFlags.Type) {
      named[name] = { type: types.read(checker.getDeclaredTypeOfSymbol(symbol)), span: program.span(nameOf(declaration)) };
    }
  }
  return { file, functions, types: named, classes, others };
}

/** What an export is that is neither a function nor a class, and how its functions can be had. */
function notAFunction(name: string, symbol: ts.Symbol, checker: ts.TypeChecker): { is: string; help: string } {
  if (symbol.flags & ts.SymbolFlags.Enum)
    return { is: "an enum", help: `import { type ${name} } for its type; its values are written out` };
  const type = checker.getTypeOfSymbol(symbol);
  const members = type.flags & ts.TypeFlags.Object ? checker.getPropertiesOfType(type) : [];
  const methods = members.filter((each) => checker.getTypeOfSymbol(each).getCallSignatures().length > 0);
  const is =
    symbol.flags & ts.SymbolFlags.Module ? "a namespace" : methods.length > 0 ? "an object of functions" : "a value, not a function";
  const [method] = methods;
  if (method === undefined)
    return {
      is,
      help: `export a function that gives it: export const ${name === "default" ? "value" : `get${name[0]!.toUpperCase()}${name.slice(1)}`} = () => …`,
    };
  return { is, help: `export its functions by themselves: export const ${method.name} = ${name}.${method.name}` };
}

/** What can be called of a class: its constructor, and its public methods with those that it inherits. */
function classSignature(
  name: string,
  symbol: ts.Symbol,
  declaration: ts.Declaration,
  program: TypeScriptProgram,
  types: TypeReader,
  reach: ReachReader,
): ClassSignature {
  const { checker } = program;
  const tagged = (of: ts.Node, tag: string) => ts.getJSDocTags(of).some(({ tagName }) => tagName.text === tag);
  const hidden = (of: ts.Declaration) =>
    (ts.getCombinedModifierFlags(of) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected | ts.ModifierFlags.Static)) !== 0;
  const [made, ...others] = checker.getTypeOfSymbol(symbol).getConstructSignatures();
  const isAbstract = (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Abstract) !== 0;
  const replayed = tagged(declaration, REPLAYED);
  const make = (of: ts.Signature): FunctionSignature => ({
    ...functionSignature(name, of, of.declaration ?? declaration, program, types, reach),
    ...{ name, span: program.span(nameOf(declaration)), tags: [], returns: { kind: "any" }, async: false, iterates: "no" },
    // What it does is its own business, unless it has to do the same once more.
    reaches: replayed ? reach.reached(declaration) : [],
  });
  const methods: Record<string, FunctionSignature> = {};
  for (const member of checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))) {
    const at = member.valueDeclaration;
    if (at === undefined || hidden(at) || member.name.startsWith("__")) continue;
    const [call, ...overloads] = checker.getTypeOfSymbol(member).getCallSignatures();
    if (call === undefined) continue;
    const signature = (of: ts.Signature): FunctionSignature => ({
      ...functionSignature(member.name, of, at, program, types, reach),
      tags: tagged(at, READS) ? [READS] : [],
    });
    methods[member.name] = { ...signature(call), overloads: overloads.map(signature) };
  }
  return {
    name: symbol.name,
    span: program.span(nameOf(declaration)),
    make:
      made === undefined || isAbstract || (made.declaration !== undefined && hidden(made.declaration))
        ? null
        : { ...make(made), overloads: others.map(make) },
    methods,
    replayed,
  };
}

function functionSignature(
  name: string,
  call: ts.Signature,
  declaration: ts.Declaration,
  program: TypeScriptProgram,
  types: TypeReader,
  reach: ReachReader,
): FunctionSignature {
  const at = nameOf(declaration);
  const body = call.declaration;
  const parameters = call.parameters.flatMap((symbol, index): SignatureParameter | SignatureParameter[] => {
    const parameter = symbol.valueDeclaration;
    const declared = parameter !== undefined && ts.isParameter(parameter) ? parameter : null;
    const type = program.checker.getTypeOfSymbol(symbol);
    const each = declared?.dotDotDotToken === undefined ? null : fixedTuple(type, program.checker);
    // `...[name, n]: [string, int]` are two parameters.
    if (declared !== null && each !== null) {
      return each.map(({ name, type: item }, i) => ({
        name: name ?? `argument${index + i + 1}`,
        span: program.span(declared),
        type: types.read(item),
        optional: false,
        rest: false,
        mutable: !types.isReadonly(item),
      }));
    }
    const optional = declared !== null && (declared.questionToken !== undefined || declared.initializer !== undefined);
    return {
      // A destructured parameter has no name to be called by.
      name: declared !== null && !ts.isIdentifier(declared.name) ? `argument${index + 1}` : symbol.name,
      span: declared === null ? program.span(at) : program.span(declared, declared.type ?? declared.name),
      type: declared?.type !== undefined ? withoutUndefined(types.readNode(declared.type), optional) : types.readPresent(type),
      optional,
      rest: declared?.dotDotDotToken !== undefined,
      mutable: !types.isReadonly(type),
    };
  });
  const written = body !== undefined && "type" in body ? body.type : undefined;
  const { returns, async, iterates } = types.readReturned(call.getReturnType());
  return {
    name,
    span: program.span(at),
    typeParameters: (call.typeParameters ?? []).map((parameter) => {
      const [constraint, fallback] = [parameter.getConstraint(), parameter.getDefault()];
      return {
        name: parameter.symbol.name,
        constraint: constraint === undefined ? null : types.read(constraint),
        fallback: fallback === undefined ? null : types.read(fallback),
      };
    }),
    overloads: [],
    parameters,
    returns,
    returnSpan: written === undefined || ts.isJSDocTypeExpression(written) ? program.span(at) : program.span(written),
    async,
    iterates,
    tags: TAGS.filter((tag) => ts.getJSDocTags(declaration).some((found) => found.tagName.text === tag)),
    reaches: reach.reached(declaration),
    lends: types.lendable(call.getReturnType()),
    keepsMemory: reach.keepsMemory(declaration),
  };
}

/** The items of a tuple of which each has to be there. */
function fixedTuple(type: ts.Type, checker: ts.TypeChecker): { readonly name: string | null; readonly type: ts.Type }[] | null {
  if (!checker.isTupleType(type)) return null;
  const { target } = type as ts.TupleTypeReference;
  if (target.elementFlags.some((flag) => flag !== ts.ElementFlags.Required)) return null;
  return checker.getTypeArguments(type as ts.TypeReference).map((item, i) => {
    const label = target.labeledElementDeclarations?.[i];
    return { name: label !== undefined && ts.isIdentifier(label.name) ? label.name.text : null, type: item };
  });
}

/** `x?: T | undefined` is a `T` that may be left out. */
function withoutUndefined(type: Type, optional: boolean): Type {
  if (!optional || type.kind !== "union") return type;
  const members = type.members.filter((member) => member.kind !== "null");
  return members.length === 1 ? members[0]! : { kind: "union", members };
}

function nameOf(declaration: ts.Declaration): ts.Node {
  return ts.getNameOfDeclaration(declaration) ?? declaration;
}
