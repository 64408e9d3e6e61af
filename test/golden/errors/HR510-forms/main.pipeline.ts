import { dataset, fit, loop, track } from "headrace";
import { init, load, notify, step } from "./stages.ts";

/** @pipeline */
export function main() {
  for (const row of load(1)) notify(`${row.id}`);
  const rounds = loop(1, {}, (n) => ({ next: n + 1, until: n > 3 }));
  const w = fit(
    init(1),
    (epoch) => dataset(load(epoch)).batches(2),
    3,
    (w, batch) => {
      if (batch.length > 1) track("large", 1);
      step(w, w, 0.1);
    },
  );
  const { w: { length } } = w;
  return { w, rounds, length };
}
