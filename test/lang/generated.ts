// Programs of every form of the grammar as random text: any spaces where spaces mean nothing, line ends where lines may end, comments
// wherever white space may stand. They read without errors, though they mean nothing.
import fc from "fast-check";

/** A token, or what stands between two: `GLUE` nothing, `GAP` at least a space, `BREAK` maybe a line end, `END` the end of a statement. */
type Piece = string | typeof GLUE | typeof GAP | typeof BREAK | typeof END;
const GLUE = Symbol("glue");
const GAP = Symbol("gap");
const BREAK = Symbol("break");
const END = Symbol("end");
type Pieces = fc.Arbitrary<Piece[]>;

const seq = (...parts: readonly (Piece | Pieces)[]): Pieces =>
  fc.tuple(...parts.map((part) => (typeof part === "object" ? part : fc.constant([part])))).map((all) => all.flat());
const oneOf = (...all: readonly Pieces[]): Pieces => fc.oneof(...all);
const maybe = (...parts: readonly (Piece | Pieces)[]): Pieces => oneOf(fc.constant([]), seq(...parts));
const many = (part: Pieces, least: number, most: number, between: readonly Piece[] = []): Pieces =>
  fc.array(part, { minLength: least, maxLength: most }).map((all) => all.flatMap((one, i) => (i === 0 ? one : [...between, ...one])));
/** In brackets, where lines mean nothing. */
const listed = (open: string, part: Pieces, close: string, least = 0): Pieces =>
  seq(open, BREAK, many(part, least, 3, [",", BREAK]), BREAK, close);

const name: Pieces = fc
  .constantFrom("a", "rows", "x1", "model", "data", "fit", "max", "type", "log", "each", "σ", "$w")
  .map((text) => [text]);
const plainName: Pieces = fc.constantFrom("a", "rows", "x1", "acc", "σ", "$w").map((text) => [text]);
const word: Pieces = oneOf(
  name,
  fc.constantFrom("let", "if", "for", "null").map((text) => [text]),
);
const literal: Pieces = fc
  .constantFrom("1", "0.5", "2.5e-3", "1_000", '"a // b"', "'it'", '"\\""', "true", "null", "10m", "2gb", "`plain /* no comment */`")
  .map((text) => [text]);

const { type, block } = fc.letrec<{ type: Piece[]; expression: Piece[]; simple: Piece[]; block: Piece[]; statement: Piece[] }>((tie) => {
  const type = tie("type");
  const simple = tie("simple");
  const expression = tie("expression");
  const block = tie("block");
  const statement = tie("statement");
  const generic = seq(plainName, GLUE, "<", GLUE, type, GLUE, ">");
  const tensor = seq(
    "Tensor",
    GLUE,
    "<",
    GLUE,
    "f32",
    ",",
    listed("[", oneOf(fc.constant<Piece[]>(["B"]), seq("28", "*", "28"), fc.constant<Piece[]>(["?"])), "]", 1),
    GLUE,
    ">",
  );
  const argument = oneOf(
    expression,
    seq(word, ":", expression),
    seq(plainName, "=>", simple),
    seq(listed("(", plainName, ")"), "=>", simple),
    plainName,
  );
  const call = seq(plainName, GLUE, listed("(", argument, ")"));
  const callee = seq(plainName, maybe(GLUE, ".", GLUE, word), maybe(GLUE, listed("(", argument, ")")));
  const field = oneOf(name, seq(word, ":", expression), seq("...", plainName));
  // A template with statements in it is taken for one that lacks its end.
  const inline = oneOf(
    plainName,
    seq(plainName, GAP, "+", GAP, BREAK, "1"),
    seq(plainName, GLUE, listed("(", oneOf(plainName, literal), ")")),
    seq("(", listed("{", name, "}"), ")"),
  );
  const template = seq("`n ${", BREAK, inline, BREAK, "}, ${", inline, "} // `");
  const operator = fc.constantFrom("+", "-", "*", "/", "%", "&&", "||", "??").map((text) => [text]);
  const comparison = fc.constantFrom("==", "!=", "<=", ">=", "<", ">").map((text) => [text]);
  const steps = seq(simple, BREAK, "|>", callee, BREAK, "|>", callee);
  const pattern = oneOf(plainName, listed("{", oneOf(name, seq(word, ":", plainName)), "}", 1), listed("[", plainName, "]", 1));
  const carried = many(seq(plainName, "=", simple), 1, 2, [",", BREAK]);
  return {
    type: fc.oneof(
      { depthSize: "xsmall", maxDepth: 4 },
      plainName,
      seq("[", type, "]"),
      generic,
      tensor,
      seq(plainName, GLUE, "?"),
      listed("{", seq(word, maybe(GLUE, "?"), ":", type), "}"),
      seq(
        '"fast"',
        "|",
        many(
          fc.constantFrom('"slow"', "-1", "null").map((text) => [text]),
          1,
          2,
          ["|"],
        ),
      ),
    ),
    simple: fc.oneof(
      { depthSize: "xsmall", maxDepth: 4 },
      literal,
      plainName,
      call,
      seq(call, GLUE, oneOf(fc.constant<Piece[]>(["."]), fc.constant<Piece[]>(["?."])), GLUE, word),
      seq(plainName, GLUE, "[", BREAK, expression, BREAK, "]"),
      seq("(", BREAK, expression, BREAK, ")"),
      listed("[", expression, "]"),
      seq("(", listed("{", field, "}"), ")"),
      seq(
        "-",
        literal.filter(([text]) => typeof text === "string" && /^\d/.test(text)),
      ),
      seq("!", plainName),
      template,
      seq(simple, GAP, operator, GAP, BREAK, simple),
      seq("(", simple, GAP, comparison, GAP, simple, ")"),
      seq("(", steps, ")"),
    ),
    expression: fc.oneof(
      { depthSize: "xsmall", maxDepth: 4 },
      simple,
      steps,
      seq("if", GAP, simple, block, "else", block),
      seq("if", GAP, simple, block, "else", GAP, "if", GAP, simple, block),
      seq("for", GAP, pattern, GAP, "in", GAP, simple, block),
      seq(
        "fit",
        GAP,
        carried,
        GAP,
        BREAK,
        "over",
        GAP,
        plainName,
        GAP,
        "in",
        GAP,
        simple,
        GAP,
        BREAK,
        "for",
        GAP,
        simple,
        block,
        maybe("each", GAP, "epoch", block),
      ),
      seq("loop", GAP, carried, GAP, BREAK, "until", GAP, simple, GAP, BREAK, "max", GAP, simple, block),
      seq(
        "search",
        listed("{", oneOf(seq(plainName, ":", "1e-4", "..", "1.0", maybe(GAP, "log")), seq(plainName, ":", "16", "|", "32")), "}", 1),
        seq("trials", GAP, "30", GAP, BREAK, "minimize", GAP, "loss"),
        maybe(GAP, "using", GAP, "asha", GLUE, "(", "min", ":", "1", ")"),
        block,
      ),
      seq(call, GAP, "within", GAP, "20ms", GAP, "else", GAP, call),
    ),
    block: seq("{", END, many(statement, 0, 3, [END]), END, "}"),
    statement: fc.oneof(
      { depthSize: "xsmall", maxDepth: 4 },
      seq("let", GAP, pattern, maybe(":", type), "=", BREAK, expression),
      seq("track", GAP, plainName, maybe("=", simple)),
      seq("do", GAP, call),
      seq("expect", GAP, plainName, GAP, comparison, GAP, simple, maybe(",", '"message"')),
      seq(
        "keep",
        GAP,
        plainName,
        GAP,
        fc.constantFrom("minimizing", "maximizing").map((text) => [text]),
        GAP,
        "loss",
      ),
      seq("stop", GAP, "after", GAP, "3", GAP, "without", GAP, "improvement", GAP, "of", GAP, "loss"),
      seq("on", GAP, "failure", "(", plainName, ")", block),
      seq(plainName, "<-", expression),
      call,
      listed("{", field, "}", 1),
    ),
  };
});

const importItem = oneOf(
  name,
  seq(name, GAP, "as", GAP, plainName),
  seq(
    fc.constantFrom("type", "actor", "resource").map((text) => [text]),
    GAP,
    plainName,
  ),
);
const parameter = seq(plainName, ":", type, maybe("=", literal));
const strategy = seq(
  fc.constantFrom("task", "auto", "data").map((text) => [text]),
  maybe(GLUE, "!", GLUE, "(", "2", ")"),
  maybe(GAP, "allreduce"),
);
const selector = oneOf(fc.constant<Piece[]>(["*"]), seq(plainName, maybe(GLUE, ".", GLUE, "*")));
const options = listed(
  "{",
  seq(
    fc.constantFrom("timeout", "memory").map((text) => [text]),
    ":",
    "10m",
  ),
  "}",
  1,
);
const entry = seq(many(selector, 1, 2, [","]), ":", oneOf(seq(strategy, maybe(GAP, options)), options));
const declaration = oneOf(
  seq("import", listed("{", importItem, "}"), "from", '"./x.ts"'),
  seq("type", GAP, plainName, maybe(GLUE, "<", GLUE, "B", GLUE, ">"), "=", type),
  seq("param", GAP, plainName, ":", plainName, maybe("=", literal), maybe(GAP, "in", GAP, "0.0", "..", "1.0")),
  seq(
    fc.constantFrom("pipeline", "service").map((text) => [text]),
    GAP,
    plainName,
    GLUE,
    listed("(", parameter, ")"),
    maybe("->", type),
    block,
  ),
  seq("schedule", GAP, plainName, maybe(GAP, "for", GAP, plainName), "{", END, many(entry, 0, 3, [END]), END, "}"),
);

const isWord = (text: string, at: number) => /[\p{ID_Continue}$"'`.]/u.test(text.at(at) ?? "");
/** Signs that would be another sign side by side. */
const wouldJoin = (left: string, right: string) => /[-+*/%<>=!&|?.:]$/.test(left) && /^[-+*/%<>=!&|?.:]/.test(right);

/** Text of the pieces; the numbers decide spaces and comments, over and over. */
function written(pieces: readonly Piece[], dice: readonly number[]): string {
  let at = 0;
  const roll = () => dice[at++ % dice.length]!;
  let comments = 0;
  const space = (least: string) => {
    const n = roll();
    if (n < 50) return least;
    if (n < 60) return " ".repeat(n - 49);
    return n < 64 ? ` /* c${comments++} */ ` : least;
  };
  const lineEnd = () => {
    const n = roll();
    const comment =
      n < 20
        ? ` // c${comments++}`
        : n < 26
          ? ` /// doc ${comments++}`
          : n < 30
            ? `\n// own c${comments++}`
            : n < 33
              ? ` /* c${comments++}\n  on */`
              : "";
    return `${comment}${"\n".repeat(1 + (n % 4 === 0 ? 2 : 0))}${" ".repeat(n % 7)}`;
  };
  let text = "";
  let pending: readonly Piece[] = [];
  for (const piece of pieces) {
    if (typeof piece === "symbol") {
      pending = [...pending, piece];
      continue;
    }
    if (text !== "") {
      if (pending.includes(END)) text += lineEnd();
      else if (pending.includes(GLUE)) text += "";
      else if (pending.includes(BREAK) && roll() > 70) text += lineEnd();
      else if (pending.includes(GAP) || (isWord(text, -1) && isWord(piece, 0)) || wouldJoin(text, piece)) text += space(" ");
      else text += space("");
    }
    text += piece;
    pending = [];
  }
  return `${text}${lineEnd()}`;
}

export const program: fc.Arbitrary<string> = fc
  .tuple(many(declaration, 1, 4, [END]), fc.array(fc.nat(99), { minLength: 30, maxLength: 120 }))
  .map(([pieces, dice]) => written(pieces, dice));
