"""Check of the database, its schema and its key, which changes nothing in the database."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from baremetal_interfaces import BareMetalError
from baremetal_sdk.config import DatabaseConfig
from baremetal_sdk.doctor.finding import Finding, Outcome, fail, ok, warn
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.factory import open_existing_store
from baremetal_sdk.store.key_check import check_keys

_NAME = "database"


def examine_database(config: DatabaseConfig) -> Finding:
    """Return one finding about the database: whether it is reachable, its schema is current, and its key is readable."""
    if config.connection is None:
        return ok(_NAME, "no database is configured: nodes are in memory or in the store of the host application")
    # Imported here, because a process without a database should not pay for the import of the database toolkit.
    from baremetal_sdk.store.sql.contents import describe_database, read_contents

    try:
        contents, name = read_contents(config.connection), describe_database(config.connection)
        if contents is None:
            return _examine_missing_file(Path(name))
        if contents.is_ironic:
            return fail(_NAME, f"{name} is the database of Ironic", "set [database] connection to a separate, empty database")
        if config.secret_key_file is None and config.secret_key_env is None:
            return _describe_missing_option()
        finding = _examine_schema(contents.revision, name)
        return _examine_keys(config, finding) if finding.outcome is Outcome.OK else finding
    except BareMetalError as exc:
        return fail(_NAME, str(exc), "correct [database] connection, and make sure that the database is running")


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


def _examine_schema(revision: str | None, name: str) -> Finding:
    from baremetal_sdk.store.sql.schema import REVISIONS, is_usable

    if revision == REVISIONS[-1]:
        return ok(_NAME, f"the database is reachable, with the current schema ({revision}): {name}")
    if revision is None or revision in REVISIONS:
        description = (
            f"the database has no tables yet: {name}"
            if revision is None
            else f"the database schema has the older revision {revision}; current is {REVISIONS[-1]}: {name}"
        )
        return warn(_NAME, description, "the next start upgrades the schema; back up the database first")
    if is_usable(revision):
        return ok(
            _NAME,
            f"the database {name} is reachable; a later version has upgraded its schema to {revision}, "
            f"which is compatible with {REVISIONS[-1]}",
        )
    return fail(
        _NAME,
        f"the database schema has revision {revision} of a later version; this version supports {REVISIONS[-1]}",
        "run the later version, or restore a backup of the database from before its upgrade",
    )


def _examine_keys(config: DatabaseConfig, schema: Finding) -> Finding:
    """Return *schema*, the finding about the schema, or a failure if the keys do not open all credentials in the database."""
    with closing(open_existing_store(config.connection)) as store:
        try:
            check_keys(config, store)
        except ConfigurationError as exc:
            return fail(_NAME, exc.message, "restore the key: the service does not start without it")
    if _has_key(config):
        return schema
    return fail(
        _NAME,
        f"the database exists, but the key of its credentials is missing: {_key_source(config)} is not readable",
        "restore the key from a backup, or give the user of the service read permission. Without credentials in the database, "
        "the next start creates the key",
    )


def _has_key(config: DatabaseConfig) -> bool:
    if config.secret_key_env is not None:
        return bool(os.environ.get(config.secret_key_env))
    return config.secret_key_file is not None and os.access(config.secret_key_file, os.R_OK)


def _key_source(config: DatabaseConfig) -> str | None:
    return config.secret_key_env or config.secret_key_file


def _describe_missing_option() -> Finding:
    return fail(
        _NAME,
        "[database] secret_key_file is not set, but credentials in a database must be encrypted",
        "set it to the path of a file, which the conductor creates",
    )
