import { csv, file, text, type InputFile, type InputFiles } from "headrace";

interface Flight {
  readonly carrier: string;
  readonly made: Map<string, string>;
}

/** @pipeline */
export function main(flights: InputFile = file("flights.csv"), logs: InputFiles = "logs/*.txt", path: string = "a") {
  const saved = text(logs).writeText("copy.txt");
  return { a: csv<Flight>(flights), b: csv<{ carrier: string }>("a.csv"), c: text(path), d: csv(flights), e: text("logs/*.txt"), saved };
}
