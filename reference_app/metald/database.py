"""Command ``metald db``: upgrade, check or back up the database of the service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from baremetal_interfaces import BareMetalError
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.doctor import Outcome
from baremetal_sdk.doctor.database import examine_database
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store import open_store
from baremetal_sdk.store.key_check import open_secret_box
from baremetal_sdk.store.sealed_columns import seal_columns
from baremetal_sdk.store.secrets import PlainBox
from baremetal_sdk.store.sql.backup import back_up
from baremetal_sdk.store.sql.contents import describe_database, read_contents
from metald.settings import ServeOptions, find_state_directory, load_config, owns_database
from metald.standard_streams import report_failure
from metald.state_directory import StateError


def run_database_action(action: str, config_files: Sequence[Path], state_dir: Path | None, file: Path | None) -> int:
    """Run *action* (upgrade, check or backup) on the configured database, print the outcome, and return the exit code.

    *file* is the file to create by backup. Exit codes: 0 success, 1 failure or schema not up to date, 2 wrong configuration.
    """
    os.umask(0o077)
    try:
        options = ServeOptions(config_files, state_dir)
        state = find_state_directory(options)
        config = load_config(options, state)
        if action == "upgrade":
            return _upgrade(config, create=not owns_database(config, state))
        return _check(config) if action == "check" else _backup(config, file)
    except (BareMetalError, StateError) as exc:
        return report_failure(str(exc), 2 if isinstance(exc, ConfigurationError) else 1)


def _upgrade(config: ConductorConfig, *, create: bool) -> int:
    """Upgrade the database schema and return exit code 0. Without *create*, the database has to exist.

    The secrets in rows of earlier releases are encrypted. Running processes can continue: a new schema only adds columns and
    tables that they do not need. Processes of releases that do not encrypt these secrets have to be stopped before.
    """
    assert config.database.connection is not None
    name = describe_database(config.database.connection)
    if not create and read_contents(config.database.connection) is None:
        raise ConfigurationError(
            f"the database {name} does not exist, and this command creates none in a state directory; "
            "give the state directory of the service, or set [database] connection"
        )
    with closing(open_store(config.database.connection)) as store:
        is_sealed = _has_key(config)
        if is_sealed:
            seal_columns(store, open_secret_box(config.database, store) or PlainBox())
    state = "up to date, and the secrets in the database are encrypted" if is_sealed else "up to date"
    print(f"the database schema is {state}: {name}")
    return 0


def _has_key(config: ConductorConfig) -> bool:
    """Return whether there is a key to encrypt secrets with. Only services create one."""
    file = config.database.secret_key_file
    return config.database.secret_key_env is not None or (file is not None and os.path.exists(file))


def _check(config: ConductorConfig) -> int:
    """Print the state of the database schema. Return 0 if it is up to date, and 1 if it needs an action."""
    finding = examine_database(config.database)
    print(finding.what)
    if finding.remedy:
        print(f"-> {finding.remedy}")
    return int(finding.outcome is not Outcome.OK)


def _backup(config: ConductorConfig, file: Path | None) -> int:
    """Copy the database to the new file *file* and return exit code 0."""
    assert file is not None and config.database.connection is not None
    back_up(config.database.connection, file)
    name = describe_database(config.database.connection)
    print(f"{file}: backup of {name}; it does not contain the key of the credentials ([database] secret_key_file)")
    return 0
