"""Authentication by the certificate that a client showed in its TLS handshake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from baremetal_sdk.auth.identity import ADMIN_ROLES, PUBLIC_PATHS, AuthenticationError, Authenticator, Identity

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class CertificateAuth(Authenticator):
    """Knows a caller by the common name in its certificate, which the server has checked (``[api] client_certificates``).

    With *names*, only those are let in, each with its roles.
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
        """Who asks. Raises :class:`AuthenticationError`."""
        name = environ.get("SSL_CLIENT_S_DN_CN", "")
        if environ.get("SSL_CLIENT_VERIFY") != "SUCCESS" or not name:
            raise AuthenticationError("show a certificate that names you when you connect")
        if self._names is None:
            return Identity(name, roles=ADMIN_ROLES, is_system=True)
        if name not in self._names:
            raise AuthenticationError("your certificate is valid, and whom it names is not known here", status=403)
        return Identity(name, roles=self._names[name], is_system=True)
