"""Configuration of ``metald serve``, composed of command line options, configuration files and the state directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baremetal_sdk.config import ConductorConfig, read_sections
from baremetal_sdk.store.sqlite_url import build_sqlite_url
from metald.state_directory import default_directory


@dataclass(frozen=True)
class ServeOptions:
    """Command line options of ``metald serve``. For *host* and *port*, None leaves the choice to the configuration files."""

    config_files: Sequence[Path] = ()
    state_dir: Path | None = None
    host: str | None = None
    port: int | None = None
    debug: bool = False


def find_state_directory(options: ServeOptions, *, needs_key: bool = True) -> Path | None:
    """Return the state directory, or None if the command needs no file in it.

    That is the case if the options name no directory, and the configuration files name the database and, with *needs_key*, the
    key. Raises ConfigurationError for invalid files, and StateError if the default directory cannot be determined.
    """
    written = _read_database_section(options)
    has_key = bool(written.get("secret_key_file") or written.get("secret_key_env"))
    if options.state_dir is None and written.get("connection") and (has_key or not needs_key):
        return None
    return (options.state_dir or default_directory(os.environ)).absolute()


def load_config(options: ServeOptions, state: Path | None) -> ConductorConfig:
    """Return the configuration in the files of *options*, with the command line options in place of those in the files.

    If the files set no database or no key, both are in the directory *state*. Raises ConfigurationError with file, section and
    option.
    """
    written = _read_database_section(options)
    return ConductorConfig.load(*options.config_files, overrides=_overrides(options, state, written))


def owns_database(config: ConductorConfig, state: Path | None) -> bool:
    """Return whether the configured database is the default one in the directory *state*, whose lock excludes other processes."""
    return state is not None and config.database.connection == _default_database_url(state)


def _read_database_section(options: ServeOptions) -> dict[str, str]:
    # Load the files first: the runtime's message about an unreadable or invalid file names file, section and option.
    ConductorConfig.load(*options.config_files)
    return read_sections(options.config_files).get("database", {})


def _default_database_url(state: Path) -> str:
    return build_sqlite_url(state / "metald.sqlite")


def _overrides(options: ServeOptions, state: Path | None, written: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the options, by section, to apply over those in the files.

    Options of the command line replace those in the files. The defaults for the database in *state* only fill the options
    that *written*, the section ``database`` of the files, leaves empty.
    """
    api = {"host_ip": options.host, "port": options.port}
    database = {}
    if state is not None:
        database = {"connection": _default_database_url(state), "secret_key_file": str(state / "secret.key")}
    return {
        "DEFAULT": {"debug": True} if options.debug else {},
        "api": {name: value for name, value in api.items() if value is not None},
        "database": {name: value for name, value in database.items() if not written.get(name)},
    }
