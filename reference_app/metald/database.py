"""``metald db``: upgrade, check and backup of the database."""

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
from baremetal_sdk.store.sql.backup import back_up
from metald.settings import ServeOptions, load_config
from metald.state_directory import default_directory


def run_database_action(action: str, config_files: Sequence[Path], state_dir: Path | None, file: Path | None) -> int:
    """Run *action*: upgrade, check, or backup to *file*. Return the exit code."""
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
    """Upgrade the schema. Running processes can continue: a new schema only adds columns and tables that they do not need."""
    open_store(config.database.connection).close()
    print("the database schema is up to date")
    return 0


def _check(config: ConductorConfig) -> int:
    """Return 0 if the schema is up to date, 1 if an action is needed."""
    finding = examine_database(config.database)
    print(finding.what)
    if finding.remedy:
        print(f"-> {finding.remedy}")
    return int(finding.outcome is not Outcome.OK)


def _backup(config: ConductorConfig, file: Path | None) -> int:
    assert file is not None and config.database.connection is not None
    back_up(config.database.connection, file)
    print(f"{file}: backup of the database; it does not contain the key of the credentials ([database] secret_key_file)")
    return 0
