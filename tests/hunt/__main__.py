"""Random calls beside PyTorch: every public function with random arguments, and random programs with views and writes.

    python tests/hunt [--seed 0] [--count 200000] [--only NAME] [--device cpu] [--programs 10000]

What differs and is not one of the differences in ``allowed.py`` is a find: a program that shows it is printed, and the
exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import torch
from allowed import ALLOWED, allowance
from arguments import Draw
from comparing import compare
from data import Library
from guard import guarded
from programs import one_program
from subjects import Subject, subjects
from tqdm import tqdm

import tapeloom as tl


def main() -> int:
    """Hunt, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200_000, help="calls in all")
    parser.add_argument("--only", help="the subjects of this name, or NAME:NUMBER for one call; * stands for anything")
    parser.add_argument("--programs", type=int, default=10_000, help="random programs; none with --only")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--show", type=int, default=3, help="finds printed of each function and kind")
    options = parser.parse_args()
    torch.set_num_threads(1)
    libraries = Library("tapeloom", tl, options.device), Library("torch", torch)
    chosen, alone = subjects()
    name, _, number = (options.only or "*").partition(":")
    chosen = [s for s in chosen if fnmatchcase(s.name, name) or fnmatchcase(s.base, name)]
    if not chosen:
        parser.error(f"no subject is called {name!r}")
    first, last = (int(number), int(number) + 1) if number else (0, -(-options.count // len(chosen)))
    places = range(first * len(chosen), last * len(chosen))  # the n-th call of each, in turn

    def work(place: int) -> Result:
        n, which = divmod(place, len(chosen))
        return one(chosen[which], n, options.seed, libraries)

    fates: dict[str, Counter[str]] = defaultdict(Counter)
    finds: Counter[tuple[str, str]] = Counter()
    used: Counter[str] = Counter()
    start = time.perf_counter()
    with tqdm(guarded(work, places), total=len(places), unit="calls", mininterval=5, smoothing=0) as bar:
        for place, result in bar:
            n, which = divmod(place, len(chosen))
            name = chosen[which].name
            if result is None or (
                isinstance(result, str) and too_large(Draw(f"{options.seed}/{name}/{n}").call(chosen[which], n))
            ):
                fates[name]["too large"] += 1
                continue
            fate, kind, reason, text = ("died", result, None, "") if isinstance(result, str) else result
            fates[name][fate] += 1
            if reason is not None:
                used[reason] += 1
                fates[name]["allowed"] += 1
            elif kind is not None:
                finds[name, kind] += 1
                if finds[name, kind] <= options.show:
                    text = text or Draw(f"{options.seed}/{name}/{n}").call(chosen[which], n).source()
                    bar.write(f"# --seed {options.seed} --only {name}:{n}: {kind}\n{text}\n")
    seconds = time.perf_counter() - start
    report(chosen, alone, fates, finds, used)
    apart = programs(options.seed, range(options.programs), libraries) if options.only is None else 0
    print(f"{len(places)} calls, {len(places) / seconds:.0f} a second; {sum(finds.values())} finds")
    return bool(finds) or bool(apart)


def programs(seed: int, numbers: range, libraries: tuple[Library, Library]) -> int:
    """Run that many random programs; how many of them differ."""
    lines = backwards = apart = 0
    work = partial(one_program, seed, libraries)
    with tqdm(guarded(work, numbers), total=len(numbers), unit="programs", mininterval=5, smoothing=0) as bar:
        for number, result in bar:
            if result is None:
                continue
            ran, walked, what, text = (0, 0, result, "") if isinstance(result, str) else result
            lines, backwards = lines + ran, backwards + walked
            if what is not None:
                apart += 1
                bar.write(f"# --seed {seed}, program {number}: {what}\n{text}\n")
    print(f"\n{len(numbers)} programs of {lines} lines, {backwards} walks back; {apart} differ")
    return apart


def too_large(call: Any) -> bool:
    """Whether one of the arguments asks for more than any machine has: with some PyTorch never comes back."""
    values = [*call.args, *call.kwargs.values()]
    flat = [part for value in values for part in (value if isinstance(value, (tuple, list)) else (value,))]
    if "polynomial" in call.subject.base:  # of an order up to which PyTorch counts
        flat += [value for array in call.arrays() for value in array.values.ravel().tolist()]
        return any(isinstance(value, (int, float)) and abs(value) > 2**15 for value in flat)
    return any(isinstance(value, int) and abs(value) > 2**31 for value in flat)


#: what became of the call, the kind of what differs, the reason if it may, the text that shows it
Result = tuple[str, "str | None", "str | None", str]


def one(subject: Subject, n: int, seed: int, libraries: tuple[Library, Library]) -> Result:
    """The ``n``-th call of ``subject``, made and compared."""
    call = Draw(f"{seed}/{subject.name}/{n}").call(subject, n)
    fate, find = compare(call, *libraries)
    if find is None:
        return fate, None, None, ""
    why = allowance(find)
    return fate, find.kind, why and why.reason, f"{find}\n{call.source()}"


def report(chosen, alone, fates, finds, used) -> None:
    """What was covered, how often both refused, and what was found."""
    print(f"\n{len(chosen)} functions and methods; PyTorch has no counterpart of, or left out: {', '.join(alone)}")
    print("\ncalls, refused by both, allowed differences, finds")
    for subject in sorted(chosen, key=lambda s: s.name):
        counts = fates[subject.name]
        total = counts["compared"] + counts["refused"]
        own = sum(count for (name, _), count in finds.items() if name == subject.name)
        print(
            f"{subject.name:40} {total:6} {counts['refused'] / max(total, 1):6.0%} {counts['allowed']:6} {own or '':>6}"
        )
    print("\nallowed differences met")
    for entry in ALLOWED:
        print(f"{used[entry.reason]:8}  {entry.section}: {entry.reason}")
    print("\nfinds")
    for (name, kind), count in sorted(finds.items()):
        print(f"{count:8}  {name}: {kind}")


if __name__ == "__main__":
    sys.exit(main())
