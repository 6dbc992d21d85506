"""From the command line and the configuration files to the configuration of the conductor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baremetal_sdk.config import ConductorConfig, read_sections


@dataclass(frozen=True)
class ServeOptions:
    """What ``metald serve`` was asked for; None where the configuration files decide."""

    config_files: Sequence[Path] = ()
    state_dir: Path | None = None
    host: str | None = None
    port: int | None = None
    debug: bool = False


def load(options: ServeOptions, state: Path) -> ConductorConfig:
    """Read the files; the command line overrides them, and what neither names about storage lies in *state*.

    Raises ``ConfigurationError``, which names file, section and option.
    """
    ConductorConfig.load(*options.config_files)  # a file that cannot be read is named by the runtime, in its words
    written = read_sections(options.config_files).get("database", {})
    return ConductorConfig.load(*options.config_files, overrides=_overrides(options, state, written))


def owns_database(config: ConductorConfig, state: Path) -> bool:
    """Whether the database is the one in *state*, which the lock there keeps for one process."""
    return config.database.connection == _own_database(state)


def _own_database(state: Path) -> str:
    return f"sqlite:///{state / 'metald.sqlite'}"


def _overrides(options: ServeOptions, state: Path, written: dict[str, str]) -> dict[str, dict[str, Any]]:
    api = {"host_ip": options.host, "port": options.port}
    database = {"connection": _own_database(state), "secret_key_file": str(state / "secret.key")}
    return {
        "DEFAULT": {"debug": True} if options.debug else {},
        "api": {name: value for name, value in api.items() if value is not None},
        "database": {name: value for name, value in database.items() if not written.get(name)},
    }
