"""Authentication of callers by TLS client certificate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from baremetal_sdk.auth.identity import ADMIN_ROLES, PUBLIC_PATHS, AuthenticationError, Authenticator, Identity

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class CertificateAuth(Authenticator):
    """WSGI middleware that identifies callers by the common name of a TLS certificate that the server has verified.

    *names* maps the accepted common names to their roles. Without it, every verified certificate is accepted and gets all roles.
    """

    def __init__(
        self,
        app: WSGIApplication,
        names: Mapping[str, Iterable[str]] | None = None,
        *,
        public: Iterable[str] = PUBLIC_PATHS,
    ) -> None:
        super().__init__(app, public)
        self._names = None if names is None else {name: frozenset(roles) for name, roles in names.items()}

    def identify(self, environ: dict[str, Any]) -> Identity:
        """Return the identity for the common name of the client certificate.

        Raises :class:`AuthenticationError` without a verified certificate (401) or for a name that is not accepted (403).
        """
        name = environ.get("SSL_CLIENT_S_DN_CN", "")
        if environ.get("SSL_CLIENT_VERIFY") != "SUCCESS" or not name:
            raise AuthenticationError("a client certificate with a common name is required; configure one in the client")
        if self._names is None:
            return Identity(name, roles=ADMIN_ROLES, is_system=True)
        if name not in self._names:
            raise AuthenticationError(
                "access denied: the client certificate is valid, but its common name is not configured", status=403
            )
        return Identity(name, roles=self._names[name], is_system=True)
