"""Datasets and functions that spawned workers import."""

import os
import random
import signal
import sys
import time

import numpy as np

import tapeloom as tl
from tapeloom.data import DataLoader, Dataset, IterableDataset, get_worker_info


class Numbers(Dataset):
    """Sample i is (a host array of i, i)."""

    def __init__(self, count, width=3):
        self.count = count
        self.width = width

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(f"no sample {index}")
        return np.full(self.width, index, np.float32), index

    def __len__(self):
        return self.count


class Indices(Dataset):
    """Sample i is i."""

    def __init__(self, count):
        self.count = count

    def __getitem__(self, index):
        return index

    def __len__(self):
        return self.count


class Augmented(Indices):
    """Sample i is drawn from every source of random numbers."""

    def __getitem__(self, index):
        return index, random.random(), np.random.random(), tl.rand(1).item()


class Infos(Indices):
    """Sample i says which process loaded it and how."""

    def __getitem__(self, index):
        info = get_worker_info()
        assert info.dataset is self
        environment = os.environ["CUDA_VISIBLE_DEVICES"], os.environ["JAX_PLATFORMS"], str(tl.get_default_device())
        return {"pid": os.getpid(), "id": info.id, "of": info.num_workers, "seed": info.seed, "env": environment}


class Held(Dataset):
    """Samples are rows of arrays that the dataset holds."""

    def __init__(self, array, tensor):
        self.array = array
        self.tensor = tensor

    def __getitem__(self, index):
        return self.array[index], self.tensor[index]

    def __len__(self):
        return len(self.array)


class StuckAtStart(Indices):
    """Its worker never gets ready."""

    def __setstate__(self, state):
        time.sleep(600)


class Stopped(Indices):
    """Sample 3 stops its whole process, so that not even a thread of it takes messages in."""

    def __getitem__(self, index):
        if index == 3:
            os.kill(os.getpid(), signal.SIGSTOP)
        return index


class Structured(Indices):
    """Sample i has all sorts of leaves."""

    def __getitem__(self, index):
        return {"tensor": tl.full((2,), float(index)), "text": f"sample {index}", "pair": (index % 2 == 0, index / 2)}


class Odd(Exception):
    """Cannot be unpickled: its constructor takes another argument than its args."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def odd_failure():
    raise Odd("salt", "pepper")


def value_failure():
    raise ValueError("bad sample")


def stop_failure():
    raise StopIteration


def exit_process():
    os._exit(7)


def exit_normally():
    sys.exit(3)


def kill_process():
    os.kill(os.getpid(), signal.SIGKILL)


def sleep():
    time.sleep(600)


class Failing(Indices):
    """Sample ``at`` calls ``action``."""

    def __init__(self, count, at, action):
        super().__init__(count)
        self.at = at
        self.action = action

    def __getitem__(self, index):
        if index == self.at:
            self.action()
        return index


class WaitsForFile(Indices):
    """Sample ``at`` comes only when the file is there."""

    def __init__(self, count, at, path):
        super().__init__(count)
        self.at = at
        self.path = path

    def __getitem__(self, index):
        while index == self.at and not os.path.exists(self.path):  # noqa: PTH110
            time.sleep(0.01)
        return index


class Stream(IterableDataset):
    """0 to count - 1; workers share them, worker k of n taking k, k + n, ..."""

    def __init__(self, count, noisy=False):
        self.count = count
        self.noisy = noisy

    def __iter__(self):
        info = get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        for value in range(start, self.count, step):
            yield (value, random.random()) if self.noisy else value


class Whole(IterableDataset):
    """0 to count - 1 in every worker, with a length."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return iter(range(self.count))

    def __len__(self):
        return self.count


class OnlyHere(Indices):
    """Cannot be unpickled."""

    def __setstate__(self, state):
        raise AttributeError("no such class there")


class WithFile(Indices):
    """Holds an open file."""

    def __init__(self, count, file):
        super().__init__(count)
        self.file = file


class Nested(Indices):
    """Its samples come from a loader with workers."""

    def __getitem__(self, index):
        return list(DataLoader(Indices(1), num_workers=1))[index]


def keep_list(batch):
    return list(batch)


def to_lambda(batch):
    return lambda: batch


def failing_collate(batch):
    raise KeyError("collate")


def failing_init(worker):
    raise OSError(f"worker {worker} has no disk")


def mark_environment(worker):
    os.environ["MARK"] = f"marked {worker} {get_worker_info().id}"


class Marks(Indices):
    def __getitem__(self, index):
        return os.environ["MARK"]
