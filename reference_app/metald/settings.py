"""Configuration of ``metald serve`` from the command line and the configuration files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baremetal_sdk.config import ConductorConfig, read_sections


@dataclass(frozen=True)
class ServeOptions:
    """Command line options of ``metald serve``. None means that the configuration files decide."""

    config_files: Sequence[Path] = ()
    state_dir: Path | None = None
    host: str | None = None
    port: int | None = None
    debug: bool = False


def load_config(options: ServeOptions, state: Path) -> ConductorConfig:
    """Load the files. The command line overrides them; storage options that are not set default to paths in *state*.

    Raises ``ConfigurationError`` with file, section and option.
    """
    # Load the files first: the runtime's message about an unreadable or invalid file names file, section and option.
    ConductorConfig.load(*options.config_files)
    written = read_sections(options.config_files).get("database", {})
    return ConductorConfig.load(*options.config_files, overrides=_overrides(options, state, written))


def owns_database(config: ConductorConfig, state: Path) -> bool:
    """Return whether the database is the one in *state*, whose lock excludes other processes."""
    return config.database.connection == _default_database_url(state)


def _default_database_url(state: Path) -> str:
    return f"sqlite:///{state / 'metald.sqlite'}"


def _overrides(options: ServeOptions, state: Path, written: dict[str, str]) -> dict[str, dict[str, Any]]:
    api = {"host_ip": options.host, "port": options.port}
    database = {"connection": _default_database_url(state), "secret_key_file": str(state / "secret.key")}
    return {
        "DEFAULT": {"debug": True} if options.debug else {},
        "api": {name: value for name, value in api.items() if value is not None},
        "database": {name: value for name, value in database.items() if not written.get(name)},
    }
