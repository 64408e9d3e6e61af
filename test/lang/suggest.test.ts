// The nearest name.
import { expect, it } from "vitest";
import { nearest } from "../../lang/suggest.ts";

it.each([
  ["gradent", ["predict", "gradient", "init"], "gradient"],
  ["Gradient", ["gradient"], "gradient"],
  ["teh", ["the", "ten"], "the"],
  ["grad", ["init", "gradient"], "gradient"],
  ["allReduce", ["allreduce"], "allreduce"],
  ["x", ["y", "z"], null],
  ["weights", ["accuracy", "model"], null],
  ["loss", ["loss"], null],
  ["a", [], null],
])("%s among %j is %s", (name, candidates, found) => {
  expect(nearest(name, candidates)).toBe(found);
});
