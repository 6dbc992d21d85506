"""Backup of the store's database while it is in use, with the tool of the database."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, make_url

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.durable_files import flush_file
from baremetal_sdk.store.sqlite_url import find_sqlite_file


def back_up(connection: str, file: Path) -> None:
    """Write a consistent copy of the database at the URL *connection* to a new *file* with mode 0600.

    The copy of an SQLite database is a database file; for a database server it is the output of ``pg_dump`` or
    ``mariadb-dump``. Raises ``ConfigurationError`` if *file* exists, the tool is not installed, or the copy fails.
    """
    if file.exists():
        raise ConfigurationError(f"{file} already exists; name a new file, so that no older backup is lost")
    url = make_url(connection)
    # Renamed at the end, so *file* is complete or missing. O_EXCL and the mode protect the secrets in the copy from the start.
    part = file.with_name(file.name + ".part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        if url.get_backend_name() == "sqlite":
            _copy_sqlite(find_sqlite_file(url.database), part)
        else:
            _dump(url, part)
        part.rename(file)
        flush_file(file)
    except sqlite3.Error as exc:
        raise ConfigurationError(f"{url.database} cannot be copied: {exc}") from None
    finally:
        part.unlink(missing_ok=True)


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.exists():
        raise ConfigurationError(f"[database] connection: the file {source} does not exist")
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


def _dump(url: URL, target: Path) -> None:
    command, secrets = _dump_command(url)
    with target.open("wb") as output:
        try:
            process = subprocess.run(
                command, stdout=output, stderr=subprocess.PIPE, env={**os.environ, **secrets}, text=False, check=False
            )
        except FileNotFoundError:
            raise ConfigurationError(f"{command[0]} is not installed; install the client package of the database") from None
    if process.returncode:
        raise ConfigurationError(
            f"the database was not copied: {command[0]} failed: {process.stderr.decode(errors='replace').strip()[-500:]}"
        )


def _dump_command(url: URL) -> tuple[list[str], Mapping[str, str]]:
    """Return the command line that copies a database, and environment variables for it with the password.

    A password on the command line would be visible in the list of processes.
    """
    arguments: dict[str, str | None] = {"host": url.host, "port": str(url.port) if url.port else None}
    query = {name: str(value) for name, value in url.query.items()}
    if url.get_backend_name() == "postgresql":
        arguments["username"] = url.username
        arguments["host"] = arguments["host"] or query.get("host")
        program, last, password = ["pg_dump", "--no-owner"], [url.database or ""], "PGPASSWORD"
    else:
        arguments["user"] = url.username
        arguments["socket"] = query.get("unix_socket")
        program = ["mariadb-dump", "--single-transaction", "--skip-lock-tables", "--hex-blob"]
        last, password = [url.database or ""], "MYSQL_PWD"
    options = [f"--{name}={value}" for name, value in arguments.items() if value]
    return [*program, *options, *last], {password: url.password} if url.password else {}
