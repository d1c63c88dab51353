"""Backend plugins found, refused and reported: throw-away distributions on a real path, one process for each case."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

GOOD = """
from tapeloom.backend.hookspecs import hookimpl

TAPELOOM_API = (1, 0)

@hookimpl
def tapeloom_backend():
    import numpy
    from tapeloom_backend_numpy.backend import NumpyBackend
    return NumpyBackend(numpy)
"""


@pytest.fixture
def site(tmp_path):
    """A folder that stands first on the path; ``install`` puts a distribution with one backend into it."""

    class Site:
        path = tmp_path

        def install(self, distribution, source, device="toy", version="1.2"):
            module = distribution.replace("-", "_")
            (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
            info = tmp_path / f"{module}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
            (info / "entry_points.txt").write_text(f"[tapeloom.backends]\n{device} = {module}\n")

        def run(self, program, **variables):
            """What the program prints, or ``Class: message`` of the error that ends it."""
            import os

            wrapped = (
                f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
                "try:\n" + textwrap.indent(textwrap.dedent(program), "    ") + "\nexcept Exception as error:\n"
                "    print(f'{type(error).__name__}: {error}')\n"
                "    for note in getattr(error, '__notes__', []): print(note)\n"
            )
            environment = {k: v for k, v in os.environ.items() if not k.startswith("TAPELOOM_")} | variables
            done = subprocess.run(
                [sys.executable, "-c", wrapped], capture_output=True, text=True, env=environment, check=False
            )
            assert not done.returncode, done.stderr
            return done.stdout.strip()

    return Site()


def test_a_third_party_backend_is_found_by_its_device_type(site):
    site.install("toy-backend", GOOD)
    assert site.run("import tapeloom as tl; print(tl.ones(2, device='toy') + 1)") == "tensor([2., 2.], device='toy')"


def test_importing_tapeloom_imports_no_plugin(site):
    site.install("toy-backend", "raise RuntimeError('imported too early')")
    assert site.run("import tapeloom as tl; print(tl.ones(1).item())") == "1.0"


def test_an_unknown_device(site):
    site.install("toy-backend", GOOD)
    out = site.run("import tapeloom as tl; tl.ones(1, device='toi')")
    assert out.startswith("DeviceError: device 'toi': no installed backend serves it. Installed: ")
    assert out.endswith("Did you mean 'toy'?")


def test_a_plugin_that_breaks_at_import_names_distribution_version_and_cause(site):
    site.install("toy-backend", "import a_library_that_is_not_there")
    assert site.run("import tapeloom as tl; tl.ones(1, device='toy')") == (
        "BackendError: backend 'toy' (distribution toy-backend 1.2): importing toy_backend failed with "
        "ModuleNotFoundError: No module named 'a_library_that_is_not_there'. Reinstall it, or uninstall it if it is not needed."
    )


def test_a_plugin_that_exits_at_import_does_not_end_the_program(site):
    site.install("toy-backend", "raise SystemExit('no licence')")
    assert "importing toy_backend failed with SystemExit: no licence" in site.run(
        "import tapeloom as tl; tl.ones(1, device='toy')"
    )


def test_the_cause_is_the_same_the_second_time(site):
    site.install("toy-backend", "1 / 0")
    program = """
        import tapeloom as tl
        for _ in range(2):
            try: tl.ones(1, device='toy')
            except tl.errors.BackendError as error: print(error, repr(error.__cause__))
    """
    first, second = site.run(program).splitlines()
    assert first == second and "ZeroDivisionError('division by zero')" in first


@pytest.mark.parametrize(
    ("api", "message"),
    [
        ("(2, 0)", "it was written for the newer plugin API 2.0, and this tapeloom speaks 1.0. Upgrade tapeloom."),
        ("(1, 7)", "it was written for the newer plugin API 1.7, and this tapeloom speaks 1.0. Upgrade tapeloom."),
        ("(0, 9)", "it was written for the older plugin API 0.9, and this tapeloom speaks 1.0. Upgrade the plugin."),
        (
            "None",
            "toy_backend does not say which plugin API it was written for. Its module must set TAPELOOM_API = (1, 0).",
        ),
    ],
)
def test_a_plugin_for_another_api(site, api, message):
    site.install("toy-backend", GOOD.replace("TAPELOOM_API = (1, 0)", f"TAPELOOM_API = {api}"))
    assert site.run("import tapeloom as tl; tl.ones(1, device='toy')") == (
        f"BackendError: backend 'toy' (distribution toy-backend 1.2): {message}"
    )


def test_a_misspelt_hook(site):
    site.install("toy-backend", GOOD.replace("def tapeloom_backend", "def tapeloom_bakend"))
    out = site.run("import tapeloom as tl; tl.ones(1, device='toy')")
    assert "unknown hook 'tapeloom_bakend'" in out and "toy-backend 1.2" in out


def test_a_hook_that_raises(site):
    site.install("toy-backend", GOOD.replace("import numpy\n", "raise OSError('libtoy.so is missing')\n"))
    assert site.run("import tapeloom as tl; tl.ones(1, device='toy')") == (
        "BackendError: backend 'toy' (distribution toy-backend 1.2): it cannot be used here: OSError: libtoy.so is missing"
    )


def test_a_hook_that_returns_something_else(site):
    site.install("toy-backend", GOOD.replace("return NumpyBackend(numpy)", "return 3"))
    assert site.run("import tapeloom as tl; tl.ones(1, device='toy')").endswith(
        "its hook tapeloom_backend() returned int, not a tapeloom Backend."
    )


def test_two_distributions_for_one_device_type(site):
    site.install("toy-one", GOOD)
    site.install("toy-two", GOOD)
    program = "import tapeloom as tl; print(tl.ones(1, device='toy').item())"
    assert site.run(program) == (
        "BackendError: backend 'toy': 2 distributions provide it: toy-one and toy-two. Uninstall one, or choose with "
        "TAPELOOM_PROVIDERS=toy=toy-one."
    ) or "TAPELOOM_PROVIDERS=toy=toy-two" in site.run(program)
    assert site.run(program, TAPELOOM_PROVIDERS="toy=toy-two") == "1.0"
    assert site.run(program, TAPELOOM_PROVIDERS="toy=toy-three") == (
        "BackendError: backend 'toy': TAPELOOM_PROVIDERS asks for 'toy-three', which is not among the installed providers: "
        "toy-one, toy-two. Install it, or correct the variable."
    )


def test_the_environment_variable_chooses_the_default_device(site):
    site.install("toy-backend", GOOD)
    program = "import tapeloom as tl; print(tl.ones(1).device, tl.get_default_device())"
    assert site.run(program, TAPELOOM_DEVICE="toy") == "toy toy"
    assert site.run(program) == "cpu cpu"
    out = site.run(program, TAPELOOM_DEVICE="nothing")
    assert out.startswith("DeviceError: device 'nothing': no installed backend serves it.")
    assert out.endswith("The device came from the environment variable TAPELOOM_DEVICE.")


def test_the_order_of_defaults(site):
    site.install("toy-backend", GOOD)
    program = """
        import tapeloom as tl
        print(tl.ones(1).device)
        tl.set_default_device('cpu')
        print(tl.ones(1).device)
        with tl.device('toy'):
            print(tl.ones(1).device, tl.ones(1, device='cpu').device)
        print(tl.ones(1).device)
        tl.set_default_device(None)
        print(tl.ones(1).device)
    """
    assert site.run(program, TAPELOOM_DEVICE="toy").split() == ["toy", "cpu", "toy", "cpu", "cpu", "toy"]


def test_tensors_move_between_backends_with_their_gradients(site):
    site.install("toy-backend", GOOD)
    program = """
        import tapeloom as tl
        x = tl.ones(2, requires_grad=True)
        y = (x * 2).to('toy')
        (y * y).sum().backward()
        print(x.grad, y.device)
        try: x + y
        except tl.errors.DeviceError as error: print(error)
    """
    assert site.run(program).splitlines() == [
        "tensor([8., 8.]) toy",
        "add: other is on toy, and the first input is on cpu. Move one of them: x = x.to(device), which gives a new tensor.",
    ]


def test_the_report_survives_everything(site):
    site.install("toy-backend", GOOD)
    site.install("bad-backend", "1 / 0", device="bad")
    program = """
        import json
        from tapeloom.backend.plugins import report
        print(json.dumps(report()))
    """
    rows = {row["device"]: row for row in json.loads(site.run(program))}
    assert rows["cpu"]["usable"] and rows["toy"]["usable"]
    assert not rows["bad"]["usable"] and "ZeroDivisionError" in rows["bad"]["problem"]
