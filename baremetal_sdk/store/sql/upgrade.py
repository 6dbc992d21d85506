"""Creation and upgrade of the tables, safe against other processes that do the same at the same time."""

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
_LOCK_TIMEOUT_S = 300
"""Seconds to wait for another process that upgrades the tables."""


def ensure_current(database: Database, schema: StoreSchema) -> None:
    """Create or upgrade the tables if they are not current.

    Raises ``StoreUnavailable`` if the tables are of a later, incompatible release.
    """
    with database.reading() as connection:
        if _is_current(connection, schema):
            return
    with _upgrade_lock(database, schema) as connection:
        # Checked again under the lock: another process may have upgraded the tables since the first check.
        if not _is_current(connection, schema):
            _migrate(connection, schema)


def revision_of(connection: Connection, schema: StoreSchema) -> str | None:
    """Return the revision of the last migration of a database, or None if the tables do not exist."""
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
            f"{REVISIONS[-1]}; run the later version, or restore a backup of the database from before its upgrade"
        )
    if revision != REVISIONS[-1]:
        LOG.info(
            "a later version upgraded the database to revision %s; this version uses the tables and columns that it knows",
            revision,
        )
    return True


def _migrate(connection: Connection, schema: StoreSchema) -> None:
    # Imported here because most starts need no migration, and the import of Alembic takes long.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=schema.version_table, table_prefix=schema.prefix)
    command.upgrade(config, REVISIONS[-1])


@contextmanager
def _upgrade_lock(database: Database, schema: StoreSchema) -> Iterator[Connection]:
    """Begin a transaction for the upgrade that makes other processes wait until its end.

    SQLite needs no further lock: BEGIN IMMEDIATE takes the write lock, and CREATE TABLE is part of the transaction.
    """
    with _named_lock(database, schema), database.altering() as connection:
        if connection.dialect.name == "postgresql":
            # The end of the transaction releases this lock.
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(_lock_name(schema)))))
        yield connection


@contextmanager
def _named_lock(database: Database, schema: StoreSchema) -> Iterator[None]:
    """Hold a named lock on MariaDB, and do nothing on other databases.

    MariaDB commits at each CREATE TABLE, so a lock of the transaction would end too early.
    """
    if database.engine.dialect.name not in ("mysql", "mariadb"):
        yield
        return
    name = _lock_name(schema)
    with database.reading() as connection:
        if connection.execute(select(func.get_lock(name, _LOCK_TIMEOUT_S))).scalar() != 1:
            raise StoreUnavailable(
                f"another process has been upgrading the database for more than {_LOCK_TIMEOUT_S} seconds; "
                "wait for its end and try again"
            )
        try:
            yield
        finally:
            connection.execute(select(func.release_lock(name)))


def _lock_name(schema: StoreSchema) -> str:
    return f"baremetal_sdk.{schema.version_table}"
