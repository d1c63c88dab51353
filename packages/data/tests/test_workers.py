"""Loading by real processes. What ends a run - an exception, a break, a kill - must leave no process behind."""

import gc
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import numpy as np
import pytest
from data_test_support import (
    Augmented,
    Failing,
    Held,
    Indices,
    Infos,
    Marks,
    Nested,
    Numbers,
    OnlyHere,
    Stopped,
    Stream,
    Structured,
    StuckAtStart,
    WaitsForFile,
    Whole,
    WithFile,
    exit_normally,
    exit_process,
    failing_collate,
    failing_init,
    keep_list,
    kill_process,
    mark_environment,
    odd_failure,
    sleep,
    stop_failure,
    to_lambda,
    value_failure,
)

import tapeloom as tl
from tapeloom.data import DataLoader, TensorDataset
from tapeloom.data.transport import Segment, pack, unpack
from tapeloom.errors import DataError

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def message(text):
    return f"^{re.escape(text)}$"


def values(loader):
    return [batch.tolist() for batch in loader]


def open_files():
    return sorted(os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists())  # noqa: PTH115


@pytest.fixture(autouse=True)
def nothing_left(request):
    """After each test no child process runs, none is a zombie, and nothing more is open than before."""
    resource_tracker.ensure_running()  # Python's own helpers, which stay
    if "forkserver" in request.node.name:
        forkserver.ensure_running()
    before = open_files() if sys.platform == "linux" else []
    yield
    gc.collect()
    assert multiprocessing.active_children() == []
    if sys.platform == "linux":
        assert open_files() == before


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def until(condition):
    """Waits for what another process does; a test that waits in vain fails."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited for a minute")


# batches


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_same_batches_as_without_workers(workers):
    tl.manual_seed(1)
    here = DataLoader(Indices(25), 4, shuffle=True)
    expected = [values(here), values(here), tl.get_rng_state()]
    tl.manual_seed(1)
    there = DataLoader(Indices(25), 4, shuffle=True, num_workers=workers)
    assert [values(there), values(there), tl.get_rng_state()] == expected


def test_structures_arrive():
    (here,), (there,) = (list(DataLoader(Structured(3), 3, num_workers=n)) for n in (0, 1))
    for batch in (here, there):
        assert list(batch) == ["tensor", "text", "pair"]
        assert batch["text"] == ["sample 0", "sample 1", "sample 2"]
        for leaf, dtype in ((batch["tensor"], tl.float32), (batch["pair"][0], tl.bool), (batch["pair"][1], tl.float64)):
            assert isinstance(leaf, tl.Tensor)
            assert leaf.dtype is dtype and leaf.device == tl.get_default_device() and not leaf.requires_grad
        assert batch["tensor"].tolist() == [[0, 0], [1, 1], [2, 2]]
        assert batch["pair"][0].tolist() == [True, False, True] and batch["pair"][1].tolist() == [0, 0.5, 1]


def test_samples_without_batches():
    samples = list(DataLoader(Structured(3), None, num_workers=2))
    assert [sample["text"] for sample in samples] == ["sample 0", "sample 1", "sample 2"]
    assert samples[2]["tensor"].tolist() == [2, 2]
    assert list(DataLoader(Stream(3), None, num_workers=1)) == [0, 1, 2]


def test_collate_fn_runs_in_the_worker():
    assert list(DataLoader(Indices(4), 3, collate_fn=keep_list, num_workers=1)) == [[0, 1, 2], [3]]


def test_large_batches_are_whole_and_stay():
    loader = DataLoader(Numbers(40, width=20_000), 2, num_workers=2)
    batches = list(loader)  # 20 batches of 160 kB, ten times as many as there are places in shared memory
    for number, (x, y) in enumerate(batches):
        assert y.tolist() == [2 * number, 2 * number + 1]
        assert (x == y.to(tl.float32).reshape(2, 1)).all()


def test_without_shared_memory(monkeypatch):
    monkeypatch.setattr(Segment, "supported", False)
    batches = list(DataLoader(Numbers(8, width=20_000), 2, num_workers=2))
    assert [(x.sum() / 20_000).item() for x, _ in batches] == [1, 5, 9, 13]


def test_the_dataset_may_hold_arrays_and_tensors():
    array = np.arange(40_000, dtype=np.int64).reshape(4, 10_000)
    tensor = tl.linspace(0, 1, 40_000).reshape(4, 10_000)
    loader = DataLoader(Held(array, tensor), 4, num_workers=1)
    ((x, y),) = list(loader)
    assert (x.numpy() == array).all()
    assert (y.numpy() == tensor.numpy()).all()
    ((rows,),) = list(DataLoader(TensorDataset(tensor), 4, num_workers=1))
    assert (rows.numpy() == tensor.numpy()).all()


@pytest.mark.parametrize("name", ["spawn", "forkserver"])
def test_start_methods(name):
    context = multiprocessing.get_context(name)
    assert values(DataLoader(Indices(3), 2, num_workers=1, multiprocessing_context=context)) == [[0, 1], [2]]


def test_out_of_order(tmp_path):
    gate = tmp_path / "gate"
    loader = DataLoader(WaitsForFile(6, 0, str(gate)), 1, num_workers=2, in_order=False)
    iterator = iter(loader)
    found = [next(iterator).item() for _ in range(4)]  # all that the worker that does not wait may be asked for
    assert 0 not in found
    with pytest.raises(
        DataError,
        match=message(
            "DataLoader.state_dict: with in_order=False it is not known which batches were given. Call it between "
            "epochs, or use in_order=True."
        ),
    ):
        loader.state_dict()
    gate.touch()
    assert sorted(found + [batch.item() for batch in iterator]) == list(range(6))


# workers


def test_what_a_worker_knows():
    (infos,) = DataLoader(Infos(8), 8, num_workers=1, collate_fn=keep_list)
    assert {info["env"] for info in infos} == {("", "cpu", "cpu")}
    batches = list(DataLoader(Infos(4), 1, num_workers=2, collate_fn=keep_list))
    infos = [batch[0] for batch in batches]
    assert [info["id"] for info in infos] == [0, 1, 0, 1] and {info["of"] for info in infos} == {2}
    assert infos[1]["seed"] == infos[0]["seed"] + 1 and os.getpid() not in {info["pid"] for info in infos}


def test_persistent_workers_stay_from_epoch_to_epoch():
    loader = DataLoader(Infos(4), 1, num_workers=2, collate_fn=keep_list, persistent_workers=True)
    first, second = ([batch[0] for batch in loader] for _ in range(2))
    assert [info["pid"] for info in first] == [info["pid"] for info in second]
    assert first[0]["seed"] != second[0]["seed"]


def test_augmentation_depends_on_the_seed_alone():
    drawn = {}
    for key in ((1, 1), (2, 1), (2, 2)):
        tl.manual_seed(key[1])
        drawn[key] = [
            s for batch in DataLoader(Augmented(6), 2, num_workers=key[0], collate_fn=keep_list) for s in batch
        ]
    assert drawn[1, 1] == drawn[2, 1]
    for source in (1, 2, 3):
        every = [sample[source] for samples in (drawn[1, 1], drawn[2, 2]) for sample in samples]
        assert len(set(every)) == 12


def test_epochs_are_augmented_differently():
    loader = DataLoader(Augmented(4), 2, num_workers=2, collate_fn=keep_list, persistent_workers=True)
    first, second = (str(list(loader)) for _ in range(2))
    assert first != second


def test_worker_init_fn():
    loader = DataLoader(Marks(2), 1, num_workers=2, worker_init_fn=mark_environment, collate_fn=keep_list)
    assert list(loader) == [["marked 0 0"], ["marked 1 1"]]


# streams


def test_a_stream_is_shared_by_its_workers():
    expected = [[0, 2, 4], [1, 3, 5], [6, 8], [7, 9]]
    assert values(DataLoader(Stream(10), 3, num_workers=2)) == expected
    assert values(DataLoader(Stream(11), 3, num_workers=2)) == [[0, 2, 4], [1, 3, 5], [6, 8, 10], [7, 9]]
    assert values(DataLoader(Stream(10), 3, num_workers=2, drop_last=True)) == expected[:2]
    assert values(DataLoader(Stream(1), 3, num_workers=3)) == [[0]]
    assert values(DataLoader(Stream(0), 3, num_workers=2)) == []


def test_a_stream_that_does_not_share_comes_once_a_worker():
    assert values(DataLoader(Whole(3), 2, num_workers=2)) == [[0, 1], [0, 1], [2], [2]]


def test_a_stream_starts_again_each_epoch():
    loader = DataLoader(Stream(5), 2, num_workers=1, persistent_workers=True)
    assert values(loader) == values(loader) == [[0, 1], [2, 3], [4]]


# resuming


@pytest.mark.parametrize("stream", [False, True])
def test_resuming_in_the_middle_of_an_epoch(stream):
    def built():
        if stream:
            return DataLoader(Stream(40, noisy=True), 3, num_workers=3, collate_fn=keep_list, persistent_workers=True)
        return DataLoader(Augmented(40), 3, True, num_workers=3, collate_fn=keep_list, persistent_workers=True)

    tl.manual_seed(1)
    loader = built()
    iterator = iter(loader)
    for _ in range(5):
        next(iterator)
    state, default = loader.state_dict(), tl.get_rng_state()
    expected = [list(iterator), list(loader)]
    assert len(expected[0]) + 5 == len(expected[1])

    tl.manual_seed(2)
    resumed = built()
    resumed.load_state_dict(state)
    tl.set_rng_state(default)
    assert [list(resumed), list(resumed)] == expected


# failures


def failure(loader):
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - the callers look closer
        list(loader)
    return caught.value


def test_exceptions_keep_their_type_and_say_where():
    error = failure(DataLoader(Failing(9, 5, value_failure), 2, num_workers=2))
    assert type(error) is ValueError and error.args == ("bad sample",)
    (note,) = error.__notes__
    head, trace = note.split("\n\n", 1)
    assert re.fullmatch(r"Raised in DataLoader worker 0 \(pid \d+\) while loading sample index 5 \(batch 2\)\.", head)
    assert trace.startswith("Traceback (most recent call last):\n") and trace.endswith("ValueError: bad sample")
    assert "in value_failure\n" in trace


def test_batches_before_the_failure_come():
    iterator = iter(DataLoader(Failing(9, 5, value_failure), 2, num_workers=2))
    assert [next(iterator).tolist(), next(iterator).tolist()] == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match=r"^bad sample\n"):
        next(iterator)


@pytest.mark.parametrize(
    "action, text",
    [(odd_failure, "data_test_support.Odd: salt and pepper"), (stop_failure, "StopIteration: ")],
)
def test_exceptions_that_cannot_be_raised_here(action, text):
    error = failure(DataLoader(Failing(3, 2, action), num_workers=1))
    assert type(error) is DataError
    assert re.fullmatch(rf"DataLoader worker 0 \(pid \d+\) failed with {re.escape(text)}", str(error))
    assert f"in {action.__name__}\n" in error.__notes__[0]


def test_a_failure_leaves_persistent_workers_usable():
    loader = DataLoader(
        Failing(4, 2, value_failure), 1, sampler=Last([2, 0, 1]), num_workers=1, persistent_workers=True
    )
    assert type(failure(loader)) is ValueError
    assert values(loader) == [[0], [1]]


class Last:
    """Gives all indices in the first pass, then all but the first."""

    def __init__(self, indices):
        self.indices = indices

    def __iter__(self):
        given, self.indices = self.indices, self.indices[-2:]
        return iter(given)


@pytest.fixture
def in_a_script(monkeypatch):
    """As where a script runs: the processes of pytest-xdist have their program from nowhere, like a notebook."""
    monkeypatch.setattr("tapeloom.data.pool.interactive", lambda: False)


def test_failures_of_the_functions_are_named(in_a_script):
    error = failure(DataLoader(Indices(3), 2, num_workers=1, collate_fn=failing_collate))
    assert type(error) is KeyError and error.args == ("collate",)
    assert "while running collate_fn on sample indices [0, 1] (batch 0).\n" in error.__notes__[0]
    error = failure(DataLoader(Indices(3), 2, num_workers=1, collate_fn=to_lambda))
    assert "while pickling the batch for the loader (batch 0).\n" in error.__notes__[0]
    error = failure(DataLoader(Indices(3), 2, num_workers=2, worker_init_fn=failing_init))
    assert type(error) is OSError and re.fullmatch("worker [01] has no disk", str(error))
    assert " while running worker_init_fn.\n" in error.__notes__[0]


def test_shapes_that_differ_are_named_with_the_sample():
    samples = [np.zeros(2)] * 5 + [np.zeros(3)]
    error = failure(DataLoader(samples, 3, num_workers=1))
    assert str(error) == (
        "default_collate: sample 2 of the batch has the shape (3,), sample 0 has (2,). "
        "Give all samples one shape, or pass a collate_fn that pads them."
    )
    assert error.__notes__[0] == "Sample 2 of this batch has the index 5 in the dataset."


@pytest.mark.parametrize(
    "action, ending, advice",
    [
        (
            kill_process,
            "was killed by SIGKILL",
            "The system does this when memory runs out: use fewer workers or a smaller prefetch_factor.",
        ),
        (exit_process, "exited with code 7", "Run with num_workers=0 to see where the dataset ends the process."),
        (exit_normally, "exited with code 3", "Run with num_workers=0 to see where the dataset ends the process."),
    ],
)
def test_a_worker_that_dies_is_reported(action, ending, advice):
    error = failure(DataLoader(Failing(9, 3, action), 1, num_workers=2, prefetch_factor=1))
    assert type(error) is DataError
    pattern = rf"DataLoader worker 1 \(pid \d+\) {ending} while batch \d was awaited\. {re.escape(advice)}"
    assert re.fullmatch(pattern, str(error))


def test_a_worker_killed_from_outside_while_another_is_awaited():
    loader = DataLoader(Failing(4, 0, sleep), 1, num_workers=2)
    iterator = iter(loader)
    workers = multiprocessing.active_children()
    victim = next(worker for worker in workers if worker.name.endswith("worker 1"))
    pid = victim.pid
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DataError, match=rf"^DataLoader worker 1 \(pid {pid}\) was killed by SIGKILL "):
        next(iterator)


def test_persistent_workers_start_anew_after_one_died():
    loader = DataLoader(Infos(4), 1, num_workers=2, collate_fn=keep_list, persistent_workers=True)
    before = {batch[0]["pid"] for batch in loader}
    os.kill(min(before), signal.SIGKILL)
    assert type(failure(loader)) is DataError
    after = {batch[0]["pid"] for batch in loader}
    assert len(after) == 2 and not before & after


def test_timeout():
    error = failure(DataLoader(Failing(2, 1, sleep), num_workers=1, timeout=3))
    assert type(error) is DataError
    assert re.fullmatch(
        r"DataLoader worker 0 \(pid \d+\) did not give batch [01] within timeout=3 seconds\. Loading is too slow or "
        r"stuck: raise timeout, add workers, or look for what blocks in the dataset\.",
        str(error),
    )


@pytest.mark.parametrize(
    ("dataset", "options"),
    [
        (StuckAtStart(2_000_000), {"batch_size": 1_000_000}),
        pytest.param(
            Stopped(2_000_000),
            {"batch_sampler": [[0], [1], [3], *[list(range(500_000))] * 3]},
            marks=pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stops a process"),
        ),
    ],
    ids=["at the start", "in the middle"],
)
def test_timeout_of_a_worker_that_takes_no_messages(dataset, options):
    """What it is asked for fills the pipe, and the loader must not wait for room in it."""
    began = time.monotonic()
    error = failure(DataLoader(dataset, num_workers=1, timeout=3, **options))
    assert type(error) is DataError and "within timeout=3 seconds" in str(error)
    assert time.monotonic() - began < 30


WHY = (
    "Workers are spawned as fresh processes, because a forked one breaks CUDA and JAX, and get the dataset ({}) as a "
    "pickle. Define classes and functions at the top level of a module, open files on first use in __getitem__ instead "
    "of in __init__, or use num_workers=0."
)


def test_what_cannot_be_pickled_is_named(in_a_script, tmp_path):
    with (tmp_path / "file").open("w") as file:
        error = failure(DataLoader(WithFile(3, file), num_workers=2))
    assert type(error) is DataError
    assert str(error) == (
        "DataLoader with num_workers=2: the attribute 'file' of the dataset cannot be pickled (TypeError: cannot pickle "
        f"'_io.TextIOWrapper' object). {WHY.format('WithFile')}"
    )
    text = str(failure(DataLoader(Indices(3), num_workers=1, collate_fn=lambda batch: batch)))
    assert text.startswith("DataLoader with num_workers=1: collate_fn cannot be pickled (") and "<lambda>" in text

    class Local(Indices):
        pass

    text = str(failure(DataLoader(Local(3), num_workers=1)))
    assert text.startswith("DataLoader with num_workers=1: the dataset cannot be pickled (") and "Local" in text
    assert text.endswith(WHY.format("Local"))


def test_what_cannot_be_unpickled():
    error = failure(DataLoader(OnlyHere(3), num_workers=2))
    assert type(error) is AttributeError and error.args == ("no such class there",)
    assert "must be defined in a file that it can import" in error.__notes__[0]
    assert " while unpickling the dataset.\n" in error.__notes__[1]


def test_no_workers_within_workers():
    error = failure(DataLoader(Nested(1), num_workers=1))
    assert type(error) is DataError
    assert str(error) == "DataLoader: a worker cannot start workers of its own. Use num_workers=0 inside a dataset."


def test_a_failing_sampler_ends_the_workers():
    def indices():
        yield 0
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        iter(DataLoader(Indices(3), sampler=indices(), num_workers=1))
    assert multiprocessing.active_children() == []


# devices


@pytest.fixture
def other_device():
    """A second device, so far as tapeloom can tell."""
    tl.register_backend("other", type(tl.get_backend("cpu"))(np))
    yield "other"
    tl.set_default_device(None)
    tl.unregister_backend("other")


def test_batches_arrive_on_the_default_device(other_device):
    held = tl.arange(4, device="cpu")
    with tl.device(other_device):
        (batch,) = DataLoader(Structured(3), 3, num_workers=1)
        assert {leaf.device.type for leaf in (batch["tensor"], *batch["pair"])} == {"other"}
        ((rows,),) = DataLoader(TensorDataset(held), 4, num_workers=1)
        assert rows.device.type == "other" and rows.tolist() == [0, 1, 2, 3]
        ((rows,),) = DataLoader(TensorDataset(held.to(other_device)), 4, num_workers=1)
        assert rows.device.type == "other" and rows.tolist() == [0, 1, 2, 3]


def test_a_dataset_on_another_device_is_refused(other_device):
    error = failure(DataLoader(TensorDataset(tl.arange(4, device=other_device)), num_workers=1))
    assert type(error) is DataError
    assert str(error) == (
        "DataLoader: the dataset holds a Tensor on other, which workers cannot use, and the batches that they load arrive "
        "on the default device, cpu. Keep the dataset on the CPU, make other the default device, or use num_workers=0."
    )


# endings


@linux
@pytest.mark.parametrize("dataset", [Indices(100), Failing(100, 3, sleep)], ids=["quick", "busy"])
def test_break_ends_the_workers(dataset):
    for _ in DataLoader(dataset, num_workers=2):
        pids = [worker.pid for worker in multiprocessing.active_children()]
        break
    assert len(pids) == 2 and not any(map(alive, pids))


@linux
def test_an_exception_in_the_loop_ends_the_workers():
    def train():
        for _ in DataLoader(Indices(100), num_workers=2):
            pids.extend(worker.pid for worker in multiprocessing.active_children())
            raise ZeroDivisionError

    pids = []
    with pytest.raises(ZeroDivisionError):
        train()
    gc.collect()
    assert len(pids) == 2 and not any(map(alive, pids))


@linux
def test_dropping_the_iterator_ends_the_workers():
    iterator = iter(DataLoader(Indices(100), num_workers=2))
    pids = [worker.pid for worker in multiprocessing.active_children()]
    assert len(pids) == 2
    del iterator  # before the first batch was taken
    assert not any(map(alive, pids))


@linux
def test_dropping_the_loader_ends_persistent_workers():
    loader = DataLoader(Indices(100), num_workers=2, persistent_workers=True)
    for _ in loader:
        break
    pids = [worker.pid for worker in multiprocessing.active_children()]
    assert len(pids) == 2 and all(map(alive, pids))
    assert len(list(loader)) == 100
    del loader
    assert not any(map(alive, pids))


def test_one_epoch_at_a_time_with_persistent_workers():
    loader = DataLoader(Indices(6), num_workers=1, persistent_workers=True)
    older = iter(loader)
    next(older)
    assert values(loader) == [[i] for i in range(6)]
    with pytest.raises(
        DataError,
        match=message(
            "DataLoader: with persistent_workers one epoch runs at a time, and another was begun in the middle of this "
            "one. Use a second DataLoader."
        ),
    ):
        next(older)


def test_two_iterators_have_workers_of_their_own():
    loader = DataLoader(Indices(4), 2, num_workers=1)
    assert [(a.tolist(), b.tolist()) for a, b in zip(loader, loader, strict=True)] == [([0, 1],) * 2, ([2, 3],) * 2]


SCRIPT = """
import multiprocessing, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that started the tests with & has it ignored
from data_test_support import Failing, Indices, sleep
from tapeloom.data import DataLoader

def main():
    loader = DataLoader(Failing(9, 4, sleep), num_workers=2)
    for number, _ in enumerate(loader):
        if number == 1:
            print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)

{guard}main()
"""


def script(tmp_path, guard='if __name__ == "__main__": '):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT).format(guard=guard))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, str(path)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@linux
def test_ctrl_c(tmp_path):
    with script(tmp_path) as process:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        for pid in (process.pid, *pids):  # as a terminal does: to all of them
            os.kill(pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert len(pids) == 2 and not any(map(alive, pids))
    assert errors.rstrip().endswith("KeyboardInterrupt") and errors.count("Traceback") == 1
    assert process.returncode == -signal.SIGINT


@linux
def test_workers_of_a_killed_program_end(tmp_path):
    with script(tmp_path) as process:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
        process.communicate(timeout=120)
    assert len(pids) == 2
    until(lambda: not any(map(alive, pids)))  # also the one that sleeps for ten minutes


def test_a_script_without_a_main_guard(tmp_path):
    with script(tmp_path, guard="") as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    last = errors.rstrip().splitlines()[-1]
    assert re.fullmatch(
        r"tapeloom\.errors\.DataError: DataLoader worker [01] \(pid \d+\) exited with code 1 before it was ready; what it "
        r"printed says why\. Each worker imports the main script again: keep the code that starts training under "
        r'`if __name__ == "__main__":`\.',
        last,
    )


SESSION = """
from typing import NamedTuple
import tapeloom as tl
from tapeloom.data import DataLoader, Dataset

class Sample(NamedTuple):
    x: tl.Tensor
    word: str

words = "one two three four".split()

class Words(Dataset):
    def __getitem__(self, index):
        return Sample(tl.full((30_000,), float(index)), words[index])

    def __len__(self):
        return len(words)

loader = DataLoader(Words(), 2, num_workers=2, collate_fn=COLLATE)
print([(type(batch) is Sample, batch.x.shape, batch.x[:, 0].tolist(), batch.word) for batch in loader])
"""


def session(text, **variables):
    """What Python prints that has its program from nowhere, as in a notebook: no file, and so nothing to import."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | variables
    done = subprocess.run(
        [sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("collate", ["None", "lambda samples: tl.data.default_collate(list(samples))"])
def test_classes_and_functions_of_an_interactive_session(collate):
    pytest.importorskip("cloudpickle")
    out, errors = session(SESSION.replace("COLLATE", collate))
    assert not errors
    assert out == (
        "[(True, (2, 30000), [0.0, 1.0], ['one', 'two']), (True, (2, 30000), [2.0, 3.0], ['three', 'four'])]\n"
    )


def test_an_interactive_session_without_cloudpickle():
    out, errors = session("import sys; sys.modules['cloudpickle'] = None\n" + SESSION.replace("COLLATE", "None"))
    assert not out and "AttributeError: Can't get attribute 'Words'" in errors
    assert "To use those of a notebook or an interactive session: pip install cloudpickle." in errors


# transport


@pytest.mark.parametrize("size", [(), (0, 3), (7,), (100, 300)])
@pytest.mark.parametrize("dtype", [tl.bool, tl.uint8, tl.int64, tl.bfloat16, tl.float16, tl.float64])
def test_tensors_travel(dtype, size):
    tensor = (tl.rand(size) * 4).to(dtype)
    found = unpack([bytes(piece) for piece in pack([tensor])])[0]
    assert found.dtype is dtype and found.shape == size and found.tolist() == tensor.tolist()


def test_requires_grad_travels_and_history_does_not():
    leaf = tl.zeros(2, requires_grad=True)
    found = unpack(pack([leaf, leaf + 1]))
    assert [tensor.requires_grad for tensor in found] == [True, False]
    assert leaf.requires_grad


def test_pieces():
    array = np.arange(50_000)
    value = {
        "small": np.arange(3),
        "large": array,
        "tensor": tl.linspace(0, 1, 50_000),
        "columns": array.reshape(5, -1).T,
    }
    pieces = pack(value)
    assert [memoryview(piece).nbytes for piece in pieces[1:]] == [400_000, 200_000, 400_000]
    found = unpack([bytes(piece) for piece in pieces])
    assert (found["small"] == value["small"]).all() and (found["large"] == array).all()
    assert (found["columns"] == value["columns"]).all()
    assert found["tensor"].dtype is tl.float32 and (found["tensor"] == value["tensor"]).all()


@linux
def test_segments():
    segment = Segment()
    for pieces in ([b"first", bytes(1000), b""], [b"shorter"]):
        sizes = segment.write(pieces)
        assert [bytes(piece) for piece in segment.read(sizes)] == pieces
        mapped = segment.map(sizes)
        assert [bytes(piece) for piece in mapped] == pieces
        mapped[0][0] = 0  # changes this copy alone
        assert bytes(segment.read(sizes)[0]) == pieces[0]
        del mapped
    segment.close()
    segment.close()
