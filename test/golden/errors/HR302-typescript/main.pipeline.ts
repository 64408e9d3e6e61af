import { text, type InputFile } from "headrace";

/** @pipeline */
export function main(input: InputFile) {
  const lines = text(input);
  const saved = lines.writeText("copy.txt");
  return { n: lines.count(), saved };
}
