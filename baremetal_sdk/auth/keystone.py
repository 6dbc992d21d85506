"""Authentication by Keystone through keystonemiddleware (extra ``keystone``), which is imported on first use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from baremetal_sdk.auth.identity import (
    IDENTITY_KEY,
    PUBLIC_PATHS,
    VALIDITY_KEY,
    AuthenticationError,
    Identity,
    add_validity,
    refuse,
)
from baremetal_sdk.auth.keystone_login import TIMEOUT_S, build_private_options, check_options
from baremetal_sdk.auth.keystone_tokens import TokenCache
from baremetal_sdk.clock import SystemClock
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = get_logger(__name__)
_RETRY_AFTER_S = 5.0
_CACHE_KEY = "baremetal_sdk.keystone_tokens"
_AUTHENTICATED_KEY = "baremetal_sdk.keystone_knows"
"""Key in the WSGI environment. It is set when the token is valid: the application sends all later responses and exceptions."""
_DEFAULTS = {"http_connect_timeout": f"{TIMEOUT_S:g}", "http_request_max_retries": "1", "include_service_catalog": "false"}
"""Defaults that differ from those of keystonemiddleware. With its own defaults, a Keystone that hangs would block all threads."""


class KeystoneAuth:
    """WSGI middleware that authenticates requests with a Keystone token. *options* are those of ``[keystone_authtoken]``.

    Raises ``ConfigurationError`` if keystonemiddleware is not installed or rejects the options.
    """

    def __init__(self, app: WSGIApplication, options: Mapping[str, str], public: Iterable[str] = PUBLIC_PATHS) -> None:
        try:
            from keystonemiddleware import auth_token
        except ImportError as exc:
            raise ConfigurationError(
                f"[DEFAULT] auth_strategy: keystone needs keystonemiddleware ({exc}); run pip install 'baremetal-sdk[keystone]'"
            ) from exc
        check_options(options)
        self._public = frozenset(public)
        self._app = app
        self._uri = options.get("www_authenticate_uri") or options.get("auth_url") or ""
        inner = _IdentityReader(app)
        settings = {**_DEFAULTS, **options}
        if not settings.get("memcached_servers"):
            settings["cache"] = _CACHE_KEY
        self._token_cache = TokenCache()
        try:
            private = build_private_options(settings)
            self._tokens = auth_token.AuthProtocol(inner, {"delay_auth_decision": "false", "oslo_config_config": private})
        except Exception as exc:
            raise ConfigurationError(f"[keystone_authtoken]: the options cannot be used: {exc}") from exc

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request with a valid token, or to a public path, to the application. Public paths work without Keystone.

        Otherwise respond with 401, or with 503 if Keystone cannot check the token.
        """
        if environ.get("PATH_INFO", "") in self._public:
            environ.pop(IDENTITY_KEY, None)
            return self._app(environ, start_response)
        environ.pop(_AUTHENTICATED_KEY, None)
        environ[_CACHE_KEY] = self._token_cache
        rejections: list[str] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if environ.get(_AUTHENTICATED_KEY):
                return start_response(status, headers, exc_info)
            # keystonemiddleware rejects the request. Its status is translated below.
            rejections.append(status)
            return rejections.append

        try:
            response: Iterable[bytes] = self._tokens(environ, start)
        except Exception:
            if environ.get(_AUTHENTICATED_KEY):
                raise
            # keystonemiddleware does not catch some errors, such as one about Keystone's catalog.
            LOG.exception("Keystone could not check the token of a request")
            rejections.append("503")
        return refuse(environ, start_response, self._translate(rejections[0])) if rejections else response

    def _translate(self, status: str) -> AuthenticationError:
        """Return the error that replaces a rejection by keystonemiddleware with *status*: 401 unchanged, all others as 503."""
        if status.startswith("401"):
            return AuthenticationError(
                "authentication is required; send a valid token in X-Auth-Token", challenge=f'Keystone uri="{self._uri}"'
            )
        return AuthenticationError(
            "Keystone is not available, so the token cannot be checked; try again later", status=503, retry_after=_RETRY_AFTER_S
        )


class _IdentityReader:
    """WSGI middleware behind keystonemiddleware. It builds the caller's identity from the headers that keystonemiddleware sets.

    keystonemiddleware removes headers of the same names that clients send.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._clock = SystemClock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Put the caller's identity into the environment and call the application."""
        environ[_AUTHENTICATED_KEY] = True
        environ.pop(VALIDITY_KEY, None)
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
        expires_at = _find_expiry(environ)
        if expires_at is not None:
            add_validity(environ, lambda: self._clock.now() < expires_at)
        return self._app(environ, start_response)


def _find_expiry(environ: WSGIEnvironment) -> datetime | None:
    """Return the time at which the request's token expires, as Keystone reported it, or None without a valid time."""
    try:
        expires_at = datetime.fromisoformat(environ["keystone.token_info"]["token"]["expires_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return expires_at if expires_at.tzinfo is not None else expires_at.replace(tzinfo=UTC)
