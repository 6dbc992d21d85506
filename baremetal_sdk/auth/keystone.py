"""Authentication by Keystone, through keystonemiddleware (extra ``keystone``). It is imported when it is asked for."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from baremetal_sdk.auth.identity import IDENTITY_KEY, PUBLIC, Authenticator, Identity, NotAuthenticated, refuse
from baremetal_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = logging.getLogger(__name__)
_RETRY_AFTER = 5.0


class KeystoneAuth:
    """Knows whom Keystone knows by the token of the request. *options* are those of ``[keystone_authtoken]``.

    Raises ``ConfigurationError`` where keystonemiddleware is not installed or cannot be used with these options.
    """

    def __init__(self, app: WSGIApplication, options: Mapping[str, str], public: Iterable[str] = PUBLIC) -> None:
        try:
            from keystonemiddleware import auth_token
        except ImportError as exc:
            raise ConfigurationError(
                f"[DEFAULT] auth_strategy: keystone needs keystonemiddleware ({exc}); pip install 'baremetal-sdk[keystone]'"
            ) from exc
        if not options:
            raise ConfigurationError(
                "[keystone_authtoken]: it is empty; auth_strategy keystone needs auth_url and credentials there"
            )
        self._public = frozenset(public)
        self._app = app
        uri = options.get("www_authenticate_uri") or options.get("auth_url") or ""
        inner = _Identified(app, uri, self._public)
        try:
            private = _private(options)
            self._tokens = auth_token.AuthProtocol(inner, {"delay_auth_decision": "true", "oslo_config_config": private})
        except Exception as exc:
            raise ConfigurationError(f"[keystone_authtoken]: it cannot be used: {exc}") from exc

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request of somebody known, or one for which that does not matter: for that Keystone is not asked."""
        if environ.get("PATH_INFO", "") in self._public:
            environ.pop(IDENTITY_KEY, None)
            return self._app(environ, start_response)
        try:
            answer: Iterable[bytes] = self._tokens(environ, start_response)
        except Exception:
            # What is wrong with Keystone's catalogue, say, keystonemiddleware lets out.
            LOG.exception("Keystone could not be asked who sends a request")
            away = NotAuthenticated("Keystone cannot be asked who you are; try again", status=503, retry_after=_RETRY_AFTER)
            return refuse(environ, start_response, away)
        return answer


def _private(options: Mapping[str, str]) -> cfg.ConfigOpts:
    """A configuration of its own, with nothing but these options; what they hold is written to memory only."""
    lines = ["[keystone_authtoken]", *(f"{name} = {value}" for name, value in options.items()), ""]
    with os.fdopen(os.memfd_create("keystone_authtoken"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
        file.flush()
        private = cfg.ConfigOpts()
        private(args=[], project="baremetal-sdk", default_config_files=[f"/proc/self/fd/{file.fileno()}"], default_config_dirs=[])
    return private


class _Identified(Authenticator):
    """Reads what keystonemiddleware left in the environment; it takes away what clients put there under these names."""

    def __init__(self, app: WSGIApplication, uri: str, public: Iterable[str]) -> None:
        super().__init__(app, public)
        self._challenge = f'Keystone uri="{uri}"'

    def identify(self, environ: dict[str, Any]) -> Identity:
        """Who asks. Raises :class:`NotAuthenticated`."""
        if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
            raise NotAuthenticated("give a valid token in X-Auth-Token", challenge=self._challenge)
        roles = environ.get("HTTP_X_ROLES", "").split(",")
        return Identity(
            environ.get("HTTP_X_USER_ID", ""),
            project=environ.get("HTTP_X_PROJECT_ID") or None,
            roles=frozenset(role.strip().lower() for role in roles if role.strip()),
            is_system=bool(environ.get("HTTP_OPENSTACK_SYSTEM_SCOPE")),
            project_name=environ.get("HTTP_X_PROJECT_NAME") or None,
            project_domain=environ.get("HTTP_X_PROJECT_DOMAIN_ID") or None,
        )
