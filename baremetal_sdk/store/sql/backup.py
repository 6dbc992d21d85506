"""A copy of a database that may be in use, made by what its maker offers for that."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, make_url

from baremetal_sdk.errors import ConfigurationError


def back_up(connection: str, file: Path) -> None:
    """Write a consistent copy of the database at the URL *connection* to a new *file* that only this user can read.

    SQLite's is a database file, that of a server what ``pg_dump`` or ``mariadb-dump`` write. Raises ``ConfigurationError``.
    """
    if file.exists():
        raise ConfigurationError(f"{file} is there already; name a new file, so that no older copy is lost")
    url = make_url(connection)
    part = file.with_name(file.name + ".part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        if url.get_backend_name() == "sqlite":
            _copy_sqlite(Path(url.database or ""), part)
        else:
            _dump(url, part)
        part.rename(file)
    except sqlite3.Error as exc:
        raise ConfigurationError(f"{url.database} cannot be copied: {exc}") from None
    finally:
        part.unlink(missing_ok=True)


def _copy_sqlite(source: Path, target: Path) -> None:
    """A consistent copy of a file that is in use."""
    if not source.exists():
        raise ConfigurationError(f"[database] connection: there is no {source}")
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


def _dump(url: URL, target: Path) -> None:
    command, secrets = _dump_command(url)
    with target.open("wb") as output:
        try:
            ended = subprocess.run(
                command, stdout=output, stderr=subprocess.PIPE, env={**os.environ, **secrets}, text=False, check=False
            )
        except FileNotFoundError:
            raise ConfigurationError(f"{command[0]} is not installed: it comes with the client of the database") from None
    if ended.returncode:
        raise ConfigurationError(f"{command[0]} failed: {ended.stderr.decode(errors='replace').strip()[-500:]}")


def _dump_command(url: URL) -> tuple[list[str], Mapping[str, str]]:
    """What copies a database, and the password where no list of processes shows it."""
    given: dict[str, str | None] = {"host": url.host, "port": str(url.port) if url.port else None}
    query = {name: str(value) for name, value in url.query.items()}
    if url.get_backend_name() == "postgresql":
        given["username"] = url.username
        given["host"] = given["host"] or query.get("host")
        program, last, password = ["pg_dump", "--no-owner"], [url.database or ""], "PGPASSWORD"
    else:
        given["user"] = url.username
        given["socket"] = query.get("unix_socket")
        program = ["mariadb-dump", "--single-transaction", "--skip-lock-tables", "--hex-blob"]
        last, password = [url.database or ""], "MYSQL_PWD"
    options = [f"--{name}={value}" for name, value in given.items() if value]
    return [*program, *options, *last], {password: url.password} if url.password else {}
