import type { int } from "headrace";

/** @effect */
export function notify(text: string): int {
  console.log(text);
  return text.length;
}
