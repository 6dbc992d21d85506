"""``metald serve``: the all-in-one service in one process."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from baremetal_interfaces import BareMetalError
from baremetal_sdk.config import ConductorConfig, unknown_options
from baremetal_sdk.context import RequestIdFilter
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.json_log import JSONFormatter
from baremetal_sdk.redaction import RedactingFilter
from baremetal_sdk.rpc import oslo_notifications
from metald.app import run
from metald.garbage import look_for_cycles_seldom
from metald.native_threads import choose_native_threads
from metald.settings import ServeOptions, load, owns_database
from metald.state import StateError, default_directory, held

LOG = logging.getLogger("metald")

_LINE = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"

FAILED = 1
"""Exit code: it cannot serve, and the reason is on stderr."""

MISCONFIGURED = 2
"""Exit code: the command line or the configuration is wrong."""


def serve(options: ServeOptions) -> int:
    """Serve until a signal; give back the exit code."""
    start_logging(options.debug)
    os.umask(0o077)  # credentials, sealed or not, are for nobody else
    directory = options.state_dir or default_directory(os.environ)
    try:
        with held(directory.absolute()) as state:
            config = _configured(options, state)
            if oslo_notifications.are_wanted(config):
                choose_native_threads()
            run(config, announce, lambda: _configured(options, state), sole_owner=owns_database(config, state))
    except ConfigurationError as exc:
        return failed(str(exc), FAILED if _may_pass(exc) else MISCONFIGURED)
    except (BareMetalError, StateError, OSError) as exc:
        return failed(str(exc), FAILED)
    return 0


def start_logging(debug: bool) -> None:
    """Log to standard error, each line with its request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_LINE))
    handler.addFilter(RequestIdFilter())
    handler.addFilter(RedactingFilter())
    logging.basicConfig(handlers=[handler])
    _set_level(debug)


def _set_format(as_json: bool) -> None:
    formatter = JSONFormatter() if as_json else logging.Formatter(_LINE)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter)


def _set_level(debug: bool) -> None:
    logging.getLogger().setLevel(logging.DEBUG if debug else logging.INFO)
    logging.getLogger("alembic").setLevel(logging.DEBUG if debug else logging.WARNING)


def _configured(options: ServeOptions, state: Path) -> ConductorConfig:
    """Read the configuration, set the level of the log by it, and say which options have no meaning."""
    return _noted(load(options, state), options.config_files)


def read(config_files: Sequence[Path]) -> ConductorConfig:
    """Read a configuration that is complete in itself. Raises ``ConfigurationError``."""
    return _noted(ConductorConfig.load(*config_files), config_files)


def _noted(config: ConductorConfig, files: Sequence[Path]) -> ConductorConfig:
    _set_level(config.debug)
    _set_format(config.use_json)
    for option in unknown_options(files):
        LOG.warning("%s has no meaning here and is ignored", option)
    return config


def _may_pass(exc: ConfigurationError) -> bool:
    """Whether it is a port that somebody else has now: that can be another one's mistake, and it can be worth a restart."""
    return isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EADDRINUSE


def announce(url: str) -> None:
    """The line that scripts wait for."""
    look_for_cycles_seldom()
    print(f"metald ready: {url}", flush=True)


def failed(reason: str, code: int) -> int:
    """Say why it ends, and give back the exit code."""
    print(f"metald: {reason}", file=sys.stderr, flush=True)
    return code
