"""What Ray does with the same work on the same two processors: one line of JSON. Run by `peers.mjs`, which installs Ray."""

import json
import sys
import time

import numpy as np
import ray

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")


@ray.remote
def noop(x):
    return x


@ray.remote
def gathered(*values):
    return len(values)


@ray.remote
def made(megabytes):
    return np.ones(megabytes * 250_000, dtype=np.float32)


@ray.remote
def sampled(big, offset):
    return float(big[offset :: big.size // 1000].sum())


def median(times):
    return sorted(times)[len(times) // 2]


def timed(work, rounds):
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return median(times)


ASYNC, SYNC, ARGUMENTS, QUEUED = (int(word) for word in sys.argv[1:5])
# Workers are up before anything is timed.
ray.get([noop.remote(i) for i in range(1000)])


def large():
    big = made.remote(100)
    ray.get([sampled.remote(big, i) for i in range(2)])


def put_get():
    array = np.ones(25_000_000, dtype=np.float32)
    begin = time.perf_counter()
    back = ray.get(ray.put(array))
    seconds = time.perf_counter() - begin
    assert back.size == array.size
    return seconds


references = [ray.put(i) for i in range(ARGUMENTS)]
found = {
    "version": ray.__version__,
    "asyncSeconds": timed(lambda: ray.get([noop.remote(i) for i in range(ASYNC)]), 3) / ASYNC,
    "syncSeconds": timed(lambda: ray.get(noop.remote(1)), SYNC),
    "putGetSeconds": median([put_get() for _ in range(5)]),
    "largeSeconds": timed(large, 5),
    "argumentsSeconds": timed(lambda: ray.get(gathered.remote(*references)), 3),
    "queuedSeconds": timed(lambda: ray.get([noop.remote(i) for i in range(QUEUED)]), 1),
}
print(json.dumps(found))
