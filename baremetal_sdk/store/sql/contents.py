"""Contents of a database, read before it is used as a store. Reading them changes nothing and creates nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, inspect
from sqlalchemy.pool import NullPool

from baremetal_sdk.store.sql.engine import Database
from baremetal_sdk.store.sql.failures import translate_errors
from baremetal_sdk.store.sql.schema import DEFAULT_PREFIX
from baremetal_sdk.store.sqlite_url import find_sqlite_file

_VERSION_TABLE = f"{DEFAULT_PREFIX}alembic_version"
_IRONIC_TABLES = frozenset({"alembic_version", "nodes"})
"""Tables of Ironic by which its database is recognized. The names of the store's own tables have a prefix."""


class DatabaseContents(NamedTuple):
    """The relevant contents of a database."""

    revision: str | None
    """Revision of the store's tables; None if the database has none."""
    is_ironic: bool
    """True if the database has tables of Ironic and none of the store."""


def read_contents(url: str) -> DatabaseContents | None:
    """Return the contents of the database at *url*, or None if it is an SQLite file that does not exist.

    Raises ``ConfigurationError`` for an unusable URL, and ``StoreUnavailable`` for a database that cannot be read.
    """
    database = Database(url, connections=1)
    if not database.is_sqlite:
        database.open()
        with closing(database), database.reading() as connection:
            return _read(connection)
    file = sqlite_file(database.url)
    if file is not None and not file.exists():
        return None
    with translate_errors(database.url):
        engine = _reading_engine(file)
        try:
            with engine.connect() as connection:
                return _read(connection)
        finally:
            engine.dispose()


def describe_database(url: str) -> str:
    """Return the database at *url* for messages: the path of an SQLite file, or the URL without password and query."""
    parsed = Database(url).url
    file = sqlite_file(parsed) if parsed.get_backend_name() == "sqlite" else None
    return str(file.absolute()) if file is not None else parsed.set(query={}).render_as_string(hide_password=True)


def sqlite_file(url: URL) -> Path | None:
    """Return the file of an SQLite database, or None for a database in memory."""
    file = find_sqlite_file(url.database)
    return None if str(file) in (".", ":memory:") or url.query.get("mode") == "memory" else file


def _reading_engine(file: Path | None) -> Engine:
    # The mode "ro" creates no file, and leaves a file as it is that belongs to another program.
    name = ":memory:" if file is None else f"file:{quote(str(file.absolute()))}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(name, uri=True), poolclass=NullPool)


def _read(connection: Connection) -> DatabaseContents:
    if _has_tables(connection, (_VERSION_TABLE,)):
        revision: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {_VERSION_TABLE}").scalar()
        return DatabaseContents(revision, is_ironic=False)
    return DatabaseContents(None, is_ironic=_has_tables(connection, _IRONIC_TABLES))


def _has_tables(connection: Connection, names: Iterable[str]) -> bool:
    inspector = inspect(connection)
    return all(inspector.has_table(name) for name in names)
