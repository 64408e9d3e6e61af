// What can be told of a statement or declaration that couldn't be read: the names that it was to give, so that nobody complains of those
// as well. Looks at tokens only; its own problem has been reported.
import type * as ast from "./ast.ts";
import { isCloser, isOpener } from "./brackets.ts";
import type { BlockToken, Token } from "./tokens.ts";
import * as t from "./tokens.ts";

export function brokenStatement(tokens: readonly Token[], file: string): ast.Statement {
  const span = spanOf(tokens, file);
  const value: ast.Expression = { kind: "error", span };
  const [first, second] = tokens;
  // `const x = 1` has a message of its own, and was to bind `x` all the same.
  if (first!.tokenType === t.Let || /^(const|var)$/.test(first!.image)) {
    const pattern = second && brokenPattern(tokens, second, file);
    if (pattern) return { kind: "let", doc: null, pattern, type: null, value, span };
  }
  if (second?.tokenType === t.Next && t.isName(first!.tokenType)) return { kind: "next", name: nameOf(first!, file), value, span };
  return { kind: "expression", value, span };
}

function brokenPattern(tokens: readonly Token[], start: Token, file: string): ast.Pattern | null {
  const span = spanOf([start], file);
  if (t.isName(start.tokenType)) return { kind: "name", name: nameOf(start, file), span };
  const end = start.closer ? tokens.indexOf(start.closer) : -1;
  if (end < 0) return null;
  const names = once(tokens.slice(2, end).filter((token, i, all) => t.isName(token.tokenType) && all[i + 1]?.tokenType !== t.Colon));
  if (names.length === 0) return null;
  if (start.tokenType === t.LSquare) return { kind: "items", names: names.map((token) => nameOf(token, file)), span };
  return { kind: "fields", fields: names.map((token) => ({ field: nameOf(token, file), name: nameOf(token, file) })), span };
}

/** Text that couldn't be read, and what a reader of the rest has to allow for: its own problem has been reported. */
export interface Unread {
  /** Without the block that it may have, which has been read by itself. */
  readonly span: ast.Span;
  /** It may have given them, or taken them. */
  readonly names: ReadonlySet<string>;
  /** What else it may have given, by names that don't stand there: functions and types of an import, a pipeline, or a value. */
  readonly gives: "functions" | "function" | "value" | null;
}

export function unreadText(tokens: readonly Token[], file: string): Unread {
  const [first, second] = tokens;
  const place = tokens.findIndex((token) => token.tokenType === t.Block);
  const names = new Set<string>();
  const left = [tokens];
  for (let all = left.pop(); all; all = left.pop())
    for (const token of all) {
      if (t.isName(token.tokenType)) names.add(token.image);
      if (token.tokenType === t.Block) for (const statement of (token as BlockToken).statements) left.push(statement);
    }
  const type = first!.tokenType;
  const isNameless = !second || !(t.isName(second.tokenType) || isOpener(second));
  // Without its bracket the name of a pipeline runs into what follows.
  const isPipeline = type === t.Pipeline || type === t.Service;
  const runsOn = isPipeline && tokens[2]?.tokenType !== t.LParen;
  const lacksNames = type === t.Import && !namesAllItems(tokens);
  return {
    span: spanOf(place > 0 ? tokens.slice(0, place) : tokens, file),
    names,
    gives: lacksNames ? "functions" : runsOn ? "function" : (type === t.Let || type === t.Param) && isNameless ? "value" : null,
  };
}

/** An import whose names all stand there, whatever else is wrong with it: those that it lacks are nobody's. */
function namesAllItems(tokens: readonly Token[]): boolean {
  const open = tokens.findIndex((token) => token.tokenType === t.LBrace);
  const close = tokens.findIndex((token) => token.tokenType === t.RBrace);
  if (open !== 1 || close < 0) return false;
  let afterName = false;
  for (const { tokenType } of tokens.slice(open + 1, close)) {
    const isComma = tokenType === t.Comma;
    // Where nothing stands before a comma, a name may be what is missing.
    if (isComma ? !afterName : !t.isName(tokenType)) return false;
    afterName = !isComma;
  }
  return true;
}

/** Null where not even its name can be told. */
export function brokenDeclaration(
  tokens: readonly Token[],
  file: string,
  read: (block: BlockToken, into: { statements: ast.Statement[] } | { entries: ast.ScheduleEntry[] }) => void,
): ast.Declaration | null {
  const span = spanOf(tokens, file);
  const [first, second] = tokens;
  if (first!.tokenType === t.Import) return brokenImport(tokens, file);
  if (!second || !t.isName(second.tokenType)) return null;
  const name = nameOf(second, file);
  const type: ast.TypeNode = { kind: "error", span };
  const block = tokens.find((token): token is BlockToken => token.tokenType === t.Block) ?? null;
  switch (first!.tokenType) {
    case t.Type:
      return { kind: "type", doc: null, name, parameters: [], type, span };
    case t.Param:
      return { kind: "param", doc: null, name, type, default: null, range: null, span };
    case t.Schedule: {
      const entries: ast.ScheduleEntry[] = [];
      if (block) read(block, { entries });
      const place = tokens.findIndex((token) => token.tokenType === t.For);
      const pipeline = place > 0 ? tokens[place + 1] : undefined;
      return {
        kind: "schedule",
        doc: null,
        name,
        pipeline: pipeline && t.isName(pipeline.tokenType) ? nameOf(pipeline, file) : null,
        entries,
        span,
      };
    }
    default: {
      const statements: ast.Statement[] = [];
      if (block) read(block, { statements });
      else statements.push({ kind: "expression", value: { kind: "error", span }, span });
      const parameters = parameterNames(tokens).map((token): ast.Parameter => {
        const at = nameOf(token, file);
        return { name: at, type: { kind: "error", span: at.span }, default: null, span: at.span };
      });
      const kind = first!.tokenType === t.Service ? "service" : "pipeline";
      return { kind, doc: null, name, parameters, returns: type, body: { statements, span: block ? spanOf([block], file) : span }, span };
    }
  }
}

function brokenImport(tokens: readonly Token[], file: string): ast.Declaration | null {
  const from = tokens.findLast((token) => token.tokenType === t.Str);
  if (!from) return null;
  const closed = from.image.length > 1 && from.image.at(-1) === from.image[0];
  const items: ast.ImportItem[] = [];
  for (let i = 1; i < tokens.length; i++) {
    const [a, b] = [tokens[i]!, tokens[i + 1]];
    const follows = b !== undefined && t.isName(b.tokenType) && b.tokenType !== t.As && b.tokenType !== t.From;
    const what = a.tokenType === t.Actor ? "actor" : a.tokenType === t.Resource ? "resource" : a.tokenType === t.Type ? "type" : null;
    if (what !== null && follows) i++;
    const token = tokens[i]!;
    if (!t.isName(token.tokenType) || token.tokenType === t.From) continue;
    const alias = tokens[i + 1]?.tokenType === t.As ? tokens[i + 2] : undefined;
    if (alias) i += 2;
    const span = spanOf([token], file);
    items.push({ what: (follows && what) || "function", name: nameOf(token, file), as: alias ? nameOf(alias, file) : null, span });
  }
  const name = nameOf(from, file);
  return { kind: "import", items, from: { ...name, text: from.image.slice(1, closed ? -1 : undefined) }, span: spanOf(tokens, file) };
}

/** Names at the outer level of the first round brackets, where a parameter begins. */
function parameterNames(tokens: readonly Token[]): Token[] {
  const start = tokens.findIndex((token) => token.tokenType === t.LParen);
  if (start < 0) return [];
  const names: Token[] = [];
  let depth = 0;
  for (let i = start; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (isOpener(token)) depth++;
    else if (isCloser(token) && --depth === 0) break;
    const before = tokens[i - 1]!;
    const begins = before.tokenType === t.LParen || before.tokenType === t.Comma || tokens[i + 1]?.tokenType === t.Colon;
    if (depth === 1 && begins && t.isName(token.tokenType)) names.push(token);
  }
  return once(names);
}

const once = (names: readonly Token[]): Token[] => names.filter(({ image }, i) => names.findIndex((name) => name.image === image) === i);

export function spanOf(tokens: readonly Token[], file: string): ast.Span {
  const [first, last] = [tokens[0]!, tokens.at(-1)!];
  return { file, start: first.startOffset, end: Math.max(last.endOffset + 1, first.startOffset) };
}

function nameOf(token: Token, file: string): ast.Name {
  return { text: token.image, span: { file, start: token.startOffset, end: token.endOffset + 1 } };
}
