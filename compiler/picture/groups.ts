// How a large picture stays readable: groups close into one box with a count, innermost first, until few enough boxes are left; where
// names give too few groups, neighbouring levels of the graph are made some. A group closes only where no cycle comes of it.
import { GraphIndex } from "../graph.ts";
import type { Box, Edge, Group, Picture } from "./picture.ts";

/** More boxes than this are too many to be looked at. */
const MOST_BOXES = 60;
/** Into how many pieces levels are cut, about. */
const PIECES = 24;
/** A param with more readers than this is named in their boxes. */
const MOST_READERS = 3;
/** In a larger picture only what can't be guessed is written along edges. */
const MOST_LABELLED = 24;

export interface Showing {
  /** Names of groups that stay open, with those around them. */
  readonly expand: readonly string[];
  /** Nothing closes. */
  readonly all: boolean;
}

/** The picture as it is shown: closed groups are boxes. Also the names of all groups. */
export function grouped(given: Picture, { expand, all }: Showing): { readonly shown: Picture; readonly names: readonly string[] } {
  const picture = withoutTangles(given);
  const { shown, names } = closed(picture, expand, all);
  return { shown: plainer(shown), names };
}

function closed(picture: Picture, expand: readonly string[], all: boolean): { readonly shown: Picture; readonly names: readonly string[] } {
  if (all || picture.boxes.length <= MOST_BOXES) return { shown: picture, names: picture.groups.map(({ name }) => name) };
  const tree = new Tree(withLevels(withEnds(picture)));
  const ids = tree.close(MOST_BOXES);
  for (const { id, name } of tree.picture.groups) if (expand.includes(name)) for (const one of tree.upward(id)) ids.delete(one);
  return { shown: tree.shown(ids), names: tree.picture.groups.map(({ name }) => name) };
}

/** Without lines that lead from everywhere to everywhere, and words that everybody knows by then. */
function plainer(picture: Picture): Picture {
  const readers = new Map<string, string[]>();
  for (const { from, to, kind } of picture.edges) if (kind === "param") readers.set(from, [...(readers.get(from) ?? []), to]);
  const named = new Set([...readers].filter(([, all]) => all.length > MOST_READERS).map(([id]) => id));
  const titles = new Map(picture.boxes.map(({ id, title }) => [id, title]));
  const params = new Map<string, string[]>();
  for (const id of named) for (const to of readers.get(id)!) params.set(to, [...(params.get(to) ?? []), titles.get(id)!]);
  const quiet = picture.boxes.length > MOST_LABELLED;
  return {
    ...picture,
    boxes: picture.boxes.map((box) => ({ ...box, params: params.get(box.id) ?? box.params })),
    edges: picture.edges
      .filter(({ from, kind }) => kind !== "param" || !named.has(from))
      .map((edge) => (quiet && edge.kind === "block" ? { ...edge, label: edge.label.replace(/(, )?block by block$/, "") } : edge)),
  };
}

/** Names with a common beginning are a group where their stages hang together: not where what one gives comes back to another by way of others. */
function withoutTangles(picture: Picture): Picture {
  const tree = new Tree(picture);
  const tangled = new Set(picture.groups.filter(({ id, kind }) => kind === "path" && tree.hasCycle(new Set([id]))).map(({ id }) => id));
  if (tangled.size === 0) return picture;
  const around = (id: string | null): string | null => tree.upward(id).find((one) => !tangled.has(one)) ?? null;
  return {
    ...picture,
    boxes: picture.boxes.map((box) => ({ ...box, group: around(box.group) })),
    groups: picture.groups.filter(({ id }) => !tangled.has(id)).map((group) => ({ ...group, group: around(group.group) })),
  };
}

/** Many params, or many results, are a group of their own. */
function withEnds(picture: Picture): Picture {
  const ends = (["param", "output"] as const).flatMap((kind) => {
    const members = picture.boxes.filter((box) => box.kind === kind && box.group === null);
    return members.length > PIECES ? [{ kind, name: kind === "param" ? "params" : "results", members: new Set(members) }] : [];
  });
  if (ends.length === 0) return picture;
  return {
    ...picture,
    groups: [...picture.groups, ...ends.map(({ name }): Group => ({ id: `ends:${name}`, group: null, kind: "ends", name, title: name }))],
    boxes: picture.boxes.map((box) => {
      const end = ends.find(({ members }) => members.has(box));
      return end ? { ...box, group: `ends:${end.name}` } : box;
    }),
  };
}

/** A group, or the whole, that holds too many things gets groups of neighbouring levels. */
function withLevels(picture: Picture): Picture {
  const tree = new Tree(picture);
  const groups: Group[] = [];
  const moved = new Map<string, string>();
  for (const container of [null, ...picture.groups.filter(({ kind }) => kind !== "ends")]) {
    const items = tree.items(container?.id ?? null).filter((id) => !/^(param|output|ends):/.test(id));
    if (items.length <= MOST_BOXES) continue;
    const found = pieces(items, tree.edgesAmong(container?.id ?? null));
    // One piece of a group says no more than the group.
    for (const piece of container && found.length === 1 ? [] : found) {
      const { first, last, members } = piece;
      if (members.length === 1) continue;
      const range = first === last ? `${first}` : `${first}-${last}`;
      const name = container ? `${container.name}:${range}` : range;
      const id = `levels:${container?.id ?? ""}${range}`;
      groups.push({
        id,
        group: container?.id ?? null,
        kind: "levels",
        name,
        title: first === last ? `level ${range}` : `levels ${first}–${last}`,
      });
      for (const member of members) moved.set(member, id);
    }
  }
  return {
    ...picture,
    boxes: picture.boxes.map((box) => ({ ...box, group: moved.get(box.id) ?? box.group })),
    groups: [...picture.groups.map((group) => ({ ...group, group: moved.get(group.id) ?? group.group })), ...groups],
  };
}

interface Piece {
  /** Levels, from 1. */
  readonly first: number;
  readonly last: number;
  readonly members: readonly string[];
}

/** Runs of levels, each with about as many items; a level is never cut. */
function pieces(items: readonly string[], edges: readonly Edge[]): Piece[] {
  const own = new Set(items);
  const reads = new Map<string, string[]>();
  for (const { from, to } of edges) if (own.has(from)) reads.set(to, [...(reads.get(to) ?? []), from]);
  const index = new GraphIndex(items, (item) => reads.get(item) ?? []);
  const levels = index.inCycles().length > 0 ? items.map((item) => [item]) : index.levels();
  const quota = Math.ceil(items.length / PIECES);
  const found: { first: number; last: number; members: string[] }[] = [];
  levels.forEach((level, depth) => {
    const open = found.at(-1);
    if (open && open.members.length + level.length <= quota) {
      open.last = depth + 1;
      open.members.push(...level);
    } else found.push({ first: depth + 1, last: depth + 1, members: [...level] });
  });
  return found;
}

/** A picture by what stands in what. */
class Tree {
  readonly picture: Picture;
  readonly #parents: ReadonlyMap<string, string | null>;
  readonly #items = new Map<string | null, string[]>();

  constructor(picture: Picture) {
    this.picture = picture;
    this.#parents = new Map([...picture.groups, ...picture.boxes].map(({ id, group }) => [id, group]));
    for (const [id, group] of this.#parents) this.#items.set(group, [...(this.#items.get(group) ?? []), id]);
  }

  /** What stands right inside. */
  items(container: string | null): readonly string[] {
    return this.#items.get(container) ?? [];
  }

  /** The group and those around it. */
  upward(id: string | null): string[] {
    const found: string[] = [];
    for (let at = id; at !== null; at = this.#parents.get(at) ?? null) found.push(at);
    return found;
  }

  /** Edges between the things right inside. */
  edgesAmong(container: string | null): Edge[] {
    const inside = (id: string) => {
      const path = this.upward(id);
      const at = container === null ? path.length : path.indexOf(container);
      return at > 0 ? path[at - 1]! : null;
    };
    return this.picture.edges.flatMap((edge) => {
      const [from, to] = [inside(edge.from), inside(edge.to)];
      return from === null || to === null || from === to || edge.kind === "back" ? [] : [{ ...edge, from, to }];
    });
  }

  /**
   * The groups to close: innermost first, of equally deep ones the largest first, until no more boxes are left than that. Levels of one
   * container close together.
   */
  close(most: number): Set<string> {
    const closed = new Set<string>();
    const depth = (id: string) => this.upward(id).length;
    const size = (id: string): number => this.items(id).reduce((sum, item) => sum + (this.#items.has(item) ? size(item) : 1), 0);
    const units = new Map<string, string[]>();
    for (const { id, kind, group } of this.picture.groups) {
      const unit = kind === "levels" ? `levels of ${group}` : id;
      units.set(unit, [...(units.get(unit) ?? []), id]);
    }
    const order = [...units.values()].map((ids) => ({ ids, depth: depth(ids[0]!), size: ids.reduce((sum, id) => sum + size(id), 0) }));
    order.sort((a, b) => b.depth - a.depth || b.size - a.size);
    for (const { ids } of order) {
      if (this.#count(closed) <= most) break;
      const wider = new Set([...closed, ...ids]);
      if (!this.hasCycle(wider)) for (const id of ids) closed.add(id);
    }
    return closed;
  }

  #count(closed: ReadonlySet<string>): number {
    return new Set(this.picture.boxes.map(({ id }) => this.#seen(id, closed))).size;
  }

  /** What stands for a box: the outermost closed group around it, or itself. */
  #seen(id: string, closed: ReadonlySet<string>): string {
    let seen = id;
    for (const one of this.upward(id)) if (closed.has(one)) seen = one;
    return seen;
  }

  #edges(closed: ReadonlySet<string>): Edge[] {
    const edges = new Map<string, Edge>();
    for (const edge of this.picture.edges) {
      const [from, to] = [this.#seen(edge.from, closed), this.#seen(edge.to, closed)];
      if (from === to) continue;
      const key = `${from}\0${to}\0${edge.kind === "back"}`;
      const known = edges.get(key);
      // What flows from many to many has no one label.
      const label = (from === edge.from && to === edge.to) || known?.label === edge.label ? edge.label : "";
      edges.set(key, { from, to, label, kind: known && known.kind !== "order" ? known.kind : edge.kind });
    }
    return [...edges.values()];
  }

  /** Whether what a closed group gives comes back to it. */
  hasCycle(closed: ReadonlySet<string>): boolean {
    const reads = new Map<string, string[]>();
    for (const { from, to, kind } of this.#edges(closed)) if (kind !== "back") reads.set(to, [...(reads.get(to) ?? []), from]);
    return new GraphIndex(reads.keys(), (id) => reads.get(id) ?? []).inCycles().length > 0;
  }

  shown(closed: ReadonlySet<string>): Picture {
    const outermost = (id: string) => this.#seen(id, closed) === id;
    const boxes = this.picture.boxes.filter(({ id }) => outermost(id));
    const groups = this.picture.groups.filter(({ id }) => outermost(id));
    return {
      ...this.picture,
      boxes: [...boxes, ...groups.filter(({ id }) => closed.has(id)).map((group) => this.#closedBox(group))],
      groups: groups.filter(({ id }) => !closed.has(id)),
      edges: this.#edges(closed),
    };
  }

  #closedBox({ id, group, name, title, kind }: Group): Box {
    const members = this.picture.boxes.filter((box) => box.id !== id && this.upward(box.id).includes(id));
    const what = kind === "ends" ? "" : members.length === 1 ? " stage" : " stages";
    const strategies = new Map<string, number>();
    for (const { strategy } of members) if (strategy !== null) strategies.set(strategy, (strategies.get(strategy) ?? 0) + 1);
    const first = members[0]!.title;
    const last = members.at(-1)!.title;
    return {
      ...{ id, kind: "closed", group, strategy: null, params: [] },
      title: kind === "path" ? `${title}.*` : title,
      type: first === last ? first : `${first} … ${last}`,
      runs: [`${members.length}${what}`, ...[...strategies].map(([strategy, count]) => `${count} ${strategy}`)].join(" · "),
      about: [`${title}: --expand ${name}`, ...members.map((member) => member.title)].join("\n"),
    };
  }
}
