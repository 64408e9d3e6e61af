// The part of the catalogue about what stage functions do to the world and to their arguments (HR3xx). Must not know how entries are made
// into diagnostics.
import { entry } from "./entry.ts";

export const purity = {
  HR301: entry<{ callee: string; parameter: string }>({
    severity: "remark",
    title: "a value that is copied for each row",
    message: (p) => `\`${p.callee}\` may change its \`${p.parameter}\`, so each row gets a copy`,
    explain: `A parameter of a mutable type is its function's own. A value that every row is given has to be copied for each of them, lest one row see
what another did. A read-only type shares it: \`View<Weights>\`, \`readonly number[]\`.

    export function predict(w: Weights, digit: Digit): int          copied
    export function predict(w: View<Weights>, digit: Digit): int    shared`,
  }),
  HR302: entry<{ callee: string }>({
    severity: "error",
    title: "an effect that is called as if it were a value",
    message: (p) => `\`${p.callee}\` is an effect, and is called through \`do\``,
    explain: `A stage function may be left out, run again after a loss, or run elsewhere. One tagged \`@effect\` changes the world, so it is called through
\`do\`: never left out, and ordered among the others.

    /** @effect */
    export function notify(text: string): void

    do notify("done")`,
  }),
  HR303: entry<{ callee: string; what: string }>({
    severity: "remark",
    title: "a stage function that depends on the world outside",
    message: (p) => `\`${p.callee}\` ${p.what}, so the same arguments may give another result`,
    explain: `A stage function is taken to be pure: its result may be kept, made again after a loss, or made elsewhere. One that reads files, the network,
the environment, the clock or random numbers gives another result another time. Say what it depends on, or say that it is so:

    export function stamp(rows: Row[]): Row[] { … the clock … }      another result each time
    export function stamp(rows: Row[], now: number): Row[]             a param says when: the same run again gives the same

    /** @volatile */      it reads the world: once a run, and what it read counts
    /** @effect */        it acts on the world: called through \`do\`
    import { resource connect } from "./store.ts"      made once a slot, and kept there

What the function doesn't use isn't held against it, whatever its file imports. Packages aren't looked into.`,
  }),
  HR304: entry<{ callee: string; variable: string }>({
    severity: "remark",
    title: "a stage function that depends on a variable of its module",
    message: (p) => `\`${p.callee}\` depends on \`${p.variable}\`, a variable of its module that functions change`,
    explain: `Each stage function is loaded with a copy of its module of its own, once in every slot. What one call leaves in a variable, another call may
find there or not, and another stage never does.

    let count = 0;
    export function number(row: Row): Row { return { ...row, id: count++ }; }       ids begin anew in each slot
    rows |> withIndex |> map(p => number(p.row, p.index))                            the same ids everywhere

What is costly to make and kept for many calls is a \`resource\`: made once a slot, and handed to the functions that use it.`,
  }),
  HR305: entry<{ tag: string; callee: string }>({
    severity: "warning",
    title: "a tag that says nothing",
    message: (p) => `\`@${p.tag}\` says nothing about \`${p.callee}\``,
    explain: `A tag of a stage function's doc comment says how it may be run; a misspelt one would be dropped silently.

    @effect        it acts on the world: called through \`do\`, never left out
    @volatile      it reads the world: once a run
    @associative   of two values, for \`reduce\`: blocks may be put together in pairs
    @elementwise   of a list: each item by itself`,
  }),
  HR306: entry<{ as: string }>({
    severity: "error",
    title: "a secret where it would be kept or seen",
    message: (p) => `a secret can't become ${p.as}: only effects and resources are given one`,
    explain: `What stages give is stored and may be shown; what they are given makes the keys by which results are found again. A secret stays out of all
that: it goes from a \`param\` straight to a function tagged \`@effect\` or to a \`resource\`, which keeps it in its slot.

    param token: secret
    rows |> map(r => send(token, r))              no: \`send\` is taken to be pure
    let store = connect(token)                    with \`import { resource connect } from "./store.ts"\`
    rows |> map(r => send(store, r))              yes`,
  }),
  HR307: entry<{ name: string | null; as: string }>({
    severity: "error",
    title: "a resource that would leave its slot",
    message: (p) =>
      `${p.name === null ? "a resource" : `the resource \`${p.name}\``} can't become ${p.as}: it stays in the slot that made it`,
    explain: `A \`resource\` is made once in each slot that needs it (for the same arguments), kept for the run, and disposed of at its end. It is no data: it
can't be stored, sent, or be part of a value. It can be named by \`let\`, handed to a pipeline, and be an argument of the functions that use it.

    let s = session(modelPath)
    rows |> map(r => { session: s, row: r })      no
    rows |> map(r => predict(s, r))               yes: made once a slot, not once a row`,
  }),
  HR308: entry<{ callee: string; parameter: string; stage: string }>({
    severity: "error",
    title: "a function that changes what it takes as read-only",
    message: (p) => `${p.callee} changed its \`${p.parameter}\` in the stage \`${p.stage}\`, and takes it as read-only`,
    explain: `A parameter of a read-only type (\`View<…>\`, \`ReadonlyTensor\`, \`readonly T[]\`) shares memory with everybody else who reads the value.
TypeScript keeps a function from changing it, unless a cast takes that away; then the others read what it wrote, or half of it. \`headrace run --check\`
compares each such argument before and after every call.

    export function scale(w: View<Float32Array>): Float32Array {
      const own = w as Float32Array;           // still everybody's
      own[0] = 0;

    const own = Float32Array.from(w);          // a copy
    export function scale(w: Float32Array)     // or its own from the start`,
  }),
  HR309: entry<{ callees: string; stage: string }>({
    severity: "error",
    title: "a pure stage that gives something else for the same arguments",
    message: (p) => `\`${p.stage}\` gave something else when it was run again on the same arguments: ${p.callees}`,
    explain: `\`headrace run --check\` computes the first blocks of each stage twice, where nothing says that its functions depend on the world outside (a
\`fit\` is left out). If the results differ, a function isn't pure: a random number or a time deep inside a package, an order that depends on timing, a
variable that one call leaves for the next. Results that are kept, or made again after a loss, would differ as well.`,
  }),
  HR310: entry<{ callee: string }>({
    severity: "remark",
    title: "a reduction whose function isn't known to be associative",
    message: (p) => `\`reduce\` puts blocks together in pairs, and nothing says that \`${p.callee}\` is associative`,
    explain: `\`reduce\` folds each block of rows and then combines neighbours, the same way under every schedule. That is what a loop over all rows gives only where
\`f(f(a, b), c)\` is \`f(a, f(b, c))\`. The function's author says so by a tag.

    /** @associative */
    export function merge(a: Summary, b: Summary): Summary

    summaries |> reduce(merge)`,
  }),
} as const;
