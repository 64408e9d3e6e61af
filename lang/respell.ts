// Words of the language that are misspelt: where a line has the shape of a form and begins with a word that is nearly the form's, that
// word is taken for it, with one message, so that nothing else is lost. Such a line is never right otherwise: no two names stand side
// by side. Knows tokens and their neighbours, not grammar.
import type { TokenType } from "chevrotain";
import type { Diagnostic } from "./diagnostics.ts";
import { report } from "./diagnostics.ts";
import { nearest } from "./suggest.ts";
import type { Token } from "./tokens.ts";
import * as t from "./tokens.ts";

/** Gives the words their types, in place. */
export function respell(tokens: readonly Token[], file: string): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  let depth = 0;
  tokens.forEach((token, i) => {
    if (token.tokenType === t.LBrace) depth++;
    else if (token.tokenType === t.RBrace) depth--;
    if (token.tokenType !== t.Name) return;
    const meant = nearest(token.image, formsAt(tokens, i, depth).keys());
    const type = meant === null ? undefined : t.words.get(meant);
    if (!type) return;
    token.tokenType = type;
    token.tokenTypeIdx = type.tokenTypeIdx!;
    const span = { file, start: token.startOffset, end: token.endOffset + 1 };
    diagnostics.push(
      report("HR001", { what: `\`${token.image}\` is no word of the language` }, [{ span, label: "nothing begins so", role: "primary" }], {
        help: `did you mean \`${meant}\`?`,
        fix: { span, text: meant! },
      }),
    );
  });
  return diagnostics;
}

/** The forms that could begin here, by what follows. */
function formsAt(tokens: readonly Token[], i: number, depth: number): Map<string, true> {
  const found = new Map<string, true>();
  const [before, next] = [tokens[i - 1]?.tokenType, tokens[i + 1]];
  if (!next || next.first) return found;
  const after = tokens[i + 2]?.tokenType;
  const named = t.isName(next.tokenType);
  const add = (word: string, fits: boolean) => {
    if (fits) found.set(word, true);
  };
  if (tokens[i]!.first) {
    const outside = tokens[i]!.indent === 0;
    add("import", outside && next.tokenType === t.LBrace && tokens.slice(i, i + 60).some(({ tokenType }) => tokenType === t.From));
    add("param", outside && named && after === t.Colon);
    add("type", outside && named && (after === t.Assign || after === t.Less));
    add("pipeline", outside && named && after === t.LParen);
    add("service", outside && named && after === t.LParen);
    add("schedule", outside && named && (after === t.LBrace || after === t.For));
    add("let", (depth > 0 || !outside) && ((named && (after === t.Assign || after === t.Colon)) || isPattern(tokens, i + 1)));
    add("track", (depth > 0 || !outside) && named && after === t.Assign);
    add("over", named && after === t.In);
  }
  const begins: readonly (TokenType | undefined)[] = [t.Assign, t.LBrace, t.FatArrow];
  const value = begins.includes(before) || tokens[i]!.first;
  add("fit", value && named && after === t.Assign && tokens.slice(i, i + 60).some(({ tokenType }) => tokenType === t.Over));
  add("loop", value && named && after === t.Assign && tokens.slice(i, i + 60).some(({ tokenType }) => tokenType === t.Until));
  return found;
}

/** `{ a, b } =`, `[a, b] =`. */
function isPattern(tokens: readonly Token[], at: number): boolean {
  const open = tokens[at]!.tokenType;
  if (open !== t.LBrace && open !== t.LSquare) return false;
  const end = tokens.findIndex(({ tokenType }, i) => i > at && (tokenType === t.RBrace || tokenType === t.RSquare));
  return end > 0 && tokens[end + 1]?.tokenType === t.Assign && tokens.slice(at, end).every((one, i) => i === 0 || !one.first);
}
