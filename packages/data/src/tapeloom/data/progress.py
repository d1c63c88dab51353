"""A progress bar for loops."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["progress"]


def progress(iterable: Iterable[Any], desc: str | None = None, total: int | None = None) -> Any:
    """Iterates ``iterable`` with a bar on stderr that shows how far it is; none where stderr is not a terminal.

    ``desc`` is shown in front of the bar, ``total`` is the number of steps where ``iterable`` has no length. What comes
    back is a ``tqdm`` bar, so its ``set_postfix(loss=...)`` can be used.
    """
    from tqdm.auto import tqdm

    return tqdm(iterable, desc=desc, total=total, disable=None)
