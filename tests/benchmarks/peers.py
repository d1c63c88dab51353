"""Time the workloads in tapeloom and in torch, each in a process of its own, alternating, and print the ratios.

    python tests/benchmarks/peers.py [--rounds 7] [--only chain,mlp_adam] [--json FILE]

Thread pools of different libraries disturb each other inside one process, so they never share one. A round starts a
process for each library in turn; its figure is the best of several repetitions; the ratio is that of the medians over
the rounds. Machines are shared and noisy: look at the ratios, not at single times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import timeit
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from workloads import WORKLOADS, library


def worker(name: str) -> dict[str, float]:
    """Microseconds a call for each workload asked for, in this process."""
    lib = library(name)
    result = {}
    for workload in sys.argv[3].split(","):
        make, calls, _ = WORKLOADS[workload]
        work = make(lib)
        timeit.timeit(work, number=max(3, calls // 10))
        result[workload] = min(timeit.repeat(work, number=calls, repeat=5)) / calls * 1e6
    return result


def main() -> int:
    """Run the rounds and print the table; the exit status is 1 where a ratio is over its bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default=",".join(WORKLOADS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = {"tapeloom": {}, "torch": {}}
    for _ in range(options.rounds):
        for name, figures in times.items():
            command = [sys.executable, __file__, "--worker", name, options.only]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(done.stderr, file=sys.stderr)
                return 2
            for workload, microseconds in json.loads(done.stdout.splitlines()[-1]).items():
                figures.setdefault(workload, []).append(microseconds)
    rows, over = [], False
    print(f"{'workload':<12}{'tapeloom us':>14}{'torch us':>12}{'ratio':>8}{'bound':>8}")
    for workload in options.only.split(","):
        ours, theirs = (statistics.median(times[name][workload]) for name in times)
        bound = WORKLOADS[workload][2]
        rows.append({"workload": workload, "tapeloom": ours, "torch": theirs, "ratio": ours / theirs, "bound": bound})
        over = over or (bound is not None and ours / theirs > bound)
        print(f"{workload:<12}{ours:>14.2f}{theirs:>12.2f}{ours / theirs:>8.2f}{bound if bound else '-':>8}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return int(over)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(worker(sys.argv[2])))
    else:
        sys.exit(main())
