// The declarations of an annotated TypeScript file: its pipelines, their parameters, what it imports. Bodies are read by
// `typescript-body.ts`. Must not know what the checker makes of them.
import { posix } from "node:path";
import type {
  FunctionDeclaration,
  ImportDeclaration,
  JSDoc,
  JSDocableNode,
  JSDocParameterTag,
  ParameterDeclaration,
  SourceFile,
} from "ts-morph";
import { Node, ts } from "ts-morph";
import type { Name, Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { mayBeNull, optionalOf, presentOf } from "../../lang/types.ts";
import type { DeclaredType, Expr, Import, Module, Parameter, Pipeline } from "../module.ts";
import { BodyReader } from "./typescript-body.ts";
import { readFileDefault } from "./typescript-forms.ts";
import { isPipeline } from "./typescript-names.ts";
import type { TypeScriptProgram } from "./typescript-program.ts";
import { TypeReader } from "./typescript-types.ts";

export function readModule(
  program: TypeScriptProgram,
  file: string,
  wanted: string | null,
): { module: Module | null; diagnostics: Diagnostic[] } {
  const opened = open(program, file);
  const { diagnostics } = opened;
  if (opened.unreadable) return { module: null, diagnostics };
  const functions = opened.functions;
  if (functions.length === 0) {
    if (diagnostics.length === 0) {
      const help = "/** @pipeline */ export function name(…) { … }";
      diagnostics.push(
        report("HR505", { file }, [{ span: { file, start: 0, end: 0 }, label: "no pipeline in this file", role: "primary" }], { help }),
      );
    }
    return { module: null, diagnostics };
  }

  if (wanted !== null && !functions.some((each) => each.getName() === wanted)) {
    const help = `its pipelines are ${functions.map((each) => `\`${each.getName()}\``).join(", ")}`;
    const frames = [{ span: { file, start: 0, end: 0 }, label: "no pipeline of that name in this file", role: "primary" as const }];
    diagnostics.push(report("HR502", { name: wanted, file }, frames, { help }));
    return { module: null, diagnostics };
  }
  const entry = chooseEntry(functions, file, wanted);
  if (entry === null) {
    const names = functions.map((each) => `\`${each.getName()}\``).join(", ");
    const frames = functions.map((each, i) => ({
      span: spanOf(each.getNameNode() ?? each, file),
      label: "a pipeline",
      role: i === 0 ? ("primary" as const) : ("secondary" as const),
    }));
    diagnostics.push(report("HR506", { names }, frames, { help: `${file}:${functions[0]!.getName()}` }));
    return { module: null, diagnostics };
  }

  const module = moduleOf(program, opened);
  const at = functions.indexOf(entry);
  return {
    module: {
      ...module,
      doc: docOf(entry),
      // As in `.pipe` text, where params belong to the file and the entry has no arguments of its own.
      params: module.pipelines[at]!.parameters.map(asParam),
      pipelines: module.pipelines.map((pipeline, i) => (i === at ? { ...pipeline, parameters: [] } : pipeline)),
    },
    diagnostics,
  };
}

/** Its pipelines alone, for those who call them. */
export function readPipelines(program: TypeScriptProgram, file: string): { module: Module | null; diagnostics: Diagnostic[] } {
  const opened = open(program, file);
  return { module: opened.unreadable ? null : moduleOf(program, opened), diagnostics: opened.diagnostics };
}

interface Opened {
  readonly file: string;
  readonly tree: SourceFile;
  readonly functions: readonly FunctionDeclaration[];
  readonly diagnostics: Diagnostic[];
  readonly unreadable: boolean;
}

function open(program: TypeScriptProgram, file: string): Opened {
  const tree = program.tree(file);
  const diagnostics = program.syntaxErrors();
  const unreadable = diagnostics.some((diagnostic) => diagnostic.frames[0]?.span.file === file);
  if (unreadable) return { file, tree, functions: [], diagnostics, unreadable };
  for (const statement of tree.getVariableStatements()) {
    if (!tagged(statement)) continue;
    const at: Span = { file, start: statement.getStart(), end: statement.getEnd() };
    diagnostics.push(
      report("HR510", { form: "its own declaration as a `const`" }, [{ span: at, label: "tagged @pipeline", role: "primary" }], {
        help: "export function name(…) { … }",
      }),
    );
  }
  return { file, tree, functions: tree.getFunctions().filter(isPipeline), diagnostics, unreadable };
}

function moduleOf(program: TypeScriptProgram, { file, tree, functions, diagnostics }: Opened): Module {
  const bodies = new BodyReader(program, file, diagnostics);
  const types = new TypeReader(program, file);
  const pipelines = functions.map((each) => readPipeline(each, file, readParameters(each, file, bodies, types, diagnostics), bodies));
  return {
    file,
    frontEnd: "typescript",
    doc: null,
    imports: [...readImports(tree, file, diagnostics), ...bodies.ownFunctions()],
    types: [],
    params: [],
    pipelines,
    schedules: [],
  };
}

/** The pipeline asked for, else the one named like the file up to its first dot, else the only one that no other calls. */
function chooseEntry(functions: readonly FunctionDeclaration[], file: string, wanted: string | null): FunctionDeclaration | null {
  const name = wanted ?? posix.basename(file).split(".", 1)[0];
  const named = functions.find((each) => each.getName() === name);
  if (named !== undefined || wanted !== null) return named ?? null;
  const uncalled = functions.filter((each) =>
    functions.every(
      (other) =>
        other === each ||
        !other.getDescendantsOfKind(ts.SyntaxKind.CallExpression).some((call) => call.getExpression().getText() === each.getName()),
    ),
  );
  return uncalled.length === 1 ? uncalled[0]! : null;
}

function readPipeline(declaration: FunctionDeclaration, file: string, parameters: readonly Parameter[], bodies: BodyReader): Pipeline {
  return {
    kind: "pipeline",
    name: { text: declaration.getName() ?? "default", span: spanOf(declaration.getNameNode() ?? declaration, file) },
    doc: docOf(declaration),
    parameters,
    returns: null,
    body: bodies.pipelineBody(declaration),
    span: spanOf(declaration, file),
  };
}

// --- Parameters ----------------------------------------------------------------------------------------------------------

const NUMBER = String.raw`-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?`;
/** `how far a step goes, in 0.0..1.0` */
const DOCUMENTED = new RegExp(String.raw`^(?<doc>[\s\S]*?)[\s,;.:(]*\bin\s+(?<low>${NUMBER})\.\.(?<high>${NUMBER})[\s.)]*$`);

function readParameters(
  declaration: FunctionDeclaration,
  file: string,
  bodies: BodyReader,
  types: TypeReader,
  diagnostics: Diagnostic[],
): Parameter[] {
  const tags = declaration
    .getJsDocs()
    .flatMap((doc) => doc.getTags())
    .filter(Node.isJSDocParameterTag);
  const parameters = declaration.getParameters();
  for (const tag of tags) {
    if (parameters.some((parameter) => parameter.getName() === tag.getName())) continue;
    const names = parameters.map((parameter) => `\`${parameter.getName()}\``).join(", ");
    const help = names === "" ? "the pipeline has no parameters" : `its parameters are ${names}`;
    const span = spanOf(tag.getNameNode(), file);
    diagnostics.push(report("HR513", { name: tag.getName() }, [{ span, label: "not a parameter", role: "primary" }], { help }));
  }
  return parameters.flatMap((parameter): Parameter | Parameter[] => {
    const span = spanOf(parameter, file);
    if (!Node.isIdentifier(parameter.getNameNode()) || parameter.isRestParameter()) {
      const help = "one name for each, with its type: epochs: int = 5";
      diagnostics.push(report("HR511", { name: parameter.getNameNode().getText() }, [{ span, label: "here", role: "primary" }], { help }));
      // Whoever reads what it would have named has nothing more to be told.
      return namesIn(parameter.getNameNode()).map(
        (name): Parameter => ({
          name: { text: name.getText(), span: spanOf(name, file) },
          doc: null,
          type: { kind: "type", type: { kind: "error" } },
          default: null,
          range: null,
          span,
        }),
      );
    }
    const tag = tags.find((each) => each.getName() === parameter.getName());
    const { doc, range } = tag === undefined ? { doc: null, range: null } : documented(tag, file);
    const initializer = parameter.getInitializer();
    const missing: Expr | null = parameter.hasQuestionToken() ? { kind: "null", span } : null;
    const type = typeOf(parameter, types);
    const files = type.kind === "type" ? filesOf(type.type) : null;
    const given = (node: Node): Expr => (files === null ? bodies.expression(node) : readFileDefault(node, files, bodies));
    return {
      name: { text: parameter.getName(), span: spanOf(parameter.getNameNode(), file) },
      doc,
      type,
      default: initializer === undefined ? missing : given(initializer),
      range,
      span,
    };
  });
}

function namesIn(node: Node): Node[] {
  if (Node.isIdentifier(node)) return [node];
  return node.getDescendantsOfKind(ts.SyntaxKind.BindingElement).flatMap((element) => {
    const name = element.getNameNode();
    return Node.isIdentifier(name) ? [name] : [];
  });
}

function typeOf(parameter: ParameterDeclaration, types: TypeReader): DeclaredType {
  const node = parameter.getTypeNode();
  const type = node === undefined ? types.readPresent(parameter.getType().compilerType) : types.readNode(node.compilerNode);
  return { kind: "type", type: parameter.hasQuestionToken() ? { kind: "union", members: [type, { kind: "null" }] } : type };
}

/** Whether a parameter is a file, or the files that a pattern finds. */
function filesOf(type: Type): "file" | "files" | null {
  const { kind, ...of } = presentOf(type);
  return kind === "file" || kind === "files" ? kind : kind === "list" && "item" in of && of.item.kind === "file" ? "files" : null;
}

/** What is given on the command line for a list of files is a pattern. */
function asParam(parameter: Parameter): Parameter {
  const { type } = parameter;
  if (type.kind !== "type" || filesOf(type.type) !== "files") return parameter;
  const files: Type = { kind: "files" };
  return { ...parameter, type: { kind: "type", type: mayBeNull(type.type) ? optionalOf(files) : files } };
}

function documented(tag: JSDocParameterTag, file: string): Pick<Parameter, "doc" | "range"> {
  const text = (tag.getCommentText() ?? "").replace(/^-\s*/, "").trim();
  const found = DOCUMENTED.exec(text)?.groups;
  if (found === undefined) return { doc: text || null, range: null };
  const whole = tag.getText();
  const start = tag.getStart() + whole.lastIndexOf(`${found.low}..${found.high}`);
  const bound = (written: string, at: number): Expr => ({
    kind: "number",
    value: Number(written),
    numeric: /^-?\d+$/.test(written) ? "either" : "float",
    span: { file, start: at, end: at + written.length },
  });
  return {
    doc: found.doc!.trim() || null,
    range: { low: bound(found.low!, start), high: bound(found.high!, start + found.low!.length + 2) },
  };
}

// --- Imports -------------------------------------------------------------------------------------------------------------

function readImports(tree: SourceFile, file: string, diagnostics: Diagnostic[]): Import[] {
  return tree.getImportDeclarations().flatMap((declaration) => {
    const specifier = declaration.getModuleSpecifierValue();
    const whole = declaration.getDefaultImport() ?? declaration.getNamespaceImport();
    const concerns = specifier === "headrace" || specifier.startsWith(".");
    if (concerns && whole !== undefined && !declaration.isTypeOnly()) {
      const form = declaration.getDefaultImport() === undefined ? "names of a whole module (`* as`)" : "a default import";
      const help = `import { name } from ${JSON.stringify(specifier)}`;
      diagnostics.push(report("HR510", { form }, [{ span: spanOf(whole, file), label: "here", role: "primary" }], { help }));
    }
    if (!specifier.startsWith(".")) return [];
    const from: Name = { text: specifierOf(declaration, file), span: spanOf(declaration.getModuleSpecifier(), file) };
    return declaration.getNamedImports().flatMap((item): Import[] => {
      const exported = item.getNameNode();
      const local = item.getAliasNode() ?? exported;
      const symbol = local.getSymbol()?.getAliasedSymbol();
      const flags = symbol?.getFlags() ?? ts.SymbolFlags.Value;
      const onlyType = declaration.isTypeOnly() || item.isTypeOnly() || (flags & ts.SymbolFlags.Type && !(flags & ts.SymbolFlags.Value));
      const what = flags & ts.SymbolFlags.Class ? "actor" : onlyType ? "type" : "function";
      // A constant is written in where it is read; what else isn't a function is reported there.
      const type = symbol?.getTypeAtLocation(local);
      if (what === "function" && type !== undefined && !type.isAny() && type.getCallSignatures().length === 0) return [];
      return [
        {
          what,
          exported: { text: exported.getText(), span: spanOf(exported, file) },
          local: { text: local.getText(), span: spanOf(local, file) },
          from,
          span: spanOf(item, file),
        },
      ];
    });
  });
}

/** As `.pipe` text would write it, ending included: TypeScript also takes `./x` and `./x.js` for `./x.ts`. */
function specifierOf(declaration: ImportDeclaration, _file: string): string {
  const written = declaration.getModuleSpecifierValue();
  const found = written.endsWith(".pipe") ? undefined : declaration.getModuleSpecifierSourceFile();
  if (found === undefined) return written;
  const path = posix.relative(posix.dirname(declaration.getSourceFile().getFilePath()), found.getFilePath());
  return path.startsWith(".") ? path : `./${path}`;
}

// --- Documentation and places --------------------------------------------------------------------------------------------

function docOf(declaration: FunctionDeclaration): string | null {
  const text = declaration
    .getJsDocs()
    .map((doc: JSDoc) => doc.getDescription().trim())
    .filter((description) => description !== "")
    .join("\n");
  return text === "" ? null : text;
}

function tagged(node: JSDocableNode): boolean {
  return node.getJsDocs().some((doc) => doc.getTags().some((tag) => tag.getTagName() === "pipeline"));
}

function spanOf(node: Node, file: string): Span {
  return { file, start: node.getStart(), end: node.getEnd() };
}
