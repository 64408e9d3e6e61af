// The files of a new project, as `headrace init` writes them. Text only.

/** By name. The program fits a line through noisy points: small, but with a fit, a split and a parallel score. */
export function projectFiles(name: string, version: string): Readonly<Record<string, string>> {
  return {
    "package.json": `${JSON.stringify(
      {
        name,
        version: "0.0.0",
        private: true,
        type: "module",
        scripts: { start: "headrace run line.pipe", check: "headrace check line.pipe" },
        dependencies: { headrace: `^${version}` },
      },
      null,
      2,
    )}\n`,
    "line.pipe": PIPE,
    "line.ts": STAGES,
    "README.md": README,
    ".gitignore": "node_modules/\n.headrace/\n",
  };
}

const PIPE = `/// Fits a line through noisy points, and measures the error on points that the fit never saw.
import { points, start, gradient, step, miss, type Line } from "./line.ts"

param count: int = 20000         /// how many points
param epochs: int = 5            /// passes over the training points
param lr: float = 0.5 in 0.0..1.0
param seed: int = 1

pipeline line() -> { line: Line, error: float } {
  let { train, test } = points(count, seed) |> split(train: 0.8, test: 0.2, seed: seed)

  let line = fit at = start()
  over batch in train |> shuffle(seed: epoch) |> batches(100)
  for epochs {
    let g = gradient(at, batch)
    track loss = mean(g.loss)
    at <- step(at, mean(g.grad), lr)
  }

  let error = test |> mean(p => miss(line, p))
  { line, error }
}

/// headrace run line.pipe --schedule one
schedule one {
  *: task
}
`;

const STAGES = `// The stages of line.pipe: plain functions. The compiler reads their types and checks every edge of the program against them.
import type { int, View } from "headrace";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Line {
  slope: number;
  offset: number;
}

/** Points near y = 2x - 1, the same for the same seed. */
export function points(count: int, seed: int): Point[] {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: count }, () => {
    const x = 2 * random() - 1;
    return { x, y: 2 * x - 1 + 0.2 * (random() + random() - 1) };
  });
}

export function start(): Line {
  return { slope: 0, offset: 0 };
}

/** Mean squared error over the batch, and its gradient. */
export function gradient(line: View<Line>, batch: readonly Point[]): { loss: number; grad: Line } {
  let loss = 0;
  const grad = { slope: 0, offset: 0 };
  for (const point of batch) {
    const error = line.slope * point.x + line.offset - point.y;
    loss += error ** 2 / batch.length;
    grad.slope += (error * point.x) / batch.length;
    grad.offset += error / batch.length;
  }
  return { loss, grad };
}

export function step(line: Line, grad: View<Line>, lr: number): Line {
  return { slope: line.slope - lr * grad.slope, offset: line.offset - lr * grad.offset };
}

/** How far the line is from one point. */
export function miss(line: View<Line>, point: Point): number {
  return Math.abs(line.slope * point.x + line.offset - point.y);
}
`;

const README = `# A line through points

\`npx headrace run line.pipe\` fits a line through noisy points and prints it with its error; \`--lr 0.2 --seed 3\` are its params.
\`npx headrace check line.pipe\` reports every problem before anything runs: try a typo in the name of a stage.
The program is in [line.pipe](line.pipe), its stages are plain TypeScript in [line.ts](line.ts).
`;
