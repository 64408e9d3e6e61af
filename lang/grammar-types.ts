// The grammar's ground: how rules look at tokens and make spans, names, blocks, and types. `grammar-expressions.ts` builds on it, and
// `grammar.ts` on that.
import type { TokenType } from "chevrotain";
import { EmbeddedActionsParser } from "chevrotain";
import type * as ast from "./ast.ts";
import { unescaped } from "./scan.ts";
import type { BlockToken, Docs, Token } from "./tokens.ts";
import * as t from "./tokens.ts";

/** A block whose statements are still to be parsed into the tree that stands for it. */
export type Pending =
  | { readonly kind: "statements"; readonly token: BlockToken; readonly into: ast.Statement[] }
  | { readonly kind: "entries"; readonly token: BlockToken; readonly into: ast.ScheduleEntry[] };

/** Words that may stand for a value are `Name`s too; only their neighbours tell whether they start a form. */
export class TypeGrammar extends EmbeddedActionsParser {
  protected file = "";
  protected docs: Docs = { above: new Map(), after: new Map() };
  protected pending: Pending[] = [];

  constructor() {
    // One token decides everywhere, or a gate that looks further: the analysis is quick, and what can't be read is told where it stands.
    super(t.vocabulary, { maxLookahead: 1, recoveryEnabled: false, skipValidations: true });
  }

  // --- Small things ---------------------------------------------------------------------------------------------------------------

  protected next(ahead: number): Token {
    return this.LA(ahead) as unknown as Token;
  }
  protected is(ahead: number, ...types: readonly TokenType[]): boolean {
    const type = this.LA(ahead).tokenType;
    return types.some((one) => t.isA(type, one));
  }
  protected from(start: Token): ast.Span {
    const last = this.next(0);
    return { file: this.file, start: start.startOffset, end: Math.max(last.endOffset + 1, start.startOffset) };
  }
  protected over(start: ast.Span, end: ast.Span): ast.Span {
    return { file: this.file, start: start.start, end: end.end };
  }
  protected toName(token: { image: string; startOffset: number; endOffset?: number }): ast.Name {
    return { text: token.image, span: { file: this.file, start: token.startOffset, end: (token.endOffset ?? 0) + 1 } };
  }
  protected doc(first: Token): string | null {
    return this.docs.after.get(first.startLine) ?? this.docs.above.get(first) ?? null;
  }
  protected toBlock(token: Token): ast.Block {
    const into: ast.Statement[] = [];
    this.pending.push({ kind: "statements", token: token as BlockToken, into });
    return { statements: into, span: { file: this.file, start: token.startOffset, end: token.endOffset + 1 } };
  }

  /** Items up to a closing bracket, with a comma between them and maybe one behind the last; a rule may have one such list. */
  protected commas(closer: TokenType, item: () => void, { some = false, lines = false }: { some?: boolean; lines?: boolean } = {}): void {
    let more = true;
    const items = {
      GATE: () => more && !this.is(1, closer),
      DEF: () => {
        item();
        more = false;
        this.OPTION9(() => {
          this.CONSUME9(t.Comma);
          more = true;
        });
        // A new line separates too.
        this.ACTION(() => {
          more ||= lines && this.next(1).first;
        });
      },
    };
    if (some) this.AT_LEAST_ONE9(items);
    else this.MANY9(items);
    this.CONSUME9(closer);
  }

  protected name = this.RULE("name", (): ast.Name => {
    const token = this.CONSUME(t.Name);
    return this.ACTION(() => this.toName(token));
  });
  protected word = this.RULE("word", (): ast.Name => {
    const token = this.CONSUME(t.Word);
    return this.ACTION(() => this.toName(token));
  });
  protected block = this.RULE("block", (): ast.Block => {
    const token = this.CONSUME(t.Block);
    return this.ACTION(() => this.toBlock(token as unknown as Token));
  });

  // --- Types ----------------------------------------------------------------------------------------------------------------------------

  protected type = this.RULE("type", (): ast.TypeNode => {
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
  protected atom = this.RULE("atom", (): ast.TypeNode => {
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
  protected recordType = this.RULE("recordType", (): ast.TypeNode => {
    const start = this.next(1);
    const fields: { name: ast.Name; optional: boolean; type: ast.TypeNode }[] = [];
    this.CONSUME(t.LBrace);
    this.commas(t.RBrace, () => {
      const name = this.SUBRULE(this.word);
      let optional = false;
      this.OPTION(() => {
        this.CONSUME(t.Question);
        optional = true;
      });
      this.CONSUME(t.Colon);
      const type = this.SUBRULE(this.type);
      fields.push({ name, optional, type });
    });
    return this.ACTION(() => ({ kind: "record", fields, span: this.from(start) }));
  });
  protected namedType = this.RULE("namedType", (): ast.TypeNode => {
    const start = this.next(1);
    const name = this.SUBRULE(this.name);
    const args: ast.TypeArgument[] = [];
    this.OPTION(() => {
      this.CONSUME(t.Less);
      this.commas(
        t.Greater,
        () => {
          const argument = this.OR({
            DEF: [
              // The second argument of a tensor is its dimensions; elsewhere brackets make a list type.
              { GATE: () => name.text === "Tensor" && args.length === 1 && this.is(1, t.LSquare), ALT: () => this.SUBRULE(this.dims) },
              // `Batch<?>`, `Batch<2 * B>`.
              {
                GATE: () => this.is(1, t.Question) || this.is(2, t.Times),
                ALT: () => {
                  const dim = this.SUBRULE(this.dim);
                  return this.ACTION((): ast.TypeArgument => ({ kind: "dim", dim }));
                },
              },
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
        { some: true },
      );
    });
    return this.ACTION(() => ({ kind: "named", name, args, span: this.from(start) }));
  });
  /** `csv<Flight>(…)`: the types that a call is given. */
  protected typeArgs = this.RULE("typeArgs", (): readonly ast.TypeNode[] => {
    const types: ast.TypeNode[] = [];
    this.CONSUME(t.Less);
    this.commas(t.Greater, () => types.push(this.SUBRULE(this.type)), { some: true });
    return types;
  });
  /** Whether `<` opens such types: nothing but a type stands up to its `>`, and where that is asked, a call's bracket behind it. */
  protected opensTypes(called: boolean): boolean {
    if (!this.is(1, t.Less)) return false;
    let depth = 0;
    for (let ahead = 1; ; ahead++) {
      if (this.is(ahead, t.Less)) depth++;
      else if (this.is(ahead, t.Greater)) depth--;
      else if (!this.is(ahead, ...inTypes)) return false;
      if (depth === 0) return ahead > 2 && (!called || (this.is(ahead + 1, t.LParen) && !this.next(ahead + 1).first));
    }
  }
  protected dims = this.RULE("dims", (): ast.TypeArgument => {
    const start = this.next(1);
    const dims: ast.DimNode[] = [];
    this.CONSUME(t.LSquare);
    this.commas(t.RSquare, () => dims.push(this.SUBRULE(this.dim)));
    return this.ACTION(() => ({ kind: "dims", dims, span: this.from(start) }));
  });
  protected dim = this.RULE("dim", (): ast.DimNode => {
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

const inTypes = [t.Word, t.Str, t.Num, t.Null, t.Comma, t.Colon, t.Question, t.Bar, t.Minus, t.LSquare, t.RSquare, t.LBrace, t.RBrace];

/** The value of a string's image. */
export function textOf(image: string): string {
  const closed = image.length > 1 && image.at(-1) === image[0];
  return unescaped(image.slice(1, closed ? -1 : undefined));
}
