"""The command ``baremetal-sdk``, which creates a new driver plugin or records the responses of a BMC."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from baremetal_interfaces import BareMetalError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code: 0, or 1 after an error, with the reason on standard error.

    *arguments* default to those of the process.
    """
    options = _create_parser().parse_args(arguments)
    try:
        return _new_plugin(options) if options.command == "new-plugin" else _record(options)
    except (BareMetalError, OSError, ValueError) as exc:
        print(f"baremetal-sdk: {exc}", file=sys.stderr)
        return 1


def _create_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="baremetal-sdk", description="Tools for authors of driver plugins.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    new = commands.add_parser("new-plugin", help="create a distribution with a working driver plugin and its tests")
    new.add_argument("name", help="name of the plugin in lower case; acme creates baremetal-acme")
    new.add_argument(
        "--directory", type=Path, help="directory to create (default: baremetal-NAME); it must be empty or not exist"
    )
    record = commands.add_parser("record", help="query a BMC through its driver and record its responses in a cassette file")
    record.add_argument(
        "hardware_type", help="hardware type whose driver queries the BMC; it must be installed and use HTTP, such as redfish"
    )
    record.add_argument("--driver-info", type=Path, required=True, help="JSON or TOML file with the driver_info of the machine")
    record.add_argument(
        "--output", type=Path, required=True, help="cassette file (JSON) to create for the recorded responses; it must not exist"
    )
    boot = "also set the boot device of the next boot and record the effect; a previously set device is restored"
    record.add_argument("--boot", action="store_true", help=boot)
    return top


def _new_plugin(options: argparse.Namespace) -> int:
    from baremetal_sdk.cli.new_plugin import write_plugin

    directory = write_plugin(options.name, options.directory)
    print(f"created {directory}. Next: pip install -e '{directory}[test]' && python -m unittest discover -s {directory}/tests")
    return 0


def _record(options: argparse.Namespace) -> int:
    from baremetal_sdk.cli.record import record

    count = record(options.hardware_type, options.driver_info, options.output, boot=options.boot)
    print(f"recorded {count} responses in {options.output}, without addresses, names, serial numbers and secrets.")
    print("Check the file before you publish it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
