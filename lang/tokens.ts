// The token types that the grammar is written in, and what a token knows of its surroundings. Made by `scan.ts`, marked by
// `brackets.ts` and `layout.ts`.
import type { IToken, TokenType } from "chevrotain";
import { createToken } from "chevrotain";

/** A token with what the layout pass and the messages want to know of its surroundings. */
export interface Token extends IToken {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly startLine: number;
  /** First token of its line. */
  readonly first: boolean;
  /** Columns before the first token of this token's line. */
  readonly indent: number;
  /** White space stands before it. */
  readonly spaced: boolean;
  /** A bracket beside it was left out: what can't be read here has been told. */
  mended: boolean;
  /** Of an opening bracket: its closing one; set by the layout pass, as is the next one. */
  closer: Token | null;
  /** Of an opening bracket: `=>` follows its closing one. */
  lambda: boolean;
  /** A bracket that was put in; not in the text. */
  readonly inserted: boolean;
}

/** A whole block, braces and all: its statements are parsed apart, so that a broken one harms no other. */
export interface BlockToken extends Token {
  readonly statements: readonly Token[][];
}

const none = /(?!)/;
const kind = (name: string, label: string, categories: TokenType[] = []): TokenType =>
  createToken({ name, label, pattern: none, categories });

/** Anything that may stand after a dot, or name a field, an argument or an option: reserved words too. */
export const Word = kind("Word", "a name");
/** Anything that may name a value: all words but the reserved ones. */
export const Name = kind("Name", "a name", [Word]);
/** An operator between two operands. `|>` isn't one: it takes a step. */
export const Infix = kind("Infix", "an operator");

const reserved = (text: string): TokenType => kind(`Reserved_${text}`, `\`${text}\``, [Word]);
const contextual = (text: string): TokenType => kind(`Word_${text}`, `\`${text}\``, [Name]);
const sign = (name: string, text: string, categories: TokenType[] = []): TokenType => kind(name, `\`${text}\``, categories);

export const Import = reserved("import");
export const Let = reserved("let");
export const If = reserved("if");
export const Else = reserved("else");
export const For = reserved("for");
export const In = reserved("in");
export const Do = reserved("do");
export const True = reserved("true");
export const False = reserved("false");
export const Null = reserved("null");

export const Type = contextual("type");
export const Param = contextual("param");
export const Pipeline = contextual("pipeline");
export const Service = contextual("service");
export const Schedule = contextual("schedule");
export const Actor = contextual("actor");
export const Resource = contextual("resource");
export const As = contextual("as");
export const From = contextual("from");
export const Track = contextual("track");
export const Expect = contextual("expect");
export const Keep = contextual("keep");
export const Minimizing = contextual("minimizing");
export const Maximizing = contextual("maximizing");
export const Stop = contextual("stop");
export const After = contextual("after");
export const Without = contextual("without");
export const Improvement = contextual("improvement");
export const Of = contextual("of");
export const On = contextual("on");
export const Failure = contextual("failure");
export const Each = contextual("each");
export const Epoch = contextual("epoch");
export const Fit = contextual("fit");
export const Over = contextual("over");
export const Loop = contextual("loop");
export const Until = contextual("until");
export const Max = contextual("max");
export const Search = contextual("search");
export const Trials = contextual("trials");
export const Maximize = contextual("maximize");
export const Minimize = contextual("minimize");
export const Using = contextual("using");
export const Log = contextual("log");
export const Within = contextual("within");

export const Num = kind("Num", "a number");
export const Quantity = kind("Quantity", "a quantity such as `10m` or `2gb`");
export const Str = kind("Str", "a string");
/** A template without `${}`. With some, it is `Open hole Middle hole … Close`, the holes being ordinary tokens. */
export const Template = kind("Template", "a template");
export const TemplateOpen = kind("TemplateOpen", "a template");
export const TemplateMiddle = kind("TemplateMiddle", "`}`");
export const TemplateClose = kind("TemplateClose", "`}`");

export const LParen = sign("LParen", "(");
export const RParen = sign("RParen", ")");
export const LSquare = sign("LSquare", "[");
export const RSquare = sign("RSquare", "]");
export const LBrace = sign("LBrace", "{");
export const RBrace = sign("RBrace", "}");
export const Comma = sign("Comma", ",");
export const Colon = sign("Colon", ":");
export const Dots = sign("Dots", "..");
export const Spread = sign("Spread", "...");
export const Dot = sign("Dot", ".");
export const OptionalDot = sign("OptionalDot", "?.");
export const Question = sign("Question", "?");
export const Assign = sign("Assign", "=");
/** `+=`, `++` and their kind: a token only to be told what stands instead. */
export const Compound = kind("Compound", "an assignment");
export const Next = sign("Next", "<-");
export const Arrow = sign("Arrow", "->");
export const FatArrow = sign("FatArrow", "=>");
export const Pipe = sign("Pipe", "|>");
export const Bar = sign("Bar", "|");
export const Not = sign("Not", "!");
export const Coalesce = sign("Coalesce", "??", [Infix]);
export const Or = sign("Or", "||", [Infix]);
export const And = sign("And", "&&", [Infix]);
export const Equal = sign("Equal", "==", [Infix]);
export const NotEqual = sign("NotEqual", "!=", [Infix]);
export const LessEqual = sign("LessEqual", "<=", [Infix]);
export const Less = sign("Less", "<", [Infix]);
export const GreaterEqual = sign("GreaterEqual", ">=", [Infix]);
export const Greater = sign("Greater", ">", [Infix]);
export const Plus = sign("Plus", "+", [Infix]);
export const Minus = sign("Minus", "-", [Infix]);
export const Times = sign("Times", "*", [Infix]);
export const Divide = sign("Divide", "/", [Infix]);
export const Modulo = sign("Modulo", "%", [Infix]);

/** Made by the layout pass of a brace that opens a block. */
export const Block = kind("Block", "a block in braces");

/** Made by the layout pass, or written as `;`. */
export const LineEnd = kind("LineEnd", "the end of the line");

export const words = new Map<string, TokenType>(
  [
    Import,
    Let,
    If,
    Else,
    For,
    In,
    Do,
    True,
    False,
    Null,
    Type,
    Param,
    Pipeline,
    Service,
    Schedule,
    Actor,
    Resource,
    As,
    From,
    Track,
    Expect,
    Keep,
    Minimizing,
    Maximizing,
    Stop,
    After,
    Without,
    Improvement,
    Of,
    On,
    Failure,
    Each,
    Epoch,
    Fit,
    Over,
    Loop,
    Until,
    Max,
    Search,
    Trials,
    Maximize,
    Minimize,
    Using,
    Log,
    Within,
  ].map((type) => [(type.LABEL ?? "").slice(1, -1), type]),
);

/** Longest first: the scan takes the first that fits. */
export const signs: readonly (readonly [string, TokenType])[] = [
  ["===", Equal],
  ["!==", NotEqual],
  ["...", Spread],
  ["**=", Compound],
  ["|>", Pipe],
  ["||", Or],
  ["&&", And],
  ["??", Coalesce],
  ["?.", OptionalDot],
  ["==", Equal],
  ["!=", NotEqual],
  ["<=", LessEqual],
  [">=", GreaterEqual],
  ["<-", Next],
  ["->", Arrow],
  ["=>", FatArrow],
  ["..", Dots],
  ["+=", Compound],
  ["-=", Compound],
  ["*=", Compound],
  ["/=", Compound],
  ["%=", Compound],
  ["++", Compound],
  ["--", Compound],
  ["(", LParen],
  [")", RParen],
  ["[", LSquare],
  ["]", RSquare],
  ["{", LBrace],
  ["}", RBrace],
  [",", Comma],
  [":", Colon],
  [";", LineEnd],
  [".", Dot],
  ["?", Question],
  ["=", Assign],
  ["|", Bar],
  ["!", Not],
  ["<", Less],
  [">", Greater],
  ["+", Plus],
  ["-", Minus],
  ["*", Times],
  ["/", Divide],
  ["%", Modulo],
];
export const signsByFirst = new Map<number, (readonly [string, TokenType])[]>();
for (const entry of signs) {
  const code = entry[0].charCodeAt(0);
  const row = signsByFirst.get(code);
  if (row) row.push(entry);
  else signsByFirst.set(code, [entry]);
}

/** All token types, for the parser's vocabulary. */
export const vocabulary: TokenType[] = [
  Word,
  Name,
  Infix,
  Block,
  ...words.values(),
  Num,
  Quantity,
  Str,
  Template,
  TemplateOpen,
  TemplateMiddle,
  TemplateClose,
  ...new Set(signs.map(([, type]) => type)),
];

/** Units of quantities: durations and sizes. */
export const units: readonly string[] = ["ns", "us", "ms", "s", "m", "h", "d", "b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib"];

/** `///` text, found beside the tokens. */
export interface Docs {
  /** By the token that follows lines of `///` standing alone. */
  readonly above: ReadonlyMap<Token, string>;
  /** By line number: `///` after code. */
  readonly after: ReadonlyMap<number, string>;
}

const operandEnds = new Set<TokenType>([
  Name,
  True,
  False,
  Null,
  Num,
  Quantity,
  Str,
  Template,
  TemplateClose,
  RParen,
  RSquare,
  RBrace,
  Block,
]);

const operandStarts = new Set<TokenType>([
  True,
  False,
  Null,
  Num,
  Quantity,
  Str,
  Template,
  TemplateOpen,
  LParen,
  LSquare,
  LBrace,
  Minus,
  Not,
  If,
]);

/** An operand may end with a token of this type, so an operator, `{` of a block or the line's end may follow. */
export function endsOperand(type: TokenType): boolean {
  return operandEnds.has(type) || isName(type);
}

/** An operand may begin with a token of this type. */
export function startsOperand(type: TokenType): boolean {
  return operandStarts.has(type) || isName(type);
}

/** Of this type, or of one in its category: `log` is a name, and a name is a word. */
export function isA(type: TokenType, category: TokenType): boolean {
  return type === category || (type.CATEGORIES?.some((one) => isA(one, category)) ?? false);
}
export const isName = (type: TokenType): boolean => isA(type, Name);
export const isReserved = (type: TokenType): boolean => isA(type, Word) && !isName(type);
