// Walks over the trees that the phases hand on: modules, checked programs, expressions of plans. Lists by place, records by field, and
// nothing is made on the way: a program of thousands of stages has a million fields. Must not know what the nodes mean.

const NONE: readonly string[] = [];

/** Each child that is a node or a list, but those in these fields. */
export function eachChild(node: object, visit: (child: object) => void, but: readonly string[] = NONE): void {
  if (Array.isArray(node)) {
    for (const child of node) if (typeof child === "object" && child !== null) visit(child);
    return;
  }
  for (const name in node) {
    const child = (node as Readonly<Record<string, unknown>>)[name];
    if (typeof child === "object" && child !== null && !but.includes(name)) visit(child);
  }
}

/** True if the test holds for one of them. */
export function someChild(node: object, test: (child: object) => boolean, but: readonly string[] = NONE): boolean {
  if (Array.isArray(node)) return node.some((child) => typeof child === "object" && child !== null && test(child));
  for (const name in node) {
    const child = (node as Readonly<Record<string, unknown>>)[name];
    if (typeof child === "object" && child !== null && !but.includes(name) && test(child)) return true;
  }
  return false;
}
