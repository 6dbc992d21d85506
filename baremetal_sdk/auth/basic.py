"""HTTP basic authentication (RFC 7617) with a file of users. Without TLS the passwords can be read on the network."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from baremetal_sdk.auth.htpasswd import UserFile
from baremetal_sdk.auth.identity import ADMIN_ROLES, PUBLIC_PATHS, AuthenticationError, Authenticator, Identity, add_validity
from baremetal_sdk.auth.passwords import PasswordChecker, TooBusy
from baremetal_sdk.auth.throttle import LoginThrottle

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CHALLENGE = 'Basic realm="Baremetal API"'
_MAX_CREDENTIAL_CHARACTERS = 512
"""Maximum length of a user name and of a password."""


class BasicAuth(Authenticator):
    """WSGI middleware that authenticates the users of a file. The file has no roles, so all users get *roles*."""

    def __init__(
        self,
        app: WSGIApplication,
        users: UserFile,
        *,
        roles: Iterable[str] = ADMIN_ROLES,
        public: Iterable[str] = PUBLIC_PATHS,
        passwords: PasswordChecker | None = None,
        throttle: LoginThrottle | None = None,
    ) -> None:
        super().__init__(app, public)
        self._roles = frozenset(roles)
        self._users = users
        self._passwords = passwords or PasswordChecker(users)
        self._throttle = throttle or LoginThrottle()

    def identify(self, environ: dict[str, Any]) -> Identity:
        """Return the identity of the user whose name and password the request contains.

        Raises :class:`AuthenticationError` for missing or wrong credentials (401), too many failed logins (429) or too many
        password checks at a time (503).
        """
        user, password = _parse_credentials(environ.get("HTTP_AUTHORIZATION", ""))
        # A recently checked password passes even if the throttle limits the address: other users may guess from there.
        if not self._passwords.is_cached(user, password):
            self._check(environ.get("REMOTE_ADDR", ""), user, password)
        present = self._users.get_hash(user)
        add_validity(environ, lambda: present is not None and self._users.get_hash(user) == present)
        return Identity(user, roles=self._roles, is_system=True)

    def _check(self, peer: str, user: str, password: str) -> None:
        # Guesses from the same address or many checks at a time must not lock out a user whose password was right before. It
        # counts as right while the file has the same hash.
        was_valid = self._passwords.was_valid(user, password)
        wait_s = 0.0 if was_valid else self._throttle.get_wait_s(peer, user)
        if wait_s > 0:
            raise AuthenticationError(
                "the login was not checked: too many logins failed before; wait before you try again",
                status=429,
                retry_after=wait_s,
            )
        try:
            is_valid = self._passwords.is_valid(user, password)
        except TooBusy:
            if was_valid:
                return
            raise AuthenticationError(
                "the login was not checked: too many logins at a time; try again later", status=503, retry_after=1.0
            ) from None
        if not is_valid:
            self._throttle.record_failure(peer, user)
            raise AuthenticationError("the user name or the password is wrong", challenge=CHALLENGE)
        self._throttle.record_success(peer, user)


def _parse_credentials(header: str) -> tuple[str, str]:
    """Return user and password from an Authorization header. Raises :class:`AuthenticationError` for another format."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise AuthenticationError("authentication is required; use HTTP basic authentication", challenge=CHALLENGE)
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = user = password = ""
    if not colon or max(len(user), len(password)) > _MAX_CREDENTIAL_CHARACTERS:
        raise AuthenticationError("the Authorization header does not contain user:password in base64", challenge=CHALLENGE)
    return user, password
