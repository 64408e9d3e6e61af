// A `.pipe` file's tree as a `Module`: pipes and brackets become plain calls and values. Decides nothing: what has no meaning
// here keeps its place as an `error`, with a message.
import type * as ast from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type * as module from "../module.ts";

export function readPipe(file: ast.File): { readonly module: module.Module; readonly diagnostics: readonly Diagnostic[] } {
  const reader = new PipeReader();
  const of = <K extends ast.Declaration["kind"]>(kind: K) =>
    file.declarations.filter((declaration): declaration is Extract<ast.Declaration, { kind: K }> => declaration.kind === kind);
  const pipelines = file.declarations.filter(
    (declaration): declaration is ast.PipelineDeclaration => declaration.kind === "pipeline" || declaration.kind === "service",
  );
  return {
    module: {
      file: file.span.file,
      frontEnd: "pipe",
      doc: file.doc,
      imports: of("import").flatMap((declaration) =>
        declaration.items.map((item) => ({
          what: item.what,
          exported: item.name,
          local: item.as ?? item.name,
          from: declaration.from,
          span: item.span,
        })),
      ),
      types: of("type").map(({ name, parameters, type, span }) => ({ name, parameters, type, span })),
      params: of("param").map(({ name, doc, type, default: fallback, range, span }) => ({
        name,
        doc,
        type: { kind: "node", node: type },
        default: fallback && reader.expression(fallback),
        range: range && { low: reader.expression(range.low), high: reader.expression(range.high) },
        span,
      })),
      pipelines: pipelines.map((declaration) => reader.pipeline(declaration)),
      schedules: of("schedule").map((declaration) => reader.schedule(declaration)),
    },
    diagnostics: reader.diagnostics,
  };
}

/** Statements of a notebook's cell. */
export function readStatements(statements: readonly ast.Statement[]): {
  readonly statements: readonly module.Statement[];
  readonly diagnostics: readonly Diagnostic[];
} {
  const reader = new PipeReader();
  return { statements: statements.map((statement) => reader.statement(statement)), diagnostics: reader.diagnostics };
}

const DEEPEST = 1000;

class PipeReader {
  readonly diagnostics: Diagnostic[] = [];
  private depth = 0;
  private saidTooDeep = false;

  pipeline(declaration: ast.PipelineDeclaration): module.Pipeline {
    const { kind, name, doc, span } = declaration;
    return {
      kind,
      name,
      doc,
      parameters: declaration.parameters.map((parameter) => ({
        name: parameter.name,
        doc: null,
        type: { kind: "node", node: parameter.type },
        default: parameter.default && this.expression(parameter.default),
        range: null,
        span: parameter.span,
      })),
      returns: declaration.returns && { kind: "node", node: declaration.returns },
      body: this.block(declaration.body),
      span,
    };
  }

  schedule(declaration: ast.ScheduleDeclaration): module.Schedule {
    return {
      name: declaration.name,
      pipeline: declaration.pipeline,
      entries: declaration.entries.map(({ selectors, strategy, options, span }) => ({
        selectors: selectors.map((selector) => ({ path: selector.path, span: selector.span })),
        strategy: strategy && {
          name: strategy.name,
          demanded: strategy.demanded,
          args: this.args(strategy.args),
          architecture: strategy.architecture && { name: strategy.architecture.name, args: this.args(strategy.architecture.args) },
          span: strategy.span,
        },
        options: options.map((option) => ({ name: option.name, value: this.expression(option.value), span: option.span })),
        span,
      })),
      span: declaration.span,
    };
  }

  private block(block: ast.Block): module.Block {
    return { statements: block.statements.map((statement) => this.statement(statement)), span: block.span };
  }

  statement(statement: ast.Statement): module.Statement {
    const { span } = statement;
    switch (statement.kind) {
      case "let":
        return {
          kind: "let",
          doc: statement.doc,
          pattern: statement.pattern,
          type: statement.type && { kind: "node", node: statement.type },
          value: this.expression(statement.value),
          span,
        };
      case "track":
        return { kind: "track", name: statement.name, value: this.trackedValue(statement), span };
      case "next":
        return { kind: "next", name: statement.name, value: this.expression(statement.value), span };
      case "do":
        return { kind: "do", value: this.expression(statement.value), span };
      case "expect":
        return {
          kind: "expect",
          condition: this.expression(statement.condition),
          message: statement.message && this.expression(statement.message),
          span,
        };
      case "keep":
        return { kind: "keep", value: this.expression(statement.value), direction: statement.direction, metric: statement.metric, span };
      case "stop":
        return { kind: "stop", after: this.expression(statement.after), metric: statement.metric, span };
      case "onFailure":
        return { kind: "onFailure", name: statement.name, body: this.block(statement.body), span };
      case "expression":
        return { kind: "expression", value: this.expression(statement.value), span };
    }
  }

  /** `track x` is `track x = x`. */
  private trackedValue(statement: ast.Statement & { kind: "track" }): module.Expr {
    return statement.value ? this.expression(statement.value) : { kind: "name", name: statement.name.text, span: statement.name.span };
  }

  private args(args: readonly ast.Argument[]): module.Argument[] {
    return args.map((arg) => ({ name: arg.name, value: this.expression(arg.value), span: arg.span }));
  }

  expression(expression: ast.Expression): module.Expr {
    if (this.depth > DEEPEST) return this.tooDeep(expression.span);
    this.depth++;
    const read = this.read(expression);
    this.depth--;
    return read;
  }

  /** A sum of thousands is thousands deep; the phases that follow walk trees by recursion. */
  private tooDeep(span: ast.Span): module.Expr {
    if (!this.saidTooDeep) {
      const at = { span: { ...span, end: span.start + 1 }, label: "starts here", role: "primary" as const };
      const help = "give parts of it names with `let`";
      this.diagnostics.push(report("HR001", { what: "this is nested more deeply than can be read" }, [at], { help }));
    }
    this.saidTooDeep = true;
    return { kind: "error", span };
  }

  private read(expression: ast.Expression): module.Expr {
    const { span } = expression;
    const read = (one: ast.Expression) => this.expression(one);
    switch (expression.kind) {
      case "number":
        return { kind: "number", value: expression.value, numeric: expression.float ? "float" : "int", span };
      case "quantity":
      case "string":
      case "bool":
      case "null":
      case "name":
      case "error":
        return expression;
      case "template":
        return { kind: "template", parts: expression.parts.map((part) => (typeof part === "string" ? part : read(part))), span };
      case "paren":
        return read(expression.value);
      case "list":
        return { kind: "list", items: expression.items.map(read), span };
      case "record":
        return {
          kind: "record",
          fields: expression.fields.map((field) => {
            if (field.kind === "spread") return { kind: "spread", value: read(field.value), span: field.span };
            const value = field.value ? read(field.value) : ({ kind: "name", name: field.name.text, span: field.name.span } as const);
            return { kind: "field", name: field.name, value, span: field.span };
          }),
          span,
        };
      case "field":
        return { kind: "field", of: read(expression.of), name: expression.name, optional: expression.optional, span };
      case "index":
        return { kind: "index", of: read(expression.of), index: read(expression.index), span };
      case "call":
        return this.call(expression.callee, expression.types, this.args(expression.args), span);
      case "pipe": {
        const piped: module.Argument = { name: null, value: read(expression.left), span: expression.left.span };
        return this.call(expression.callee, expression.types, [piped, ...this.args(expression.args ?? [])], span);
      }
      case "unary":
        return { kind: "unary", operator: expression.operator, operand: read(expression.operand), span };
      case "binary":
        return { kind: "binary", operator: expression.operator, left: read(expression.left), right: read(expression.right), span };
      case "if":
        return {
          kind: "if",
          condition: read(expression.condition),
          then: this.block(expression.then),
          else: expression.else && this.block(expression.else),
          span,
        };
      case "lambda":
        return { kind: "lambda", parameters: expression.parameters, body: read(expression.body), span };
      case "fit":
        return {
          kind: "fit",
          carried: this.carried(expression.carried),
          batch: expression.batch,
          over: read(expression.over),
          epochs: read(expression.epochs),
          body: this.block(expression.body),
          eachEpoch: expression.eachEpoch && this.block(expression.eachEpoch),
          span,
        };
      case "loop":
        return {
          kind: "loop",
          carried: this.carried(expression.carried),
          until: read(expression.until),
          max: read(expression.max),
          body: this.block(expression.body),
          span,
        };
      case "for":
        return { kind: "for", pattern: expression.pattern, in: read(expression.in), body: this.block(expression.body), span };
      case "search":
        return { kind: "search", metric: expression.metric, body: this.block(expression.body), span };
      case "within":
        return {
          kind: "within",
          value: read(expression.value),
          limit: read(expression.limit),
          otherwise: read(expression.otherwise),
          span,
        };
    }
  }

  private carried(carried: readonly ast.Carried[]): module.Carried[] {
    return carried.map(({ name, init, span }) => ({ name, init: this.expression(init), span }));
  }

  private call(callee: ast.Expression, given: readonly ast.TypeNode[], args: readonly module.Argument[], span: ast.Span): module.Expr {
    const types = given.length > 0 ? { types: given.map((node) => ({ kind: "node" as const, node })) } : {};
    switch (callee.kind) {
      case "name":
        return { kind: "call", callee: { text: callee.name, span: callee.span }, receiver: null, ...types, args, span };
      case "field":
        return { kind: "call", callee: callee.name, receiver: this.expression(callee.of), ...types, args, span };
      case "paren":
        return this.call(callee.value, given, args, span);
      case "error":
        return { kind: "error", span };
      default:
        this.diagnostics.push(
          report("HR101", {}, [{ span: callee.span, label: "not a name", role: "primary" }], {
            help: "call a function by its name, as in `f(x)` or `x |> f`",
          }),
        );
        return { kind: "error", span };
    }
  }
}
