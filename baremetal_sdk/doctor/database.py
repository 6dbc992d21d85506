"""Check of the database, its schema and its key, which changes nothing in the database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from baremetal_interfaces import BareMetalError
from baremetal_sdk.clock import Clock
from baremetal_sdk.config import DatabaseConfig
from baremetal_sdk.doctor.finding import Finding, fail, ok, warn
from baremetal_sdk.store.factory import open_store
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.sqlite_url import find_sqlite_file

if TYPE_CHECKING:
    from baremetal_sdk.store.sql.engine import Database

_NAME = "database"


def examine_database(config: DatabaseConfig) -> Finding:
    """Return one finding about the database: whether it is reachable, its schema is current, and its key is readable."""
    if config.connection is None:
        return ok(_NAME, "no database is configured: nodes are in memory or in the store of the host application")
    # Imported here, because a process without a database should not pay for the import of the database toolkit.
    from baremetal_sdk.store.sql.engine import Database

    try:
        database = Database(config.connection)
        if database.is_sqlite and not find_sqlite_file(database.url.database).exists():
            return _examine_missing_file(find_sqlite_file(database.url.database))
        database.open()
        with closing(database):
            return _examine_schema(database) if _has_key(config) else _describe_missing_key(config)
    except BareMetalError as exc:
        return fail(_NAME, str(exc), "correct [database] connection, and make sure that the database is running")


@contextmanager
def open_existing_store(config: DatabaseConfig, clock: Clock) -> Iterator[Store]:
    """Yield the store in the database, and close it after the block. Check the database first: opening can upgrade it."""
    store = open_store(config.connection, clock=clock)
    try:
        yield store
    finally:
        store.close()


def _examine_missing_file(file: Path) -> Finding:
    parent = next((directory for directory in file.absolute().parents if directory.exists()), Path("/"))
    if os.access(parent, os.W_OK | os.X_OK):
        return warn(
            _NAME,
            f"the database file {file} does not exist yet",
            "the first start creates it; if it should exist, correct [database] connection",
        )
    return fail(
        _NAME,
        f"the database file {file} does not exist, and {parent} is not writable",
        "give the user of the service write permission for the directory",
    )


def _examine_schema(database: Database) -> Finding:
    from baremetal_sdk.store.sql.schema import REVISIONS, StoreSchema, is_usable
    from baremetal_sdk.store.sql.upgrade import revision_of

    with database.reading() as connection:
        revision = revision_of(connection, StoreSchema("bm_"))
    if revision == REVISIONS[-1]:
        return ok(_NAME, f"the database is reachable, with the current schema ({revision})")
    if revision is None or revision in REVISIONS:
        description = (
            "the database has no tables yet"
            if revision is None
            else f"the database schema has the older revision {revision}; current is {REVISIONS[-1]}"
        )
        return warn(_NAME, description, "the next start upgrades the schema; back up the database first")
    if is_usable(revision):
        return ok(
            _NAME,
            f"the database is reachable; a later version has upgraded its schema to {revision}, "
            f"which is compatible with {REVISIONS[-1]}",
        )
    return fail(
        _NAME,
        f"the database schema has revision {revision} of a later version; this version supports {REVISIONS[-1]}",
        "run the later version, or restore a backup of the database from before its upgrade",
    )


def _has_key(config: DatabaseConfig) -> bool:
    if config.secret_key_env is not None:
        return bool(os.environ.get(config.secret_key_env))
    return config.secret_key_file is not None and os.access(config.secret_key_file, os.R_OK)


def _describe_missing_key(config: DatabaseConfig) -> Finding:
    if config.secret_key_file is None and config.secret_key_env is None:
        return fail(
            _NAME,
            "[database] secret_key_file is not set, but credentials in a database must be encrypted",
            "set it to the path of a file, which the conductor creates",
        )
    return fail(
        _NAME,
        f"the database exists, but the key of its credentials is missing: {_key_source(config)} is not readable",
        "restore the key from a backup, or give the user of the service read permission. Without the key, logins at BMCs fail",
    )


def _key_source(config: DatabaseConfig) -> str | None:
    return config.secret_key_env or config.secret_key_file
