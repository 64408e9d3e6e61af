// Who comes first: the places of ready stages among each other, and of those that could bring more to life. Must not know what is done
// with the first.
import type { Plan, PlanInput } from "../../compiler/plan.ts";
import type { Stage, State } from "./model.ts";

/** Older instances before younger ones; what takes the results of an instance before the instance itself. */
function before(a: readonly number[], b: readonly number[]): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

function insert(list: Stage[], stage: Stage, inner: -1 | 1): void {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = list[middle]!;
    const order = before(other.key, stage.key);
    // Of two, one of which stands inside the other, `inner` says which is first.
    const nested = other.key.length !== stage.key.length && isPrefix(other.key, stage.key);
    if ((nested ? order * inner : order) <= 0) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, stage);
}

function isPrefix(a: readonly number[], b: readonly number[]): boolean {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function listReady(state: State, stage: Stage): void {
  if (stage.listed) return;
  stage.listed = true;
  insert(state.ready, stage, 1);
}

/** What has begun is ended first: an `each` inside goes before the one around it. */
export function listExpandable(state: State, stage: Stage): void {
  if (stage.control?.kind !== "each" || stage.control.listed) return;
  stage.control.listed = true;
  insert(state.expandable, stage, -1);
}

/**
 * The stage from which the longest chain of waits leads to the end goes first. One-to-one edges aren't waits: along them the
 * later stage goes first, so that outputs are consumed before more are made.
 */
export function priorities(plan: Plan): { readonly places: readonly number[]; readonly heights: readonly number[] } {
  const edges = consumers(plan);
  const height = new Array<number>(plan.stages.length).fill(0);
  // Stages stand after those that they read, but what control stages hand on needs another look.
  let changed = true;
  for (let round = 0; changed && round < 4; round++) {
    changed = false;
    for (let index = height.length - 1; index >= 0; index--) {
      for (const { to, wait } of edges[index]!) {
        if (height[index]! >= height[to]! + wait) continue;
        height[index] = height[to]! + wait;
        changed = true;
      }
    }
    if (plan.regions.length === 0) break;
  }
  const places = new Array<number>(height.length).fill(0);
  const order = height.map((_, index) => index).sort((a, b) => height[b]! - height[a]! || b - a);
  order.forEach((index, place) => {
    places[index] = place;
  });
  return { places, heights: height };
}

const isOneToOne = (input: PlanInput): boolean =>
  input.kind === "block" || input.kind === "item" || (input.kind === "actor" && input.which === "each");

function consumers(plan: Plan): { readonly to: number; readonly wait: 0 | 1 }[][] {
  const edges: { to: number; wait: 0 | 1 }[][] = plan.stages.map(() => []);
  plan.stages.forEach(({ inputs, tasks }, to) => {
    for (const input of inputs) if ("stage" in input) edges[input.stage]!.push({ to, wait: isOneToOne(input) ? 0 : 1 });
    switch (tasks.kind) {
      case "branch":
        for (const { given, then, else: otherwise } of tasks.gives)
          for (const from of [to, then, otherwise]) edges[from]!.push({ to: given, wait: 0 });
        for (const region of [tasks.then, tasks.else])
          for (const stage of plan.regions[region]!.stages) edges[to]!.push({ to: stage, wait: 0 });
        return;
      case "loop":
        for (const { given, init, next, final } of tasks.carried) {
          edges[init]!.push({ to: given, wait: 0 });
          for (const from of [to, next]) edges[from]!.push({ to: final, wait: 0 });
        }
        edges[tasks.decision]!.push({ to, wait: 1 });
        return;
    }
  });
  return edges;
}
