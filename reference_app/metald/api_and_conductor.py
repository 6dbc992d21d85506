"""Commands ``metald api`` and ``metald conductor``, which run API and conductor as separate processes with a common database."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from baremetal_interfaces import BareMetalError
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.rpc import oslo_notifications
from metald.app import run_api, run_conductor
from metald.malloc import limit_free_memory
from metald.native_threads import choose_native_threads
from metald.serve import FAILED, MISCONFIGURED, announce_ready, read_config, start_logging
from metald.standard_streams import describe_os_error, report_failure


def serve_api(config_files: Sequence[Path]) -> int:
    """Run ``metald api``: serve the API until SIGTERM or SIGINT, and return the exit code."""
    return _run_until_signal(config_files, lambda config: run_api(config, announce_ready))


def serve_conductor(config_files: Sequence[Path]) -> int:
    """Run ``metald conductor``: drive machines until SIGTERM or SIGINT, and return the exit code.

    SIGHUP reloads the configuration.
    """

    def run(config: ConductorConfig) -> None:
        run_conductor(
            config,
            ready=lambda: announce_ready(f"conductor {config.hostname}"),
            reload=lambda: _load_config(config_files),
        )

    return _run_until_signal(config_files, run)


def _run_until_signal(config_files: Sequence[Path], run: Callable[[ConductorConfig], None]) -> int:
    """Load the configuration, call *run* with it, and return the exit code. A failure is printed to standard error."""
    start_logging(False)
    limit_free_memory(os.environ)
    os.umask(0o077)
    try:
        config = _load_config(config_files)
        if config.rpc_transport == "oslo" or oslo_notifications.are_enabled(config):
            choose_native_threads()
        run(config)
    except ConfigurationError as exc:
        return report_failure(str(exc), MISCONFIGURED)
    except OSError as exc:
        return report_failure(describe_os_error(exc), FAILED)
    except BareMetalError as exc:
        return report_failure(str(exc), FAILED)
    return 0


def _load_config(config_files: Sequence[Path]) -> ConductorConfig:
    """Return the configuration in the files; raise ConfigurationError if it does not suit separate processes."""
    config = read_config(config_files)
    if config.rpc_transport == "none":
        raise ConfigurationError(
            "[DEFAULT] rpc_transport: 'none' works only in one process (metald serve); set json-rpc or oslo in all processes"
        )
    if config.database.connection is None:
        raise ConfigurationError("[database] connection: not set, and separate processes share one database; set its URL")
    return config
