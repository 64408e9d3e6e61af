import { load } from "./stages.ts";

export function main() {
  return load(1);
}
