"""Records what PyTorch computes for the samples, in packages/core/tests/golden/torch.safetensors, which the default tests check.

    python packages/core/tests/oracle/record.py            # write the file
    python packages/core/tests/oracle/record.py --check    # compare with the one that is there

For each row of the table that PyTorch has, the first cases in float32 (or int64, or bool): inputs, results, and the
gradients (where not all 0) of the inputs for the fixed gradients of the results that ``torch_side.weights`` gives. One flat tensor a row.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
import torch
import torch_side

import tapeloom as tl
from tapeloom.testing.table import Case, Row, load

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "torch.safetensors"
#: cases recorded of each row
CASES = 2


def cases(row: Row, kind: tl.DType) -> list[Case]:
    """The cases that are recorded."""
    return [case for case in row.cases_for(kind) if case.expect is None and str(case) not in torch_side.TAKEN][:CASES]


def flat(array: np.ndarray) -> np.ndarray:
    """The numbers in an array; of complex ones both parts."""
    array = np.ravel(array)
    return array.view(array.real.dtype) if array.dtype.kind == "c" else array


def recorded(row: Row) -> np.ndarray | None:
    """Inputs, results and gradients of the row's first cases, end to end as float64; None for what PyTorch lacks."""
    if row.name in torch_side.OURS or (row.name, "float64") in torch_side.WITHOUT_GRADIENT:
        return None
    kind = next((kind for kind in (tl.float32, tl.int64, tl.bool_) if kind in row.dtypes), None)
    if kind is None:
        return None
    parts = []
    for case in cases(row, kind):
        run = torch_side.Run(case, kind, needs=bool(row.grad) and case.grad and kind.is_floating_point)
        arrays = list(torch_side.inputs_of(case, kind))
        arrays += [torch_side.host(out) for out in run.results if isinstance(out, torch.Tensor)]
        arrays += [gradient for gradient in run.gradients() if gradient is not None and gradient.any()]
        parts += [flat(array) for array in arrays]
    if not sum(part.size for part in parts):
        return None
    precise = kind is not tl.float32 or any(part.dtype == np.float64 for part in parts)
    return np.concatenate([part.astype(np.float64 if precise else np.float32) for part in parts])


def record() -> dict[str, np.ndarray]:
    """The recording of every row, by name."""
    torch.manual_seed(0)
    found = {name: recorded(row) for name, row in load().items()}
    return {name: array for name, array in found.items() if array is not None}


def main() -> int:
    """Write or check the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    arrays = record()
    if not check:
        GOLDEN.parent.mkdir(exist_ok=True)
        save_file(
            arrays,
            GOLDEN,
            metadata={"torch": torch.__version__.partition("+")[0], "taken": json.dumps(sorted(torch_side.TAKEN))},
        )
        print(f"{GOLDEN.name}: {len(arrays)} rows, {GOLDEN.stat().st_size} bytes")
        return 0
    held = load_file(GOLDEN)
    stale = [
        name
        for name in sorted({*held, *arrays})
        if name not in held
        or name not in arrays
        or held[name].shape != arrays[name].shape
        or not np.allclose(held[name], arrays[name], rtol=1e-6, equal_nan=True)
    ]
    print(f"stale: {', '.join(stale)}" if stale else "fresh")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
