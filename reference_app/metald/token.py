"""``metald token``: tokens with which machines use the API."""

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
from baremetal_sdk.store import TokenRecord, open_store
from metald.settings import ServeOptions, load
from metald.state import default_directory

_SYSLOG = "/dev/log"


@dataclass(frozen=True)
class TokenOptions:
    """What ``metald token`` was asked for: *action* is create, list or revoke."""

    action: str
    config_files: Sequence[Path] = ()
    state_dir: Path | None = None
    name: str = ""
    role: str = ""
    project: str | None = None
    days: int = 90
    as_json: bool = False


def token(options: TokenOptions) -> int:
    """Make, list or revoke, in the database of the service, which may run meanwhile; give back the exit code."""
    _log_to_syslog()
    try:
        with _tokens(options) as tokens:
            {"create": _create, "list": _list, "revoke": _revoke}[options.action](tokens, options)
    except (BareMetalError, OSError) as exc:
        print(f"metald: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, ConfigurationError) else 1
    return 0


def _log_to_syslog() -> None:
    """Audit lines go where the service's log does not reach: to the machine's log, where there is one."""
    if not os.path.exists(_SYSLOG):
        return
    handler = SysLogHandler(_SYSLOG, SysLogHandler.LOG_AUTH)
    handler.setFormatter(logging.Formatter("metald: %(message)s"))
    audit = logging.getLogger("baremetal_sdk.audit")
    audit.setLevel(logging.INFO)
    audit.addHandler(handler)
    audit.propagate = False


@contextmanager
def _tokens(options: TokenOptions) -> Iterator[Tokens]:
    os.umask(0o077)
    state = (options.state_dir or default_directory(os.environ)).absolute()
    config = load(ServeOptions(options.config_files, options.state_dir), state)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = open_store(config.database.connection)
    try:
        yield Tokens(store, SystemClock())
    finally:
        close = getattr(store, "close", None)
        if close is not None:
            close()


def _create(tokens: Tokens, options: TokenOptions) -> None:
    record, text = tokens.create(options.name, options.role, days=options.days, project=options.project, by=_who())
    if options.as_json:
        print(json.dumps({**_shown(record), "token": text}, indent=2))
        return
    print(text)
    print(f"{_line(record)}. It is shown this once: keep it where others cannot read it.", file=sys.stderr)


def _list(tokens: Tokens, options: TokenOptions) -> None:
    found = tokens.listed()
    if options.as_json:
        print(json.dumps([_shown(record) for record in found], indent=2))
        return
    for record in found:
        print(_line(record))


def _revoke(tokens: Tokens, options: TokenOptions) -> None:
    print(f"revoked: {_line(tokens.revoke(options.name, by=_who()))}")


def _who() -> str:
    return f"uid {os.getuid()}"


def _shown(record: TokenRecord) -> dict[str, Any]:
    made = None if record.created_at is None else record.created_at.isoformat()
    return {
        "uuid": record.uuid,
        "name": record.name,
        "role": record.role,
        "project": record.project,
        "created_at": made,
        "expires_at": record.expires_at.isoformat(),
    }


def _line(record: TokenRecord) -> str:
    where = f"in project {record.project}" if record.project is not None else "in the whole system"
    return f"{record.name} ({record.uuid}): {record.role} {where}, until {record.expires_at:%Y-%m-%d %H:%M} UTC"
