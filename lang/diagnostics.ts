// The one catalogue of what Headrace can say about a program: code, severity, message, explanation. Every message of the
// parser and the compiler is made by `report`, so text, `--json`, `explain` and `docs/errors.md` come from the same data.
// Rendering lives in `render.ts`, what stage functions do to the world and to their arguments in
// `purity.ts`, what concerns actors in `actors.ts`, what concerns files, TypeScript and the command line in `outside.ts`.
import { actors } from "./actors.ts";
import type { Span } from "./ast.ts";
import type { Entry, Severity } from "./entry.ts";
import { entry } from "./entry.ts";
import { outside } from "./outside.ts";
import { purity } from "./purity.ts";

export type { Severity } from "./entry.ts";

export interface Frame {
  readonly span: Span;
  readonly label: string;
  /** The primary frame says where the problem is; secondary ones say why. */
  readonly role: "primary" | "secondary";
}

export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  /** The first frame is primary. Frames may lie in several files. Empty only where there is no text to show. */
  readonly frames: readonly Frame[];
  readonly help: string | null;
  /** A mechanical edit, for `check --fix` and editors. */
  readonly fix: { readonly span: Span; readonly text: string } | null;
}

// HR0xx text, HR1xx names and declarations, HR2xx types and parts, HR3xx purity and ownership, HR4xx schedules and plans,
// HR5xx files and TypeScript, HR6xx the command line, HR9xx not built yet.
export const catalogue = {
  // --- Text ---
  HR001: entry<{ what: string }>({
    severity: "error",
    title: "text that the grammar has no place for",
    message: (p) => p.what,
    explain: `The parser met text that can't stand where it stands. It goes on at the end of the line, so that everything else is still checked.

    let x = 1 +                   a value was expected
    let y = 2`,
  }),
  HR002: entry<{ character: string; point: number; is?: string }>({
    severity: "error",
    title: "a character that means nothing here",
    message: (p) =>
      `\`${p.character}\` (U+${p.point.toString(16).toUpperCase().padStart(4, "0")}) ${p.is === undefined ? "means nothing here" : `is ${p.is}`}`,
    explain: `Names are made of letters, digits, \`_\` and \`$\`; strings stand in straight quotes; comments start with \`//\`. Text that was copied from a page
often has curly quotes and long dashes.`,
  }),
  HR003: entry<{ what: string; closer: string }>({
    severity: "error",
    title: "a string, template or comment without an end",
    message: (p) => `this ${p.what} has no end: ${p.closer === "`" ? "a backtick" : `\`${p.closer}\``} is missing`,
    explain: `A string ends on its own line; a template, in backticks, may have several lines.

    let name = "digits            missing: "`,
  }),
  HR004: entry<{ image: string; why: string }>({
    severity: "error",
    title: "a number that can't be read",
    message: (p) => `\`${p.image}\` isn't a number: ${p.why}`,
    explain: `Numbers are decimal, with digits on both sides of the point: \`5\`, \`0.5\`, \`1e-4\`, \`1_000_000\`. Numbers with a point or an exponent are \`float\`, others \`int\`.`,
  }),
  HR005: entry<{ unit: string; units: string }>({
    severity: "error",
    title: "a unit that there isn't",
    message: (p) => `there is no unit \`${p.unit}\``,
    explain: `A quantity is a number with a unit behind it: \`20ms 5s 10m 2h\` are times, \`512mb 2gb\` sizes.`,
  }),
  HR006: entry<{ image: string; right: string }>({
    severity: "error",
    title: "an operator of another language",
    message: (p) => `\`${p.image}\` is written \`${p.right}\``,
    explain: `\`==\` compares plain data by structure, so there is no need of a second one.`,
  }),
  HR007: entry<{ opener: string; closer: string }>({
    severity: "error",
    title: "a bracket that is never closed",
    message: (p) => `this \`${p.opener}\` is never closed`,
    explain: `Every bracket has its other half. The parser puts the missing one where the next declaration or statement plainly begins.`,
  }),
  HR008: entry<{ closer: string }>({
    severity: "error",
    title: "a bracket that closes nothing",
    message: (p) => `this \`${p.closer}\` closes nothing`,
    explain: `Every bracket has its other half; this one has none before it.`,
  }),
  HR009: entry<{ what: string }>({
    severity: "error",
    title: "a form of another language",
    message: (p) => p.what,
    explain: `Some forms are written differently here than in TypeScript:

    const x = 1                   let x = 1
    return x                      x                    (a block's value is its last expression)
    c ? a : b                     if c { a } else { b }
    w = step(w)                   w <- step(w)         (in a fit or loop)
    function f(x) { … }           in a TypeScript file, and imported
    xs |> count + 1               (xs |> count) + 1`,
  }),
  HR010: entry<Record<never, never>>({
    severity: "error",
    title: "a block's brace on a line of its own",
    message: () => "the brace of a block stands on the line of its head",
    explain: `A line that could be whole is whole: a \`{\` on the next line would begin a record.

    pipeline digits() -> float
    {                             wrong

    pipeline digits() -> float {`,
  }),
  // --- Names and declarations ---
  HR101: entry<Record<never, never>>({
    severity: "error",
    title: "a call of something that isn't a name",
    message: () => "only functions with a name can be called",
    explain: `Functions are called by their name: an imported one, a pipeline, or an operation of the language. A value is never a function.

    let y = (a ?? b)(x)           wrong
    let y = if c { a(x) } else { b(x) }`,
  }),
  HR102: entry<{ name: string }>({
    severity: "error",
    title: "a name that stands for no value",
    message: (p) => `there is no value \`${p.name}\``,
    explain: `A value has a name from its \`let\` on, to the end of its block. Params are values everywhere; functions aren't values.

    let model = train(rows)
    score(modle)                  there is no value \`modle\``,
  }),
  HR103: entry<{ name: string }>({
    severity: "error",
    title: "a function that nobody declared",
    message: (p) => `there is no function \`${p.name}\``,
    explain: `A function is imported from TypeScript, is a pipeline of the program, or belongs to the language.

    import { gradient } from "./digits.ts"

    let g = gradent(w, batch)     there is no function \`gradent\``,
  }),
  HR104: entry<{ name: string }>({
    severity: "error",
    title: "a name that is taken",
    message: (p) => `the name \`${p.name}\` is taken`,
    explain: `No value hides another, so that a name means one thing wherever it is read; nor do two declarations share one. Functions and values are
two name spaces: \`let mean = xs |> mean\` is fine.

    param seed: int = 1
    let seed = seed + 1           the name \`seed\` is taken
    let next = seed + 1`,
  }),
  HR105: entry<{ name: string }>({
    severity: "error",
    title: "a type that nobody declared",
    message: (p) => `there is no type \`${p.name}\``,
    explain: `Types are those of the language (\`int float bool string bytes timestamp\`, \`[T]\`, \`T?\`, records, \`Dataset<T>\`, \`Tensor<f32, [64, 784]>\`),
aliases (\`type Row = { … }\`), and types of TypeScript that the file imports.

    import { type Weights } from "./digits.ts"`,
  }),
  HR106: entry<{ what: string }>({
    severity: "error",
    title: "no pipeline to run, or too many",
    message: (p) => p.what,
    explain: `What runs is the pipeline named like its file, else the only one that nobody calls. Where neither says it, you do:

    headrace run steps.pipe:train`,
  }),
  HR107: entry<{ name: string }>({
    severity: "error",
    title: "a pipeline that doesn't say what it gives",
    message: (p) => `\`${p.name}\` doesn't say what it gives`,
    explain: `Types inside a pipeline are inferred, its own is written: it is what others rely on.

    pipeline digits() -> { model: Weights, accuracy: float } { … }`,
  }),
  HR108: entry<{ name: string; callee: string }>({
    severity: "error",
    title: "an argument by a name that the function doesn't know",
    message: (p) => `\`${p.callee}\` has no parameter \`${p.name}\``,
    explain: `An argument may be given by the name of its parameter, which is the name that it has in TypeScript.

    export function init(seed: int): Weights

    init(sed: 7)                  \`init\` has no parameter \`sed\``,
  }),
  HR109: entry<{ callee: string; missing: string }>({
    severity: "error",
    title: "an argument that is missing",
    message: (p) => `\`${p.callee}\` lacks ${p.missing}`,
    explain: `Every parameter needs an argument, unless TypeScript marks it optional or gives it a default.

    export function sgd(w: Weights, grad: Weights, lr: number): Weights

    w <- sgd(w, mean(g.grad))     \`sgd\` lacks \`lr\``,
  }),
  HR110: entry<{ what: string }>({
    severity: "error",
    title: "an argument that has no place",
    message: (p) => p.what,
    explain: `Arguments take the places of the parameters in order, or are named; each parameter once.

    sqrt(2.0, 3.0)                \`sqrt\` takes one argument`,
  }),
  HR111: entry<{ name: string; type: string; what?: "field" | "method" }>({
    severity: "error",
    title: "a field that the value doesn't have",
    message: (p) => `${p.type} has no ${p.what ?? "field"} \`${p.name}\``,
    explain: `A record's fields are known from its type. Rows of a data set are read one at a time, in a function.

    rows.label                    Dataset<Digit> has no field \`label\`
    rows |> map(d => d.label)`,
  }),
  HR112: entry<{ what: string }>({
    severity: "error",
    title: "a value that nobody uses",
    message: (p) => `${p.what} is used by nobody`,
    explain: `Stage functions are pure: a call whose result nobody uses does nothing, and would be left out. Name it, or make it an effect.

    notify("done")                used by nobody
    do notify("done")`,
  }),
  HR113: entry<{ name: string }>({
    severity: "error",
    title: "a pipeline, type or value that needs itself",
    message: (p) => `\`${p.name}\` needs itself`,
    explain: `Pipelines are written out where they are called, so that the whole graph is known before it runs. One that calls itself would have no end.
An alias of a type is written out too; a type that holds itself is declared in TypeScript.

    import { type Tree } from "./trees.ts"

In a notebook, a name that is given again takes the place of its older self everywhere, so it can't be made from that.

    let more = rows |> filter(r => r.ok)     and not: let rows = rows |> …`,
  }),
  HR114: entry<{ name: string; is: string }>({
    severity: "error",
    title: "a param of a type that can't be given",
    message: (p) => `the param \`${p.name}\` can't be ${p.is}`,
    explain: `Params are given on the command line: \`int\`, \`float\`, \`bool\`, \`string\`, each with \`?\` where it may be left out.

    param epochs: int = 5`,
  }),
  HR115: entry<{ what: string; why: string }>({
    severity: "error",
    title: "a constant that isn't one, or lies outside its range",
    message: (p) => `${p.what}: ${p.why}`,
    explain: `Defaults and ranges of params are known before anything runs: numbers, strings, \`true\`, \`false\`, \`null\`.

    param lr: float = 0.3 in 0.0..1.0`,
  }),
  HR116: entry<{ name: string }>({
    severity: "warning",
    title: "a value or param that nobody reads",
    message: (p) => `nobody reads \`${p.name}\``,
    explain: `What no result needs is left out of the plan, so this value is never computed. Often another name was meant to be read.

    let { train, test } = rows |> split(train: 0.8, test: 0.2)
    train |> mean(score)          nobody reads \`test\``,
  }),
  HR117: entry<Record<never, never>>({
    severity: "error",
    title: "rows that failed, and that nobody looks at",
    message: () => "nobody reads the rows for which this `attempt` failed",
    explain: `\`attempt\` turns failures into data: \`ok\` holds what the function gave, \`failed\` the other rows, each with its error. Rows must not
vanish without a word, so \`failed\` is to be read: as a result, or by what is expected of it.

    let { ok, failed } = lines |> attempt(parse)
    expect count(failed) < 10, "too many bad lines"`,
  }),
  HR118: entry<{ what: string; where: string }>({
    severity: "error",
    title: "a statement that stands elsewhere",
    message: (p) => `${p.what} stands ${p.where}`,
    explain: `\`keep\` and \`stop after\` say what becomes of a \`fit\` after each epoch; \`on failure\` is the last thing in a pipeline.

    let model = fit w = init(seed) over batch in batches for 30 {
      w <- step(w, batch)
    } each epoch {
      track valLoss = valid |> mean(d => loss(w, d))
      keep w minimizing valLoss
      stop after 3 without improvement of valLoss
    }`,
  }),
  HR119: entry<Record<never, never>>({
    severity: "error",
    title: "a `do` of something that does nothing",
    message: () => "`do` wants a call",
    explain: `\`do\` stands before a call that acts on the world outside: of a function, most often one tagged \`@effect\`.

    do notify("done")`,
  }),
  HR120: entry<{ what: string; where: string; why: string }>({
    severity: "error",
    title: "what needs a task of its own, inside one",
    message: (p) => `${p.what} can't stand in ${p.where}: ${p.why}`,
    explain: `A function of rows, and the body of a \`fit\`, are computed inside a task, which may run again after a loss. An effect, or a value with a
deadline, gets a task of its own: in the block of a pipeline, an \`if\`, a \`for\` or a \`loop\`.

    for user in users {
      do notify(user)
    }`,
  }),
  HR121: entry<{ name: string }>({
    severity: "remark",
    title: "an `on failure` of a pipeline that is called",
    message: (p) => `the \`on failure\` of \`${p.name}\` isn't run where \`${p.name}\` is called`,
    explain: `A failure ends the whole run, so only the pipeline that runs answers to it. A pipeline that is called is written out in the call's place.`,
  }),
  HR122: entry<{ name: string }>({
    severity: "error",
    title: "a param that two files declare differently",
    message: (p) => `two files declare the param \`${p.name}\`, and differently`,
    explain: `Params of the files that a program reads are flags of the program, one for each name. Where two files declare the same one, with the same
type, default and range, it is one flag that both read. Declared differently, nobody could say which default holds.

    param seed: int = 1           main.pipe
    param seed: int = 7           clean.pipe

Declare both alike, or make it a parameter of the pipeline, which its callers give.

    pipeline clean(raw: Dataset<Row>, seed: int = 7) -> Dataset<Row> { … }`,
  }),
  HR123: entry<{ what: string }>({
    severity: "error",
    title: "arguments of a type that don't fit its parameters",
    message: (p) => p.what,
    explain: `An alias with parameters is used with as many arguments: types, or dimensions where its parameter stands among a tensor's dimensions. A
dimension is a number, a symbol that the pipeline's signature binds in each call, a product of these, or \`?\` for any.

    type Batch<B> = { x: Tensor<f32, [B, 784]>, y: Tensor<i32, [B]> }
    type Pair<T> = { a: T, b: T }

    pipeline step(batch: Batch<64>, range: Pair<float>) -> float { … }`,
  }),
  HR124: entry<{ name: string }>({
    severity: "error",
    title: "a dimension that nobody declared",
    message: (p) => `there is no dimension \`${p.name}\``,
    explain: `In an alias a dimension is a number, \`?\`, or one of the alias's parameters; a symbol that nothing binds would fit everything.

    type Images = Tensor<f32, [N, 784]>         there is no dimension \`N\`
    type Images<N> = Tensor<f32, [N, 784]>`,
  }),
  HR125: entry<{ callee: string; first: string; second: string }>({
    severity: "error",
    title: "two arguments in each other's place",
    message: (p) => `\`${p.callee}\` takes \`${p.first}\` before \`${p.second}\``,
    explain: `Neither of the two arguments fits where it stands, and each fits where the other does. \`headrace check --fix\` puts them right; arguments
that are given by name may stand in any order.

    judge(row, model)                 \`judge\` takes \`model\` before \`row\`
    judge(model, row)
    judge(row: row, model: model)`,
  }),
  // --- Types and parts ---
  HR201: entry<{ callee: string; parameter: string /** `field \`a\` of `, or nothing. */; inside: string; is: string; needs: string }>({
    severity: "error",
    title: "an argument of the wrong type",
    message: (p) => `${p.inside}\`${p.parameter}\` of \`${p.callee}\` needs ${p.needs}, not ${p.is}`,
    explain: `The compiler reads the signatures of your TypeScript and checks every edge of the graph against them, before anything runs. One frame
shows the edge, the other the parameter.

    export function predict(w: View<Weights>, digit: Digit): int

    predict(digit, model)         \`w\` of \`predict\` needs Weights, not Digit`,
  }),
  HR202: entry<{ what: string; is: string; needs: string }>({
    severity: "error",
    title: "a value of the wrong type",
    message: (p) => `${p.what} is ${p.is}, and needs to be ${p.needs}`,
    explain: `The value and the place where it stands disagree. An \`int\` may stand for a \`float\`, a list for a data set, a record with more fields for
one with fewer; nothing else is turned into something else.`,
  }),
  HR203: entry<{ operator: string; operands: string }>({
    severity: "error",
    title: "an operator on values that it isn't for",
    message: (p) => `\`${p.operator}\` isn't for ${p.operands}`,
    explain: `Arithmetic takes numbers, \`&& || !\` take \`bool\`, comparison takes two numbers or two strings, \`==\` two values of one kind. Text is put
together by templates, as in TypeScript.`,
  }),
  HR204: entry<{ what: string; into: string }>({
    severity: "error",
    title: "a part of a batch reaches the update",
    message: (p) => `\`${p.what}\` reaches ${p.into} before its parts are combined`,
    explain: `A batch may be computed in parts, on several slots at once. What depends on \`batch\` is therefore one value per part, until \`mean\` (weighted by
rows), \`sum\`, \`min\`, \`max\` or \`concat\` makes one of them. That is the boundary between the work of the slots and the update, and it doesn't
depend on the schedule.

    let g = gradient(w, batch)
    w <- sgd(w, g.grad, lr)           wrong: g.grad is one per part
    w <- sgd(w, mean(g.grad), lr)`,
  }),
  HR205: entry<{ callee: string; is: string }>({
    severity: "error",
    title: "rows are wanted, and something else stands there",
    message: (p) => `\`${p.callee}\` needs rows, a data set or a list, not ${p.is}`,
    explain: `\`map filter shuffle mean\` and their kind work on rows: on data sets, and on lists, which TypeScript calls arrays.`,
  }),
  HR206: entry<{ what: string }>({
    severity: "error",
    title: "a function where a value is wanted, or the other way round",
    message: (p) => p.what,
    explain: `Functions are no values: they stand as arguments of \`map\`, \`filter\` and their kind, as a lambda or by name, and nowhere else.

    rows |> map(d => d.label)
    rows |> map(predict)`,
  }),
  HR207: entry<{ stage: string; is: string }>({
    severity: "error",
    title: "a value that can't leave the process that made it",
    message: (p) => `\`${p.stage}\` gives ${p.is}, which can't leave the process that made it`,
    explain: `What a stage gives is stored, and read by stages in other threads and on other machines. Plain data, typed arrays and tensors can be sent; a
function, an open connection or an instance of a class with methods can't. Compute what you need of it inside one function.

    export function connect(url: string): Socket            can't be a stage
    export function fetchRows(url: string): Row[]           connects, reads, and gives data`,
  }),
  HR208: entry<{ what: string }>({
    severity: "error",
    title: "a value that may be null",
    message: (p) => `\`${p.what}\` is read of a value that may be null`,
    explain: `What may be missing has a type with \`?\`. Say what stands for it, or ask for the field where there is one.

    row.name.len                  name may be null
    (row.name ?? "").len
    row?.name`,
  }),
  HR209: entry<{ what: string }>({
    severity: "error",
    title: "a carried value that is given or read wrongly",
    message: (p) => p.what,
    explain: `A \`fit\` carries a value from batch to batch, a \`loop\` from one round to the next. Its body gives the next one by \`<-\`, once, after all that read the old one.

    let model = fit w = init(seed)
    over batch in batches for 5 {
      let g = gradient(w, batch)
      w <- sgd(w, mean(g.grad), lr)
    }`,
  }),
  HR210: entry<{ callee: string; is: string }>({
    severity: "error",
    title: "values that can't be combined this way",
    message: (p) => `\`${p.callee}\` can't combine ${p.is}`,
    explain: `\`mean\` and \`sum\` add: numbers, \`Float32Array\`, \`Float64Array\`, tensors, and records and lists of those. \`min\` and \`max\` compare numbers, \`any\` and \`all\` take
\`bool\`s, \`concat\` takes lists.`,
  }),
  HR211: entry<Record<never, never>>({
    severity: "remark",
    title: "a shuffle that is the same in every epoch",
    message: () => "every epoch sees its rows in the same order",
    explain: `\`over\` is computed anew in each epoch, and \`epoch\` (from 0) is in scope there. A shuffle's order goes by its seed alone.

    over batch in train |> shuffle(seed: 1) |> batches(64)            the same in every epoch
    over batch in train |> shuffle(seed: 1 + epoch) |> batches(64)`,
  }),
  HR212: entry<{ is: string }>({
    severity: "error",
    title: "a key that can't be compared",
    message: (p) => `rows can't be grouped by ${p.is}`,
    explain: `Rows with equal keys are one group. Keys are plain data that can be compared: text, numbers, bools, times, and records and lists of those.

    rows |> groupBy(r => r.carrier)
    rows |> groupBy(r => { origin: r.origin, month: month(r.date) })`,
  }),
  HR213: entry<{ name: string }>({
    severity: "error",
    title: "an argument of `agg` that isn't a reduction",
    message: (p) => `\`${p.name}\` of \`agg\` has to be a reduction`,
    explain: `Each argument of \`agg\` is one reduction without its rows, under the name that its result gets. What is computed from several of them comes after.

    rows |> agg(n: count(), late: mean(r => r.delay), worst: max(r => r.delay))
    rows |> agg(low: min(r => r.t), high: max(r => r.t))                             one record: .low, .high
    groups |> agg(n: count(), late: sum(r => r.late)) |> map(g => { ...g, share: g.late / g.n })`,
  }),
  HR214: entry<{ name: string }>({
    severity: "error",
    title: "a metric that nothing tracks",
    message: (p) => `nothing tracks \`${p.name}\` in this epoch block`,
    explain: `\`keep\` and \`stop after\` go by a number that the epoch block tracks.

    each epoch {
      track valLoss = valid |> mean(d => loss(w, d))
      keep w minimizing valLoss
    }`,
  }),
  HR215: entry<Record<never, never>>({
    severity: "error",
    title: "a deadline that is no time",
    message: () => "`within` wants a time",
    explain: `A deadline is a number with a unit: \`20ms\`, \`5s\`, \`10m\`. When it is over the call is ended, and what stands behind \`else\` is computed.

    let answer = ask(model, question) within 200ms else fallback(question)`,
  }),
  HR220: entry<{ format: string; is: string }>({
    severity: "error",
    title: "a reader of something that isn't a file",
    message: (p) => `\`${p.format}\` reads a file, not ${p.is}`,
    explain: `Files come into a program as params, so that a run knows what it read: by content, before anything runs. A path alone is text.

    param flights: file = "flights.csv"          relative to the program; --flights PATH is relative to where you are
    param logs: files = "logs/*.jsonl"           all that the pattern finds, by path

    csv<Flight>(flights)`,
  }),
  HR221: entry<{ format: string; why: string }>({
    severity: "error",
    title: "rows that a reader can't give",
    message: (p) => `\`${p.format}\` ${p.why}`,
    explain: `\`csv\` and \`jsonLines\` hold each row to a type, and fail where one doesn't fit. A CSV row is a record whose fields are the columns that are wanted:
\`int float bool string timestamp\` or literals, with \`?\` where they may be empty. A JSON row is any plain data. What a row has besides is left out.

    type Flight = { carrier: string, delay: float?, date: timestamp }

    csv<Flight>(flights)
    jsonLines<Flight>(flights)`,
  }),
  HR222: entry<{ callee: string; unfit: string }>({
    severity: "error",
    title: "rows that a writer can't write",
    message: (p) => `\`${p.callee}\` can't write ${p.unfit}`,
    explain: `A CSV file holds records of text, numbers, bools and times; a text file a line for each row of text; JSON Lines any plain data. Typed arrays, tensors and
objects that only TypeScript knows have no place in them.

    do rows |> map(r => { id: r.id, best: r.scores[0] }) |> writeCsv("best.csv")
    do rows |> map(r => \`\${r.id}: \${r.name}\`) |> writeText("names.txt")`,
  }),
  ...purity,
  ...actors,
  // --- Schedules and plans ---
  HR401: entry<{ name: string }>({
    severity: "error",
    title: "a schedule that nobody declared",
    message: (p) => `there is no schedule \`${p.name}\``,
    explain: `\`--schedule NAME\` picks a \`schedule\` of the program. Without it all is \`auto\`: row-wise stages over all slots, \`fit\` sequential.`,
  }),
  HR402: entry<{ path: string }>({
    severity: "error",
    title: "a schedule names a stage that isn't there",
    message: (p) => `there is no stage \`${p.path}\``,
    explain: `A stage goes by the names of its \`let\`s: \`accuracy\`, and inside a pipeline that is called, \`report.accuracy\`. \`*\` is all, \`report.*\` all inside one.
\`headrace plan FILE\` lists them.`,
  }),
  HR403: entry<{ what: string }>({
    severity: "error",
    title: "a strategy that there isn't",
    message: (p) => p.what,
    explain: `A stage runs as \`task\`, as \`data(n)\` on at most n slots, as \`data!(n)\` (an error where that can't be), or \`auto\`.

    schedule laptop {
      accuracy: data!(2)
      *: auto
    }`,
  }),
  HR404: entry<{ stage: string; why: string }>({
    severity: "error",
    title: "a strategy is demanded that can't be",
    message: (p) => `\`${p.stage}\` can't be split over data: ${p.why}`,
    explain: `\`data!(n)\` demands. A stage can be split over data where it works row by row, or reduces rows: each block is then a task. A stage that calls one
function once has nothing to split. Without \`!\` it falls back to \`task\`.`,
  }),
  HR405: entry<{ stage: string; why: string }>({
    severity: "remark",
    title: "a strategy that falls back to one task",
    message: (p) => `\`${p.stage}\` runs as one task: ${p.why}`,
    explain: `\`data(n)\` asks, and falls back to \`task\` where a stage can't be split. \`data!(n)\` makes that an error.`,
  }),
  HR406: entry<{ name: string }>({
    severity: "error",
    title: "a stage option that there isn't",
    message: (p) => `there is no option \`${p.name}\``,
    explain: `Options stand in braces after the strategy: \`timeout\` (\`10m\`), \`memory\` (\`2gb\`), \`retries\` (a number), \`label\` (on a cluster: of
the workers that may have its tasks), and of a \`fit\` \`checkpoint\` (steps after which it can go on from where it was).

    features: data(4) { timeout: 10m, retries: 3 }`,
  }),
  HR407: entry<{ name: string; wants: string }>({
    severity: "error",
    title: "a stage option of the wrong kind",
    message: (p) => `\`${p.name}\` is ${p.wants}`,
    explain: `\`timeout\` is a time (\`20ms 5s 10m 2h\`), \`memory\` a size (\`512mb 2gb\`), \`retries\` a whole number, \`checkpoint\` a number of steps, \`label\`
a word.`,
  }),
  HR408: entry<{ path: string }>({
    severity: "error",
    title: "a stage that a schedule names twice",
    message: (p) => `\`${p.path}\` is named twice in this schedule`,
    explain: `Each stage has one entry; which of two holds would depend on their order. \`*\` and \`report.*\` may stand beside entries that say more exactly
what they speak of.

    schedule laptop {
      accuracy: data(2) { retries: 3 }
      *: auto
    }`,
  }),
  HR409: entry<{ what: string }>({
    severity: "error",
    title: "a schedule for another pipeline",
    message: (p) => p.what,
    explain: `A schedule says how the stages of one pipeline run: of the one after \`for\`, else of the entry.

    schedule lab for scoring { model: task }     of no use where \`digits\` runs
    headrace run digits.pipe:scoring --schedule lab`,
  }),
  HR410: entry<{ stage: string }>({
    severity: "error",
    title: "a stage whose expression is nested too deeply",
    message: (p) => `the expression of \`${p.stage}\` is nested more deeply than a task can be sent`,
    explain: `What a task computes is sent to the slot that computes it, as a tree. A sum of hundreds of terms is a tree of hundreds of levels.

    let total = a + b + … + z                     too deep
    let total = [a, b, …, z] |> sum`,
  }),
  HR411: entry<{ stage: string; architecture: string; why: string }>({
    severity: "error",
    title: "a `fit` that an architecture can't train",
    message: (p) => `\`${p.stage}\` can't be trained by \`${p.architecture}\`: ${p.why}`,
    explain: `An architecture says how a \`fit\` is spread over members. What it can't carry is an error, never replaced by another way: most of them change the
arithmetic.

    model: data(2) allreduce                       each batch, a list of rows, in 2 parts; what the fold gives, to rounding
    model: data(2) allreduce(batch: perWorker)     2 batches a step
    model: data(2) average(every: 8)               2 folds side by side, averaged every 8 steps; without \`every\` once at the end
    model: data(2) hogwild                         2 members write one state without locks; \`atomic: true\` loses no update
    model: data(2) downpour(push: 4, fetch: 4)     2 replicas that push what they gathered and fetch what is there
    model: data(2) parameterServer(servers: 2, staleness: 1)
    model: model(2) pipelined(microbatches: 8)     layers of a \`Model\` over 2 places; gradients to rounding
    model: model(2) tensor                         columns and rows of its layers over 2 places

A parameter server updates key ranges alone, and a place its own layers: the functions that get what is carried or combined say by \`@elementwise\` that they work number by number.`,
  }),
  ...outside,
  // --- Not built yet ---
  HR901: entry<{ form: string }>({
    severity: "error",
    title: "a form of the language that isn't built yet",
    message: (p) => `${p.form} isn't built yet`,
    explain: `The form belongs to the language and is read, but this version can't run it.`,
  }),
} as const;

export type Code = keyof typeof catalogue;
type ParametersOf<C extends Code> = (typeof catalogue)[C] extends Entry<infer P> ? P : never;

export function report<C extends Code>(
  code: C,
  parameters: ParametersOf<C>,
  frames: readonly Frame[],
  more: { help?: string; fix?: { span: Span; text: string } } = {},
): Diagnostic {
  const found = catalogue[code] as unknown as Entry<ParametersOf<C>>;
  return { code, severity: found.severity, message: found.message(parameters), frames, help: more.help ?? null, fix: more.fix ?? null };
}
