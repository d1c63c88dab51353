"""What a worker process knows of itself."""

from __future__ import annotations

from typing import Any

from tapeloom.data.dataset import Dataset

__all__ = ["WorkerInfo", "get_worker_info"]


class WorkerInfo:
    """What a worker knows of itself: ``id``, ``num_workers``, ``seed`` (of this worker in this epoch), ``dataset``."""

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Dataset[Any]) -> None:
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self) -> str:
        return f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed}, dataset={self.dataset!r})"


_current: list[WorkerInfo] = []


def get_worker_info() -> WorkerInfo | None:
    """The WorkerInfo of this process, or None outside a DataLoader worker."""
    return _current[0] if _current else None


def set_worker_info(info: WorkerInfo) -> None:
    """Says that this process is a worker."""
    _current[:] = [info]
