"""Authentication by Keystone, through keystonemiddleware (extra ``keystone``). It is imported when it is asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from baremetal_sdk.auth.identity import IDENTITY_KEY, PUBLIC_PATHS, AuthenticationError, Identity, refuse
from baremetal_sdk.auth.keystone_login import TIMEOUT_S, check_options, private_options
from baremetal_sdk.auth.keystone_tokens import TokenCache
from baremetal_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = logging.getLogger(__name__)
_RETRY_AFTER = 5.0
_CACHE = "baremetal_sdk.keystone_tokens"
_KNOWN = "baremetal_sdk.keystone_knows"
"""Set once the application is called: what is said or raised from then on is its own."""
_DEFAULTS = {"http_connect_timeout": f"{TIMEOUT_S:g}", "http_request_max_retries": "1", "include_service_catalog": "false"}
"""What keystonemiddleware would otherwise do: wait for a Keystone that hangs for as long as it does, in all threads."""


class KeystoneAuth:
    """Knows whom Keystone knows by the token of the request. *options* are those of ``[keystone_authtoken]``.

    Raises ``ConfigurationError`` where keystonemiddleware is not installed or cannot be used with these options.
    """

    def __init__(self, app: WSGIApplication, options: Mapping[str, str], public: Iterable[str] = PUBLIC_PATHS) -> None:
        try:
            from keystonemiddleware import auth_token
        except ImportError as exc:
            raise ConfigurationError(
                f"[DEFAULT] auth_strategy: keystone needs keystonemiddleware ({exc}); pip install 'baremetal-sdk[keystone]'"
            ) from exc
        check_options(options)
        self._public = frozenset(public)
        self._app = app
        self._uri = options.get("www_authenticate_uri") or options.get("auth_url") or ""
        inner = _IdentityReader(app)
        wanted = {**_DEFAULTS, **options}
        if not wanted.get("memcached_servers"):
            wanted["cache"] = _CACHE
        self._recent = TokenCache()
        try:
            private = private_options(wanted)
            self._tokens = auth_token.AuthProtocol(inner, {"delay_auth_decision": "false", "oslo_config_config": private})
        except Exception as exc:
            raise ConfigurationError(f"[keystone_authtoken]: it cannot be used: {exc}") from exc

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request of somebody known, or one for which that does not matter: for that Keystone is not asked."""
        if environ.get("PATH_INFO", "") in self._public:
            environ.pop(IDENTITY_KEY, None)
            return self._app(environ, start_response)
        environ.pop(_KNOWN, None)
        environ[_CACHE] = self._recent
        said: list[str] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if environ.get(_KNOWN):
                return start_response(status, headers, exc_info)
            said.append(status)
            return said.append

        try:
            answer: Iterable[bytes] = self._tokens(environ, start)
        except Exception:
            if environ.get(_KNOWN):
                raise
            # What is wrong with Keystone's catalogue, say, keystonemiddleware lets out.
            LOG.exception("Keystone could not be asked who sends a request")
            said.append("503")
        return refuse(environ, start_response, self._refusal(said[0])) if said else answer

    def _refusal(self, status: str) -> AuthenticationError:
        """What keystonemiddleware says in the application's place, in the clients' format."""
        if status.startswith("401"):
            return AuthenticationError("give a valid token in X-Auth-Token", challenge=f'Keystone uri="{self._uri}"')
        return AuthenticationError("Keystone cannot be asked who you are; try again", status=503, retry_after=_RETRY_AFTER)


class _IdentityReader:
    """Reads what keystonemiddleware left in the environment; it takes away what clients put there under these names."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request of somebody known."""
        environ[_KNOWN] = True
        roles = environ.get("HTTP_X_ROLES", "").split(",")
        environ[IDENTITY_KEY] = identity = Identity(
            environ.get("HTTP_X_USER_ID", ""),
            project=environ.get("HTTP_X_PROJECT_ID") or None,
            roles=frozenset(role.strip().lower() for role in roles if role.strip()),
            is_system=bool(environ.get("HTTP_OPENSTACK_SYSTEM_SCOPE")),
            project_name=environ.get("HTTP_X_PROJECT_NAME") or None,
            project_domain=environ.get("HTTP_X_PROJECT_DOMAIN_ID") or None,
        )
        environ["REMOTE_USER"] = identity.user
        return self._app(environ, start_response)
