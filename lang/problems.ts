// What to say of text that the grammar has no place for: first the forms that people bring from other languages, then what was
// found and what was expected. Knows tokens and chevrotain's exceptions; decides nothing about recovery.
import type { IRecognitionException, TokenType } from "chevrotain";
import { isCloser, isOpener } from "./brackets.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { report } from "./diagnostics.ts";
import type { Token } from "./tokens.ts";
import * as t from "./tokens.ts";

type Rule = "declaration" | "statement" | "entry";

/** What a message has to know besides the tokens. */
export interface Surroundings {
  readonly file: string;
  readonly text: string;
  /** Names that the `fit` or `loop` around the statement carries. */
  readonly carried: ReadonlySet<string>;
}

export function explainProblem(
  rule: Rule,
  tokens: readonly Token[],
  problem: IRecognitionException | null,
  around: Surroundings,
): Diagnostic | null {
  const at = problem ? place(tokens, problem) : tokens[0]!;
  return foreign(rule, tokens, at, around) ?? (problem ? expected(rule, tokens, at, problem, around.file) : null);
}

/** The token that can't stand where it stands; null at the end of the statement. */
function place(tokens: readonly Token[], problem: IRecognitionException): Token | null {
  const found = problem.token as unknown as Token;
  return tokens.includes(found) ? found : null;
}

const spanOf = (token: Token, file: string) => ({ file, start: token.startOffset, end: Math.max(token.endOffset + 1, token.startOffset) });

// --- Forms of other languages -------------------------------------------------------------------------------------------------------

interface Foreign {
  readonly what: string;
  readonly label?: string;
  readonly help: string;
  /** What stands in the token's place, or in that of a longer piece of text; `null` leaves the word out, and the space behind it. */
  readonly fix?: string | null | { readonly start: number; readonly end: number; readonly text: string };
}

/** Words that begin a statement elsewhere, with what stands for them here. */
const statementWords: Readonly<Record<string, (next: string) => Foreign>> = {
  const: constant("const"),
  var: constant("var"),
  function: written("functions"),
  def: written("functions"),
  fn: written("functions"),
  fun: written("functions"),
  async: written("functions"),
  class: written("classes"),
  interface: aliased("an interface"),
  enum: (next) => ({ what: "an enumeration is a union of literals", help: `type ${next} = "one" | "two"` }),
  struct: aliased("a struct"),
  while: () => ({ what: "what repeats until a condition holds is a `loop`", help: "loop x = init until done max 100 { … x <- next }" }),
  return: () => ({ what: "a block's value is its last expression, without `return`", help: "leave `return` out", fix: null }),
  export: () => ({ what: "pipelines and types need no `export`", help: "leave it out", fix: null }),
  await: () => ({ what: "nothing is awaited: the runtime waits for what a stage needs", help: "leave `await` out", fix: null }),
  throw: () => ({ what: "a run fails where an `expect` doesn't hold", help: 'expect rows > 0, "there are no rows"' }),
  try: () => ({ what: "failures are data", help: "let { ok, failed } = rows |> attempt(parse)" }),
  switch: () => ({ what: "a choice is written `if … { … } else if … { … } else { … }`", help: 'if how == "fast" { a } else { b }' }),
  print: () => ({ what: "what is to be seen is a value of the pipeline, or an effect", help: "do notify(x)" }),
};
/** `return` alone, and `return (x)`, would be a name and a call. */
export function isReturn([first, second]: readonly Token[]): boolean {
  return first!.image === "return" && (second === undefined || (second.tokenType === t.LParen && second.spaced));
}

function constant(word: string): (next: string) => Foreign {
  return (next) => ({ what: `names are given by \`let\`, not \`${word}\``, help: `let ${next} = …`, fix: "let" });
}
function written(what: string): (next: string) => Foreign {
  return (next) => ({
    what: `${what} are written in TypeScript`,
    help: `export it from a .ts file, and import it: import { ${next} } from "./stages.ts"`,
  });
}
function aliased(what: string): (next: string) => Foreign {
  return (next) => ({ what: `${what} is a \`type\``, help: `type ${next} = { a: int, b: string }` });
}

/** Words between operands elsewhere. */
const operatorWords: Readonly<Record<string, string>> = { and: "&&", or: "||", not: "!", is: "==" };

function foreign(rule: Rule, tokens: readonly Token[], at: Token | null, around: Surroundings): Diagnostic | null {
  const { file } = around;
  const first = tokens[0]!;
  const second = tokens[1];
  const say = (token: Token, { what, label = "not a word here", help, fix }: Foreign) => {
    const span = spanOf(token, file);
    const frames = [{ span, label, role: "primary" as const }];
    if (fix === undefined) return report("HR009", { what }, frames, { help });
    const behind = tokens[tokens.indexOf(token) + 1]?.startOffset ?? span.end;
    const { text, ...place } = fix === null ? { ...span, end: behind, text: "" } : typeof fix === "string" ? { ...span, text: fix } : fix;
    return report("HR009", { what }, frames, { help, fix: { span: { ...span, ...place }, text } });
  };
  const word = Object.hasOwn(statementWords, first.image) ? statementWords[first.image] : undefined;
  if (word && isReturn(tokens)) return say(first, word(""));
  if (word && second && !second.first && !isInfix(second) && !notAfterAWord.has(second.tokenType)) {
    const named = t.isName(second.tokenType) ? second.image : "name";
    return say(first, word(named));
  }
  const compound = tokens.find((token) => token.tokenType === t.Compound);
  if (compound && at && at.startOffset >= compound.startOffset)
    return say(compound, {
      what: `\`${compound.image}\` changes a value; values don't change`,
      label: "not an operator here",
      help:
        rule === "statement"
          ? "give a new value a new name with `let`, or in a `fit` or `loop`: w <- w + 1"
          : "give a new value a new name",
    });
  if (!at) return null;
  return spelled(rule, tokens, at, around, say);
}

/** What is spelled otherwise here, by the token that can't stand where it stands and those before it. */
function spelled(
  rule: Rule,
  tokens: readonly Token[],
  at: Token,
  around: Surroundings,
  say: (token: Token, foreign: Foreign) => Diagnostic,
): Diagnostic | null {
  const place = tokens.indexOf(at);
  const first = tokens[0]!;
  const before = tokens[place - 1];
  const type = at.tokenType;
  const operator = [before, at].find((token) => token && t.isName(token.tokenType) && Object.hasOwn(operatorWords, token.image));
  if (operator && t.startsOperand(type)) {
    const right = operatorWords[operator.image]!;
    return say(operator, { what: `\`${operator.image}\` is written \`${right}\``, help: `write ${right}`, fix: right });
  }
  if (before?.image === "new" && t.isName(type))
    return say(before, { what: "values come from functions, actors from `spawn`", help: `spawn(4, i => ${at.image}(seed: i))` });
  if (before?.image === "await" && t.startsOperand(type)) return say(before, statementWords.await!(""));
  if (type === t.Question) {
    const choice = choiceOf(tokens, place, around.text);
    return say(at, {
      what: "a choice is written `if … { … } else { … }`",
      label: "not an operator here",
      help: choice?.text ?? "if condition { a } else { b }",
      ...(choice ? { fix: choice } : {}),
    });
  }
  if (type === t.As && before && t.endsOperand(before.tokenType) && first.tokenType !== t.Import)
    return say(at, { what: "there are no casts", help: "a type stands behind a name: let x: float = …" });
  if (type === t.LSquare && inType(tokens, place))
    return say(at, { what: "a list type is written `[T]`", label: "brackets stand around the type", help: `[${before?.image ?? "T"}]` });
  if (first.tokenType === t.Let && place >= 2 && place <= 3 && (type === t.Next || (type === t.Assign && before?.tokenType === t.Colon)))
    return say(at, { what: "`let` names a value with `=`", label: "not here", help: `let ${tokens[1]!.image} = …` });
  if (type === t.Next && rule !== "statement")
    return say(at, { what: "`<-` gives a carried name its next value, in a `fit` or `loop`", label: "not here", help: "w <- step(w)" });
  if (type === t.Assign && rule === "entry")
    return say(at, { what: "an entry is written with `:`", label: "not here", help: "accuracy: data(2)", fix: ":" });
  if (type === t.Comma && rule === "entry") {
    const endsLine = tokens[place + 1]?.first ?? true;
    return say(at, {
      what: "each entry stands on a line of its own, without commas",
      label: "not here",
      help: endsLine ? "leave it out" : "start a new line, or put `;` between them",
      fix: endsLine ? "" : ";",
    });
  }
  if (type === t.Assign && place === 2 && first.tokenType === t.Param)
    return say(at, {
      what: "a param has a type",
      label: "`:` and its type were expected",
      help: `param ${before!.image}: ${typeOf(tokens.slice(place + 1))} = …`,
    });
  if (type === t.Colon && before?.tokenType === t.RParen && (first.tokenType === t.Pipeline || first.tokenType === t.Service))
    return say(at, {
      what: "the type of a result stands behind `->`",
      label: "not here",
      help: `-> ${tokens[place + 1]?.image ?? "T"}`,
      fix: " ->",
    });
  const loop = tokens.slice(0, place).findLastIndex((token) => token.tokenType === t.Loop);
  if (type === t.Block && loop >= 0) {
    const head = tokens.slice(loop, place).map(({ tokenType }) => tokenType);
    if (head.includes(t.Until) && !head.includes(t.Max))
      return say(at, {
        what: "a `loop` says how many rounds there are at most",
        label: "`max` was expected before it",
        help: "loop x = init until done max 100 { … }",
      });
  }
  if (type === t.Assign && place === 1 && rule === "statement" && around.carried.has(first.image))
    return say(at, {
      what: `\`${first.image}\` is carried: its next value is given by \`<-\``,
      label: "not here",
      help: `${first.image} <- …`,
      fix: "<-",
    });
  if (type === t.Assign && place === 1 && rule === "statement" && t.isName(first.tokenType))
    return say(at, {
      what: `\`=\` names a value with \`let\`, and \`<-\` gives a carried one its next value`,
      label: "neither",
      help: `let ${first.image} = …, or in a \`fit\` or \`loop\`: ${first.image} <- …`,
    });
  if (type === t.Assign && before && tokens[place - 2] && (isOpener(tokens[place - 2]!) || tokens[place - 2]!.tokenType === t.Comma))
    return say(at, { what: "arguments and fields are named with `:`", label: "not here", help: `${before.image}: …`, fix: ":" });
  if (type === t.FatArrow)
    return say(at, { what: "a function stands only as an argument", label: "not one", help: "rows |> map(row => row.a)" });
  if (tokens.slice(0, place).some((token) => token.tokenType === t.FatArrow) && insideLambda(tokens, place))
    return say(at, {
      what: "a function here is one expression, without statements",
      label: "not in an expression",
      help: "write what it does in a pipeline, or in TypeScript, and pass that",
    });
  if (first.tokenType === t.Track && place === 2 && (type === t.Colon || type === t.Next || t.startsOperand(type)))
    return say(at, { what: "`track` names a number with `=`", label: "`=` was expected", help: `track ${before?.image} = …` });
  if (first.tokenType === t.Import && place === 1)
    return say(at, {
      what: "what is imported is named, in braces",
      label: "not here",
      help: `import { ${t.isName(type) ? at.image : "name"} } from "./stages.ts"`,
    });
  if (first.tokenType === t.For && place === 1 && type === t.LParen)
    return say(at, { what: "the head of a `for` stands without brackets", label: "not here", help: "for x in xs { … }" });
  if (first.tokenType === t.For && type === t.Of)
    return say(at, { what: "`for` takes `in`, not `of`", help: "for x in xs { … }", fix: "in" });
  if (isStep(tokens, place) && (isInfix(at) || type === t.Dot || type === t.OptionalDot || type === t.LSquare))
    return say(at, {
      what: "`|>` takes everything to its left; what follows a step needs brackets",
      label: "outside of the step",
      help: isInfix(at) ? "(rows |> count) + 1" : "(rows |> first).label",
    });
  if (isComparison(at) && tokens.slice(0, place).some(isComparison))
    return say(at, { what: "comparisons don't chain", label: "a second one", help: "a < b && b < c" });
  if (first.image === "each" && place === 1 && type === t.Epoch)
    return say(first, {
      what: "`each epoch` stands on the line of the brace that ends the block of its `fit`",
      label: "on a line of its own",
      help: "} each epoch {",
    });
  if (rule === "statement" && !at.first && startsAgain(at) && before && t.endsOperand(before.tokenType))
    return say(at, {
      what: "a statement stands on a line of its own",
      label: "another statement",
      help: "start a new line, or put `;` between them",
    });
  return null;
}

/** `c ? a : b` as an `if`, where it stands on one line; the `?` is at `place`. */
function choiceOf(tokens: readonly Token[], place: number, text: string): { start: number; end: number; text: string } | null {
  const first = startOfValue(tokens, place);
  const colon = endOfValue(tokens, place + 1, t.Colon);
  if (first === place || tokens[colon]?.tokenType !== t.Colon) return null;
  const last = endOfValue(tokens, colon + 1, null);
  if (colon === place + 1 || last === colon + 1) return null;
  const between = (from: number, to: number) => text.slice(tokens[from]!.startOffset, tokens[to - 1]!.endOffset + 1);
  const parts = [between(first, place), between(place + 1, colon), between(colon + 1, last)];
  if (parts.some((part) => part.includes("\n"))) return null;
  const [condition, then, otherwise] = parts;
  return {
    start: tokens[first]!.startOffset,
    end: tokens[last - 1]!.endOffset + 1,
    text: `if ${condition} { ${then} } else { ${otherwise} }`,
  };
}

const beforeValue: ReadonlySet<TokenType> = new Set([t.Assign, t.Next, t.Comma, t.Colon, t.FatArrow, t.Do, t.Expect]);

function startOfValue(tokens: readonly Token[], end: number): number {
  let depth = 0;
  for (let i = end - 1; i >= 0; i--) {
    const token = tokens[i]!;
    if (isCloser(token)) depth++;
    else if (isOpener(token) && depth-- === 0) return i + 1;
    else if (depth === 0 && (beforeValue.has(token.tokenType) || token.image === "return")) return i + 1;
  }
  return 0;
}

/** Where a value ends: at `mark`, a comma, or what closes the bracket around it. Choices in it keep their colons. */
function endOfValue(tokens: readonly Token[], start: number, mark: TokenType | null): number {
  let depth = 0;
  let choices = 0;
  for (let i = start; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (isOpener(token)) depth++;
    else if (isCloser(token) && depth-- === 0) return i;
    else if (depth === 0 && token.tokenType === t.Question) choices++;
    else if (depth === 0 && token.tokenType === t.Colon && choices > 0) choices--;
    else if (depth === 0 && (token.tokenType === mark || token.tokenType === t.Comma)) return i;
  }
  return tokens.length;
}

const notAfterAWord = new Set([t.Pipe, t.Next, t.Assign, t.Dot, t.OptionalDot, t.Comma, t.Colon, t.FatArrow, t.Question, t.RBrace]);
const isInfix = (token: Token) => token.tokenType.CATEGORIES?.includes(t.Infix) ?? false;
const comparisons = new Set([t.Less, t.LessEqual, t.Greater, t.GreaterEqual, t.Equal, t.NotEqual]);
const isComparison = (token: Token) => comparisons.has(token.tokenType);
const startsAgain = (token: Token) => token.tokenType === t.Let || token.tokenType === t.Track || token.tokenType === t.Do;
const isStep = (tokens: readonly Token[], place: number) => tokens.slice(0, place).some((token) => token.tokenType === t.Pipe);

/** A type stands to the left: behind `:` or `->`, or in the declaration of one. */
function inType(tokens: readonly Token[], place: number): boolean {
  if (tokens[0]!.tokenType === t.Type) return true;
  const mark = tokens[place - 2]?.tokenType;
  return (mark === t.Colon && tokens[0]!.tokenType !== t.Let) || mark === t.Arrow || (mark === t.Colon && place === 4);
}

/** The type that a default which is written out has. */
function typeOf(value: readonly Token[]): string {
  const image = value.find((token) => token.tokenType !== t.Minus)?.image ?? "";
  if (/^["'`]/.test(image)) return "string";
  if (image === "true" || image === "false") return "bool";
  return /^\d+$/.test(image) ? "int" : "float";
}

/** Inside the braces that a lambda's `=>` opens, as a function with statements would. */
function insideLambda(tokens: readonly Token[], place: number): boolean {
  return tokens.some(
    (token, i) =>
      i < place &&
      token.tokenType === t.LBrace &&
      tokens[i - 1]?.tokenType === t.FatArrow &&
      token.closer !== null &&
      tokens.indexOf(token.closer) > place &&
      [t.Let, t.Track, t.Do].includes(tokens[i + 1]!.tokenType),
  );
}

// --- Found and expected --------------------------------------------------------------------------------------------------------------

function expected(rule: Rule, tokens: readonly Token[], at: Token | null, problem: IRecognitionException, file: string): Diagnostic {
  const last =
    problem.name === "NotAllInputParsedException"
      ? ends(rule, at)
      : listed(wanted(problem), at ? tokens[tokens.indexOf(at) - 1] : tokens.at(-1));
  if (!at) {
    const end = tokens.at(-1)!;
    const span = { file, start: end.endOffset + 1, end: end.endOffset + 2 };
    return report("HR001", { what: `the line ends too early${last ? `: ${last} was expected` : ""}` }, [
      { span: end.inserted ? spanOf(tokens[0]!, file) : span, label: last ?? "something is missing", role: "primary" },
    ]);
  }
  const shown = at.tokenType === t.Block ? "a block" : `\`${at.image.split("\n")[0]}\``;
  const reserved = t.isReserved(at.tokenType) && last === "a name";
  const what = reserved
    ? `${shown} is a word of the language and can't be a name`
    : last
      ? `${shown} can't stand here: ${last} was expected`
      : `${shown} can't stand here`;
  return report("HR001", { what }, [{ span: spanOf(at, file), label: last ? `${last} was expected` : "not here", role: "primary" }]);
}

const places: Readonly<Record<string, string>> = {
  primary: "a value",
  unary: "a value",
  expr: "a value",
  pattern: "a name",
  atom: "a type",
  declaration: "a declaration",
  dim: "a dimension",
  searchField: "`..` or `|`",
  recordField: "a field",
  selector: "a stage",
  entry: "a strategy",
  keepStatement: "`minimizing` or `maximizing`",
  search: "`minimize` or `maximize`",
};

/** Where all could have ended before. */
function ends(rule: Rule, at: Token | null): string | null {
  if (!at || isCloser(at)) return null;
  return rule === "statement" && t.startsOperand(at.tokenType) ? "an operator or the end of the line" : "the end of the line";
}

/** Behind an item of a list its end isn't all that could follow. */
function listed(wanted: string | null, before: Token | undefined): string | null {
  const isEnd = wanted === "`)`" || wanted === "`]`" || wanted === "`}`";
  return isEnd && before && t.endsOperand(before.tokenType) ? `\`,\` or ${wanted}` : wanted;
}

function wanted(problem: IRecognitionException): string | null {
  if (problem.name === "MismatchedTokenException") {
    const label = /--> (.*?) <-- but/.exec(problem.message)?.[1];
    return label ?? null;
  }
  const rules = problem.context.ruleStack;
  for (let i = rules.length - 1; i >= 0; i--) {
    const known = places[rules[i]!];
    if (known) return known;
  }
  return null;
}
