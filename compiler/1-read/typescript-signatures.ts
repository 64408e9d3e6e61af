// The exports of one TypeScript file as signatures, with the places that a message may want to show. Must not know pipelines.
import { ts } from "ts-morph";
import type { Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Type } from "../../lang/types.ts";
import type { FunctionSignature, SignatureParameter, Signatures } from "../module.ts";
import type { TypeScriptProgram } from "./typescript-program.ts";
import { ReachReader } from "./typescript-reach.ts";
import { TypeReader } from "./typescript-types.ts";

/** Tags of a doc comment that say how a function may be run, or that it isn't: a pipeline is read. */
const TAGS = ["effect", "volatile", "associative", "elementwise", "pipeline"];

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
    return ts.getJSDocTags(declaration).flatMap(({ tagName }) => {
      const name = tagName.text;
      if (TAGS.includes(name) || COMMON.includes(name)) return [];
      const meaning = Object.hasOwn(MEANT, name) ? MEANT[name]! : null;
      const near = meaning === null ? nearest(name, TAGS) : null;
      if (meaning === null && near === null) return [];
      const span = program.span(tagName);
      return report("HR305", { tag: name, callee: exported.name }, [{ span, label: "no such tag", role: "primary" }], {
        help: meaning ?? `did you mean \`@${near}\`?`,
        ...(near === null ? {} : { fix: { span, text: near } }),
      });
    });
  });
}

export function signaturesOf(program: TypeScriptProgram, file: string): Signatures {
  const { checker } = program;
  const types = new TypeReader(program, file);
  const reach = new ReachReader(program);
  const functions: Record<string, FunctionSignature> = {};
  const named: Record<string, { type: Type; span: Span }> = {};
  const classes: string[] = [];
  const others: string[] = [];
  const module = checker.getSymbolAtLocation(program.file(file));
  for (const exported of module === undefined ? [] : checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const declaration = symbol.valueDeclaration ?? symbol.declarations?.[0];
    if (declaration === undefined) continue;
    const name = exported.name;
    const call = symbol.flags & ts.SymbolFlags.Value ? checker.getTypeOfSymbol(symbol).getCallSignatures()[0] : undefined;
    if (symbol.flags & ts.SymbolFlags.Class) classes.push(name);
    else if (call !== undefined) functions[name] = functionSignature(name, call, declaration, program, types, reach);
    else if (symbol.flags & ts.SymbolFlags.Value) others.push(name);
    else if (symbol.flags & ts.SymbolFlags.Type) {
      named[name] = { type: types.read(checker.getDeclaredTypeOfSymbol(symbol)), span: program.span(nameOf(declaration)) };
    }
  }
  return { file, functions, types: named, classes, others };
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
  const parameters = call.parameters.map((symbol, index): SignatureParameter => {
    const parameter = symbol.valueDeclaration;
    const declared = parameter !== undefined && ts.isParameter(parameter) ? parameter : null;
    const type = program.checker.getTypeOfSymbol(symbol);
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
    typeParameters: (call.typeParameters ?? []).map((parameter) => parameter.symbol.name),
    parameters,
    returns,
    returnSpan: written === undefined || ts.isJSDocTypeExpression(written) ? program.span(at) : program.span(written),
    async,
    iterates,
    tags: TAGS.filter((tag) => ts.getJSDocTags(declaration).some((found) => found.tagName.text === tag)),
    reaches: reach.reached(declaration),
    keepsMemory: reach.keepsMemory(declaration),
  };
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
