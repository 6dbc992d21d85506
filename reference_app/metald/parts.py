"""``metald api`` and ``metald conductor``: the service in two kinds of processes, which share a database."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from baremetal_interfaces import BareMetalError
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.rpc import oslo_notifications
from metald.app import run_api, run_conductor
from metald.native_threads import choose_native_threads
from metald.serve import FAILED, MISCONFIGURED, announce, failed, read, start_logging


def api(config_files: Sequence[Path]) -> int:
    """Serve the API until a signal; give back the exit code."""
    return _run(config_files, lambda config: run_api(config, announce))


def conductor(config_files: Sequence[Path]) -> int:
    """Drive machines until a signal; give back the exit code."""
    return _run(
        config_files,
        lambda config: run_conductor(config, lambda: announce(f"conductor {config.hostname}"), lambda: _config(config_files)),
    )


def _run(config_files: Sequence[Path], part: Callable[[ConductorConfig], None]) -> int:
    start_logging(False)
    os.umask(0o077)
    try:
        config = _config(config_files)
        if config.rpc_transport == "oslo" or oslo_notifications.are_wanted(config):
            choose_native_threads()
        part(config)
    except ConfigurationError as exc:
        return failed(str(exc), MISCONFIGURED)
    except (BareMetalError, OSError) as exc:
        return failed(str(exc), FAILED)
    return 0


def _config(config_files: Sequence[Path]) -> ConductorConfig:
    config = read(config_files)
    if config.rpc_transport == "none":
        raise ConfigurationError(
            "[DEFAULT] rpc_transport: none is for one process (metald serve); set json-rpc or oslo, the same for all parts"
        )
    if config.database.connection is None:
        raise ConfigurationError("[database] connection: all parts use one database, and it is not named")
    return config
