"""Random programs on shared memory: views of views, writes through any of them, modes, leaves and backward, line by line.

Each line is a text that both libraries run, on variables of the same names. After each line all living tensors must agree:
values, shapes, dtypes, whether they need a gradient, whether they are leaves, their ``grad``.
"""

from __future__ import annotations

import math
import warnings
from random import Random
from typing import Any

import numpy as np
import torch
from comparing import near
from data import Library, literal, name_of

LINES, LIVING = 40, 14
#: what PyTorch refuses in backward because it overwrites what it has kept; here it goes through
OVERWRITTEN = ("modified by an inplace operation", "a second time", "is at version")
#: what PyTorch refuses of writes because of how its views are kept, and what it says
VIEWS = (
    "is a view and its base or another view of its base has been modified inplace",
    "view was created in no_grad mode",
    "view was created inside a custom Function",
    "output of a function that returns multiple views",
    "Output 0 of",
    "refer to a single memory location",
    "view size is not compatible",
    "is a view of a leaf Variable",
    "have the same dtype",
    "expected both vectors to have same dtype",
    "expected scalar type",
)


class Stop(Exception):
    """The program ends here, for a reason that is no find."""


class Difference(Exception):
    """The two libraries part here."""


class Program:
    """One program: grown line by line while both libraries run it."""

    def __init__(self, seed: str, ours: Library, theirs: Library) -> None:
        self.random = Random(seed)
        self.libraries = (ours, theirs)
        self.names: tuple[dict[str, Any], dict[str, Any]] = ({"lib": ours.module}, {"lib": theirs.module})
        self.lines: list[str] = []
        self.count = 0
        self.backwards = 0

    # running

    def run(self, text: str) -> bool:
        """Run a line in both; False where both refuse it or the difference is meant."""
        code = compile(text, "program", "exec")
        before = {name: self.libraries[0].host(self.names[0][name]) for name in self.living()}
        self.lines.append(text)
        outcomes: list[Exception | None] = []
        for names in self.names:
            try:
                exec(code, names)
                outcomes.append(None)
            except Exception as error:  # noqa: BLE001 - which it was is what is compared
                outcomes.append(error)
            if len(outcomes) == 1 and outcomes[0] is not None and "several of its elements" in str(outcomes[0]):
                self.lines.pop()  # a write through expand is refused here, and done there
                return False
        mine, their = outcomes
        if their is not None and ".backward(" in text:
            raise Stop(str(their))
        if mine is None and their is None:
            return True
        if mine is not None and their is not None:
            for name, array in before.items():
                self.equal(
                    f"{name}, after a line that is refused", self.libraries[0].host(self.names[0][name]), array, ""
                )
            self.lines.pop()
            return False
        if their is None and "out of range" in str(mine):
            raise Stop("PyTorch does not look at the indices of what is empty")
        if their is not None and any(words in str(their) for words in (*OVERWRITTEN, *VIEWS)):
            raise Stop(str(their))
        raise Difference(f"tapeloom: {mine!r}\n# PyTorch: {their!r}")

    def compare(self) -> None:
        """All living tensors must agree."""
        ours, theirs = self.libraries
        for name in self.living():
            a, b = self.names[0][name], self.names[1][name]
            facts = [
                (tuple(x.shape), name_of(x.dtype), x.requires_grad, x.is_leaf, x.requires_grad and x.retains_grad)
                for x in (a, b)
            ]
            if facts[0] != facts[1]:
                raise Difference(
                    f"{name} (shape, dtype, requires_grad, is_leaf, retains_grad): {facts[0]}\n# PyTorch: {facts[1]}"
                )
            self.equal(name, ours.host(a), theirs.host(b), name_of(b.dtype))
            if a.is_leaf or a.retains_grad:
                self.grads(name, a, b)

    def grads(self, name: str, a: Any, b: Any) -> None:
        """The gradients that two tensors hold."""
        if a.grad is None and b.grad is not None and not b.grad.any():
            b.grad = None  # PyTorch also hands back zeros, for what was overwritten
        if (a.grad is None) != (b.grad is None):
            raise Difference(f"{name}.grad: {a.grad}\n# PyTorch: {b.grad}")
        if b.grad is not None:
            ours, theirs = self.libraries
            self.equal(f"{name}.grad", ours.host(a.grad), theirs.host(b.grad), name_of(b.dtype), 1e4)

    def equal(self, name: str, x: np.ndarray, y: np.ndarray, dtype: str, spacings: float = 64) -> None:
        """Raise where two arrays are not near."""
        if x.shape != y.shape or not (
            near(x, y, dtype, spacings) or (x.dtype.kind == "f" and np.allclose(x, y, 1e-6, 1e-6, True))
        ):
            raise Difference(f"{name}: {x.tolist()}\n# PyTorch: {y.tolist()}")

    # choosing

    def living(self) -> list[str]:
        """The variables."""
        return [name for name in self.names[1] if name[0] == "v"]

    def one(self, fits: Any = None) -> str:
        """A variable, one that ``fits`` where there is one."""
        names = self.living()
        some = [name for name in names if fits(self.names[1][name])] if fits else names
        return self.random.choice(some or names)

    def new(self) -> str:
        """A new variable."""
        self.count += 1
        return f"v{self.count}"

    def there(self, name: str) -> Any:
        """PyTorch's tensor of this name, by which lines are chosen."""
        return self.names[1][name]

    def floating(self) -> str:
        """A floating variable."""
        return self.one(lambda x: x.is_floating_point())

    def number(self) -> str:
        """A number as text."""
        return self.random.choice(["0.5", "-1.5", "2", "0", "-1", "3.25"])

    def values(self, shape: tuple[int, ...]) -> str:
        """Nested lists as text."""
        size = math.prod(shape)
        flat = [self.random.choice([-2.0, -1.5, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.75, 3.0]) for _ in range(size)]
        return literal(np.array(flat).reshape(shape).tolist())

    def source_for(self, target: str, shape: tuple[int, ...]) -> str:
        """A variable whose values can be written into ``shape`` of ``target``, or a number.

        Never one that shares memory with it: what PyTorch makes of overlapping writes is not promised.
        """
        storage = self.there(target).untyped_storage().data_ptr()

        def fits(x: Any) -> bool:
            if x.untyped_storage().data_ptr() == storage or x.dtype != self.there(target).dtype:
                return False
            try:
                return torch.broadcast_shapes(x.shape, shape) == shape
            except RuntimeError:
                return False

        some = [name for name in self.living() if fits(self.there(name))]
        return self.random.choice(some) if some and self.random.random() < 0.75 else self.number()

    # lines

    def key(self, shape: tuple[int, ...], basic: bool = False) -> str:
        """An index that fits ``shape``, as text."""
        parts = []
        for length in shape[: self.random.randint(1, max(len(shape), 1))]:
            choices = [":", "1:", ":-1", "::2", "None", f"{self.random.randint(0, 1)}:{self.random.randint(1, 4)}"]
            if length:
                choices += [str(self.random.randrange(-length, length))] * 2
            if not basic and length and self.random.random() < 0.4:
                pick = [self.random.randrange(-length, length) for _ in range(self.random.randint(1, 3))]
                if len({p % length for p in pick}) == len(pick):  # else which of two writes wins is not promised
                    choices = [f"lib.tensor({pick})", str(pick)]
                    basic = True  # one is enough
                elif self.random.random() < 0.5:
                    choices = [f"lib.tensor({[self.random.random() < 0.5 for _ in range(length)]})"]
                    basic = True
            parts.append(self.random.choice(choices))
        if self.random.random() < 0.15:
            parts.insert(self.random.randint(0, len(parts)), "...")
        return ", ".join(parts) if parts else "..."

    def make(self) -> str:
        """A new leaf or constant."""
        shape = self.random.choice([(2, 3), (3,), (4,), (2, 2), (3, 2), (), (1, 3), (2, 3, 2), (6,), (0, 2), (4, 4)])
        needs = self.random.choice(["", "", ", requires_grad=True", ", requires_grad=True"])
        dtype = self.random.choice(["float64"] * 9 + ["float32", "complex128", "int64"])
        needs = "" if dtype == "int64" else needs
        if not math.prod(shape):
            return f"{self.new()} = lib.zeros({shape}, dtype=lib.{dtype}{needs})"
        once = self.random.choice(["", " * 1"])  # leaves refuse to be changed
        return f"{self.new()} = lib.tensor({self.values(shape)}, dtype=lib.{dtype}{needs}){once}"

    def compute(self) -> str:
        """A new value of old ones."""
        x = self.floating()
        shape = self.there(x).shape
        y = self.one(lambda y: y.shape == shape and y.is_floating_point())
        out = self.new()
        return self.random.choice(
            [
                f"{out} = {x} * {y}",
                f"{out} = {x} + {y}",
                f"{out} = {x} - {self.number()}",
                f"{out} = {x}.sin()",
                f"{out} = {x}.tanh()",
                f"{out} = {x}.exp().clamp(max=5)",
                f"{out} = {x}.clone()",
                f"{out} = {x} * 1",
                f"{out} = {x}.sum()",
                f"{out} = {x} ** 2",
                f"{out} = {x}.relu()",
                f"{out} = lib.cat([{x}, {y}])",
                f"{out} = lib.where({x} > 0, {x}, {y})",
                f"{out} = {x} @ {self.one()}",
                f"{out} = {x}.double()",
                f"{out} = {x}.to(lib.float32)",
                f"{out} = {x}.flip(0)",
                f"{out} = {x}[lib.tensor([0, -1])]",
                f"{out} = {x}.reshape(-1).index_select(0, lib.tensor([0]))",
                f"{out} = {x}.masked_fill({x} > 0.5, {self.number()})",
                f"{out} = lib.stack([{x}, {y}]).mean(0)",
                f"{out} = {x}.cumsum(-1)",
                f"{out} = {x}.long()",
            ]
        )

    def view(self) -> str:
        """A view of an old value."""
        x = self.one()
        tensor = self.there(x)
        shape = tuple(tensor.shape)
        out = self.new()
        rank = len(shape)
        order = tuple(self.random.sample(range(rank), rank))
        dim = self.random.randrange(-rank, rank) if rank else 0
        choices = [
            f"{out} = {x}[{self.key(shape, basic=True)}]",
            f"{out} = {x}[{self.key(shape, basic=True)}]",
            f"{out} = {x}[{self.key(shape, basic=True)}]",
            f"{out} = {x}.permute({order})",
            f"{out} = {x}.mT" if rank > 1 else f"{out} = {x}[None]",
            f"{out} = {x}.transpose({dim}, 0)",
            f"{out} = {x}.unsqueeze({dim})",
            f"{out} = {x}.squeeze()",
            f"{out} = {x}.squeeze({dim})",
            f"{out} = {x}.view(-1)",
            f"{out} = {x}.view({literal(shape[::-1])})",
            f"{out} = {x}.view({literal((*shape, 1))})",
            f"{out} = {x}.movedim({dim}, 0)",
            f"{out} = {x}.detach()",
            f"{out} = {x}.detach()" if tensor.requires_grad else f"{out} = {x}.data",
            f"{out} = {x}.expand({literal((2, *shape))})",
            f"{out} = {x}.view_as({x})",
            f"{out} = {x}.swapaxes({dim}, -1)",
            f"{out} = {x}.real" if tensor.is_complex() else f"{out} = +{x}",
            f"{out} = {x}.imag" if tensor.is_complex() else f"{out} = {x}.view({list(shape)})",
            f"{out} = lib.view_as_real({x})" if tensor.is_complex() else f"{out} = {x}.view_as({x})",
        ]
        if rank and shape[dim]:
            choices += [
                f"{out} = {x}.narrow({dim}, {self.random.randrange(shape[dim])}, 1)",
                f"{out} = {x}.select({dim}, {self.random.randrange(shape[dim])})",
                f"{out} = {x}.unbind({dim})[-1]",
                f"{out} = {x}.split(2, {dim})[0]",
                f"{out} = {x}.chunk(2, {dim})[-1]",
                f"{out} = {x}.unflatten({dim}, (-1, 1))",
            ]
        if tensor.is_contiguous():
            choices += [
                f"{out} = {x}.contiguous()",
                f"{out} = {x}.reshape(-1)",
                f"{out} = {x}.flatten()",
                f"{out} = {x}.ravel()",
            ]
        return self.random.choice(choices)

    def write(self) -> str:
        """A write into an old value."""
        x = self.one() if self.random.random() < 0.15 else self.one(lambda x: not (x.is_leaf and x.requires_grad))
        tensor = self.there(x)
        shape = tensor.shape
        y = self.source_for(x, shape)
        mask = f"{x}.detach() > {self.number()}"
        key = self.key(tuple(shape))
        picked = self.picked(tensor, key)
        value = self.source_for(x, picked) if picked is not None else self.number()
        part = picked is not None and picked.numel() < tensor.numel()
        texts = [
            f"{x}.add_({y})",
            f"{x}.mul_({y})",
            f"{x}.sub_({y}, alpha=2)",
            f"{x}.copy_({y})" if y[0] == "v" else f"{x}.fill_({y})",
            f"{x}.copy_({y})" if y[0] == "v" else f"{x}.zero_()",
            f"{x} += {y}",
            f"{x} *= {y}",
            f"{x}[{key}] = {value}",
            f"{x}[{key}] = {value}",
            f"{x}[{key}] = {value}",
            # where the key takes all, PyTorch finds that a leaf is written when the result is put back
            f"{x}[{key}] += {value}" if part else f"{x} += {y}",
            f"{x}[{key}] *= {value}" if part else f"{x} *= {y}",
            f"{x}[{mask}] = {self.number()}",
            f"{x}.masked_fill_({mask}, {self.number()})",
            f"{x}[...] = {y}",
            f"{x}.sin_()",
            f"{x}.clamp_(-1, 1)",
            f"{x}.relu_()",
            f"{x}.mul_({x})",
            f"{x}.div_(2)",
            f"{x}.neg_()",
            f"{x}.pow_(2)",
            f"{x}.tanh_()",
            f"{x}.cos_()",
            f"{x}.add_({y}, alpha=0.5)",
            f"{x}.sub_({x}.mean())" if tensor.is_floating_point() else f"{x}.sub_(1)",
            f"{x}.copy_({x}.flip(0))" if shape else f"{x}.neg_()",
            f"{x}[{key}].add_({value})",
            f"{x}.detach().mul_({self.number()})",
            f"{x}.detach()[{key}] = {self.number()}",
            # what is written through .data of a tensor on the tape spoils PyTorch's gradients in silence
            f"{x}.detach().add_({self.number()})" if tensor.requires_grad else f"{x}.data.add_({self.number()})",
        ]
        if len(shape) and shape[0]:
            place = self.random.randrange(shape[0])
            texts.append(f"{x}.index_add_(0, lib.tensor([{place}]), {x}.detach()[:1] * 2)")
            texts.append(
                f"{x}.scatter_add_(0, lib.zeros({literal((1, *shape[1:]))}, dtype=lib.int64), {x}.detach() * 2)"
            )
            texts.append(f"for row in {x}: row.mul_(0.5)")
        if len(shape) > 1:
            texts += [
                f"{x}.tril_()",
                f"{x}.T.add_({self.number()})" if len(shape) == 2 else f"{x}.mT.mul_({self.number()})",
            ]
        return self.random.choice(texts)

    def picked(self, tensor: Any, key: str) -> Any:
        """The shape of ``tensor[key]``, or None where it does not fit."""
        try:
            return eval(f"x[{key}]", {"x": tensor.detach(), "lib": torch}).shape
        except (IndexError, RuntimeError, TypeError):
            return None

    def mode(self) -> str:
        """A write or a view without recording."""
        kind = self.random.choice(["no_grad()", "no_grad()", "enable_grad()", "set_grad_enabled(False)"])
        # views that PyTorch takes without recording are leaves that say that they need a gradient
        inner = self.view() if kind == "enable_grad()" and self.random.random() < 0.4 else self.write()
        return f"with lib.{kind}:\n    {inner}"

    def other(self) -> str:
        """What changes how a tensor stands to the tape."""
        x = self.one()
        tensor = self.there(x)
        alone = [self.there(name).untyped_storage().data_ptr() for name in self.living()]
        if alone.count(tensor.untyped_storage().data_ptr()) == 1 and not tensor._is_view():
            # views of what begins to need a gradient say in PyTorch that they do, too, and are leaves
            # a view whose data is replaced stays, in PyTorch, a view for the tape alone
            data = self.one(lambda y: y.shape == tensor.shape and y.dtype == tensor.dtype)
            choices = [
                f"{x}.data = {data}.detach() * 1",
                f"{x}.requires_grad_()",
                f"{x}.requires_grad_(False)",
                f"{x}.retain_grad()",
            ]
            return self.random.choice([*choices, f"{x}.detach_()"] if not tensor.retains_grad else choices)
        return self.random.choice(
            [
                f"{x}.grad = None",
                f"{x}.grad.zero_()",
                f"{x}.grad.add_(1)",
                f"{self.new()} = {x}.grad",
                f"del {x}" if len(self.living()) > 3 else "pass",
            ]
        )

    def backward(self) -> str:
        """Walk back from a tensor."""
        x = self.one(lambda x: x.requires_grad)
        tensor = self.there(x)
        shape = tuple(tensor.shape)
        size = math.prod(shape)
        weight = (
            f"lib.tensor({self.values(shape)}, dtype=lib.{name_of(tensor.dtype)})"
            if size
            else f"lib.zeros({shape}, dtype=lib.{name_of(tensor.dtype)})"
        )
        self.backwards += 1
        return f"{x}.backward({weight}, retain_graph=True)"

    def grow(self) -> None:
        """Add lines until there are enough, or the two part."""
        kinds = [self.make, self.compute, self.view, self.write, self.mode, self.other, self.backward]
        while len(self.lines) < LINES:
            kind = self.random.choices(kinds, [1, 3, 6, 8, 2, 1, 2])[0] if len(self.living()) > 1 else self.make
            self.step(kind())
            for extra in self.living()[:-LIVING]:  # some die while their relatives live
                self.step(f"del {extra}")

    def step(self, text: str) -> None:
        """Run a line, and compare."""
        if ".backward(" in text and not self.walks(text):
            return
        if not self.run(text):
            self.check_refused()
        for names in self.names:
            for name in [n for n, value in names.items() if n[0] == "v" and value is None]:
                del names[name]
        try:
            self.compare()
        except RuntimeError as error:  # PyTorch's, of a view that it gave up: it cannot even be looked at
            raise Stop(str(error)) from None

    def check_refused(self) -> None:
        """Stop where PyTorch has half done what it refused, such as the writes before an index out of range."""
        try:
            self.compare()
        except Difference as error:
            raise Stop(str(error)) from None

    def walks(self, text: str) -> bool:
        """Whether PyTorch walks back here: where it does not, it may have left half of the gradients."""
        leaves = ", ".join(
            name for name in self.living() if self.there(name).requires_grad and self.there(name).is_leaf
        )
        x, _, rest = text.partition(".backward(")
        if any(self.there(name).requires_grad and self.there(name).retains_grad for name in self.living()):
            return True  # it would add to what is retained
        trial = compile(f"lib.autograd.grad({x}, [{leaves}], {rest[:-1]}, allow_unused=True)", "trial", "eval")
        try:
            eval(trial, self.names[1])
        except (RuntimeError, NameError, ValueError):
            return False
        return True


def fate(program: Program, grow: Any) -> str | None:
    """What differs while ``grow`` runs, or None."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            grow()
        except Stop:
            pass
        except Difference as error:
            return str(error)
    return None


def shrunk(lines: list[str], ours: Library, theirs: Library) -> tuple[list[str], str]:
    """As few of the lines as still show a difference, and which."""

    def tried(some: list[str]) -> tuple[list[str], str | None]:
        program = Program("", ours, theirs)

        def grow() -> None:
            for line in some:
                program.step(line)

        return program.lines, fate(program, grow)

    what = tried(lines)[1] or "gone when it is run again"
    place = len(lines) - 1
    while place >= 0 and what:
        fewer = [*lines[:place], *lines[place + 1 :]]
        ran, still = tried(fewer)
        if still is not None:
            lines, what = ran, still
        place = min(place, len(lines)) - 1
    return lines, what


def one_program(seed: int, libraries: tuple[Library, Library], number: int) -> tuple[int, int, str | None, str]:
    """Lines run, backward passes compared, what differs or None, and the program as text."""
    program = Program(f"{seed}/program/{number}", *libraries)
    what = fate(program, program.grow)
    lines = program.lines
    if what is not None:
        lines, what = shrunk(lines, *libraries)
    return len(program.lines), program.backwards, what, "\n".join(lines)
