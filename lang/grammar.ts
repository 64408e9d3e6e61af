// The grammar of declarations, statements and schedule entries, in chevrotain: each is parsed by itself, from its tokens to its
// tree. Blocks arrive as one token; what is inside is handed to the caller as pending. The only user of chevrotain's parser.
import type { IRecognitionException, TokenType } from "chevrotain";
import { EmbeddedActionsParser } from "chevrotain";
import type * as ast from "./ast.ts";
import type { BlockToken, Docs, Token } from "./tokens.ts";
import * as t from "./tokens.ts";

/** A block whose statements are still to be parsed into the tree that stands for it. */
export type Pending =
  | { readonly kind: "statements"; readonly token: BlockToken; readonly into: ast.Statement[] }
  | { readonly kind: "entries"; readonly token: BlockToken; readonly into: ast.ScheduleEntry[] };

type Rule = "declaration" | "statement" | "entry";

const binaryLevels: readonly (readonly (readonly [TokenType, ast.BinaryOperator])[])[] = [
  [[t.Coalesce, "??"]],
  [[t.Or, "||"]],
  [[t.And, "&&"]],
  [
    [t.Equal, "=="],
    [t.NotEqual, "!="],
    [t.Less, "<"],
    [t.LessEqual, "<="],
    [t.Greater, ">"],
    [t.GreaterEqual, ">="],
  ],
  [
    [t.Plus, "+"],
    [t.Minus, "-"],
  ],
  [
    [t.Times, "*"],
    [t.Divide, "/"],
    [t.Modulo, "%"],
  ],
];
const operatorOf = new Map(binaryLevels.flat().map(([type, operator]) => [type, operator]));

/** Words that may stand for a value are `Name`s too; only their neighbours tell whether they start a form. */
export class Grammar extends EmbeddedActionsParser {
  private file = "";
  private docs: Docs = { above: new Map(), after: new Map() };
  private pending: Pending[] = [];

  constructor() {
    super(t.vocabulary, { maxLookahead: 3, recoveryEnabled: false, skipValidations: true });
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

  // --- Small things ---------------------------------------------------------------------------------------------------------------

  private next(ahead: number): Token {
    return this.LA(ahead) as unknown as Token;
  }
  private is(ahead: number, ...types: readonly TokenType[]): boolean {
    const type = this.LA(ahead).tokenType;
    return types.some((one) => type === one || (type.CATEGORIES?.includes(one) ?? false));
  }
  private from(start: Token): ast.Span {
    const last = this.next(0);
    return { file: this.file, start: start.startOffset, end: Math.max(last.endOffset + 1, start.startOffset) };
  }
  private over(start: ast.Span, end: ast.Span): ast.Span {
    return { file: this.file, start: start.start, end: end.end };
  }
  private toName(token: { image: string; startOffset: number; endOffset?: number }): ast.Name {
    return { text: token.image, span: { file: this.file, start: token.startOffset, end: (token.endOffset ?? 0) + 1 } };
  }
  private doc(first: Token): string | null {
    return this.docs.after.get(first.startLine) ?? this.docs.above.get(first) ?? null;
  }
  private toBlock(token: Token): ast.Block {
    const into: ast.Statement[] = [];
    this.pending.push({ kind: "statements", token: token as BlockToken, into });
    return { statements: into, span: { file: this.file, start: token.startOffset, end: token.endOffset + 1 } };
  }

  private name = this.RULE("name", (): ast.Name => {
    const token = this.CONSUME(t.Name);
    return this.ACTION(() => this.toName(token));
  });
  private word = this.RULE("word", (): ast.Name => {
    const token = this.CONSUME(t.Word);
    return this.ACTION(() => this.toName(token));
  });
  private block = this.RULE("block", (): ast.Block => {
    const token = this.CONSUME(t.Block);
    return this.ACTION(() => this.toBlock(token as unknown as Token));
  });

  // --- Declarations ---------------------------------------------------------------------------------------------------------------

  private declaration = this.RULE(
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

  private importDeclaration = this.RULE("importDeclaration", (): ast.Declaration => {
    const start = this.next(1);
    const items: ast.ImportItem[] = [];
    this.CONSUME(t.Import);
    this.CONSUME(t.LBrace);
    this.MANY({
      GATE: () => !this.is(1, t.RBrace),
      DEF: () => {
        items.push(this.SUBRULE(this.importItem));
        this.OPTION({ GATE: () => !this.is(1, t.RBrace), DEF: () => this.CONSUME(t.Comma) });
        this.OPTION1(() => this.CONSUME1(t.Comma));
      },
    });
    this.CONSUME(t.RBrace);
    this.CONSUME(t.From);
    const from = this.CONSUME(t.Str);
    return this.ACTION(() => ({ kind: "import", items, from: { ...this.toName(from), text: textOf(from.image) }, span: this.from(start) }));
  });
  private importItem = this.RULE("importItem", (): ast.ImportItem => {
    const start = this.next(1);
    let what: ast.ImportItem["what"] = "function";
    this.OPTION({
      GATE: () => this.is(2, t.Word),
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

  private typeDeclaration = this.RULE("typeDeclaration", (): ast.Declaration => {
    const start = this.next(1);
    const parameters: ast.Name[] = [];
    this.CONSUME(t.Type);
    const name = this.SUBRULE(this.name);
    this.OPTION(() => {
      this.CONSUME(t.Less);
      this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => parameters.push(this.SUBRULE1(this.name)) });
      this.CONSUME(t.Greater);
    });
    this.CONSUME(t.Assign);
    const type = this.SUBRULE(this.type);
    return this.ACTION(() => ({ kind: "type", doc: this.doc(start), name, parameters, type, span: this.from(start) }));
  });

  private paramDeclaration = this.RULE("paramDeclaration", (): ast.Declaration => {
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
      const low = this.SUBRULE(this.add);
      this.CONSUME(t.Dots);
      const high = this.SUBRULE1(this.add);
      range = { low, high };
    });
    return this.ACTION(() => ({ kind: "param", doc: this.doc(start), name, type, default: fallback, range, span: this.from(start) }));
  });

  private pipelineDeclaration = this.RULE("pipelineDeclaration", (): ast.Declaration => {
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
    this.MANY({
      GATE: () => !this.is(1, t.RParen),
      DEF: () => {
        parameters.push(this.SUBRULE(this.parameter));
        this.OPTION({ GATE: () => !this.is(1, t.RParen), DEF: () => this.CONSUME(t.Comma) });
      },
    });
    this.CONSUME(t.RParen);
    let returns: ast.TypeNode | null = null;
    this.OPTION1(() => {
      this.CONSUME(t.Arrow);
      returns = this.SUBRULE(this.type);
    });
    const body = this.SUBRULE(this.block);
    return this.ACTION(() => ({ kind, doc: this.doc(start), name, parameters, returns, body, span: this.from(start) }));
  });
  private parameter = this.RULE("parameter", (): ast.Parameter => {
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

  private scheduleDeclaration = this.RULE("scheduleDeclaration", (): ast.Declaration => {
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

  private entry = this.RULE("entry", (): ast.ScheduleEntry => {
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
  private selector = this.RULE("selector", (): ast.Selector => {
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
  private strategy = this.RULE("strategy", (): ast.StrategyNode => {
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
  private options = this.RULE("options", (): readonly ast.OptionNode[] => {
    const options: ast.OptionNode[] = [];
    this.CONSUME(t.LBrace);
    this.MANY({
      GATE: () => !this.is(1, t.RBrace),
      DEF: () => {
        const start = this.next(1);
        const name = this.SUBRULE(this.word);
        this.CONSUME(t.Colon);
        const value = this.SUBRULE(this.pipe);
        this.ACTION(() => options.push({ name, value, span: this.from(start) }));
        this.OPTION(() => this.CONSUME(t.Comma));
      },
    });
    this.CONSUME(t.RBrace);
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

  private statement = this.RULE(
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

  private letStatement = this.RULE("letStatement", (): ast.Statement => {
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
  private doStatement = this.RULE("doStatement", (): ast.Statement => {
    const start = this.next(1);
    this.CONSUME(t.Do);
    const value = this.SUBRULE(this.pipe);
    return this.ACTION(() => ({ kind: "do", value, span: this.from(start) }));
  });
  private trackStatement = this.RULE("trackStatement", (): ast.Statement => {
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
  private expectStatement = this.RULE("expectStatement", (): ast.Statement => {
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
  private keepStatement = this.RULE("keepStatement", (): ast.Statement => {
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
  private stopStatement = this.RULE("stopStatement", (): ast.Statement => {
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
  private failureStatement = this.RULE("failureStatement", (): ast.Statement => {
    const start = this.next(1);
    this.CONSUME(t.On);
    this.CONSUME(t.Failure);
    this.CONSUME(t.LParen);
    const name = this.SUBRULE(this.name);
    this.CONSUME(t.RParen);
    const body = this.SUBRULE(this.block);
    return this.ACTION(() => ({ kind: "onFailure", name, body, span: this.from(start) }));
  });
  private nextStatement = this.RULE("nextStatement", (): ast.Statement => {
    const start = this.next(1);
    const name = this.SUBRULE(this.name);
    this.CONSUME(t.Next);
    const value = this.SUBRULE(this.expr);
    return this.ACTION(() => ({ kind: "next", name, value, span: this.from(start) }));
  });
  private expressionStatement = this.RULE("expressionStatement", (): ast.Statement => {
    const start = this.next(1);
    const value = this.SUBRULE(this.expr);
    return this.ACTION(() => ({ kind: "expression", value, span: this.from(start) }));
  });

  private pattern = this.RULE("pattern", (): ast.Pattern => {
    const start = this.next(1);
    return this.OR([
      {
        ALT: () => {
          const name = this.SUBRULE(this.name);
          return this.ACTION((): ast.Pattern => ({ kind: "name", name, span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          const fields: { field: ast.Name; name: ast.Name }[] = [];
          this.CONSUME(t.LBrace);
          this.AT_LEAST_ONE({
            GATE: () => !this.is(1, t.RBrace),
            DEF: () => {
              const field = this.SUBRULE(this.word);
              let name = field;
              this.OPTION(() => {
                this.CONSUME(t.Colon);
                name = this.SUBRULE1(this.name);
              });
              fields.push({ field, name });
              this.OPTION1({ GATE: () => !this.is(1, t.RBrace), DEF: () => this.CONSUME(t.Comma) });
              this.OPTION2(() => this.CONSUME1(t.Comma));
            },
          });
          this.CONSUME(t.RBrace);
          return this.ACTION((): ast.Pattern => ({ kind: "fields", fields, span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          const names: ast.Name[] = [];
          this.CONSUME(t.LSquare);
          this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => names.push(this.SUBRULE2(this.name)) });
          this.CONSUME(t.RSquare);
          return this.ACTION((): ast.Pattern => ({ kind: "items", names, span: this.from(start) }));
        },
      },
    ]);
  });

  // --- Forms ------------------------------------------------------------------------------------------------------------------------

  private expr = this.RULE(
    "expr",
    (): ast.Expression =>
      this.OR({
        DEF: [
          { GATE: () => this.is(1, t.Fit) && this.is(2, t.Name) && this.is(3, t.Assign), ALT: () => this.SUBRULE(this.fit) },
          { GATE: () => this.is(1, t.Loop) && this.is(2, t.Name) && this.is(3, t.Assign), ALT: () => this.SUBRULE(this.loop) },
          { GATE: () => this.is(1, t.For), ALT: () => this.SUBRULE(this.forEach) },
          { GATE: () => this.is(1, t.Search) && this.is(2, t.LBrace), ALT: () => this.SUBRULE(this.search) },
          { ALT: () => this.SUBRULE(this.within) },
        ],
        IGNORE_AMBIGUITIES: true,
      }),
  );

  private carried = this.RULE("carried", (): ast.Carried[] => {
    const carried: ast.Carried[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: t.Comma,
      DEF: () => {
        const start = this.next(1);
        const name = this.SUBRULE(this.name);
        this.CONSUME(t.Assign);
        const init = this.SUBRULE(this.pipe);
        this.ACTION(() => carried.push({ name, init, span: this.from(start) }));
      },
    });
    return carried;
  });
  private fit = this.RULE("fit", (): ast.Expression => {
    const start = this.next(1);
    this.CONSUME(t.Fit);
    const carried = this.SUBRULE(this.carried);
    this.CONSUME(t.Over);
    const batch = this.SUBRULE(this.name);
    this.CONSUME(t.In);
    const over = this.SUBRULE(this.pipe);
    this.CONSUME(t.For);
    const epochs = this.SUBRULE1(this.pipe);
    const body = this.SUBRULE(this.block);
    let eachEpoch: ast.Block | null = null;
    this.OPTION(() => {
      this.CONSUME(t.Each);
      this.CONSUME(t.Epoch);
      eachEpoch = this.SUBRULE1(this.block);
    });
    return this.ACTION(() => ({ kind: "fit", carried, batch, over, epochs, body, eachEpoch, span: this.from(start) }));
  });
  private loop = this.RULE("loop", (): ast.Expression => {
    const start = this.next(1);
    this.CONSUME(t.Loop);
    const carried = this.SUBRULE(this.carried);
    this.CONSUME(t.Until);
    const until = this.SUBRULE(this.pipe);
    this.CONSUME(t.Max);
    const max = this.SUBRULE1(this.pipe);
    const body = this.SUBRULE(this.block);
    return this.ACTION(() => ({ kind: "loop", carried, until, max, body, span: this.from(start) }));
  });
  private forEach = this.RULE("forEach", (): ast.Expression => {
    const start = this.next(1);
    this.CONSUME(t.For);
    const pattern = this.SUBRULE(this.pattern);
    this.CONSUME(t.In);
    const rows = this.SUBRULE(this.pipe);
    const body = this.SUBRULE(this.block);
    return this.ACTION(() => ({ kind: "for", pattern, in: rows, body, span: this.from(start) }));
  });
  private search = this.RULE("search", (): ast.Expression => {
    const start = this.next(1);
    const space: ast.SearchField[] = [];
    let direction: "minimize" | "maximize" = "minimize";
    let using: { name: ast.Name; args: readonly ast.Argument[] } | null = null;
    this.CONSUME(t.Search);
    this.CONSUME(t.LBrace);
    this.MANY({
      GATE: () => !this.is(1, t.RBrace),
      DEF: () => {
        space.push(this.SUBRULE(this.searchField));
        this.OPTION(() => this.CONSUME(t.Comma));
      },
    });
    this.CONSUME(t.RBrace);
    this.CONSUME(t.Trials);
    const trials = this.SUBRULE(this.pipe);
    this.OR([
      { ALT: () => this.CONSUME(t.Minimize) },
      {
        ALT: () => {
          this.CONSUME(t.Maximize);
          direction = "maximize";
        },
      },
    ]);
    const metric = this.SUBRULE(this.name);
    this.OPTION1(() => {
      this.CONSUME(t.Using);
      const name = this.SUBRULE1(this.name);
      let args: readonly ast.Argument[] = [];
      this.OPTION2(() => {
        args = this.SUBRULE(this.args);
      });
      using = { name, args };
    });
    const body = this.SUBRULE(this.block);
    return this.ACTION(() => ({ kind: "search", space, trials, direction, metric, using, body, span: this.from(start) }));
  });
  private searchField = this.RULE("searchField", (): ast.SearchField => {
    const start = this.next(1);
    const name = this.SUBRULE(this.word);
    this.CONSUME(t.Colon);
    const low = this.SUBRULE(this.add);
    const choices: ast.Expression[] = [low];
    let high: ast.Expression | null = null;
    let log = false;
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Dots);
          high = this.SUBRULE1(this.add);
          this.OPTION(() => {
            this.CONSUME(t.Log);
            log = true;
          });
        },
      },
      {
        ALT: () =>
          this.MANY(() => {
            this.CONSUME(t.Bar);
            choices.push(this.SUBRULE2(this.add));
          }),
      },
    ]);
    return this.ACTION(
      (): ast.SearchField =>
        high ? { kind: "range", name, low, high, log, span: this.from(start) } : { kind: "choices", name, choices, span: this.from(start) },
    );
  });

  private within = this.RULE("within", (): ast.Expression => {
    const value = this.SUBRULE(this.pipe);
    let found = value;
    this.OPTION({
      GATE: () => this.is(1, t.Within),
      DEF: () => {
        this.CONSUME(t.Within);
        const limit = this.SUBRULE(this.unary);
        this.CONSUME(t.Else);
        const otherwise = this.SUBRULE1(this.pipe);
        this.ACTION(() => {
          found = { kind: "within", value, limit, otherwise, span: this.over(value.span, otherwise.span) };
        });
      },
    });
    return found;
  });

  // --- Operators ----------------------------------------------------------------------------------------------------------------------

  private pipe = this.RULE("pipe", (): ast.Expression => {
    let left = this.SUBRULE(this.coalesce);
    this.MANY(() => {
      this.CONSUME(t.Pipe);
      const callee = this.SUBRULE(this.callee);
      let args: readonly ast.Argument[] | null = null;
      this.OPTION({
        GATE: () => !this.next(1).first,
        DEF: () => {
          args = this.SUBRULE(this.args);
        },
      });
      this.ACTION(() => {
        left = { kind: "pipe", left, callee, args, span: { file: this.file, start: left.span.start, end: this.next(0).endOffset + 1 } };
      });
    });
    return left;
  });
  private callee = this.RULE("callee", (): ast.Expression => {
    const start = this.next(1);
    const name = this.SUBRULE(this.name);
    let callee: ast.Expression = this.ACTION(() => ({ kind: "name", name: name.text, span: name.span }));
    this.MANY(() => {
      this.CONSUME(t.Dot);
      const field = this.SUBRULE(this.word);
      this.ACTION(() => {
        callee = { kind: "field", of: callee, name: field, optional: false, span: this.from(start) };
      });
    });
    return callee;
  });

  private joined(left: ast.Expression, token: { tokenType: TokenType }, right: ast.Expression): ast.Expression {
    return { kind: "binary", operator: operatorOf.get(token.tokenType)!, left, right, span: this.over(left.span, right.span) };
  }
  private coalesce = this.RULE("coalesce", (): ast.Expression => {
    let left = this.SUBRULE(this.either);
    this.MANY(() => {
      const token = this.CONSUME(t.Coalesce);
      const right = this.SUBRULE1(this.either);
      this.ACTION(() => {
        left = this.joined(left, token, right);
      });
    });
    return left;
  });
  private either = this.RULE("either", (): ast.Expression => {
    let left = this.SUBRULE(this.and);
    this.MANY(() => {
      const token = this.CONSUME(t.Or);
      const right = this.SUBRULE1(this.and);
      this.ACTION(() => {
        left = this.joined(left, token, right);
      });
    });
    return left;
  });
  private and = this.RULE("and", (): ast.Expression => {
    let left = this.SUBRULE(this.comparison);
    this.MANY(() => {
      const token = this.CONSUME(t.And);
      const right = this.SUBRULE1(this.comparison);
      this.ACTION(() => {
        left = this.joined(left, token, right);
      });
    });
    return left;
  });
  private comparison = this.RULE("comparison", (): ast.Expression => {
    let left = this.SUBRULE(this.add);
    this.OPTION(() => {
      const token = this.OR([
        { ALT: () => this.CONSUME(t.Equal) },
        { ALT: () => this.CONSUME(t.NotEqual) },
        { ALT: () => this.CONSUME(t.LessEqual) },
        { ALT: () => this.CONSUME(t.Less) },
        { ALT: () => this.CONSUME(t.GreaterEqual) },
        { ALT: () => this.CONSUME(t.Greater) },
      ]);
      const right = this.SUBRULE1(this.add);
      this.ACTION(() => {
        left = this.joined(left, token, right);
      });
    });
    return left;
  });
  private add = this.RULE("add", (): ast.Expression => {
    let left = this.SUBRULE(this.multiply);
    this.MANY(() => {
      const token = this.OR([{ ALT: () => this.CONSUME(t.Plus) }, { ALT: () => this.CONSUME(t.Minus) }]);
      const right = this.SUBRULE1(this.multiply);
      this.ACTION(() => {
        left = this.joined(left, token, right);
      });
    });
    return left;
  });
  private multiply = this.RULE("multiply", (): ast.Expression => {
    let left = this.SUBRULE(this.unary);
    this.MANY(() => {
      const token = this.OR([
        { ALT: () => this.CONSUME(t.Times) },
        { ALT: () => this.CONSUME(t.Divide) },
        { ALT: () => this.CONSUME(t.Modulo) },
      ]);
      const right = this.SUBRULE1(this.unary);
      this.ACTION(() => {
        left = this.joined(left, token, right);
      });
    });
    return left;
  });
  private unary = this.RULE("unary", (): ast.Expression => {
    const start = this.next(1);
    return this.OR([
      {
        ALT: () => {
          const token = this.OR1([{ ALT: () => this.CONSUME(t.Minus) }, { ALT: () => this.CONSUME(t.Not) }]);
          const operand = this.SUBRULE(this.unary);
          return this.ACTION(
            (): ast.Expression => ({ kind: "unary", operator: token.tokenType === t.Minus ? "-" : "!", operand, span: this.from(start) }),
          );
        },
      },
      { ALT: () => this.SUBRULE(this.postfix) },
    ]);
  });

  private postfix = this.RULE("postfix", (): ast.Expression => {
    const start = this.next(1);
    let of = this.SUBRULE(this.primary);
    this.MANY({
      GATE: () => !(this.next(1).first && this.is(1, t.LParen, t.LSquare)),
      DEF: () =>
        this.OR([
          {
            ALT: () => {
              let optional = false;
              this.OR1([
                { ALT: () => this.CONSUME(t.Dot) },
                {
                  ALT: () => {
                    this.CONSUME(t.OptionalDot);
                    optional = true;
                  },
                },
              ]);
              const name = this.SUBRULE(this.word);
              this.ACTION(() => {
                of = { kind: "field", of, name, optional, span: this.from(start) };
              });
            },
          },
          {
            ALT: () => {
              this.CONSUME(t.LSquare);
              const index = this.SUBRULE(this.expr);
              this.CONSUME(t.RSquare);
              this.ACTION(() => {
                of = { kind: "index", of, index, span: this.from(start) };
              });
            },
          },
          {
            ALT: () => {
              const args = this.SUBRULE(this.args);
              this.ACTION(() => {
                of = { kind: "call", callee: of, args, span: this.from(start) };
              });
            },
          },
        ]),
    });
    return of;
  });

  private args = this.RULE("args", (): readonly ast.Argument[] => {
    const args: ast.Argument[] = [];
    this.CONSUME(t.LParen);
    this.MANY({
      GATE: () => !this.is(1, t.RParen),
      DEF: () => {
        args.push(this.SUBRULE(this.argument));
        this.OPTION({ GATE: () => !this.is(1, t.RParen), DEF: () => this.CONSUME(t.Comma) });
      },
    });
    this.CONSUME(t.RParen);
    return args;
  });
  private argument = this.RULE("argument", (): ast.Argument => {
    const start = this.next(1);
    let name: ast.Name | null = null;
    this.OPTION({
      GATE: () => this.is(2, t.Colon),
      DEF: () => {
        name = this.SUBRULE(this.word);
        this.CONSUME(t.Colon);
      },
    });
    const value = this.OR({
      DEF: [
        {
          GATE: () => (this.is(1, t.Name) && this.is(2, t.FatArrow)) || (this.is(1, t.LParen) && this.next(1).lambda),
          ALT: () => this.SUBRULE(this.lambda),
        },
        { ALT: () => this.SUBRULE(this.expr) },
      ],
      IGNORE_AMBIGUITIES: true,
    });
    return this.ACTION(() => ({ name, value, span: this.from(start) }));
  });
  private lambda = this.RULE("lambda", (): ast.Expression => {
    const start = this.next(1);
    const parameters: ast.Name[] = [];
    this.OR([
      { ALT: () => parameters.push(this.SUBRULE(this.name)) },
      {
        ALT: () => {
          this.CONSUME(t.LParen);
          this.MANY_SEP({ SEP: t.Comma, DEF: () => parameters.push(this.SUBRULE1(this.name)) });
          this.CONSUME(t.RParen);
        },
      },
    ]);
    this.CONSUME(t.FatArrow);
    const body = this.SUBRULE(this.expr);
    return this.ACTION(() => ({ kind: "lambda", parameters, body, span: this.from(start) }));
  });

  // --- Operands -----------------------------------------------------------------------------------------------------------------------

  private primary = this.RULE("primary", (): ast.Expression => {
    const start = this.next(1);
    const built = (make: () => ast.Expression) => this.ACTION(make);
    return this.OR([
      {
        ALT: () => {
          const { image } = this.CONSUME(t.Num);
          return built(() => ({
            kind: "number",
            value: Number(image.replaceAll("_", "")),
            float: /[.eE]/.test(image),
            span: this.from(start),
          }));
        },
      },
      {
        ALT: () => {
          const { image } = this.CONSUME(t.Quantity);
          return built(() => {
            const [, value = "0", unit = ""] = /^([\d._]+)(.*)$/.exec(image) ?? [];
            return { kind: "quantity", value: Number(value.replaceAll("_", "")), unit, span: this.from(start) };
          });
        },
      },
      {
        ALT: () => {
          const { image } = this.CONSUME(t.Str);
          return built(() => ({ kind: "string", value: textOf(image), span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          const { image } = this.CONSUME(t.Template);
          return built(() => ({
            kind: "template",
            parts: [t.unescaped(image.slice(1, image.length > 1 && image.endsWith("`") ? -1 : undefined))],
            span: this.from(start),
          }));
        },
      },
      { ALT: () => this.SUBRULE(this.template) },
      {
        ALT: () => {
          this.CONSUME(t.True);
          return built(() => ({ kind: "bool", value: true, span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.False);
          return built(() => ({ kind: "bool", value: false, span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Null);
          return built(() => ({ kind: "null", span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          const name = this.SUBRULE(this.name);
          return built(() => ({ kind: "name", name: name.text, span: name.span }));
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.LParen);
          const value = this.SUBRULE(this.expr);
          this.CONSUME(t.RParen);
          return built(() => ({ kind: "paren", value, span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          const items: ast.Expression[] = [];
          this.CONSUME(t.LSquare);
          this.MANY({
            GATE: () => !this.is(1, t.RSquare),
            DEF: () => {
              items.push(this.SUBRULE1(this.expr));
              this.OPTION({ GATE: () => !this.is(1, t.RSquare), DEF: () => this.CONSUME(t.Comma) });
            },
          });
          this.CONSUME(t.RSquare);
          return built(() => ({ kind: "list", items, span: this.from(start) }));
        },
      },
      { ALT: () => this.SUBRULE(this.record) },
      { ALT: () => this.SUBRULE(this.condition) },
    ]);
  });
  private template = this.RULE("template", (): ast.Expression => {
    const start = this.next(1);
    const parts: (string | ast.Expression)[] = [];
    const open = this.CONSUME(t.TemplateOpen);
    parts.push(t.unescaped(open.image.slice(1, -2)));
    parts.push(this.SUBRULE(this.expr));
    this.MANY(() => {
      const middle = this.CONSUME(t.TemplateMiddle);
      parts.push(t.unescaped(middle.image.slice(1, -2)));
      parts.push(this.SUBRULE1(this.expr));
    });
    const close = this.CONSUME(t.TemplateClose);
    parts.push(t.unescaped(close.image.slice(1, -1)));
    return this.ACTION(() => ({ kind: "template", parts: parts.filter((part) => part !== ""), span: this.from(start) }));
  });
  private record = this.RULE("record", (): ast.Expression => {
    const start = this.next(1);
    const fields: ast.RecordField[] = [];
    this.CONSUME(t.LBrace);
    this.MANY({
      GATE: () => !this.is(1, t.RBrace),
      DEF: () => {
        fields.push(this.SUBRULE(this.recordField));
        this.OPTION({ GATE: () => !this.is(1, t.RBrace), DEF: () => this.CONSUME(t.Comma) });
      },
    });
    this.CONSUME(t.RBrace);
    return this.ACTION(() => ({ kind: "record", fields, span: this.from(start) }));
  });
  private recordField = this.RULE("recordField", (): ast.RecordField => {
    const start = this.next(1);
    return this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Spread);
          const value = this.SUBRULE(this.postfix);
          return this.ACTION((): ast.RecordField => ({ kind: "spread", value, span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          const name = this.OR1([
            { ALT: () => this.SUBRULE(this.word) },
            {
              ALT: () => {
                const token = this.CONSUME(t.Str);
                return this.ACTION(() => ({ ...this.toName(token), text: textOf(token.image) }));
              },
            },
          ]);
          let value: ast.Expression | null = null;
          this.OPTION(() => {
            this.CONSUME(t.Colon);
            value = this.SUBRULE(this.expr);
          });
          return this.ACTION((): ast.RecordField => ({ kind: "field", name, value, span: this.from(start) }));
        },
      },
    ]);
  });
  private condition = this.RULE("condition", (): ast.Expression => {
    const start = this.next(1);
    this.CONSUME(t.If);
    const condition = this.SUBRULE(this.pipe);
    const then = this.SUBRULE(this.block);
    let otherwise: ast.Block | null = null;
    this.OPTION(() => {
      this.CONSUME(t.Else);
      this.OR([
        // `else if` is an `else` that holds one.
        {
          ALT: () => {
            const inner = this.SUBRULE(this.condition);
            this.ACTION(() => {
              otherwise = { statements: [{ kind: "expression", value: inner, span: inner.span }], span: inner.span };
            });
          },
        },
        {
          ALT: () => {
            otherwise = this.SUBRULE1(this.block);
          },
        },
      ]);
    });
    return this.ACTION(() => ({ kind: "if", condition, then, else: otherwise, span: this.from(start) }));
  });

  // --- Types ----------------------------------------------------------------------------------------------------------------------------

  private type = this.RULE("type", (): ast.TypeNode => {
    const start = this.next(1);
    const members: ast.TypeNode[] = [];
    this.OPTION(() => this.CONSUME(t.Bar));
    members.push(this.SUBRULE(this.atom));
    this.MANY(() => {
      this.CONSUME1(t.Bar);
      members.push(this.SUBRULE1(this.atom));
    });
    return this.ACTION(() => (members.length === 1 ? members[0]! : { kind: "union", members, span: this.from(start) }));
  });
  private atom = this.RULE("atom", (): ast.TypeNode => {
    const start = this.next(1);
    let type: ast.TypeNode = this.OR([
      {
        ALT: () => {
          const { image } = this.CONSUME(t.Str);
          return this.ACTION((): ast.TypeNode => ({ kind: "literal", value: textOf(image), span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          let sign = 1;
          this.OPTION(() => {
            this.CONSUME(t.Minus);
            sign = -1;
          });
          const { image } = this.CONSUME(t.Num);
          return this.ACTION(
            (): ast.TypeNode => ({ kind: "literal", value: sign * Number(image.replaceAll("_", "")), span: this.from(start) }),
          );
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Null);
          return this.ACTION((): ast.TypeNode => ({ kind: "literal", value: null, span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.LSquare);
          const item = this.SUBRULE(this.type);
          this.CONSUME(t.RSquare);
          return this.ACTION((): ast.TypeNode => ({ kind: "list", item, span: this.from(start) }));
        },
      },
      { ALT: () => this.SUBRULE(this.recordType) },
      { ALT: () => this.SUBRULE(this.namedType) },
    ]);
    this.OPTION1(() => {
      this.CONSUME(t.Question);
      this.ACTION(() => {
        type = { kind: "optional", of: type, span: this.from(start) };
      });
    });
    return type;
  });
  private recordType = this.RULE("recordType", (): ast.TypeNode => {
    const start = this.next(1);
    const fields: { name: ast.Name; optional: boolean; type: ast.TypeNode }[] = [];
    this.CONSUME(t.LBrace);
    this.MANY({
      GATE: () => !this.is(1, t.RBrace),
      DEF: () => {
        const name = this.SUBRULE(this.word);
        let optional = false;
        this.OPTION(() => {
          this.CONSUME(t.Question);
          optional = true;
        });
        this.CONSUME(t.Colon);
        const type = this.SUBRULE(this.type);
        fields.push({ name, optional, type });
        this.OPTION1({ GATE: () => !this.is(1, t.RBrace), DEF: () => this.CONSUME(t.Comma) });
        this.OPTION2(() => this.CONSUME1(t.Comma));
      },
    });
    this.CONSUME(t.RBrace);
    return this.ACTION(() => ({ kind: "record", fields, span: this.from(start) }));
  });
  private namedType = this.RULE("namedType", (): ast.TypeNode => {
    const start = this.next(1);
    const name = this.SUBRULE(this.name);
    const args: ast.TypeArgument[] = [];
    this.OPTION(() => {
      this.CONSUME(t.Less);
      this.AT_LEAST_ONE_SEP({
        SEP: t.Comma,
        DEF: () => {
          const argument = this.OR({
            DEF: [
              // The second argument of a tensor is its dimensions; elsewhere brackets make a list type.
              { GATE: () => name.text === "Tensor" && args.length === 1 && this.is(1, t.LSquare), ALT: () => this.SUBRULE(this.dims) },
              {
                ALT: () => {
                  const type = this.SUBRULE(this.type);
                  return this.ACTION((): ast.TypeArgument => ({ kind: "type", type }));
                },
              },
            ],
            IGNORE_AMBIGUITIES: true,
          });
          args.push(argument);
        },
      });
      this.CONSUME(t.Greater);
    });
    return this.ACTION(() => ({ kind: "named", name, args, span: this.from(start) }));
  });
  private dims = this.RULE("dims", (): ast.TypeArgument => {
    const start = this.next(1);
    const dims: ast.DimNode[] = [];
    this.CONSUME(t.LSquare);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => dims.push(this.SUBRULE(this.dim)) });
    this.CONSUME(t.RSquare);
    return this.ACTION(() => ({ kind: "dims", dims, span: this.from(start) }));
  });
  private dim = this.RULE("dim", (): ast.DimNode => {
    const start = this.next(1);
    return this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Question);
          return this.ACTION((): ast.DimNode => ({ kind: "any", span: this.from(start) }));
        },
      },
      {
        ALT: () => {
          const factors: (number | ast.Name)[] = [];
          this.AT_LEAST_ONE_SEP({
            SEP: t.Times,
            DEF: () =>
              this.OR1([
                {
                  ALT: () => {
                    const { image } = this.CONSUME(t.Num);
                    factors.push(Number(image.replaceAll("_", "")));
                  },
                },
                { ALT: () => factors.push(this.SUBRULE(this.name)) },
              ]),
          });
          return this.ACTION((): ast.DimNode => ({ kind: "product", factors, span: this.from(start) }));
        },
      },
    ]);
  });
}

function textOf(image: string): string {
  const closed = image.length > 1 && image.at(-1) === image[0];
  return t.unescaped(image.slice(1, closed ? -1 : undefined));
}
