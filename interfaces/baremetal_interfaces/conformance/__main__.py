"""``python -m baremetal_interfaces.conformance HARDWARE_TYPE --driver-info FILE``: examine an installed plugin."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from baremetal_interfaces.conformance.matrix import as_json, as_markdown, offers, report
from baremetal_interfaces.conformance.outcome import Result, Verdict
from baremetal_interfaces.conformance.rules import run
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.errors import BareMetalError

WIDTH = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each rule; 0 when none is broken and all that is required is offered, else 1; 2: not examined."""
    given = _parser().parse_args(arguments)
    try:
        settings = {"timeout": given.timeout, "destructive": given.destructive, "misbehaving": _read(given.misbehaving)}
        settings |= {"unreachable": _read(given.unreachable) or None}
        subject = Subject.of_installed(given.hardware_type, _read(given.driver_info), **settings)
        required = _required(given.require)
    except (BareMetalError, ImportError, OSError, ValueError) as exc:
        print(f"{given.hardware_type} cannot be examined: {exc}", file=sys.stderr)
        return 2
    results = list(_shown(run(subject)))
    broken = [one for one in results if one.verdict is Verdict.FAILED]
    missing = _missing(required, subject, results) if required else []
    for name in missing:
        print(f"{'required':{WIDTH}}{name} is not offered")
    for path in given.matrix:
        document = report(given.hardware_type, subject, results)
        path.write_text(as_json(document) if path.suffix == ".json" else as_markdown(document), encoding="utf-8")
    print(f"\n{len(broken)} of the rules are broken" if broken else "\nno rule is broken")
    return 1 if broken or missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m baremetal_interfaces.conformance",
        description="Tell whether a driver plugin keeps the contract. Power, boot device and what else can be set change, "
        "and are put back at the end.",
    )
    add = parser.add_argument
    add("hardware_type", help="name of an installed hardware type")
    add("--driver-info", required=True, type=Path, help="a JSON or TOML file: the driver_info that reaches the machine")
    add("--unreachable", type=Path, help="a JSON or TOML file: what to change in it to reach nothing")
    add("--misbehaving", type=Path, help="the same for a BMC that is slow, silent, wrong, away or lies, by that word")
    add("--timeout", type=float, default=120.0, help="seconds that a change of power may take (default: 120)")
    add("--require", action="append", default=[], metavar="NAME", help="what has to be offered: a rule, kind, mix-in, device")
    add("--matrix", action="append", default=[], type=Path, metavar="FILE", help="write the support matrix: .json or .md")
    add("--destructive", action="store_true", help="try what cannot be put back, too: interrupts, RAID, rescue")
    return parser


def _shown(results: Iterable[Result]) -> Iterable[Result]:
    for result in results:
        print(f"{result.verdict:{WIDTH}}{result.name}", flush=True)
        print(f"{'':{WIDTH}}{result.rule if result.verdict is Verdict.PASSED else result.detail}", flush=True)
        yield result


def _required(names: Sequence[str]) -> list[str]:
    """The names that are required, one by one; several may be given with commas between them."""
    return [one.strip() for name in names for one in name.split(",") if one.strip()]


def _missing(required: Sequence[str], subject: Subject, results: Sequence[Result]) -> list[str]:
    """What of *required* is neither a rule that holds nor something that is offered."""
    offered = offers(subject)
    there = {*offered, *(one for names in offered.values() for one in names)}
    there |= {one.name for one in results if one.verdict is Verdict.PASSED}
    return [name for name in required if name not in there]


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    text = path.read_text(encoding="utf-8")
    try:
        found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ValueError(f"{path} is not {'TOML' if path.suffix == '.toml' else 'JSON'}: {exc}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} has to hold an object, not {type(found).__name__}")
    return found


if __name__ == "__main__":
    sys.exit(main())
