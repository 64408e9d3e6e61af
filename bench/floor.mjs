// Floors that the figures are compared with, measured in the same run: what two threads can do with nothing in between.
import { Worker } from "node:worker_threads";

const worker = `
const { parentPort } = require("node:worker_threads");
const functions = { noop: (x) => x };
parentPort.on("message", (message) => {
  if (message === "ping") return parentPort.postMessage(message);
  parentPort.postMessage(message.map((task) => ({ id: task.id, value: functions[task.call](...task.args) })));
});
`;
const start = async () => {
  const thread = new Worker(worker, { eval: true });
  await new Promise((up) => thread.once("online", up));
  return thread;
};

/**
 * Tasks a second of a bare DAG loop over two threads, as one would write it first: an object a task with its dependents and the
 * number of inputs it lacks, a list of ready ones, messages of 256 calls each way. No failures, no lost workers, no event log.
 */
export async function bareTasks(count = 1_000_000, batch = 256) {
  const threads = [await start(), await start()];
  const tasks = Array.from({ length: count }, (_, id) => ({
    id,
    call: "noop",
    args: [id],
    dependents: [],
    missing: 0,
    value: null,
    done: false,
  }));
  const begin = performance.now();
  const ready = tasks.filter((task) => task.missing === 0);
  let head = 0;
  let finished = 0;
  await new Promise((done) => {
    const hand = (thread) => {
      if (head >= ready.length) return;
      const calls = ready.slice(head, head + batch).map(({ id, call, args }) => ({ id, call, args }));
      head += calls.length;
      thread.postMessage(calls);
    };
    for (const thread of threads) {
      thread.on("message", (results) => {
        for (const { id, value } of results) {
          const task = tasks[id];
          task.value = value;
          task.done = true;
          for (const dependent of task.dependents) if (--dependent.missing === 0) ready.push(dependent);
        }
        finished += results.length;
        if (finished === count) done();
        else hand(thread);
      });
      hand(thread);
      hand(thread);
    }
  });
  const seconds = (performance.now() - begin) / 1000;
  await Promise.all(threads.map((thread) => thread.terminate()));
  return count / seconds;
}

/** Milliseconds of one message to a thread and back, by percentile. */
export async function threadRoundTrips(count = 2000) {
  const thread = await start();
  const times = [];
  for (let i = 0; i < count + 200; i++) {
    const begin = performance.now();
    await new Promise((answer) => {
      thread.once("message", answer);
      thread.postMessage("ping");
    });
    if (i >= 200) times.push(performance.now() - begin);
  }
  await thread.terminate();
  return times;
}

export function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
