"""Creation and upgrade of the store's tables with Alembic. Locks allow several processes to do this at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select

from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.sql.engine import Database
from baremetal_sdk.store.sql.schema import LAST_UNSEALED, REVISIONS, StoreSchema, is_usable

LOG = get_logger(__name__)

_MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK_TIMEOUT_S = 300
"""Maximum number of seconds to wait while another process upgrades the tables, on MariaDB."""


def ensure_current(database: Database, schema: StoreSchema, seal_rows: Callable[[], object] | None) -> None:
    """Create or upgrade the tables of *schema* in *database*, unless they have the last revision.

    *seal_rows* seals the secrets in all rows. Without it, because there is no key, the tables remain at the last revision
    before that. Tables that a later, compatible release has upgraded remain unchanged. Raises ``StoreUnavailable`` if the later
    release is incompatible.
    """
    with database.reading() as connection:
        if _is_current(connection, schema, is_sealing=seal_rows is not None):
            return
    with _upgrade_lock(database, schema) as connection:
        # Checked again under the lock: another process may have upgraded the tables since the first check.
        is_new = revision_of(connection, schema) is None
        if is_new and seal_rows is not None:
            _migrate(connection, schema, REVISIONS[-1])
        elif not _is_current(connection, schema, is_sealing=False):
            _migrate(connection, schema, LAST_UNSEALED)
    if seal_rows is None or is_new:
        return
    # Without the lock, which would be held for minutes. Two processes that seal the same rows do not harm each other.
    seal_rows()
    with _upgrade_lock(database, schema) as connection:
        if not _is_current(connection, schema, is_sealing=True):
            _migrate(connection, schema, REVISIONS[-1])


def revision_of(connection: Connection, schema: StoreSchema) -> str | None:
    """Return the revision of the tables in a database, which is that of their last migration. None without tables."""
    if not inspect(connection).has_table(schema.version_table):
        return None
    revision: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {schema.version_table}").scalar()
    return revision


def _is_current(connection: Connection, schema: StoreSchema, *, is_sealing: bool) -> bool:
    revision = revision_of(connection, schema)
    if revision == LAST_UNSEALED and not is_sealing:
        return True
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


def _migrate(connection: Connection, schema: StoreSchema, revision: str) -> None:
    # Imported here because most starts need no migration, and the import of Alembic takes long.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=schema.version_table, table_prefix=schema.prefix)
    command.upgrade(config, revision)


@contextmanager
def _upgrade_lock(database: Database, schema: StoreSchema) -> Iterator[Connection]:
    """Context with the transaction of the upgrade. Other processes that want to upgrade wait until its end.

    SQLite needs no further lock: BEGIN IMMEDIATE takes the write lock, and CREATE TABLE is part of the transaction.
    """
    with _named_lock(database, schema), database.altering() as connection:
        if connection.dialect.name == "postgresql":
            # The end of the transaction releases this lock.
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(_lock_name(schema)))))
        yield connection


@contextmanager
def _named_lock(database: Database, schema: StoreSchema) -> Iterator[None]:
    """Context that holds a named lock on MariaDB and does nothing on other databases. Raises ``StoreUnavailable``.

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
