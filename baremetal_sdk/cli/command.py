"""``baremetal-sdk``: begin a plugin, record a BMC, replay what was recorded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from baremetal_interfaces import BareMetalError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* name; 0 when it is done, 1 when it cannot be, with the reason on standard error."""
    chosen = _parser().parse_args(arguments)
    try:
        return _new_plugin(chosen) if chosen.command == "new-plugin" else _record(chosen)
    except (BareMetalError, OSError, ValueError) as exc:
        print(f"baremetal-sdk: {exc}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="baremetal-sdk", description="Tools for authors of driver plugins.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    new = commands.add_parser("new-plugin", help="write a distribution with a plugin that installs and passes as it is")
    new.add_argument("name", help="what it is for, in lower case: acme makes baremetal-acme")
    new.add_argument("--directory", type=Path, help="where to write it (default: baremetal-NAME, which must not exist)")
    record = commands.add_parser("record", help="ask a BMC everything by its driver, and write what it said as a cassette")
    record.add_argument("hardware_type", help="name of an installed hardware type that speaks HTTP to its BMCs, such as redfish")
    record.add_argument("--driver-info", type=Path, required=True, help="a JSON or TOML file: what reaches the machine")
    record.add_argument("--output", type=Path, required=True, help="the cassette, a JSON file that must not exist")
    boot = "set the boot device of the next boot, too, and see what becomes of it; one that was set is put back"
    record.add_argument("--boot", action="store_true", help=boot)
    return top


def _new_plugin(chosen: argparse.Namespace) -> int:
    from baremetal_sdk.cli.new_plugin import write_plugin

    directory = write_plugin(chosen.name, chosen.directory)
    print(f"{directory} is written. Next: pip install -e '{directory}[test]' && python -m unittest discover -s {directory}/tests")
    return 0


def _record(chosen: argparse.Namespace) -> int:
    from baremetal_sdk.cli.record import record

    count = record(chosen.hardware_type, chosen.driver_info, chosen.output, chosen.boot)
    print(f"{chosen.output} holds {count} answers, without addresses, names, serial numbers and secrets.")
    print("Look at it before you publish it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
