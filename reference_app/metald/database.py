"""Command ``metald db``: upgrade, check or back up the database of the service."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from baremetal_interfaces import BareMetalError
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.doctor import Outcome
from baremetal_sdk.doctor.database import examine_database
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store import open_store
from baremetal_sdk.store.sealed_columns import seal_columns
from baremetal_sdk.store.secrets import EnvironmentBox, FernetBox
from baremetal_sdk.store.sql.backup import back_up
from metald.settings import ServeOptions, load_config
from metald.state_directory import default_directory


def run_database_action(action: str, config_files: Sequence[Path], state_dir: Path | None, file: Path | None) -> int:
    """Run *action* (upgrade, check or backup) on the configured database, print the outcome, and return the exit code.

    *file* is the file to create by backup. Exit codes: 0 success, 1 failure or schema not up to date, 2 wrong configuration.
    """
    try:
        config = load_config(ServeOptions(config_files, state_dir), (state_dir or default_directory(os.environ)).absolute())
        actions: dict[str, Callable[[ConductorConfig], int]] = {
            "upgrade": _upgrade,
            "check": _check,
            "backup": lambda config: _backup(config, file),
        }
        return actions[action](config)
    except ConfigurationError as exc:
        print(f"metald: {exc}", file=sys.stderr)
        return 2
    except (BareMetalError, OSError) as exc:
        print(f"metald: {exc}", file=sys.stderr)
        return 1


def _upgrade(config: ConductorConfig) -> int:
    """Upgrade the database schema and return exit code 0.

    The secrets in rows of earlier releases are encrypted. Running processes can continue: a new schema only adds columns and
    tables that they do not need. Processes of releases that do not encrypt these secrets have to be stopped before.
    """
    database = config.database
    store = open_store(database.connection)
    try:
        if database.secret_key_env is not None:
            seal_columns(store, EnvironmentBox(database.secret_key_env))
        elif database.secret_key_file is not None:
            seal_columns(store, FernetBox(database.secret_key_file))
    finally:
        store.close()
    print("the database schema is up to date, and the secrets in the database are encrypted")
    return 0


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
    print(f"{file}: backup of the database; it does not contain the key of the credentials ([database] secret_key_file)")
    return 0
