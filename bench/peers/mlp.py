# The network of examples/mlp by PyTorch: alone with two threads, and by Ray Train with two workers of one thread each. Prints seconds an epoch.
import json
import sys
import time

import numpy as np
import torch


def rows(path):
    all_ = np.fromfile(path, dtype=np.float32).reshape(-1, 785)
    return torch.from_numpy(all_[:, :784].copy()), torch.from_numpy(all_[:, 784].astype(np.int64))


def network():
    return torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))


def trained(model, x, y, epochs, batch):
    """Times of epochs, each shuffled anew."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    loss_of = torch.nn.CrossEntropyLoss()
    ends = []
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for at in range(0, len(x), batch):
            of = order[at : at + batch]
            optimizer.zero_grad()
            loss = loss_of(model(x[of]), y[of])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        ends.append(time.perf_counter())
    return (ends[-1] - ends[0]) / (len(ends) - 1), loss.item()


def alone(path, epochs, threads):
    torch.set_num_threads(threads)
    x, y = rows(path)
    return trained(network(), x, y, epochs, 64)[0]


def by_ray(path, epochs):
    import ray
    import ray.train
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer, prepare_model

    def loop(config):
        torch.set_num_threads(1)
        rank, size = ray.train.get_context().get_world_rank(), ray.train.get_context().get_world_size()
        x, y = rows(config["path"])
        # Each worker has its share of the rows, and half of each batch.
        seconds, _ = trained(prepare_model(network()), x[rank::size], y[rank::size], config["epochs"], 64 // size)
        if rank == 0:
            with open(config["path"] + ".seconds", "w") as out:
                out.write(str(seconds))
        ray.train.report({"seconds": seconds})

    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    begun = time.perf_counter()
    TorchTrainer(
        loop,
        train_loop_config={"path": path, "epochs": epochs},
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(storage_path=path + ".ray"),
    ).fit()
    whole = time.perf_counter() - begun
    ray.shutdown()
    with open(path + ".seconds") as found:
        return float(found.read()), whole


path, epochs = sys.argv[1], int(sys.argv[2])
found = {"torch": torch.__version__, "two": alone(path, epochs, 2), "one": alone(path, epochs, 1)}
try:
    import ray

    found["ray"] = ray.__version__
    found["byRay"], found["whole"] = by_ray(path, epochs)
except ImportError:
    pass
print(json.dumps(found))
