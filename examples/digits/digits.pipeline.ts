import type { float, int } from "headrace";
import { dataset, fit, mean, track } from "headrace";
import { gradient, init, loadDigits, predict, sgd } from "./digits.ts";

/** Handwritten digits: train a softmax classifier, then score it in parallel.
 *  @pipeline
 *  @param epochs passes over the training set
 *  @param lr in 0.0..1.0 */
export function digits(epochs: int = 5, lr: float = 0.3, seed: int = 1) {
  const { train, test } = dataset(loadDigits()).split({ train: 0.8, test: 0.2, seed });
  const model = fit(
    init(seed),
    (epoch) => train.shuffle(epoch).batches(64),
    epochs,
    (w, batch) => {
      const g = gradient(w, batch);
      track("loss", mean(g.loss));
      return sgd(w, mean(g.grad), lr);
    },
  );
  const accuracy = test.mean((d) => (predict(model, d) === d.label ? 1 : 0));
  return { model, accuracy };
}
