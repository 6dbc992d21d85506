"""How this service itself logs in at Keystone: a token of its own, kept until shortly before its end (extra ``keystone``)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from baremetal_interfaces import BareMetalError, Busy, Deadline
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.errors import ConfigurationError

LOG = logging.getLogger(__name__)
SECTION = "keystone_authtoken"
TIMEOUT_S = 10.0
"""Seconds for one answer of Keystone, where the section has no ``timeout``."""
_RETRY_AFTER = 5.0
_PAUSE = 1.0
"""Seconds for which nobody asks again, after Keystone could not be asked."""


class KeystoneLogin:
    """Logs in with the options of keystoneauth in *section*: ``auth_type``, ``auth_url``, credentials and scope.

    Raises ``ConfigurationError`` where keystoneauth1 is not installed or cannot be used with these options.
    """

    def __init__(self, options: Mapping[str, str], section: str = SECTION, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        try:
            from keystoneauth1 import loading
        except ImportError as exc:
            raise ConfigurationError(f"[{section}]: needs keystoneauth1 ({exc}); pip install 'baremetal-sdk[keystone]'") from exc
        check_options(options, section)
        self._section = section
        try:
            private = private_options(options, section)
            loading.register_auth_conf_options(private, section)
            loading.register_session_conf_options(private, section)
            self._plugin: Any = loading.load_auth_from_conf_options(private, section)
            self._session: Any = loading.load_session_from_conf_options(private, section)
        except Exception as exc:
            raise ConfigurationError(f"[{section}]: it cannot be used: {exc}") from exc
        self._session.timeout = self._session.timeout or TIMEOUT_S
        self._lock = threading.Lock()
        self._token = ""
        self._failure: tuple[float, BareMetalError] | None = None

    def token(self, deadline: Deadline) -> str:
        """A token that is good for two minutes at least. Raises ``Busy`` while Keystone cannot be asked."""
        self._token = token = str(self._asked(self._plugin.get_token, deadline))
        return token

    def project_id(self, deadline: Deadline) -> str | None:
        """The project that the login is for; None where it is for none. Raises ``Busy`` while Keystone cannot be asked."""
        found = self._asked(self._plugin.get_project_id, deadline)
        return None if found is None else str(found)

    def forget(self, token: str) -> None:
        """Log in anew for the next token, unless that was done after *token*, which was refused."""
        if token == self._token:
            self._plugin.invalidate()

    def _asked(self, question: Any, deadline: Deadline) -> Any:
        """One thread asks, and the others have its answer."""
        if not self._lock.acquire(timeout=max(0.0, min(deadline.remaining(), threading.TIMEOUT_MAX))):
            raise self._away("it takes too long")
        try:
            if self._failure is not None and self._clock.monotonic() < self._failure[0]:
                raise self._failure[1]
            self._failure = None
            return question(self._session)
        except BareMetalError:
            raise
        except Exception as exc:
            error = self._error(exc)
            self._failure = (self._clock.monotonic() + _PAUSE, error)
            LOG.error("%s", error)
            raise error from None
        finally:
            self._lock.release()

    def _error(self, exc: Exception) -> BareMetalError:
        from keystoneauth1 import exceptions

        if isinstance(exc, exceptions.HttpError) and exc.http_status in (400, 401, 403):
            return ConfigurationError(f"[{self._section}]: Keystone refuses this login (status {exc.http_status}): correct it")
        return self._away(f"{type(exc).__name__}: {exc}")

    def _away(self, why: str) -> BareMetalError:
        return Busy(f"Keystone cannot be asked for a token: {why}"[:512], retry_after=_RETRY_AFTER)


def check_options(options: Mapping[str, str], section: str = SECTION) -> None:
    """Raise ``ConfigurationError`` where it is clear at once that nobody can log in with these."""
    if not options:
        raise ConfigurationError(f"[{section}]: it is empty; auth_strategy keystone needs auth_url and credentials there")
    if not options.get("auth_type"):
        raise ConfigurationError(f"[{section}] auth_type: it is not set; give the way to log in at Keystone, such as password")


def private_options(options: Mapping[str, str], section: str = SECTION) -> cfg.ConfigOpts:
    """A configuration of its own, with nothing but these options; what they hold is written to memory only."""
    lines = [f"[{section}]", *(f"{name} = {value}" for name, value in options.items()), ""]
    with os.fdopen(os.memfd_create("keystone"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
        file.flush()
        private = cfg.ConfigOpts()
        private(args=[], project="baremetal-sdk", default_config_files=[f"/proc/self/fd/{file.fileno()}"], default_config_dirs=[])
    return private
