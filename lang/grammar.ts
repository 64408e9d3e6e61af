// The grammar of declarations, statements and schedule entries, in chevrotain: each is parsed by itself, from its tokens to its
// tree. Blocks arrive as one token; what is inside is handed to the caller as pending.
import type { IRecognitionException } from "chevrotain";
import type * as ast from "./ast.ts";
import { ARITHMETIC, ExpressionGrammar } from "./grammar-expressions.ts";
import type { Pending } from "./grammar-types.ts";
import { textOf } from "./grammar-types.ts";
import type { BlockToken, Docs, Token } from "./tokens.ts";
import * as t from "./tokens.ts";

type Rule = "declaration" | "statement" | "entry";

export class Grammar extends ExpressionGrammar {
  constructor() {
    super();
    this.performSelfAnalysis();
  }

  /** The tree, or the first thing that was in its way. */
  read(
    rule: Rule,
    tokens: readonly Token[],
    file: string,
    docs: Docs,
  ): { readonly tree: unknown; readonly pending: readonly Pending[]; readonly problem: IRecognitionException | null } {
    this.file = file;
    this.docs = docs;
    this.pending = [];
    this.input = [...tokens];
    const tree: unknown = this[rule]();
    return { tree, pending: this.pending, problem: this.errors[0] ?? null };
  }

  // --- Declarations ---------------------------------------------------------------------------------------------------------------

  protected declaration = this.RULE(
    "declaration",
    (): ast.Declaration =>
      this.OR([
        { ALT: () => this.SUBRULE(this.importDeclaration) },
        { ALT: () => this.SUBRULE(this.typeDeclaration) },
        { ALT: () => this.SUBRULE(this.paramDeclaration) },
        { ALT: () => this.SUBRULE(this.pipelineDeclaration) },
        { ALT: () => this.SUBRULE(this.scheduleDeclaration) },
      ]),
  );

  protected importDeclaration = this.RULE("importDeclaration", (): ast.Declaration => {
    const start = this.next(1);
    const items: ast.ImportItem[] = [];
    this.CONSUME(t.Import);
    this.CONSUME(t.LBrace);
    this.commas(t.RBrace, () => items.push(this.SUBRULE(this.importItem)));
    this.CONSUME(t.From);
    const from = this.CONSUME(t.Str);
    return this.ACTION(() => ({ kind: "import", items, from: { ...this.toName(from), text: textOf(from.image) }, span: this.from(start) }));
  });
  protected importItem = this.RULE("importItem", (): ast.ImportItem => {
    const start = this.next(1);
    let what: ast.ImportItem["what"] = "function";
    this.OPTION({
      // `type as T` imports what is called `type`.
      GATE: () => this.is(2, t.Word) && !(this.is(2, t.As) && this.is(3, t.Word) && !(this.is(3, t.As) && this.is(4, t.Word))),
      DEF: () =>
        this.OR([
          {
            ALT: () => {
              this.CONSUME(t.Actor);
              what = "actor";
            },
          },
          {
            ALT: () => {
              this.CONSUME(t.Resource);
              what = "resource";
            },
          },
          {
            ALT: () => {
              this.CONSUME(t.Type);
              what = "type";
            },
          },
        ]),
    });
    const name = this.SUBRULE(this.word);
    let as: ast.Name | null = null;
    this.OPTION1(() => {
      this.CONSUME(t.As);
      as = this.SUBRULE1(this.name);
    });
    return this.ACTION(() => ({ what, name, as, span: this.from(start) }));
  });

  protected typeDeclaration = this.RULE("typeDeclaration", (): ast.Declaration => {
    const start = this.next(1);
    const parameters: ast.Name[] = [];
    this.CONSUME(t.Type);
    const name = this.SUBRULE(this.name);
    this.OPTION(() => {
      this.CONSUME(t.Less);
      this.commas(t.Greater, () => parameters.push(this.SUBRULE1(this.name)), { some: true });
    });
    this.CONSUME(t.Assign);
    const type = this.SUBRULE(this.type);
    return this.ACTION(() => ({ kind: "type", doc: this.doc(start), name, parameters, type, span: this.from(start) }));
  });

  protected paramDeclaration = this.RULE("paramDeclaration", (): ast.Declaration => {
    const start = this.next(1);
    this.CONSUME(t.Param);
    const name = this.SUBRULE(this.name);
    this.CONSUME(t.Colon);
    const type = this.SUBRULE(this.type);
    let fallback: ast.Expression | null = null;
    this.OPTION(() => {
      this.CONSUME(t.Assign);
      fallback = this.SUBRULE(this.pipe);
    });
    let range: { low: ast.Expression; high: ast.Expression } | null = null;
    this.OPTION1(() => {
      this.CONSUME(t.In);
      const low = this.SUBRULE(this.binary, { ARGS: [ARITHMETIC] });
      this.CONSUME(t.Dots);
      const high = this.SUBRULE1(this.binary, { ARGS: [ARITHMETIC] });
      range = { low, high };
    });
    return this.ACTION(() => ({ kind: "param", doc: this.doc(start), name, type, default: fallback, range, span: this.from(start) }));
  });

  protected pipelineDeclaration = this.RULE("pipelineDeclaration", (): ast.Declaration => {
    const start = this.next(1);
    let kind: "pipeline" | "service" = "pipeline";
    this.OR([
      { ALT: () => this.CONSUME(t.Pipeline) },
      {
        ALT: () => {
          this.CONSUME(t.Service);
          kind = "service";
        },
      },
    ]);
    const name = this.SUBRULE(this.name);
    const parameters: ast.Parameter[] = [];
    this.CONSUME(t.LParen);
    this.commas(t.RParen, () => parameters.push(this.SUBRULE(this.parameter)));
    let returns: ast.TypeNode | null = null;
    this.OPTION1(() => {
      this.CONSUME(t.Arrow);
      returns = this.SUBRULE(this.type);
    });
    const body = this.SUBRULE(this.block);
    return this.ACTION(() => ({ kind, doc: this.doc(start), name, parameters, returns, body, span: this.from(start) }));
  });
  protected parameter = this.RULE("parameter", (): ast.Parameter => {
    const start = this.next(1);
    const name = this.SUBRULE(this.name);
    this.CONSUME(t.Colon);
    const type = this.SUBRULE(this.type);
    let fallback: ast.Expression | null = null;
    this.OPTION(() => {
      this.CONSUME(t.Assign);
      fallback = this.SUBRULE(this.pipe);
    });
    return this.ACTION(() => ({ name, type, default: fallback, span: this.from(start) }));
  });

  protected scheduleDeclaration = this.RULE("scheduleDeclaration", (): ast.Declaration => {
    const start = this.next(1);
    this.CONSUME(t.Schedule);
    const name = this.SUBRULE(this.name);
    let pipeline: ast.Name | null = null;
    this.OPTION(() => {
      this.CONSUME(t.For);
      pipeline = this.SUBRULE1(this.name);
    });
    const token = this.CONSUME(t.Block);
    return this.ACTION(() => {
      const entries: ast.ScheduleEntry[] = [];
      this.pending.push({ kind: "entries", token: token as unknown as BlockToken, into: entries });
      return { kind: "schedule", doc: this.doc(start), name, pipeline, entries, span: this.from(start) };
    });
  });

  // --- Schedule entries -----------------------------------------------------------------------------------------------------------

  protected entry = this.RULE("entry", (): ast.ScheduleEntry => {
    const start = this.next(1);
    const selectors: ast.Selector[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => selectors.push(this.SUBRULE(this.selector)) });
    this.CONSUME(t.Colon);
    let strategy: ast.StrategyNode | null = null;
    let options: readonly ast.OptionNode[] = [];
    this.OR([
      {
        GATE: () => this.is(1, t.LBrace),
        ALT: () => {
          options = this.SUBRULE(this.options);
        },
      },
      {
        ALT: () => {
          strategy = this.SUBRULE(this.strategy);
          this.OPTION(() => {
            options = this.SUBRULE1(this.options);
          });
        },
      },
    ]);
    return this.ACTION(() => ({ selectors, strategy, options, span: this.from(start) }));
  });
  protected selector = this.RULE("selector", (): ast.Selector => {
    const start = this.next(1);
    const path: string[] = [];
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Times);
          path.push("*");
        },
      },
      {
        ALT: () => {
          path.push(this.SUBRULE(this.name).text);
          this.MANY(() => {
            this.CONSUME(t.Dot);
            this.OR1([
              { ALT: () => path.push(this.SUBRULE(this.word).text) },
              {
                ALT: () => {
                  this.CONSUME1(t.Times);
                  path.push("*");
                },
              },
            ]);
          });
        },
      },
    ]);
    return this.ACTION(() => ({ path, span: this.from(start) }));
  });
  protected strategy = this.RULE("strategy", (): ast.StrategyNode => {
    const start = this.next(1);
    const name = this.SUBRULE(this.name);
    let demanded = false;
    this.OPTION(() => {
      this.CONSUME(t.Not);
      demanded = true;
    });
    let args: readonly ast.Argument[] = [];
    this.OPTION1(() => {
      args = this.SUBRULE(this.args);
    });
    let architecture: ast.StrategyNode["architecture"] = null;
    this.OPTION2(() => {
      const which = this.SUBRULE1(this.name);
      let given: readonly ast.Argument[] = [];
      this.OPTION3(() => {
        given = this.SUBRULE1(this.args);
      });
      architecture = { name: which, args: given };
    });
    return this.ACTION(() => ({ name, demanded, args, architecture, span: this.from(start) }));
  });
  protected options = this.RULE("options", (): readonly ast.OptionNode[] => {
    const options: ast.OptionNode[] = [];
    this.CONSUME(t.LBrace);
    this.commas(
      t.RBrace,
      () => {
        const start = this.next(1);
        const name = this.SUBRULE(this.word);
        this.CONSUME(t.Colon);
        const value = this.SUBRULE(this.pipe);
        this.ACTION(() => options.push({ name, value, span: this.from(start) }));
      },
      { lines: true },
    );
    return options;
  });

  // --- Statements -----------------------------------------------------------------------------------------------------------------

  /** A word that starts its form: a name or value follows it, not what would make it a value itself. */
  private startsForm(): boolean {
    const after = this.next(2);
    if (this.is(2, t.Infix, t.Pipe, t.Next, t.Assign, t.Dot, t.OptionalDot, t.Comma, t.FatArrow, t.Block)) return false;
    // `track(x)` and `xs[0]` are a call and an item; `expect (a)` isn't.
    return !(this.is(2, t.LParen, t.LSquare) && !after.spaced) && after.tokenType.name !== "EOF";
  }

  protected statement = this.RULE(
    "statement",
    (): ast.Statement =>
      this.OR({
        DEF: [
          { GATE: () => this.is(1, t.Let), ALT: () => this.SUBRULE(this.letStatement) },
          { GATE: () => this.is(1, t.Do), ALT: () => this.SUBRULE(this.doStatement) },
          { GATE: () => this.is(1, t.Track) && this.startsForm(), ALT: () => this.SUBRULE(this.trackStatement) },
          { GATE: () => this.is(1, t.Expect) && this.startsForm(), ALT: () => this.SUBRULE(this.expectStatement) },
          { GATE: () => this.is(1, t.Keep) && this.startsForm(), ALT: () => this.SUBRULE(this.keepStatement) },
          { GATE: () => this.is(1, t.Stop) && this.is(2, t.After), ALT: () => this.SUBRULE(this.stopStatement) },
          { GATE: () => this.is(1, t.On) && this.is(2, t.Failure), ALT: () => this.SUBRULE(this.failureStatement) },
          { GATE: () => this.is(1, t.Name) && this.is(2, t.Next), ALT: () => this.SUBRULE(this.nextStatement) },
          { ALT: () => this.SUBRULE(this.expressionStatement) },
        ],
        IGNORE_AMBIGUITIES: true,
      }),
  );

  protected letStatement = this.RULE("letStatement", (): ast.Statement => {
    const start = this.next(1);
    this.CONSUME(t.Let);
    const pattern = this.SUBRULE(this.pattern);
    let type: ast.TypeNode | null = null;
    this.OPTION(() => {
      this.CONSUME(t.Colon);
      type = this.SUBRULE(this.type);
    });
    this.CONSUME(t.Assign);
    const value = this.SUBRULE(this.expr);
    return this.ACTION(() => ({ kind: "let", doc: this.doc(start), pattern, type, value, span: this.from(start) }));
  });
  protected doStatement = this.RULE("doStatement", (): ast.Statement => {
    const start = this.next(1);
    this.CONSUME(t.Do);
    const value = this.SUBRULE(this.pipe);
    return this.ACTION(() => ({ kind: "do", value, span: this.from(start) }));
  });
  protected trackStatement = this.RULE("trackStatement", (): ast.Statement => {
    const start = this.next(1);
    this.CONSUME(t.Track);
    const name = this.SUBRULE(this.name);
    let value: ast.Expression | null = null;
    this.OPTION(() => {
      this.CONSUME(t.Assign);
      value = this.SUBRULE(this.pipe);
    });
    return this.ACTION(() => ({ kind: "track", name, value, span: this.from(start) }));
  });
  protected expectStatement = this.RULE("expectStatement", (): ast.Statement => {
    const start = this.next(1);
    this.CONSUME(t.Expect);
    const condition = this.SUBRULE(this.pipe);
    let message: ast.Expression | null = null;
    this.OPTION(() => {
      this.CONSUME(t.Comma);
      message = this.SUBRULE1(this.pipe);
    });
    return this.ACTION(() => ({ kind: "expect", condition, message, span: this.from(start) }));
  });
  protected keepStatement = this.RULE("keepStatement", (): ast.Statement => {
    const start = this.next(1);
    let direction: "minimizing" | "maximizing" = "minimizing";
    this.CONSUME(t.Keep);
    const value = this.SUBRULE(this.pipe);
    this.OR([
      { ALT: () => this.CONSUME(t.Minimizing) },
      {
        ALT: () => {
          this.CONSUME(t.Maximizing);
          direction = "maximizing";
        },
      },
    ]);
    const metric = this.SUBRULE(this.name);
    return this.ACTION(() => ({ kind: "keep", value, direction, metric, span: this.from(start) }));
  });
  protected stopStatement = this.RULE("stopStatement", (): ast.Statement => {
    const start = this.next(1);
    this.CONSUME(t.Stop);
    this.CONSUME(t.After);
    const after = this.SUBRULE(this.pipe);
    this.CONSUME(t.Without);
    this.CONSUME(t.Improvement);
    this.CONSUME(t.Of);
    const metric = this.SUBRULE(this.name);
    return this.ACTION(() => ({ kind: "stop", after, metric, span: this.from(start) }));
  });
  protected failureStatement = this.RULE("failureStatement", (): ast.Statement => {
    const start = this.next(1);
    this.CONSUME(t.On);
    this.CONSUME(t.Failure);
    this.CONSUME(t.LParen);
    const name = this.SUBRULE(this.name);
    this.CONSUME(t.RParen);
    const body = this.SUBRULE(this.block);
    return this.ACTION(() => ({ kind: "onFailure", name, body, span: this.from(start) }));
  });
  protected nextStatement = this.RULE("nextStatement", (): ast.Statement => {
    const start = this.next(1);
    const name = this.SUBRULE(this.name);
    this.CONSUME(t.Next);
    const value = this.SUBRULE(this.expr);
    return this.ACTION(() => ({ kind: "next", name, value, span: this.from(start) }));
  });
  protected expressionStatement = this.RULE("expressionStatement", (): ast.Statement => {
    const start = this.next(1);
    const value = this.SUBRULE(this.expr);
    return this.ACTION(() => ({ kind: "expression", value, span: this.from(start) }));
  });
}
