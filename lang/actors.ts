// The part of the catalogue about actors: classes whose instances keep state between calls. Must not know how entries are made into
// diagnostics.
import { entry } from "./entry.ts";

export const actors = {
  HR130: entry<{ what: string }>({
    severity: "error",
    title: "actors that aren't made or asked as such",
    message: (p) => p.what,
    explain: `An actor is an instance of a class that is imported with \`actor\`: it lives in one slot, and keeps its state between calls. \`spawn\` makes one, or
several by their number; a call goes to one of them, of a pool to whichever is free; \`each\` asks all.

    import { actor Sim } from "./sim.ts"

    let sim = spawn(Sim(seed: 7))
    let sims = spawn(4, i => Sim(seed: i))

    sim.step(x)                            one call
    xs |> map(x => sims.score(x))          each row goes to the next that is free
    sims |> each(a => a.rollout(policy))   the list of what they give, in their order
    do sims |> each(a => a.reset())        for what it does

    spawn(Scores(), named: "scores")       kept under that name for the next run: needs \`checkpoint\` and \`restore\``,
  }),
  HR131: entry<{ name: string; what: string }>({
    severity: "error",
    title: "a class that can't be an actor, or not in this way",
    message: (p) => `\`${p.name}\` can't be used so: ${p.what}`,
    explain: `An actor's class has a public constructor. It is lost with its slot, and the run with it, unless its doc comment says \`@replayed\`: then it is made
again by its constructor, and its calls are applied again. With \`checkpoint\` and \`restore\` only those since the last checkpoint are.

    /** @replayed */
    export class Scores {
      constructor(seed: number) { … }
      add(score: number): number { … }
      /** @reads */                        changes nothing: such calls may run side by side
      best(): number { … }
      checkpoint(): Saved { … }
      restore(saved: Saved): void { … }
    }`,
  }),
  HR311: entry<{ what: string; as: string }>({
    severity: "error",
    title: "an actor where a value is wanted",
    message: (p) => `${p.what} can't become ${p.as}: an actor stays where it lives`,
    explain: `An actor is an instance of a class that keeps state between calls. It lives in one slot, and what is sent to it are calls. It can be named by \`let\`,
handed to a pipeline (\`pool: Pool<Sim>\`, \`sim: Actor<Sim>\`), and asked; it can't be stored, sent, or be part of a value.

    let sims = spawn(4, i => Sim(seed: i))
    rows |> map(r => { sim: sims, row: r })        no
    rows |> map(r => sims.score(r))                yes: whichever is free`,
  }),
  HR312: entry<{ stage: string; first: string; other: string }>({
    severity: "error",
    title: "actors of two kinds in one function of rows",
    message: (p) => `\`${p.stage}\` asks actors of \`${p.first}\` and of \`${p.other}\` for each row`,
    explain: `A stage that asks an actor runs where that actor lives, so that the call costs nothing on the way. Two of them may live in two places: ask the one
for all rows first, and the other for what that gave.

    rows |> map(r => judges.score(sims.play(r)))                      no
    rows |> map(r => sims.play(r)) |> map(g => judges.score(g))       yes`,
  }),
} as const;
