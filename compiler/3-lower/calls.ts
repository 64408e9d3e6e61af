// In which order actors are asked: as the text says, but for calls that change nothing, or that any actor of a pool may have, which may overlap.
// What stands in a region comes, for whatever stands beside its control stage, in the place of that.
import type { Draft, Region } from "./draft.ts";

/** Stages that ask the same actors wait for each other. */
export function orderCalls(reached: readonly Draft[], readsOf: (draft: Draft) => readonly Draft[]): void {
  const callers = reached.filter(({ asks }) => asks !== null);
  if (callers.length === 0) return;
  const places = new Map(asWritten(reached, readsOf).map((draft, place) => [draft, place]));
  const spawned = new Set(callers.map(({ asks }) => asks!.of));
  for (const actors of spawned) {
    const byRegion = new Map<Region, Map<Draft, Manner>>();
    for (const draft of callers) {
      if (draft.asks!.of !== actors) continue;
      const manner = mannerOf(draft);
      let at = draft;
      for (let region: Region | null = draft.region; region?.isInside(actors.region); region = region.around) {
        const items = byRegion.get(region) ?? new Map<Draft, Manner>();
        byRegion.set(region, items);
        items.set(at, (items.get(at) ?? manner) === manner ? manner : "alone");
        if (!region.control) break;
        at = region.control;
      }
    }
    for (const items of byRegion.values()) chain(items, places);
  }
}

/** Calls that change nothing may overlap each other, and so may calls that go to whichever of a pool is free. */
type Manner = "alone" | "reads" | "free";

function mannerOf({ asks }: Draft): Manner {
  if (asks!.reads) return "reads";
  return asks!.which === "free" ? "free" : "alone";
}

/** Neighbours of one manner overlap; each waits for all before them. */
function chain(items: ReadonlyMap<Draft, Manner>, places: ReadonlyMap<Draft, number>): void {
  let before: Draft[] = [];
  let together: Draft[] = [];
  let manner: Manner = "alone";
  for (const [draft, its] of [...items].sort(([a], [b]) => places.get(a)! - places.get(b)!)) {
    if (its === "alone" || its !== manner) {
      before = together;
      together = [];
      manner = its;
    }
    for (const one of before) draft.use({ kind: "after", of: one });
    together.push(draft);
  }
}

/** Each after those that it reads, and as far as that leaves it open in the order in which they were made. */
function asWritten(drafts: readonly Draft[], readsOf: (draft: Draft) => readonly Draft[]): Draft[] {
  const byText = (some: readonly Draft[]) => some.toSorted((a, b) => a.made - b.made);
  const seen = new Set<Draft>();
  const order: Draft[] = [];
  const visit = (draft: Draft): void => {
    if (seen.has(draft)) return;
    seen.add(draft);
    for (const read of byText(readsOf(draft))) visit(read);
    order.push(draft);
  };
  for (const draft of byText(drafts)) visit(draft);
  return order;
}
