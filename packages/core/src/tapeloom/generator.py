"""The random generator: a seed and an offset into one counter-based stream, the same on every device.

The stream of a seed is NumPy's Philox4x64-10 with the key ``(seed, 0)``, read as 32-bit words, low half first. It comes
in *blocks* of four 64-bit numbers, so of eight words. A draw reserves whole blocks and then computes them anywhere:
nothing but two integers says what comes next, and no draw ever looks at another.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from os import urandom
from threading import Lock
from types import TracebackType

from tapeloom.devices import Device
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.shapes import as_int

WORDS_PER_BLOCK = 8
_MAX = 2**64 - 1
_FIRST_SEED = 67280421310721  # PyTorch's default for a new generator


class Generator:
    """A source of random numbers; its whole state is ``(seed, offset)``, offset counted in blocks.

    ``device`` (the CPU) is what the attribute says and changes nothing: one generator serves every device, and the
    same seed gives the same bits on each. A new generator has a fixed seed, as in PyTorch; ``seed()`` picks a random one.
    """

    __slots__ = ("__weakref__", "_lock", "_offset", "_seed", "device")

    def __init__(self, device: str | Device | None = None) -> None:
        self.device = Device("cpu" if device is None else device)
        self._lock = Lock()
        self._seed = _FIRST_SEED
        self._offset = 0

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed`` from its beginning, and return this generator.

        ``seed`` is from -2**63 to 2**64 - 1; a negative one stands for itself plus 2**64.
        Raises ArgumentError out of this range, ArgumentTypeError for anything but an int.
        """
        self.set_state((_as_seed(seed), 0))
        return self

    def seed(self) -> int:
        """Start the stream of a seed taken from the operating system, and return that seed."""
        seed = int.from_bytes(urandom(8), "little")
        self.set_state((seed, 0))
        return seed

    def initial_seed(self) -> int:
        """The seed of the stream, from 0 to 2**64 - 1."""
        return self._seed

    def get_state(self) -> tuple[int, int]:
        """``(seed, offset)``: the position in the stream, as plain ints."""
        with self._lock:  # a pair, never the seed of one moment and the offset of another
            return self._seed, self._offset

    def set_state(self, state: tuple[int, int]) -> None:
        """Continue from a state of ``get_state``. Raises ArgumentTypeError or ArgumentError for anything else."""
        if not isinstance(state, (tuple, list)) or len(state) != 2:
            raise ArgumentTypeError(
                f"Generator.set_state: expected a pair (seed, offset), got {state!r}. Pass what get_state returned."
            )
        seed = as_int("Generator.set_state", "seed", state[0])
        offset = as_int("Generator.set_state", "offset", state[1])
        if not (0 <= seed <= _MAX and 0 <= offset <= _MAX):
            raise ArgumentError(
                f"Generator.set_state: seed {seed} and offset {offset} must both be from 0 to 2**64 - 1. "
                f"Pass what get_state returned."
            )
        with self._lock:
            self._seed, self._offset = seed, offset

    def clone_state(self) -> Generator:
        """A new generator that goes on as this one would."""
        made = Generator(self.device)
        made.set_state(self.get_state())
        return made

    def reserve(self, n_words: int) -> tuple[int, int]:
        """Take the next ``n_words`` words for one draw; return ``(seed, offset)``, which names their first block.

        Whole blocks are taken, so that draws never share one; draws of several threads never overlap.
        """
        blocks = -(-n_words // WORDS_PER_BLOCK)
        with self._lock:
            offset = self._offset
            if not offset <= offset + blocks <= _MAX:
                raise StateError(
                    f"Generator.reserve: {n_words} words do not fit after offset {offset}: a stream has 2**64 blocks. "
                    f"Seed the generator again."
                )
            self._offset = offset + blocks
            return self._seed, offset

    def __getstate__(self) -> tuple[int, int]:
        return self.get_state()

    def __setstate__(self, state: tuple[int, int]) -> None:
        self.device = Device("cpu")
        self._lock = Lock()
        self.set_state(state)

    def __repr__(self) -> str:
        seed, offset = self.get_state()
        return f"Generator(seed={seed}, offset={offset})"


def _as_seed(seed: object) -> int:
    value = as_int("manual_seed", "seed", seed)
    if not -(2**63) <= value <= _MAX:
        raise ArgumentError(f"manual_seed: seed {value} is out of range. Give an int from -2**63 to 2**64 - 1.")
    return value & _MAX


#: The generator of every draw that names none, on all devices. Its seed is random until ``manual_seed`` sets one.
default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, for all devices at once, and return it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system, and return the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> tuple[int, int]:
    """The state of the default generator, ``(seed, offset)``."""
    return default_generator.get_state()


def set_rng_state(state: tuple[int, int]) -> None:
    """Set the default generator to a state that ``get_rng_state`` returned."""
    default_generator.set_state(state)


class fork_rng:
    """``with fork_rng(): ...`` leaves the default generator as it was before the block, even after an exception.

    ``devices`` and ``device_type`` are taken for PyTorch's spelling and change nothing; with ``enabled=False`` the block changes nothing.
    The generator is shared: draws that other threads make meanwhile are rewound too.
    """

    __slots__ = ("_enabled", "_states")

    def __init__(self, devices: object = None, enabled: bool = True, *, device_type: object = None) -> None:
        self._enabled = enabled
        self._states: list[tuple[int, int]] = []  # a stack: one object may be entered within itself

    def __enter__(self) -> None:
        self._states.append(default_generator.get_state())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        state = self._states.pop()
        if self._enabled:
            default_generator.set_state(state)
