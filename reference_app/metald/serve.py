"""Command ``metald serve``, which runs API and conductor in one process; logging and exit codes of all services."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from baremetal_interfaces import BareMetalError
from baremetal_sdk.config import ConductorConfig, find_unknown_options
from baremetal_sdk.context import RequestIdFilter
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.json_log import JSONFormatter
from baremetal_sdk.observability.log_handler import LogHandler
from baremetal_sdk.observability.redaction import RedactingFilter
from baremetal_sdk.rpc import oslo_notifications
from metald.app import run_all_in_one
from metald.garbage_collection import tune_garbage_collector
from metald.malloc import limit_free_memory
from metald.native_threads import choose_native_threads
from metald.settings import ServeOptions, find_state_directory, load_config, owns_database
from metald.standard_streams import describe_os_error, report_failure, write_line
from metald.state_directory import StateError, lock_directory

LOG = get_logger("metald")

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"

FAILED = 1
"""Exit code if the service cannot run. Standard error holds the reason."""

MISCONFIGURED = 2
"""Exit code if the command line or the configuration is wrong."""


def serve(options: ServeOptions) -> int:
    """Run ``metald serve``: serve the API and drive machines until SIGTERM or SIGINT, and return the exit code.

    The process locks its state directory, if it uses one. SIGHUP reloads the configuration. A failure is printed to standard
    error.
    """
    start_logging(options.debug)
    limit_free_memory(os.environ)
    os.umask(0o077)  # files in the state directory contain credentials, encrypted or not
    try:
        directory = find_state_directory(options)
        with nullcontext() if directory is None else lock_directory(directory) as state:
            config = _load_config(options, state)
            if oslo_notifications.are_enabled(config):
                choose_native_threads()
            run_all_in_one(config, announce_ready, lambda: _load_config(options, state), sole_owner=owns_database(config, state))
    except ConfigurationError as exc:
        return report_failure(str(exc), FAILED if _is_port_in_use(exc) else MISCONFIGURED)
    except OSError as exc:
        return report_failure(describe_os_error(exc), FAILED)
    except (BareMetalError, StateError) as exc:
        return report_failure(str(exc), FAILED)
    return 0


def start_logging(debug: bool) -> None:
    """Send the log of this process to standard error, with the request ID in each line and with secrets masked.

    The level is DEBUG if *debug* is true, otherwise INFO.
    """
    handler = LogHandler()
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    handler.addFilter(RequestIdFilter())
    handler.addFilter(RedactingFilter())
    logging.basicConfig(handlers=[handler])
    logging.captureWarnings(True)
    # Python would write these errors to standard error itself, in the thread that made them.
    threading.excepthook = _log_thread_error
    sys.unraisablehook = _log_unraisable_error
    _set_level(debug)


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit and args.exc_value is not None:
        name = args.thread.name if args.thread is not None else "-"
        LOG.error("thread %s ended with an error", name, exc_info=args.exc_value)


def _log_unraisable_error(args: sys.UnraisableHookArgs) -> None:
    LOG.error("%s: %r", args.err_msg or "error ignored", args.object, exc_info=args.exc_value)


def _set_format(as_json: bool) -> None:
    """Set the format of all log lines: JSON, or text."""
    formatter = JSONFormatter() if as_json else logging.Formatter(_LOG_FORMAT)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter)


def _set_level(debug: bool) -> None:
    """Set the log level: DEBUG, or INFO. Alembic logs only warnings unless *debug* is true."""
    logging.getLogger().setLevel(logging.DEBUG if debug else logging.INFO)
    logging.getLogger("alembic").setLevel(logging.DEBUG if debug else logging.WARNING)


def _load_config(options: ServeOptions, state: Path | None) -> ConductorConfig:
    """Load the configuration for ``metald serve`` and apply its log options; log a warning for each unknown option."""
    return _apply_log_options(load_config(options, state), options.config_files)


def read_config(config_files: Sequence[Path]) -> ConductorConfig:
    """Load the configuration in *config_files*, without command line options, and apply its log options.

    Logs a warning for each unknown option. Raises ConfigurationError if a file is unreadable or an option is not valid.
    """
    return _apply_log_options(ConductorConfig.load(*config_files), config_files)


def _apply_log_options(config: ConductorConfig, files: Sequence[Path]) -> ConductorConfig:
    """Apply the log options in *config*, log a warning for each unknown option in *files*, and return *config*."""
    _set_level(config.debug)
    _set_format(config.use_json)
    for option in find_unknown_options(files):
        LOG.warning("%s is not an option of metald and is ignored", option)
    return config


def _is_port_in_use(exc: ConfigurationError) -> bool:
    """Return whether the cause of *exc* is a port in use, which may be free at a later start."""
    return isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EADDRINUSE


def announce_ready(url: str) -> None:
    """Tune the garbage collector, and print the line ``metald ready: URL``, for which scripts wait."""
    tune_garbage_collector()
    write_line(f"metald ready: {url}")
