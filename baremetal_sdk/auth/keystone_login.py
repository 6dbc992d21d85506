"""Login of this service at Keystone. Its token is cached until shortly before it expires (extra ``keystone``)."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from baremetal_interfaces import BareMetalError, Busy, Deadline
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger

if TYPE_CHECKING:
    from oslo_config import cfg

LOG = get_logger(__name__)
SECTION = "keystone_authtoken"
_MAX_MESSAGE_CHARACTERS = 512
TIMEOUT_S = 10.0
"""Seconds for one response of Keystone, unless the section sets ``timeout``."""
_RETRY_AFTER_S = 5.0
"""Seconds after which callers of this service should try again."""
_FAILURE_PAUSE_S = 1.0
"""Seconds without requests to Keystone after one failed."""


class KeystoneLogin:
    """Login of this service with keystoneauth. *options* of *section*: ``auth_type``, ``auth_url``, credentials and scope.

    Thread-safe. Raises ``ConfigurationError`` if keystoneauth1 is not installed or rejects the options.
    """

    def __init__(self, options: Mapping[str, str], section: str = SECTION, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        try:
            from keystoneauth1 import loading
        except ImportError as exc:
            raise ConfigurationError(
                f"[{section}]: keystoneauth1 is not installed ({exc}); run pip install 'baremetal-sdk[keystone]'"
            ) from exc
        check_options(options, section)
        self._section = section
        try:
            private = build_private_options(options, section)
            loading.register_auth_conf_options(private, section)
            loading.register_session_conf_options(private, section)
            self._plugin: Any = loading.load_auth_from_conf_options(private, section)
            self._session: Any = loading.load_session_from_conf_options(private, section)
        except Exception as exc:
            raise ConfigurationError(f"[{section}]: the options cannot be used: {exc}") from exc
        self._session.timeout = self._session.timeout or TIMEOUT_S
        self._lock = threading.Lock()
        self._token = ""
        self._failure: tuple[float, BareMetalError] | None = None

    def get_token(self, deadline: Deadline) -> str:
        """Return a token that is valid for two minutes or more.

        Raises ``Busy`` if Keystone issues no token, and ``ConfigurationError`` if it rejects the login.
        """
        self._token = token = str(self._query(self._plugin.get_token, deadline))
        return token

    def get_project_id(self, deadline: Deadline) -> str | None:
        """Return the ID of the login's project, or None for another scope. Raises the same errors as :meth:`get_token`."""
        found = self._query(self._plugin.get_project_id, deadline)
        return None if found is None else str(found)

    def discard_token(self, token: str) -> None:
        """Discard *token*, which a server has rejected, so that :meth:`get_token` gets a new one.

        Does nothing if *token* is not the last one that :meth:`get_token` returned.
        """
        if token == self._token:
            self._plugin.invalidate()

    def _query(self, method: Any, deadline: Deadline) -> Any:
        """Call *method* of the keystoneauth plugin and return its result. One thread at a time calls Keystone.

        The threads that wait for it then get the cached result, or at once the error of the last second.
        """
        if not self._lock.acquire(timeout=max(0.0, min(deadline.remaining(), threading.TIMEOUT_MAX))):
            raise self._build_unavailable("another login did not finish before the deadline")
        try:
            # After a failure, waiting threads fail at once. Otherwise each of them would wait for the timeout in turn.
            if self._failure is not None and self._clock.monotonic() < self._failure[0]:
                raise self._failure[1]
            self._failure = None
            return method(self._session)
        except BareMetalError:
            raise
        except Exception as exc:
            error = self._translate(exc)
            self._failure = (self._clock.monotonic() + _FAILURE_PAUSE_S, error)
            LOG.error("%s", error)
            raise error from None
        finally:
            self._lock.release()

    def _translate(self, exc: Exception) -> BareMetalError:
        from keystoneauth1 import exceptions

        if isinstance(exc, exceptions.HttpError) and exc.http_status in (400, 401, 403):
            return ConfigurationError(
                f"[{self._section}]: Keystone rejects this login (status {exc.http_status}); correct the credentials"
            )
        return self._build_unavailable(f"{type(exc).__name__}: {exc}")

    def _build_unavailable(self, reason: str) -> BareMetalError:
        return Busy(f"Keystone does not issue a token: {reason}"[:_MAX_MESSAGE_CHARACTERS], retry_after=_RETRY_AFTER_S)


def check_options(options: Mapping[str, str], section: str = SECTION) -> None:
    """Raise ``ConfigurationError`` if *options* are empty or lack ``auth_type``.

    Other options are not checked here. keystoneauth and Keystone check them at the login.
    """
    if not options:
        raise ConfigurationError(
            f"[{section}]: the section is empty; auth_strategy keystone needs auth_url and credentials in it"
        )
    if not options.get("auth_type"):
        raise ConfigurationError(f"[{section}] auth_type: it is not set; set it to a type of login at Keystone, such as password")


def build_private_options(options: Mapping[str, str], section: str = SECTION) -> cfg.ConfigOpts:
    """Return an oslo.config configuration with only these *options* in *section*. No file on disk gets their secrets."""
    from oslo_config import cfg  # imported here, so that other kinds of authentication do not load oslo.config

    lines = [f"[{section}]", *(f"{name} = {value}" for name, value in options.items()), ""]
    with os.fdopen(os.memfd_create("keystone"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
        file.flush()
        private = cfg.ConfigOpts()
        private(args=[], project="baremetal-sdk", default_config_files=[f"/proc/self/fd/{file.fileno()}"], default_config_dirs=[])
    return private
