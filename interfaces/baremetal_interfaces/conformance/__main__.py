"""The command ``python -m baremetal_interfaces.conformance HARDWARE_TYPE --driver-info FILE``: check an installed plugin."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from baremetal_interfaces.conformance.exports import MISSING_EXTRA
from baremetal_interfaces.conformance.matrix import as_json, as_markdown, offers, report
from baremetal_interfaces.conformance.outcome import Result, Verdict
from baremetal_interfaces.conformance.rules import run
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.errors import BareMetalError

VERDICT_WIDTH = 12
"""Characters of the column that holds the verdicts."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check all rules, print a verdict for each, and return the exit status.

    The status is 0 if no rule is broken and everything required is offered, 1 if not, and 2 if the check could not start.
    """
    if not _has_testtools():
        print(MISSING_EXTRA, file=sys.stderr)
        return 2
    given = _parser().parse_args(arguments)
    try:
        settings = {"timeout": given.timeout, "destructive": given.destructive, "misbehaving": _read(given.misbehaving)}
        settings |= {"unreachable": _read(given.unreachable) or None}
        subject = Subject.of_installed(given.hardware_type, _read(given.driver_info), **settings)
        required = _split_names(given.require)
    except (BareMetalError, ImportError, OSError, ValueError) as exc:
        print(f"{given.hardware_type} cannot be examined: {exc}", file=sys.stderr)
        return 2
    results = list(_print_results(run(subject)))
    broken = [result for result in results if result.verdict is Verdict.FAILED]
    missing = _missing(required, subject, results) if required else []
    for name in missing:
        print(f"{'required':{VERDICT_WIDTH}}{name} is not offered")
    for path in given.matrix:
        document = report(given.hardware_type, subject, results)
        path.write_text(as_json(document) if path.suffix == ".json" else as_markdown(document), encoding="utf-8")
    print(f"\n{len(broken)} of the rules are broken" if broken else "\nno rule is broken")
    return 1 if broken or missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m baremetal_interfaces.conformance",
        description="Check whether a driver plugin keeps the contract. The check changes the power state, the boot device and "
        "other settings of the machine, and restores them at the end.",
    )
    add = parser.add_argument
    add("hardware_type", help="name of an installed hardware type")
    add("--driver-info", required=True, type=Path, help="JSON or TOML file with the driver_info that reaches the machine")
    add(
        "--unreachable",
        type=Path,
        help="JSON or TOML file with the changes to driver_info that lead to an address where nothing answers",
    )
    add(
        "--misbehaving",
        type=Path,
        help="JSON or TOML file that maps slow, silent, wrong, away or lies to the changes to driver_info that reach such a BMC",
    )
    add("--timeout", type=float, default=120.0, help="time limit of a power change in seconds (default: 120)")
    add(
        "--require",
        action="append",
        default=[],
        metavar="NAME",
        help="rule that must pass, or kind, mix-in, step, power state or boot device that must be offered; may be repeated",
    )
    add(
        "--matrix",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="write the support matrix to this .json or .md file",
    )
    add("--destructive", action="store_true", help="also check operations that cannot be undone: interrupts, RAID, rescue")
    return parser


def _has_testtools() -> bool:
    try:
        import testtools  # noqa: F401
    except ImportError:
        return False
    return True


def _print_results(results: Iterable[Result]) -> Iterable[Result]:
    """Print each result as soon as its rule is checked, and pass it on."""
    for result in results:
        print(f"{result.verdict:{VERDICT_WIDTH}}{result.name}", flush=True)
        print(f"{'':{VERDICT_WIDTH}}{result.rule if result.verdict is Verdict.PASSED else result.detail}", flush=True)
        yield result


def _split_names(values: Sequence[str]) -> list[str]:
    """Return the names in *values*, each of which holds one name or several, separated by commas."""
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _missing(required: Sequence[str], subject: Subject, results: Sequence[Result]) -> list[str]:
    """Return the names of *required* that are not offered.

    A name may be a rule, which must have passed, or a kind, mix-in, step, power state or boot device.
    """
    offered = offers(subject)
    available = {*offered, *(name for names in offered.values() for name in names)}
    available |= {result.name for result in results if result.verdict is Verdict.PASSED}
    return [name for name in required if name not in available]


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    text = path.read_text(encoding="utf-8")
    try:
        found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ValueError(f"{path} is not {'TOML' if path.suffix == '.toml' else 'JSON'}: {exc}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold an object, not {type(found).__name__}")
    return found


if __name__ == "__main__":
    sys.exit(main())
