"""Samples of interpolation: for each element of the result the elements that it is made of, by loops over single weights."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.testing.inputs import T
from tapeloom.testing.references import built
from tapeloom.testing.table import FLOATS, case, fails, row


def _triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def _keys(a: float) -> Any:
    def curve(x: float) -> float:
        x = abs(x)
        if x < 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    return curve


def _lanczos(x: float) -> float:
    if x == 0 or abs(x) >= 3:
        return float(x == 0)
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


FILTERS = {"linear": (_triangle, 1), "cubic": (_keys(-0.75), 2), "triangle": (_triangle, 1), "keys": (_keys(-0.5), 2), "lanczos": (_lanczos, 3)}


def _shares(method: str, length: int, count: int, step: float, aligned: bool) -> list[dict[int, float]]:
    """For each of ``count`` results how much of each of ``length`` elements is in it."""
    shares: list[dict[int, float]] = []
    for i in range(count):
        if method.startswith("nearest"):
            shares.append({min(int((i if method == "nearest" else i + 0.5) * step), length - 1): 1.0})
            continue
        curve, half = FILTERS[method]
        share: dict[int, float] = {}
        if method in ("linear", "cubic"):
            source = i * step if aligned else (i + 0.5) * step - 0.5
            source = max(source, 0.0) if method == "linear" else source
            for place in range(math.floor(source) - half + 1, math.floor(source) + half + 1):
                inside = min(max(place, 0), length - 1)
                share[inside] = share.get(inside, 0.0) + curve(source - place)
        else:
            stretch = max(step, 1.0)
            reach = range(max(int((i + 0.5) * step - half * stretch + 0.5), 0), min(int((i + 0.5) * step + half * stretch + 0.5), length))
            found = {place: curve((place + 0.5 - (i + 0.5) * step) / stretch) for place in reach}
            share = {place: value / sum(found.values()) for place, value in found.items()}
        shares.append(share)
    return shares


def _made(x: Any, along: Any, weigh: Any = float) -> Any:
    """``x`` resized: ``along`` holds the shares along each of its last dimensions."""
    lead = x.ndim - len(along)

    def element(place: tuple[int, ...]) -> float:
        parts = product(*(shares[i].items() for shares, i in zip(along, place[lead:], strict=True)))
        return math.fsum(
            math.prod(weigh(weight) for _, weight in part) * x[(*place[:lead], *(own for own, _ in part))] for part in parts
        )

    return built((*x.shape[:lead], *map(len, along)), element)


METHODS = {"bilinear": "triangle", "bicubic": "keys", "lanczos": "lanczos"}


def _along(x: Any, size: Any, scale_factor: Any, mode: str, align_corners: Any, recompute: Any, antialias: bool) -> Any:
    lengths = x.shape[2:]
    if size is not None:
        counts, scales = (size if isinstance(size, tuple) else (size,) * len(lengths)), [None] * len(lengths)
    else:
        scales = list(scale_factor) if isinstance(scale_factor, tuple) else [scale_factor] * len(lengths)
        counts = tuple(int(n * scale) for n, scale in zip(lengths, scales, strict=True))
    for length, count, scale in zip(lengths, counts, scales, strict=True):
        step = length / count if scale is None or recompute or mode == "area" else 1 / scale
        if align_corners:
            step = (length - 1) / max(count - 1, 1)
        if mode == "area":
            spans = [range(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]
            yield [{place: 1 / len(span) for place in span} for span in spans]
        elif mode.startswith("nearest"):
            yield _shares(mode, length, count, step, False)
        else:
            method = METHODS[mode] if antialias else "cubic" if mode == "bicubic" else "linear"
            yield _shares(method, length, count, step, bool(align_corners))


def _interpolate(
    x: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None, recompute_scale_factor: Any = None,
    antialias: bool = False, weigh: Any = float,
) -> Any:
    return _made(x, list(_along(x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)), weigh)


def _resampled(x: Any, dim: int, length: int, method: str, aligned: bool, taps: int, step: float, weigh: Any = float) -> Any:
    kept = [[{i: 1.0} for i in range(n)] for n in x.shape]
    kept[dim % x.ndim] = _shares(method, x.shape[dim], length, step, aligned)
    return _made(x, kept, weigh)


def _returned(g: Any, dim: int, length: int, method: str, aligned: bool, taps: int, step: float, weigh: Any = float) -> Any:
    """The adjoint: every share the other way."""
    shares = _shares(method, length, g.shape[dim], step, aligned)
    kept = [[{i: 1.0} for i in range(n)] for n in g.shape]
    kept[dim % g.ndim] = [{i: share[place] for i, share in enumerate(shares) if place in share} for place in range(length)]
    return _made(g, kept, weigh)


def _weighed(reference: Any) -> dict[str, Any]:
    """The reference, and the sums of absolute values that its result is measured by."""
    return {"reference": reference, "magnitude": lambda *args, **kwargs: reference(*args, **kwargs, weigh=abs), "budget": "chain"}


LINE, PLANE, SOLID = T(1, 2, 5), T(1, 2, 4, 5), T(1, 1, 2, 3, 2)
BYTES = (*FLOATS, dtypes.uint8)

row("resample", [T(2, 5), 1, 3, "nearest", False, 1, 5 / 3], [T(2, 4), -1, 7, "linear", True, 2, 0.5], [T(4, 2, 3), 0, 5, "cubic", False, 4, 0.8],
    [T(2, 9), 1, 4, "keys", False, 9, 2.25], [T(0, 4), 1, 3, "linear", False, 2, 4 / 3], without="0d", dtypes=BYTES, **_weighed(_resampled))
row("resample_backward", [T(2, 3), 1, 5, "nearest", False, 1, 5 / 3], [T(2, 7), -1, 4, "linear", True, 2, 0.5], [T(5, 2, 3), 0, 4, "cubic", False, 4, 0.8],
    [T(2, 4), 1, 9, "keys", False, 9, 2.25], [T(0, 3), 1, 4, "linear", False, 2, 4 / 3], without="0d", **_weighed(_returned))
row("interpolate", case(PLANE, size=(3, 7)), case(LINE, 7, mode="linear"), case(PLANE, scale_factor=(1.7, 0.6), mode="bilinear"), case(PLANE, (6, 3), mode="bicubic", align_corners=True),
    case(SOLID, scale_factor=1.5, mode="trilinear", align_corners=True), case(PLANE, (2, 3), mode="bicubic", antialias=True),
    case(PLANE, scale_factor=0.6, mode="nearest-exact", recompute_scale_factor=True), case(LINE, 3, None, "area"), case(T(1, 1, 7, 4), (3, 6), mode="lanczos", antialias=True),
    case(PLANE, scale_factor=0.55, mode="bilinear", antialias=True), case(T(0, 2, 4, 5), 3), without="0d", dtypes=BYTES, **_weighed(_interpolate))

fails("interpolate", [PLANE], ArgumentError, "interpolate: give either size or scale_factor.")
fails("interpolate", [PLANE, 3, 2.0], ArgumentError, "interpolate: give either size or scale_factor.")
fails("interpolate", case(PLANE, 3, recompute_scale_factor=True), ArgumentError, "interpolate: recompute_scale_factor goes with scale_factor, not with size.")
fails("interpolate", [PLANE, None, math.nan], ArgumentError, "interpolate: scale_factor must be positive and finite, got nan.")
fails("interpolate", [PLANE, (3, 3, 3)], ArgumentError, "interpolate: size (3, 3, 3) does not fit the spatial dimensions (4, 5) of input.")
fails("interpolate", [PLANE, 0], ShapeError, "interpolate: sizes must be at least 1, got input of shape (1, 2, 4, 5) and the size (0, 0).")
fails("interpolate", [T(4, 5), 3], ShapeError, "interpolate: expected input (batch, channels, 1 to 3 spatial dimensions), got shape (4, 5).")
fails("interpolate", case(LINE, 3, mode="bilinear"), ShapeError, "interpolate: mode 'bilinear' needs input (batch, channels, height, width), got shape (1, 2, 5).")
fails("interpolate", case(LINE, 3, mode="cubic"), ArgumentError,
      "interpolate: mode must be one of nearest, nearest-exact, area, linear, bilinear, trilinear, bicubic, lanczos, got 'cubic'.")
fails("interpolate", case(LINE, 3, align_corners=True), ArgumentError, "interpolate: mode 'nearest' takes no align_corners.")
fails("interpolate", case(LINE, 3, antialias=True), ArgumentError, "interpolate: antialias goes with the modes bilinear, bicubic, lanczos, not with 'nearest'.")
fails("interpolate", case(PLANE, 3, mode="lanczos"), ArgumentError, "interpolate: mode 'lanczos' needs antialias=True, and takes no align_corners=True.")
fails("interpolate", case(PLANE, 3, mode="bilinear"), DTypeError,
      "interpolate: mode 'bilinear' does not take int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)
