// Read by Headrace's compiler into the same program as a `.pipe` file would be; it never runs as it stands.
import type { float, int } from "headrace";
import { dataset, fit, mean, track } from "headrace";
import { gradient, loadPenguins, predict, start, step } from "./penguins.ts";

/** Which species is a penguin of? Trains a classifier on four measures of each, and scores it on penguins that it never saw.
 *  @pipeline
 *  @param epochs passes over the training set
 *  @param lr in 0.0..1.0 */
export function penguins(epochs: int = 20, lr: float = 0.3, seed: int = 1) {
  const { train, test } = dataset(loadPenguins()).split({ train: 0.7, test: 0.3, seed });
  const model = fit(
    start(),
    (epoch) => train.shuffle(epoch).batches(16),
    epochs,
    (w, batch) => {
      const g = gradient(w, batch);
      track("loss", mean(g.loss));
      return step(w, mean(g.grad), lr);
    },
  );
  const accuracy = test.mean((p) => (predict(model, p) === p.species ? 1 : 0));
  return { model, accuracy };
}
