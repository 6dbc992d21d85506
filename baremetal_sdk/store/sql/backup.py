"""Backup of the store's database while it is in use, with the tool of the database."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, inspect, make_url

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.durable_files import flush_file
from baremetal_sdk.store.sql.contents import describe_database
from baremetal_sdk.store.sql.engine import Database
from baremetal_sdk.store.sql.schema import DEFAULT_PREFIX
from baremetal_sdk.store.sqlite_url import find_sqlite_file


def back_up(connection: str, file: Path, *, table_prefix: str = DEFAULT_PREFIX) -> None:
    """Write a consistent copy of the database at the URL *connection* to a new *file* with mode 0600.

    The copy of an SQLite database is a database file. For a database server it is the output of ``pg_dump`` or
    ``mariadb-dump`` for the tables whose names begin with *table_prefix*: other services can have tables in the same database,
    and change them at any time. Raises ``ConfigurationError`` if *file* exists, the database has no such tables, the tool is
    not installed, or the copy fails, and ``StoreUnavailable`` if the database cannot be read.
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
            _dump(url, _find_tables(connection, table_prefix), part)
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


def _find_tables(connection: str, prefix: str) -> list[str]:
    """Return the names of all tables that begin with *prefix*. Their revision may be older or newer than this release."""
    database = Database(connection, connections=1)
    database.open()
    with closing(database), database.reading() as reading:
        names = [name for name in inspect(reading).get_table_names() if name.startswith(prefix)]
    if not names:
        raise ConfigurationError(
            f"[database] connection: {describe_database(connection)} has no table {prefix}*; there is nothing to copy"
        )
    return names


def _dump(url: URL, tables: Sequence[str], target: Path) -> None:
    command, secrets = _dump_command(url, tables)
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


def _dump_command(url: URL, tables: Sequence[str]) -> tuple[list[str], Mapping[str, str]]:
    """Return the command line that copies *tables* of a database, and environment variables for it with the password.

    A password on the command line would be visible in the list of processes.
    """
    arguments: dict[str, str | None] = {"host": url.host, "port": str(url.port) if url.port else None}
    query = {name: str(value) for name, value in url.query.items()}
    if url.get_backend_name() == "postgresql":
        arguments["username"] = url.username
        arguments["host"] = arguments["host"] or query.get("host")
        # Without quotes, pg_dump takes the name for a pattern in lower case.
        selected = [f'--table="{table}"' for table in tables]
        program, last, password = ["pg_dump", "--no-owner", *selected], [url.database or ""], "PGPASSWORD"
    else:
        arguments["user"] = url.username
        arguments["socket"] = query.get("unix_socket")
        program = ["mariadb-dump", "--single-transaction", "--skip-lock-tables", "--hex-blob"]
        last, password = [url.database or "", *tables], "MYSQL_PWD"
    options = [f"--{name}={value}" for name, value in arguments.items() if value]
    return [*program, *options, *last], {password: url.password} if url.password else {}
