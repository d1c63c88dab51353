"""The architecture as law: which layer may import which, who may import array libraries, how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tapeloom.distributions import install_command

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "packages" / "core" / "src" / "tapeloom"

#: the layers of core from the bottom up; a file may import only from its own layer and those below, function bodies included
LAYERS = [
    [
        "errors",
        "atomic",
        "dtypes",
        "shapes",
        "keys",
        "suspended",
        "modes",
        "references",
        "devices",
        "generator",
        "host_random",
        "host_draws",
        "host_windows",
        "host",
        "printing",
        "call_site",
        "distributions",
    ],
    ["op"],
    ["backend"],
    ["tensors"],
    ["tape"],
    ["call"],
    ["ops"],
    [
        "methods",
        "accelerator",
        "amp",
        "autograd",
        "einops_backend",
        "fft",
        "func",
        "linalg",
        "random",
        "signal",
        "special",
        "checkpoint",
    ],
    ["utils"],
    ["testing", "array_api", "__init__", "doctor", "__main__"],  # what uses the whole, as users do
]
#: imports inside functions, of our own modules: what is better not loaded before its use, and why
LATE = {
    ("backend.plugins", "backend.hookspecs"): "imports pluggy, 16 ms",
    ("__main__", "doctor"): "only the command that asks for it",
}
#: the files that read and write `Tensor.array` and `Leaf.grad` themselves; all others go through read_array, write_array,
#: read_grad and write_grad, which a captured step can watch
DIRECT_ACCESS = {
    "tensors/tensor.py": "defines these functions",
    "tensors/facts.py": "asks for the shape alone",
    "tensors/node.py": "defines Leaf",
    "call/text.py": "the generated text, closed while anything watches",
}
ARRAY_LIBRARIES = {"numpy", "scipy", "jax", "jaxlib", "cupy", "cupyx", "numba", "torch", "ml_dtypes", "safetensors"}
SOURCES = list(ROOT.glob("packages/*/src/**/*.py"))
MODULES = {
    ".".join(("tapeloom", *path.relative_to(CORE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in CORE.rglob("*.py")
}


def level(module: str) -> int:
    name = module.split(".")[1] if module.count(".") else "__init__"
    for number, names in enumerate(LAYERS):
        if name in names:
            return number
    raise AssertionError(f"{module} has no layer: add it to LAYERS")


def imports(path: Path, where: str = "all") -> list[tuple[int, str]]:
    """(line, module) of the imports in a file: all, at the "head", or "inside" functions; never those for type checkers."""
    found: list[tuple[int, str]] = []

    def visit(node: ast.AST, nested: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for other in child.orelse:
                    visit(other, nested)
                continue
            if where == "all" or nested == (where == "inside"):
                if isinstance(child, ast.Import):
                    found.extend((child.lineno, alias.name) for alias in child.names)
                elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
                    names = {f"{child.module}.{alias.name}" for alias in child.names}
                    found.extend((child.lineno, name if name in MODULES else child.module) for name in names)
            visit(child, nested or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    visit(ast.parse(path.read_text("utf-8")), nested=False)
    return found


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """The shortest circle through each node that is on one."""
    found = []
    for start, targets in edges.items():
        ways = {target: [start, target] for target in targets}
        queue = list(ways)
        while queue and start not in ways:
            node = queue.pop(0)
            for target in edges.get(node, ()):
                if target not in ways:
                    ways[target] = [*ways[node], target]
                    queue.append(target)
        if start in ways:
            found.append(ways[start])
    return found


def test_core_imports_point_one_way():
    wrong = []
    for own, path in MODULES.items():
        if own == "tapeloom":
            continue
        for line, module in imports(path):
            if module.startswith("tapeloom") and level(module) > level(own):
                wrong.append(
                    f"{path.relative_to(ROOT)}:{line}: {own} (layer {level(own)}) imports {module} (layer {level(module)})"
                )
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_in_a_circle():
    """Neither files nor folders, function bodies included."""
    files: dict[str, set[str]] = {}
    folders: dict[str, set[str]] = {}
    for own, path in MODULES.items():
        targets = {module for _, module in imports(path) if module in MODULES and module != own}
        files[own] = targets
        for target in targets:
            here, there = own.split(".")[1:2], target.split(".")[1:2]
            if here and there and here != there:
                folders.setdefault(here[0], set()).add(there[0])
    assert not circles(files)
    assert not circles(folders)


def test_only_what_must_is_imported_late():
    late = {
        (own.removeprefix("tapeloom."), module.removeprefix("tapeloom."))
        for own, path in MODULES.items()
        if own != "tapeloom" and not own.startswith("tapeloom.testing")
        for _, module in imports(path, "inside")
        if module.startswith("tapeloom.")
    }
    assert late == set(LATE)


def test_arrays_and_gradients_are_read_and_written_through_functions():
    """So that a captured step sees every access: the exceptions are listed, and closed while anything watches."""
    wrong = []
    for own, path in MODULES.items():
        place = path.relative_to(CORE).as_posix()
        if place in DIRECT_ACCESS or own.startswith("tapeloom.testing"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr == "array"
                and ast.unparse(node.value) not in ("np", "numpy", "self.xp")
            ):
                wrong.append(f"{place}:{node.lineno}: {ast.unparse(node)}")
            if (
                isinstance(node, ast.Attribute)
                and node.attr == "grad"
                and ast.unparse(node.value) in ("leaf", "node", "self.node")
            ):
                wrong.append(f"{place}:{node.lineno}: {ast.unparse(node)}")
    assert not wrong, "\n".join(wrong)


def test_only_the_host_door_imports_array_libraries_in_core_and_only_inside_functions():
    doors = {"host.py"}
    wrong = []
    for path in [*CORE.rglob("*.py"), *ROOT.glob("packages/nn/src/**/*.py"), *ROOT.glob("packages/data/src/**/*.py")]:
        if "testing" in path.relative_to(ROOT).parts:
            continue  # the suite compares with NumPy; nothing of it is loaded by import tapeloom
        for line, module in imports(path):
            if module.split(".")[0] in ARRAY_LIBRARIES:
                head = (line, module) in imports(path, "head")
                if head or path.name not in doors:
                    wrong.append(f"{path.relative_to(ROOT)}:{line}: {module}")
    allowed = {"printing.py": "numpy", "__init__.py": "ml_dtypes"}  # text of arrays; bfloat16 for libraries without it
    wrong = [
        entry for entry in wrong if allowed.get(entry.split(":")[0].rsplit("/", 1)[-1]) != entry.rsplit(" ", 1)[-1]
    ]
    assert not wrong, "\n".join(wrong)


def test_backends_know_core_and_their_own_library_alone():
    own = {"backend-numpy": {"numpy", "scipy", "numba", "ml_dtypes"}, "backend-jax": {"jax", "jaxlib", "numpy", "ml_dtypes"},
           "backend-cupy": {"cupy", "cupyx", "cupy_backends", "numpy", "ml_dtypes"}}  # fmt: skip
    wrong = []
    for package, allowed in own.items():
        for path in (ROOT / "packages" / package / "src").rglob("*.py"):
            for line, module in imports(path):
                top = module.split(".")[0]
                if top in ARRAY_LIBRARIES - allowed or module.startswith(
                    ("tapeloom.nn", "tapeloom.optim", "tapeloom.data")
                ):
                    wrong.append(f"{path.relative_to(ROOT)}:{line}: {module}")
    assert not wrong, "\n".join(wrong)


def test_nn_and_data_own_no_top_package():
    for package in ("nn", "data"):
        assert not (ROOT / "packages" / package / "src" / "tapeloom" / "__init__.py").exists()


def test_files_can_be_read_in_one_sitting():
    long = {}
    for path in SOURCES:
        lines = len(path.read_text("utf-8").splitlines())
        if lines > 500:
            long[str(path.relative_to(ROOT))] = lines
    assert not long, f"over 500 lines; is each still one family? {long}"


def test_no_module_bears_the_name_of_a_public_function_beside_it():
    import tapeloom

    modules = {path.stem for path in CORE.glob("*.py")} | {path.name for path in CORE.iterdir() if path.is_dir()}
    clashes = {name for name in modules & set(tapeloom.__all__) if callable(getattr(tapeloom, name))}
    assert not clashes


LIGHT = """
import sys
before = set(sys.modules)
{program}
heavy = {{name.split('.')[0] for name in set(sys.modules) - before}} & {libraries!r}
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "program",
    [
        "import tapeloom",
        "import tapeloom.nn, tapeloom.optim",
        "import tapeloom.data, tapeloom.utils.data",
        "import tapeloom as tl; tl.device('cpu'); tl.float32; tl.no_grad()",
        "import tapeloom_backend_numpy",
        "import tapeloom.__main__",
    ],
)
def test_importing_loads_no_array_library(program):
    heavy = {"pluggy", "inspect", "dataclasses"} if program == "import tapeloom" else set()
    libraries = ARRAY_LIBRARIES | heavy
    text = LIGHT.format(program=program, libraries=libraries)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_a_missing_part_says_what_to_install(tmp_path):
    """With core alone on the path, every spelling ends in the same sentence."""
    spellings = (
        "import tapeloom.nn",
        "from tapeloom import nn",
        "from tapeloom.nn import Linear",
        "import tapeloom; tapeloom.nn",
    )
    alone = "import sys; sys.path = [p for p in sys.path if 'packages' not in p]; "
    for spelling in spellings:
        program = f"{alone}sys.path.insert(0, {str(CORE.parent)!r}); {spelling}"
        done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False)
        assert f"tapeloom.nn is not installed; run: {install_command('tapeloom-nn')}" in done.stderr, spelling


def test_public_names_are_exact():
    """``__all__`` is sorted, holds no private name, and each name is there; the generated stubs agree with it."""
    import tapeloom

    assert tapeloom.__all__ == sorted(set(tapeloom.__all__))
    assert not [name for name in tapeloom.__all__ if name.startswith("_")]
    for name in tapeloom.__all__:
        assert hasattr(tapeloom, name)
    stub = (CORE / "__init__.pyi").read_text("utf-8")
    tree = ast.parse(stub)
    (listed,) = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert set(ast.literal_eval(listed)) == {*tapeloom.__all__, "nn", "optim", "data", "utils"}


def test_the_stubs_are_fresh():
    pytest.importorskip("ruff", reason="ruff formats the stubs; it is not installed here")
    command = [sys.executable, str(ROOT / "tools" / "make_stubs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
