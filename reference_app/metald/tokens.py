"""Command ``metald token``: create, list and revoke API tokens for programs."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk.auth import Tokens
from baremetal_sdk.clock import SystemClock
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store import TokenRecord, open_store
from metald.settings import ServeOptions, load_config
from metald.state_directory import default_directory

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
    except (BareMetalError, OSError) as exc:
        print(f"metald: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, ConfigurationError) else 1
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
    """Open the database of the service and yield its tokens. Creates the state directory if it is missing."""
    os.umask(0o077)
    state = (options.state_dir or default_directory(os.environ)).absolute()
    config = load_config(ServeOptions(options.config_files, options.state_dir), state)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = open_store(config.database.connection)
    try:
        yield Tokens(store, SystemClock())
    finally:
        close = getattr(store, "close", None)
        if close is not None:
            close()


def _create_token(tokens: Tokens, options: TokenOptions) -> None:
    """Create a token. Print the token itself to standard output and its description to standard error."""
    record, text = tokens.create(options.name, options.role, days=options.days, project=options.project, by=_describe_caller())
    if options.as_json:
        print(json.dumps({**_to_dict(record), "token": text}, indent=2))
        return
    print(text)
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
