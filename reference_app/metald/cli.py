"""Command line of metald: parser and dispatch to the commands.

Each command imports its modules only when it runs, so that help and errors appear at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from metald import import_guard
from metald.bench.arguments import add_bench
from metald.standard_streams import OutputError, finish_output, prepare_streams, report_failure, report_os_error

_SERVICES = ("serve", "api", "conductor")
_EXIT_TIMEOUT_S = 3.0
"""Maximum seconds from the end of a service to the end of its process."""
_CONFIG_FILE_HELP = "configuration file; may be repeated: options in later files override those in earlier files"
_STATE_DIR_HELP = "directory for database, key and lock file (default: $XDG_STATE_HOME/metald, or ~/.local/state/metald)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the metald command in *arguments* (default: those of the process), and return its exit code.

    Return 1 if Eventlet or gevent is already imported or standard output cannot be written to, and 130 after Ctrl-C. The process
    of a service ends at most 3 s after its service. If threads are left, its exit code is 3.
    """
    prepare_streams()
    try:
        code = _run(arguments)
        finish_output()
        return code
    except KeyboardInterrupt:
        return 130
    except OutputError as exc:
        return report_failure(str(exc), 1)
    except OSError as exc:
        return report_os_error(exc)


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command and return its exit code, also that of argparse after help and usage errors."""
    try:
        import_guard.refuse_imports()
    except RuntimeError as exc:
        return report_failure(str(exc), 1)
    try:
        chosen = build_parser().parse_args(arguments)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 0
    code = 1
    try:
        code = _COMMANDS[chosen.command](chosen)
    finally:
        if arguments is None and chosen.command in _SERVICES:
            _bound_exit(code)
    return code


def _bound_exit(code: int) -> None:
    """End this process within seconds, also if a library's exit hook waits for threads that never end."""
    from baremetal_sdk.conductor.process_exit import UNFINISHED, end_process_within

    end_process_within(_EXIT_TIMEOUT_S, code or UNFINISHED)


class _Parser(argparse.ArgumentParser):
    """Parser that raises an error if the help cannot be printed."""

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse ignores the OSError of a full or closed output.
        if message:
            (file or sys.stderr).write(message)


def build_parser() -> argparse.ArgumentParser:
    """Return the argparse parser for all commands of metald."""
    top = _Parser(prog="metald", description="A bare-metal service in one process.")
    top.add_argument("--version", action="version", version=f"metald {version('metald')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="serve the Bare Metal API and drive machines in one process"))
    _add_part(commands.add_parser("api", help="serve only the API; conductors run in other processes"))
    _add_part(commands.add_parser("conductor", help="drive machines only; the API runs in other processes"))
    _add_demo(commands.add_parser("demo", help="start a service with simulated machines and provision them"))
    _add_doctor(commands.add_parser("doctor", help="report problems of configuration, database and machine; changes nothing"))
    _add_token(commands.add_parser("token", help="create, list and revoke API tokens for programs"))
    _add_check_config(commands.add_parser("check-config", help="report problems in configuration files; starts nothing"))
    commands.add_parser("sample-config", help="print a configuration file with all options, described and commented out")
    _add_db(commands.add_parser("db", help="upgrade, check or back up the database of the service"))
    add_bench(commands.add_parser("bench", help="measure the speed of a Bare Metal API server, or compare two servers"))
    return top


def _add_check_config(command: argparse.ArgumentParser) -> None:
    _add_part(command, required=False)
    command.add_argument(
        "--part",
        choices=("serve", "api", "conductor"),
        default="serve",
        help="metald command that the configuration is for (default: serve)",
    )


def _add_db(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    upgrade = actions.add_parser("upgrade", help="upgrade the database schema to this release; services can keep running")
    check = actions.add_parser("check", help="report whether the database schema is that of this release; changes nothing")
    backup = actions.add_parser("backup", help="copy the database to a new file; services can keep running")
    backup.add_argument("file", metavar="FILE", type=Path, help="file to create for the copy; only its owner can read it")
    for action in (upgrade, check, backup):
        _add_part(action, required=False)
        action.add_argument("--state-dir", metavar="DIR", type=Path, help=_STATE_DIR_HELP)


def _add_serve(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--config-file", metavar="FILE", type=Path, action="append", default=[], help=_CONFIG_FILE_HELP)
    add("--state-dir", metavar="DIR", type=Path, help=_STATE_DIR_HELP)
    add("--host", metavar="ADDRESS", help="IP address that the API listens on; overrides [api] host_ip")
    add("--port", metavar="PORT", type=_parse_port, help="TCP port of the API; overrides [api] port; 0 selects a free port")
    add("--debug", action="store_true", help="write log messages of level DEBUG too; default: INFO and above")


def _add_part(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add ``--config-file`` to *command*. With *required* false, the option may be left out."""
    default: list[Path] | None = None if required else []
    command.add_argument(
        "--config-file", metavar="FILE", type=Path, action="append", required=required, default=default, help=_CONFIG_FILE_HELP
    )


def _add_demo(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--machines", metavar="N", type=_parse_machine_count, default=4, help="number of simulated machines, 1 to 64 (default: 4)"
    )
    add(
        "--keep",
        action="store_true",
        help="keep the service and the simulated machines running after the demonstration, until Ctrl-C",
    )
    add("--json", action="store_true", help="print events as JSON, one object per line, in place of text")


def _add_doctor(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--config-file", metavar="FILE", type=Path, action="append", default=[], help=_CONFIG_FILE_HELP)
    add("--state-dir", metavar="DIR", type=Path, help=_STATE_DIR_HELP)
    add("--json", action="store_true", help="print the findings as one JSON object in place of text")


def _add_token(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a token and print it; it is not shown again")
    create.add_argument("name", help="name of the new token")
    create.add_argument(
        "--role", required=True, choices=("admin", "operator", "reader"), help="role that the token gives its user"
    )
    create.add_argument("--project", help="project that the token is scoped to (default: system scope)")
    create.add_argument("--days", type=_parse_days, default=90, help="days until the token expires, 1 to 3650 (default: 90)")
    listing = actions.add_parser("list", help="list names, roles and expiry of the tokens, not the tokens themselves")
    revoke = actions.add_parser("revoke", help="revoke a token with immediate effect")
    revoke.add_argument("name", help="name or UUID of the token to revoke")
    for action in (create, listing, revoke):
        action.add_argument("--config-file", metavar="FILE", type=Path, action="append", default=[], help=_CONFIG_FILE_HELP)
        action.add_argument("--state-dir", metavar="DIR", type=Path, help=_STATE_DIR_HELP)
    for action in (create, listing):
        action.add_argument("--json", action="store_true", help="print JSON in place of text")


def _parse_port(text: str) -> int:
    return _parse_integer(text, 0, 65535)


def _parse_days(text: str) -> int:
    return _parse_integer(text, 1, 3650)


def _parse_machine_count(text: str) -> int:
    return _parse_integer(text, 1, 64)


def _parse_integer(text: str, minimum: int, maximum: int) -> int:
    """Return the integer in *text*; raise ArgumentTypeError unless it is from *minimum* to *maximum*."""
    if not text.isascii() or not text.isdigit() or not minimum <= int(text) <= maximum:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {minimum} to {maximum}; give an integer in this range")
    return int(text)


def _serve(chosen: argparse.Namespace) -> int:
    from metald.serve import serve
    from metald.settings import ServeOptions

    return serve(ServeOptions(chosen.config_file, chosen.state_dir, chosen.host, chosen.port, chosen.debug))


def _api(chosen: argparse.Namespace) -> int:
    from metald.api_and_conductor import serve_api

    return serve_api(chosen.config_file)


def _conductor(chosen: argparse.Namespace) -> int:
    from metald.api_and_conductor import serve_conductor

    return serve_conductor(chosen.config_file)


def _demo(chosen: argparse.Namespace) -> int:
    from metald.demo import run_demo

    return run_demo(machines=chosen.machines, keep=chosen.keep, json_lines=chosen.json)


def _doctor(chosen: argparse.Namespace) -> int:
    from metald.doctor import run_doctor
    from metald.settings import ServeOptions

    return run_doctor(ServeOptions(chosen.config_file, chosen.state_dir), as_json=chosen.json)


def _bench(chosen: argparse.Namespace) -> int:
    from metald.bench.arguments import run_bench

    return run_bench(chosen)


def _token(chosen: argparse.Namespace) -> int:
    from metald.tokens import TokenOptions, manage_tokens

    return manage_tokens(
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
    from metald.database import run_database_action

    return run_database_action(chosen.action, chosen.config_file, chosen.state_dir, getattr(chosen, "file", None))


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
