"""Datasets, samplers and the DataLoader that feeds batches of them, from this process or from workers."""

from tapeloom.data import datasets
from tapeloom.data.collate import default_collate, default_convert
from tapeloom.data.dataset import (
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from tapeloom.data.info import WorkerInfo, get_worker_info
from tapeloom.data.loader import DataLoader
from tapeloom.data.progress import progress
from tapeloom.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "datasets",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "progress",
    "random_split",
]
