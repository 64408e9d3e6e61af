// What to say of text that the grammar has no place for: first the forms that people bring from other languages, then what was
// found and what was expected. Knows tokens and chevrotain's exceptions; decides nothing about recovery.
import type { IRecognitionException } from "chevrotain";
import type { Diagnostic } from "./diagnostics.ts";
import { report } from "./diagnostics.ts";
import type { Token } from "./tokens.ts";
import * as t from "./tokens.ts";

type Rule = "declaration" | "statement" | "entry";

export function explainProblem(
  rule: Rule,
  tokens: readonly Token[],
  problem: IRecognitionException | null,
  file: string,
): Diagnostic | null {
  const at = problem ? place(tokens, problem) : tokens[0]!;
  return foreign(rule, tokens, at, file) ?? (problem ? expected(tokens, at, problem, file) : null);
}

/** The token that can't stand where it stands; null at the end of the statement. */
function place(tokens: readonly Token[], problem: IRecognitionException): Token | null {
  const found = problem.token as unknown as Token;
  return tokens.includes(found) ? found : null;
}

const spanOf = (token: Token, file: string) => ({ file, start: token.startOffset, end: Math.max(token.endOffset + 1, token.startOffset) });

// --- Forms of other languages -------------------------------------------------------------------------------------------------------

function foreign(rule: Rule, tokens: readonly Token[], at: Token | null, file: string): Diagnostic | null {
  const first = tokens[0]!;
  const second = tokens[1];
  const say = (what: string, token: Token, label: string, help: string, fix?: { text: string }) =>
    report("HR009", { what }, [{ span: spanOf(token, file), label, role: "primary" }], {
      help,
      ...(fix ? { fix: { span: spanOf(token, file), text: fix.text } } : {}),
    });
  const followed = second !== undefined && t.isName(second.tokenType) && !second.first;
  if (["const", "var"].includes(first.image) && second && (followed || second.tokenType === t.LBrace || second.tokenType === t.LSquare))
    return say(`names are given by \`let\`, not \`${first.image}\``, first, "not a word here", `let ${second.image} = …`, { text: "let" });
  if (first.image === "return" && tokens.length > 1)
    return say("a block's value is its last expression, without `return`", first, "not a word here", "leave `return` out", { text: "" });
  if (["function", "def", "fn", "async", "class"].includes(first.image) && followed)
    return say(
      `${first.image === "class" ? "classes" : "functions"} are written in TypeScript`,
      first,
      "not a word here",
      `export it from a .ts file, and import it: import { ${second!.image} } from "./stages.ts"`,
    );
  if (first.image === "while" && tokens.length > 1)
    return say(
      "what repeats until a condition holds is a `loop`",
      first,
      "not a word here",
      "loop x = init until done max 100 { … x <- next }",
    );
  if (first.image === "export" && second) return say("pipelines need no `export`", first, "not a word here", "leave it out", { text: "" });
  const compound = tokens.find((token) => token.tokenType === t.Compound);
  if (compound && at && at.startOffset >= compound.startOffset)
    return say(
      `\`${compound.image}\` changes a value; values don't change`,
      compound,
      "not an operator here",
      rule === "statement" ? "give a new value a new name with `let`, or in a `fit` or `loop`: w <- w + 1" : "give a new value a new name",
    );
  if (!at) return null;
  if (at.tokenType === t.Question)
    return say("a choice is written `if … { … } else { … }`", at, "not an operator here", "if condition { a } else { b }");
  if (at.tokenType === t.Assign && rule === "statement" && tokens.indexOf(at) === 1)
    return say(
      `\`=\` names a value with \`let\`, and \`<-\` gives a carried one its next value`,
      at,
      "neither",
      `let ${first.image} = …, or in a \`fit\` or \`loop\`: ${first.image} <- …`,
    );
  if (at.tokenType === t.FatArrow) return say("a function stands only as an argument", at, "not one", "rows |> map(row => row.a)");
  if (isInfix(at) && tokens.slice(0, tokens.indexOf(at)).some((token) => token.tokenType === t.Pipe))
    return say(
      "`|>` takes everything to its left; an operator behind a step needs brackets",
      at,
      "outside of the step",
      "(rows |> count) + 1",
    );
  if (
    rule === "statement" &&
    !at.first &&
    tokens.indexOf(at) > 0 &&
    startsStatement(at) &&
    t.endsOperand(tokens[tokens.indexOf(at) - 1]!.tokenType)
  )
    return say("a statement stands on a line of its own", at, "another statement", "start a new line, or put `;` between them");
  return null;
}

const isInfix = (token: Token) => token.tokenType.CATEGORIES?.includes(t.Infix) ?? false;
const startsStatement = (token: Token) => token.tokenType === t.Let || token.tokenType === t.Track || token.tokenType === t.Do;

// --- Found and expected --------------------------------------------------------------------------------------------------------------

function expected(tokens: readonly Token[], at: Token | null, problem: IRecognitionException, file: string): Diagnostic {
  const last = problem.name === "NotAllInputParsedException" ? null : wanted(problem);
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
};

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
