"""``metald db``: the database is brought to the present schema, looked at, or copied."""

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
from baremetal_sdk.store.backup import back_up
from metald.settings import ServeOptions, load
from metald.state import default_directory


def database(action: str, config_files: Sequence[Path], state_dir: Path | None, file: Path | None) -> int:
    """Do *action* (upgrade, check or backup, which needs *file*); give back the exit code."""
    try:
        config = load(ServeOptions(config_files, state_dir), (state_dir or default_directory(os.environ)).absolute())
        actions: dict[str, Callable[[ConductorConfig], int]] = {
            "upgrade": _upgrade,
            "check": _check,
            "backup": lambda one: _backup(one, file),
        }
        return actions[action](config)
    except ConfigurationError as exc:
        print(f"metald: {exc}", file=sys.stderr)
        return 2
    except (BareMetalError, OSError) as exc:
        print(f"metald: {exc}", file=sys.stderr)
        return 1


def _upgrade(config: ConductorConfig) -> int:
    """Processes that serve may go on meanwhile: a schema only gains what they need not know."""
    open_store(config.database.connection).close()
    print("the database has the present schema")
    return 0


def _check(config: ConductorConfig) -> int:
    """0 when the schema is the present one, 1 when something has to be done first."""
    finding = examine_database(config.database)
    print(finding.what)
    if finding.remedy:
        print(f"-> {finding.remedy}")
    return int(finding.outcome is not Outcome.OK)


def _backup(config: ConductorConfig, file: Path | None) -> int:
    assert file is not None and config.database.connection is not None
    back_up(config.database.connection, file)
    print(f"{file}: a copy of the database; the key of its credentials is not in it ([database] secret_key_file)")
    return 0
