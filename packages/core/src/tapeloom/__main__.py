"""The command line: ``python -m tapeloom doctor``, or just ``tapeloom doctor``."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    import tapeloom

    parser = argparse.ArgumentParser(prog="tapeloom", description="Tools of the tapeloom framework.")
    parser.add_argument("--version", action="version", version=f"tapeloom {tapeloom.__version__}")
    commands = parser.add_subparsers(dest="command", title="commands")
    doctor = commands.add_parser(
        "doctor",
        help="report packages, backends and devices, and how to fix what does not work",
        description="Reports packages, backends and devices, and how to fix what does not work. The exit status is 0 "
        "when the default device works, else 1.",
    )
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    if options.command is None:
        options = parser.parse_args(["doctor"])

    from tapeloom.doctor import examine, text

    if isinstance(sys.stdout, io.TextIOWrapper):  # reasons may hold characters that this terminal does not have
        sys.stdout.reconfigure(errors="backslashreplace")
    report = examine()
    if options.json:
        import json

        print(json.dumps(report, indent=2))
    else:
        print(text(report))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
