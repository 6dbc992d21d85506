"""The command line. Nothing heavy is imported before it is known what is wanted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from metald import guard
from metald.bench.arguments import add_bench


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* (by default the process's own) name; give back the exit code."""
    try:
        guard.refuse()
    except RuntimeError as exc:
        print(f"metald: {exc}", file=sys.stderr)
        return 1
    chosen = parser().parse_args(arguments)
    command = _COMMANDS[chosen.command]
    try:
        return command(chosen)
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    top = argparse.ArgumentParser(prog="metald", description="A bare-metal service in one process.")
    top.add_argument("--version", action="version", version=f"metald {version('metald')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="serve the Bare Metal API and drive machines, in this process"))
    _add_part(commands.add_parser("api", help="serve the API in this process, for conductors in others"))
    _add_part(commands.add_parser("conductor", help="drive machines in this process, for APIs in others"))
    _add_demo(commands.add_parser("demo", help="start a service and simulated machines, and take the machines through a life"))
    _add_doctor(commands.add_parser("doctor", help="look for what is wrong, with what to do about it; changes nothing"))
    _add_token(commands.add_parser("token", help="make, list and revoke tokens with which machines use the API"))
    _add_check_config(commands.add_parser("check-config", help="say what is wrong with configuration files; starts nothing"))
    commands.add_parser("sample-config", help="print a configuration file with every option, what it does and when to change it")
    _add_db(commands.add_parser("db", help="upgrade, check or back up the database"))
    add_bench(commands.add_parser("bench", help="measure a server of the Bare Metal API, or compare two"))
    return top


def _add_check_config(command: argparse.ArgumentParser) -> None:
    _add_part(command, required=False)
    command.add_argument(
        "--part", choices=("serve", "api", "conductor"), default="serve", help="what is to be started with it (default: serve)"
    )


def _add_db(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    upgrade = actions.add_parser("upgrade", help="bring the schema to that of this release; services may run meanwhile")
    check = actions.add_parser("check", help="say whether the schema is that of this release; changes nothing")
    backup = actions.add_parser("backup", help="write a copy of the database, which may be in use, to a new file")
    backup.add_argument("file", metavar="FILE", type=Path, help="the copy, for you alone to read")
    for action in (upgrade, check, backup):
        _add_part(action, required=False)
        action.add_argument("--state-dir", metavar="DIR", type=Path, help="as for serve")


def _add_serve(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--config-file", metavar="FILE", type=Path, action="append", default=[], help="configuration; a later one overrides")
    add("--state-dir", metavar="DIR", type=Path, help="database, keys and lock (default: $XDG_STATE_HOME/metald)")
    add("--host", metavar="ADDRESS", help="address to listen on, in place of [api] host_ip")
    add("--port", metavar="PORT", type=_port, help="TCP port to listen on, in place of [api] port; 0: a free one")
    add("--debug", action="store_true", help="log at level DEBUG")


def _add_part(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    more = "configuration; a later one overrides"
    default: list[Path] | None = None if required else []
    command.add_argument(
        "--config-file", metavar="FILE", type=Path, action="append", required=required, default=default, help=more
    )


def _add_demo(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--machines", metavar="N", type=_machines, default=4, help="machines to simulate, 1 to 64 (default: 4)")
    add("--keep", action="store_true", help="stay up at the end, with the machines available")
    add("--json", action="store_true", help="print one JSON object per line, for programs")


def _add_doctor(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--config-file", metavar="FILE", type=Path, action="append", default=[], help="configuration; a later one overrides")
    add("--state-dir", metavar="DIR", type=Path, help="database, keys and lock (default: $XDG_STATE_HOME/metald)")
    add("--json", action="store_true", help="print one JSON object, for programs")


def _add_token(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a token and print it, this once")
    create.add_argument("name", help="what it is called, to revoke it by")
    create.add_argument("--role", required=True, choices=("admin", "operator", "reader"), help="what its bearer may do")
    create.add_argument("--project", help="the project that its bearer acts for (default: the whole system)")
    create.add_argument("--days", type=_days, default=90, help="how long it is worth something (default: 90)")
    listing = actions.add_parser("list", help="list the tokens, which nobody can read again")
    revoke = actions.add_parser("revoke", help="make a token worth nothing, at once")
    revoke.add_argument("name", help="its name or UUID")
    for action in (create, listing, revoke):
        action.add_argument("--config-file", metavar="FILE", type=Path, action="append", default=[], help="as for serve")
        action.add_argument("--state-dir", metavar="DIR", type=Path, help="as for serve")
    for action in (create, listing):
        action.add_argument("--json", action="store_true", help="print JSON, for programs")


def _port(text: str) -> int:
    return _number(text, 0, 65535)


def _days(text: str) -> int:
    return _number(text, 1, 3650)


def _machines(text: str) -> int:
    return _number(text, 1, 64)


def _number(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
    return int(text)


def _serve(chosen: argparse.Namespace) -> int:
    from metald.serve import serve
    from metald.settings import ServeOptions

    return serve(ServeOptions(chosen.config_file, chosen.state_dir, chosen.host, chosen.port, chosen.debug))


def _api(chosen: argparse.Namespace) -> int:
    from metald.parts import api

    return api(chosen.config_file)


def _conductor(chosen: argparse.Namespace) -> int:
    from metald.parts import conductor

    return conductor(chosen.config_file)


def _demo(chosen: argparse.Namespace) -> int:
    from metald.demo import demo

    return demo(machines=chosen.machines, keep=chosen.keep, json_lines=chosen.json)


def _doctor(chosen: argparse.Namespace) -> int:
    from metald.doctor import doctor
    from metald.settings import ServeOptions

    return doctor(ServeOptions(chosen.config_file, chosen.state_dir), as_json=chosen.json)


def _bench(chosen: argparse.Namespace) -> int:
    from metald.bench.arguments import run_bench

    return run_bench(chosen)


def _token(chosen: argparse.Namespace) -> int:
    from metald.token import TokenOptions, token

    return token(
        TokenOptions(
            chosen.action,
            chosen.config_file,
            chosen.state_dir,
            getattr(chosen, "name", ""),
            getattr(chosen, "role", ""),
            getattr(chosen, "project", None),
            getattr(chosen, "days", 0),
            getattr(chosen, "json", False),
        )
    )


def _check_config(chosen: argparse.Namespace) -> int:
    from metald.check_config import check_config

    return check_config(chosen.config_file, part=chosen.part)


def _sample_config(chosen: argparse.Namespace) -> int:
    from metald.check_config import sample_config

    return sample_config()


def _db(chosen: argparse.Namespace) -> int:
    from metald.database import database

    return database(chosen.action, chosen.config_file, chosen.state_dir, getattr(chosen, "file", None))


_COMMANDS = {
    "serve": _serve,
    "api": _api,
    "conductor": _conductor,
    "demo": _demo,
    "doctor": _doctor,
    "token": _token,
    "check-config": _check_config,
    "sample-config": _sample_config,
    "db": _db,
    "bench": _bench,
}
