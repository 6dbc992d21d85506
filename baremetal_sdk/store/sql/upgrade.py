"""Bringing the tables of a database to the present schema, while other processes may try the same."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select

from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.sql.engine import Database
from baremetal_sdk.store.sql.schema import REVISIONS, StoreSchema, is_usable

LOG = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK_TIMEOUT = 300
"""Seconds to wait for another process that upgrades."""


def ensure_current(database: Database, schema: StoreSchema) -> None:
    """Create the tables or upgrade them where that is needed. Raises ``StoreUnavailable`` for tables of a later version."""
    with database.reading() as connection:
        if _is_current(connection, schema):
            return
    with _upgrade_lock(database, schema) as connection:
        # Another process may have done it in the meantime.
        if not _is_current(connection, schema):
            _migrate(connection, schema)


def revision_of(connection: Connection, schema: StoreSchema) -> str | None:
    """The last migration of a database, or None where there are no tables yet."""
    if not inspect(connection).has_table(schema.version_table):
        return None
    revision: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {schema.version_table}").scalar()
    return revision


def _is_current(connection: Connection, schema: StoreSchema) -> bool:
    revision = revision_of(connection, schema)
    if revision is None or revision in REVISIONS[:-1]:
        return False
    if not is_usable(revision):
        raise StoreUnavailable(
            f"the database was made by a later version: its schema has revision {revision}, and this version knows "
            f"{REVISIONS[-1]}: run the later version, or put back a copy of the database from before its upgrade"
        )
    if revision != REVISIONS[-1]:
        LOG.info("the database was brought up to revision %s by a later version; this one goes on with what it knows", revision)
    return True


def _migrate(connection: Connection, schema: StoreSchema) -> None:
    # Most starts need no migration and do without the import.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=schema.version_table, table_prefix=schema.prefix)
    command.upgrade(config, REVISIONS[-1])


@contextmanager
def _upgrade_lock(database: Database, schema: StoreSchema) -> Iterator[Connection]:
    """A transaction to upgrade in, while other processes wait for its end.

    On SQLite it is enough that it writes: it is IMMEDIATE, and tables are made within it.
    """
    with _named_lock(database, schema), database.altering() as connection:
        if connection.dialect.name == "postgresql":
            # It is given back by the end of the transaction.
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(_lock_name(schema)))))
        yield connection


@contextmanager
def _named_lock(database: Database, schema: StoreSchema) -> Iterator[None]:
    """MariaDB commits with every table that is made: what locks out others has to be outside of the transaction."""
    if database.engine.dialect.name not in ("mysql", "mariadb"):
        yield
        return
    name = _lock_name(schema)
    with database.reading() as connection:
        if connection.execute(select(func.get_lock(name, _LOCK_TIMEOUT))).scalar() != 1:
            raise StoreUnavailable(f"another process has been upgrading the database for more than {_LOCK_TIMEOUT} seconds")
        try:
            yield
        finally:
            connection.execute(select(func.release_lock(name)))


def _lock_name(schema: StoreSchema) -> str:
    return f"baremetal_sdk.{schema.version_table}"
