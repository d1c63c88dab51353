"""The exceptions of tapeloom: one tree, each also the builtin that Python users expect.

    TapeloomError
    ├── ShapeError        (ValueError)         shapes that do not fit together
    ├── DTypeError        (TypeError)          a dtype that the operation does not take
    ├── ArgumentError     (ValueError)         a setting out of its range
    ├── ArgumentTypeError (TypeError)          an argument of the wrong kind
    ├── IndexingError     (IndexError)         an index or dimension out of range
    ├── DeviceError       (RuntimeError)       tensors on different devices, or a device that cannot be used
    ├── BackendError      (ImportError)        a backend plugin that is missing, broken, too new or clashing
    ├── GradientError     (RuntimeError)       a backward pass that cannot be run
    │   ├── FreedTapeError                     … because its tape was already freed
    │   ├── AnomalyError                       … because of a nan, while anomalies are looked for
    │   └── RecomputeError                     … because a checkpointed function ran otherwise the second time
    ├── InplaceError      (RuntimeError)       an in-place change that is not allowed
    ├── LinAlgError       (RuntimeError)       a matrix without the inverse, factors or eigenvalues that were asked for
    ├── UnsupportedError  (NotImplementedError) an operation that this backend does not have
    ├── CheckpointError   (RuntimeError)       a file that is not a whole, fitting checkpoint
    │   └── MissingCheckpointError (FileNotFoundError) … because there is none
    ├── StateError        (RuntimeError)       a module or optimizer used before it was set up
    └── DataError         (RuntimeError)       a dataset, loader or worker that failed

Every message says what failed, what came, and what to do.
"""

from __future__ import annotations


class TapeloomError(Exception):
    """The root of every error that tapeloom raises on purpose."""


class ShapeError(TapeloomError, ValueError):
    """Shapes that do not fit together."""


class DTypeError(TapeloomError, TypeError):
    """A dtype that the operation does not take."""


class ArgumentError(TapeloomError, ValueError):
    """A setting out of its range."""


class ArgumentTypeError(TapeloomError, TypeError):
    """An argument of the wrong kind."""


class IndexingError(TapeloomError, IndexError):
    """An index or a dimension out of range."""


class DeviceError(TapeloomError, RuntimeError):
    """Tensors on different devices, or a device that cannot be used."""


class BackendError(TapeloomError, ImportError):
    """A backend plugin that is missing, broken, too new or clashing; ``fix`` is the command that helps, if one does.

    A message that ends with ``Run: command`` gives it too.
    """

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.fix = fix or message.partition(" Run: ")[2] or None


class GradientError(TapeloomError, RuntimeError):
    """A backward pass that cannot be run."""


class FreedTapeError(GradientError):
    """A second backward pass through a tape that the first one freed."""


class AnomalyError(GradientError):
    """A nan that was found by ``autograd.detect_anomaly``, and where it came from."""


class RecomputeError(GradientError):
    """A function under ``utils.checkpoint`` that did not do the same when it was run again."""


class InplaceError(TapeloomError, RuntimeError):
    """An in-place change that is not allowed."""


class LinAlgError(TapeloomError, RuntimeError):
    """A matrix that does not have what was asked for: an inverse, a Cholesky factor, eigenvalues that can be found."""


class UnsupportedError(TapeloomError, NotImplementedError):
    """An operation or a dtype that this backend does not have; ``lacking`` is its name."""

    lacking: str | None = None


class CheckpointError(TapeloomError, RuntimeError):
    """A file that is not a whole, fitting checkpoint."""


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """A checkpoint file that does not exist."""


class StateError(TapeloomError, RuntimeError):
    """A module or an optimizer used before it was set up, or state that does not fit it."""


class DataError(TapeloomError, RuntimeError):
    """A dataset, a loader or one of its workers that failed."""
