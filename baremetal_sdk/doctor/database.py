"""The database: whether it can be reached, and what its tables are like. Nothing is made and nothing is upgraded."""

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

if TYPE_CHECKING:
    from baremetal_sdk.store.sql.engine import Database

_NAME = "database"


def examine_database(config: DatabaseConfig) -> Finding:
    """What can be said without changing anything."""
    if config.connection is None:
        return ok(_NAME, "none is configured: nodes are kept in memory, or the host application hands in a store")
    # Whoever keeps nodes in memory does not wait for the import of a database toolkit.
    from baremetal_sdk.store.sql.engine import Database

    try:
        database = Database(config.connection)
        if database.is_sqlite and not _file(database.url.database).exists():
            return _to_be_made(_file(database.url.database))
        database.open()
        with closing(database):
            return _schema(database) if _key_is_there(config) else _without_key(config)
    except BareMetalError as exc:
        return fail(_NAME, str(exc), "see [database] connection, and whether the database runs")


@contextmanager
def open_existing_store(config: DatabaseConfig, clock: Clock) -> Iterator[Store]:
    """The store of a database that was found to be as it should be."""
    store = open_store(config.connection, clock=clock)
    try:
        yield store
    finally:
        store.close()


def _file(name: str | None) -> Path:
    return Path((name or "").removeprefix("file:"))


def _to_be_made(file: Path) -> Finding:
    parent = next((one for one in file.absolute().parents if one.exists()), Path("/"))
    if os.access(parent, os.W_OK | os.X_OK):
        return warn(_NAME, f"there is no {file} yet", "the first start makes it; else name another in [database] connection")
    return fail(_NAME, f"there is no {file}, and {parent} cannot be written to", "let the service's user write to the directory")


def _schema(database: Database) -> Finding:
    from baremetal_sdk.store.sql.schema import REVISIONS, StoreSchema, is_usable
    from baremetal_sdk.store.sql.upgrade import revision_of

    with database.reading() as connection:
        revision = revision_of(connection, StoreSchema("bm_"))
    if revision == REVISIONS[-1]:
        return ok(_NAME, f"it can be reached, and its schema is the present one ({revision})")
    if revision is None or revision in REVISIONS:
        found = "it has no tables yet" if revision is None else f"its schema has revision {revision}, before {REVISIONS[-1]}"
        return warn(_NAME, found, "the next start brings it to the present schema: have a copy of the database")
    if is_usable(revision):
        return ok(_NAME, f"it can be reached; a later version has brought its schema to {revision}, by adding to {REVISIONS[-1]}")
    return fail(
        _NAME,
        f"its schema has revision {revision}, of a later version; this one knows {REVISIONS[-1]}",
        "run the later version, or put back a copy of the database from before its upgrade",
    )


def _key_is_there(config: DatabaseConfig) -> bool:
    if config.secret_key_env is not None:
        return bool(os.environ.get(config.secret_key_env))
    return config.secret_key_file is not None and os.access(config.secret_key_file, os.R_OK)


def _without_key(config: DatabaseConfig) -> Finding:
    if config.secret_key_file is None and config.secret_key_env is None:
        return fail(_NAME, "[database] secret_key_file is not set, and encrypts credentials", "name a file; it is made")
    return fail(
        _NAME,
        f"the database is there, and the key of its credentials is not: {_key(config)} cannot be read",
        "put the key back from a copy, or let the service's user read it: without it no BMC can be logged in to",
    )


def _key(config: DatabaseConfig) -> str | None:
    return config.secret_key_env or config.secret_key_file
