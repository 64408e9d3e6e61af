// A program that has every form of the grammar, for tests that mutate one.

export const EVERYTHING = `/// The file.
import { f, actor Sim, resource session, type T as U } from "./x.ts"
type Batch<B> = { x: Tensor<f32, [B, 28 * 28]>, y: Tensor<i32, [B]>, note?: string? }
type Mode = "fast" | "slow" | -1 | null
param n: int = 3 in 0..10 /// how many
param name: string? = null
service answer(q: string) -> string { q }
pipeline all(rows: [T], k: int = 3) -> Dataset<U> {
  let { a, b: c } = split(rows, a: 0.5, c: 0.5)
  let [first, second] = [1, 2]
  let text = \`n is \${n + 1}, \${ { n }.n } and \${\`in\${n}side\`}\`
  let y = a
    |> map(r => { ...r, speed: r.km / r.h })
    |> filter((l) => !l.ok && l.x != null || l?.z ?? false)
  expect n > 0, "positive"
  do notify(y)
  let z = if n == 1 { 1.0 } else if n == 2 { -2.5e-3 } else { y[0].w }
  let best = search { lr: 1e-4..1.0 log, hidden: 16 | 32 } trials 30 minimize loss using asha(min: 1) { let loss = f(lr)
    loss }
  let c2 = loop c = f(1), d = 2
    until c.done
    max 100 { c <- g(c); d <- d + 1 }
  let each_ = for { a, b } in rows { f(a) }
  let read = csv<Row<B>>(f) |> take(2)
  let lines = logs |> jsonLines<{ a: int?, b: [string | "x"] }> |> count
  let quick = f(1) within 20ms else g(1)
  let w = fit s = init(seed: 7)
  over batch in rows |> shuffle(seed: epoch) |> batches(64)
  for 30 {
    let r = lossAndGrad(s.w, batch)
    track loss = mean(r.loss)
    track r
    s <- step(s, mean(r.grad))
  } each epoch {
    keep s.w minimizing loss
    stop after 3 without improvement of loss
  }
  let model = data(2).fit
  on failure(e) { do tell(e) }
  w
}
schedule lab for all {
  w: data(2) allreduce { checkpoint: 200 }
  y, best.*: data!(4) { timeout: 10m, memory: 2gb
    retries: 3 }
  *: auto
}
`;
