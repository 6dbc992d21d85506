"""Command ``metald token``: create, list and revoke API tokens for programs."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk.auth import Tokens
from baremetal_sdk.clock import SystemClock
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store import TokenRecord
from baremetal_sdk.store.factory import open_existing_store
from baremetal_sdk.store.sql.contents import describe_database
from metald.settings import ServeOptions, find_state_directory, load_config
from metald.standard_streams import OutputError, report_failure, write_line
from metald.state_directory import StateError

_SYSLOG = "/dev/log"


@dataclass(frozen=True)
class TokenOptions:
    """Options of ``metald token``.

    *action* is create, list or revoke. *name* is the name of the token (for revoke, name or UUID). *days* is the lifetime of
    a new token. *project* None stands for system scope.
    """

    action: str
    config_files: Sequence[Path] = ()
    state_dir: Path | None = None
    name: str = ""
    role: str = ""
    project: str | None = None
    days: int = 90
    as_json: bool = False


def manage_tokens(options: TokenOptions) -> int:
    """Create, list or revoke API tokens in the database of the service, and return the exit code.

    The service can keep running. Exit codes: 0 success, 1 failure, 2 wrong configuration.
    """
    _log_to_syslog()
    try:
        with _open_tokens(options) as tokens:
            {"create": _create_token, "list": _list_tokens, "revoke": _revoke_token}[options.action](tokens, options)
    except (BareMetalError, StateError) as exc:
        return report_failure(str(exc), 2 if isinstance(exc, ConfigurationError) else 1)
    return 0


def _log_to_syslog() -> None:
    """Send the audit records of this process to syslog, if the machine has it. The service's own log does not receive them."""
    if not os.path.exists(_SYSLOG):
        return
    handler = SysLogHandler(_SYSLOG, SysLogHandler.LOG_AUTH)
    handler.setFormatter(logging.Formatter("metald: %(message)s"))
    audit = get_logger("baremetal_sdk.audit")
    audit.setLevel(logging.INFO)
    audit.addHandler(handler)
    audit.propagate = False


@contextmanager
def _open_tokens(options: TokenOptions) -> Iterator[Tokens]:
    """Open the existing database of the service, print its name to standard error, and yield its tokens."""
    os.umask(0o077)
    serve_options = ServeOptions(options.config_files, options.state_dir)
    config = load_config(serve_options, find_state_directory(serve_options, needs_key=False))
    assert config.database.connection is not None
    with closing(open_existing_store(config.database.connection)) as store:
        print(f"database: {describe_database(config.database.connection)}", file=sys.stderr)
        yield Tokens(store, SystemClock())


def _create_token(tokens: Tokens, options: TokenOptions) -> None:
    """Create a token. Print the token itself to standard output and its description to standard error.

    The token is revoked again if it cannot be printed.
    """
    record, text = tokens.create(options.name, options.role, days=options.days, project=options.project, by=_describe_caller())
    try:
        write_line(json.dumps({**_to_dict(record), "token": text}, indent=2) if options.as_json else text)
    except OutputError:
        # The token was not printed, so its creator cannot use it.
        tokens.revoke(record.uuid, by=_describe_caller())
        raise
    if not options.as_json:
        print(f"{_format_token(record)}. The token is not shown again; store it in a safe place.", file=sys.stderr)


def _list_tokens(tokens: Tokens, options: TokenOptions) -> None:
    found = tokens.list_all()
    if options.as_json:
        print(json.dumps([_to_dict(record) for record in found], indent=2))
        return
    for record in found:
        print(_format_token(record))


def _revoke_token(tokens: Tokens, options: TokenOptions) -> None:
    print(f"revoked: {_format_token(tokens.revoke(options.name, by=_describe_caller()))}")


def _describe_caller() -> str:
    return f"uid {os.getuid()}"


def _to_dict(record: TokenRecord) -> dict[str, Any]:
    made = None if record.created_at is None else record.created_at.isoformat()
    return {
        "uuid": record.uuid,
        "name": record.name,
        "role": record.role,
        "project": record.project,
        "created_at": made,
        "expires_at": record.expires_at.isoformat(),
    }


def _format_token(record: TokenRecord) -> str:
    scope = f"in project {record.project}" if record.project is not None else "with system scope"
    return f"{record.name} ({record.uuid}): {record.role} {scope}, until {record.expires_at:%Y-%m-%d %H:%M} UTC"
