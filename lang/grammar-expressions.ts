// The grammar of expressions: forms, operators, operands.
import type { TokenType } from "chevrotain";
import type * as ast from "./ast.ts";
import { TypeGrammar, textOf } from "./grammar-types.ts";
import { unescaped } from "./scan.ts";
import * as t from "./tokens.ts";

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
const levelOf = new Map(binaryLevels.flatMap((operators, level) => operators.map(([type]) => [type, level])));
const COMPARISON = levelOf.get(t.Equal)!;
/** Arithmetic alone, as in a range. */
export const ARITHMETIC = levelOf.get(t.Plus)!;

export class ExpressionGrammar extends TypeGrammar {
  // --- Forms ------------------------------------------------------------------------------------------------------------------------

  protected expr = this.RULE(
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

  protected carried = this.RULE("carried", (): ast.Carried[] => {
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
  protected fit = this.RULE("fit", (): ast.Expression => {
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
  protected loop = this.RULE("loop", (): ast.Expression => {
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
  protected forEach = this.RULE("forEach", (): ast.Expression => {
    const start = this.next(1);
    this.CONSUME(t.For);
    const pattern = this.SUBRULE(this.pattern);
    this.CONSUME(t.In);
    const rows = this.SUBRULE(this.pipe);
    const body = this.SUBRULE(this.block);
    return this.ACTION(() => ({ kind: "for", pattern, in: rows, body, span: this.from(start) }));
  });
  protected search = this.RULE("search", (): ast.Expression => {
    const start = this.next(1);
    const space: ast.SearchField[] = [];
    let direction: "minimize" | "maximize" = "minimize";
    let using: { name: ast.Name; args: readonly ast.Argument[] } | null = null;
    this.CONSUME(t.Search);
    this.CONSUME(t.LBrace);
    this.commas(t.RBrace, () => space.push(this.SUBRULE(this.searchField)), { lines: true });
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
  protected searchField = this.RULE("searchField", (): ast.SearchField => {
    const start = this.next(1);
    const name = this.SUBRULE(this.word);
    this.CONSUME(t.Colon);
    const low = this.SUBRULE(this.binary, { ARGS: [ARITHMETIC] });
    const choices: ast.Expression[] = [low];
    let high: ast.Expression | null = null;
    let log = false;
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Dots);
          high = this.SUBRULE1(this.binary, { ARGS: [ARITHMETIC] });
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
            choices.push(this.SUBRULE2(this.binary, { ARGS: [ARITHMETIC] }));
          }),
      },
    ]);
    return this.ACTION(
      (): ast.SearchField =>
        high ? { kind: "range", name, low, high, log, span: this.from(start) } : { kind: "choices", name, choices, span: this.from(start) },
    );
  });

  protected within = this.RULE("within", (): ast.Expression => {
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

  protected pattern = this.RULE("pattern", (): ast.Pattern => {
    const start = this.next(1);
    return this.OR([
      {
        ALT: () => {
          const name = this.SUBRULE(this.name);
          return this.ACTION((): ast.Pattern => ({ kind: "name", name, span: this.from(start) }));
        },
      },
      { ALT: () => this.SUBRULE(this.fieldsPattern) },
      { ALT: () => this.SUBRULE(this.itemsPattern) },
    ]);
  });
  protected fieldsPattern = this.RULE("fieldsPattern", (): ast.Pattern => {
    const start = this.next(1);
    const fields: { field: ast.Name; name: ast.Name }[] = [];
    this.CONSUME(t.LBrace);
    this.commas(
      t.RBrace,
      () => {
        const field = this.SUBRULE(this.word);
        let name = field;
        this.OPTION(() => {
          this.CONSUME(t.Colon);
          name = this.SUBRULE1(this.name);
        });
        fields.push({ field, name });
      },
      { some: true },
    );
    return this.ACTION((): ast.Pattern => ({ kind: "fields", fields, span: this.from(start) }));
  });
  protected itemsPattern = this.RULE("itemsPattern", (): ast.Pattern => {
    const start = this.next(1);
    const names: ast.Name[] = [];
    this.CONSUME(t.LSquare);
    this.commas(t.RSquare, () => names.push(this.SUBRULE(this.name)), { some: true });
    return this.ACTION((): ast.Pattern => ({ kind: "items", names, span: this.from(start) }));
  });

  // --- Operators ----------------------------------------------------------------------------------------------------------------------

  protected pipe = this.RULE("pipe", (): ast.Expression => {
    let left = this.SUBRULE(this.binary);
    this.MANY(() => {
      this.CONSUME(t.Pipe);
      const callee = this.SUBRULE(this.callee);
      let types: readonly ast.TypeNode[] = [];
      this.OPTION1({
        GATE: () => this.opensTypes(false),
        DEF: () => {
          types = this.SUBRULE(this.typeArgs);
        },
      });
      let args: readonly ast.Argument[] | null = null;
      this.OPTION({
        GATE: () => !this.next(1).first,
        DEF: () => {
          args = this.SUBRULE(this.args);
        },
      });
      this.ACTION(() => {
        left = {
          kind: "pipe",
          left,
          callee,
          types,
          args,
          span: { file: this.file, start: left.span.start, end: this.next(0).endOffset + 1 },
        };
      });
    });
    return left;
  });
  protected callee = this.RULE("callee", (): ast.Expression => {
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

  /** Operands and operators in one rule: with one for each level of precedence, an operand alone would be nine rules deep. */
  protected binary = this.RULE("binary", (least: number = 0): ast.Expression => {
    const operands = [this.SUBRULE(this.unary)];
    const operators: TokenType[] = [];
    // `a < b < c` is no comparison of three.
    let compared = false;
    this.MANY({
      GATE: () => {
        const level = levelOf.get(this.LA(1).tokenType) ?? -1;
        return level >= least && !(compared && level === COMPARISON);
      },
      DEF: () => {
        const { tokenType } = this.CONSUME(t.Infix);
        this.ACTION(() => {
          const level = levelOf.get(tokenType)!;
          compared = level === COMPARISON || (compared && level > COMPARISON);
          operators.push(tokenType);
        });
        operands.push(this.SUBRULE1(this.unary));
      },
    });
    return this.ACTION(() => this.tree(operands, operators));
  });

  /** Operators that bind more tightly first, those of one level from the left. */
  private tree(operands: readonly ast.Expression[], operators: readonly TokenType[]): ast.Expression {
    const done: ast.Expression[] = [operands[0]!];
    const open: TokenType[] = [];
    const join = () => {
      const right = done.pop()!;
      const left = done.pop()!;
      done.push({ kind: "binary", operator: operatorOf.get(open.pop()!)!, left, right, span: this.over(left.span, right.span) });
    };
    operators.forEach((operator, i) => {
      while (open.length > 0 && levelOf.get(open.at(-1)!)! >= levelOf.get(operator)!) join();
      open.push(operator);
      done.push(operands[i + 1]!);
    });
    while (open.length > 0) join();
    return done[0]!;
  }

  protected unary = this.RULE("unary", (): ast.Expression => {
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

  protected postfix = this.RULE("postfix", (): ast.Expression => {
    const start = this.next(1);
    let of = this.SUBRULE(this.primary);
    this.MANY({
      GATE: () => !(this.next(1).first && this.is(1, t.LParen, t.LSquare)) && (!this.is(1, t.Less) || this.opensTypes(true)),
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
              let types: readonly ast.TypeNode[] = [];
              this.OPTION(() => {
                types = this.SUBRULE(this.typeArgs);
              });
              const args = this.SUBRULE(this.args);
              this.ACTION(() => {
                of = { kind: "call", callee: of, types, args, span: this.from(start) };
              });
            },
          },
        ]),
    });
    return of;
  });

  protected args = this.RULE("args", (): readonly ast.Argument[] => {
    const args: ast.Argument[] = [];
    this.CONSUME(t.LParen);
    this.commas(t.RParen, () => args.push(this.SUBRULE(this.argument)));
    return args;
  });
  protected argument = this.RULE("argument", (): ast.Argument => {
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
  protected lambda = this.RULE("lambda", (): ast.Expression => {
    const start = this.next(1);
    const parameters: ast.Name[] = [];
    this.OR([
      { ALT: () => parameters.push(this.SUBRULE(this.name)) },
      {
        ALT: () => {
          this.CONSUME(t.LParen);
          this.commas(t.RParen, () => parameters.push(this.SUBRULE1(this.name)));
        },
      },
    ]);
    this.CONSUME(t.FatArrow);
    const body = this.SUBRULE(this.expr);
    return this.ACTION(() => ({ kind: "lambda", parameters, body, span: this.from(start) }));
  });

  // --- Operands -----------------------------------------------------------------------------------------------------------------------

  protected primary = this.RULE("primary", (): ast.Expression => {
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
            parts: [unescaped(image.slice(1, image.length > 1 && image.endsWith("`") ? -1 : undefined))],
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
          this.commas(t.RSquare, () => items.push(this.SUBRULE1(this.expr)));
          return built(() => ({ kind: "list", items, span: this.from(start) }));
        },
      },
      { ALT: () => this.SUBRULE(this.record) },
      { ALT: () => this.SUBRULE(this.condition) },
    ]);
  });
  protected template = this.RULE("template", (): ast.Expression => {
    const start = this.next(1);
    const parts: (string | ast.Expression)[] = [];
    const open = this.CONSUME(t.TemplateOpen);
    parts.push(unescaped(open.image.slice(1, -2)));
    parts.push(this.SUBRULE(this.expr));
    this.MANY(() => {
      const middle = this.CONSUME(t.TemplateMiddle);
      parts.push(unescaped(middle.image.slice(1, -2)));
      parts.push(this.SUBRULE1(this.expr));
    });
    const close = this.CONSUME(t.TemplateClose);
    parts.push(unescaped(close.image.slice(1, -1)));
    return this.ACTION(() => ({ kind: "template", parts: parts.filter((part) => part !== ""), span: this.from(start) }));
  });
  protected record = this.RULE("record", (): ast.Expression => {
    const start = this.next(1);
    const fields: ast.RecordField[] = [];
    this.CONSUME(t.LBrace);
    this.commas(t.RBrace, () => fields.push(this.SUBRULE(this.recordField)));
    return this.ACTION(() => ({ kind: "record", fields, span: this.from(start) }));
  });
  protected recordField = this.RULE("recordField", (): ast.RecordField => {
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
  protected condition = this.RULE("condition", (): ast.Expression => {
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
}
