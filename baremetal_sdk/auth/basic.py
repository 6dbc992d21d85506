"""HTTP basic authentication (RFC 7617) against a file of users. Without TLS, passwords can be read on the way."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from baremetal_sdk.auth.htpasswd import UserFile
from baremetal_sdk.auth.identity import ADMIN_ROLES, PUBLIC_PATHS, AuthenticationError, Authenticator, Identity
from baremetal_sdk.auth.passwords import PasswordChecker, TooBusy
from baremetal_sdk.auth.throttle import LoginThrottle

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CHALLENGE = 'Basic realm="Baremetal API"'
_LONGEST = 512


class BasicAuth(Authenticator):
    """Knows the users of a file; all of them have *roles*: the file says who, and nothing of what they may."""

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
        self._passwords = passwords or PasswordChecker(users)
        self._throttle = throttle or LoginThrottle()

    def identify(self, environ: dict[str, Any]) -> Identity:
        """Who asks. Raises :class:`AuthenticationError`."""
        user, password = _credentials(environ.get("HTTP_AUTHORIZATION", ""))
        # What was right a moment ago is let in whatever others do from the same address.
        if not self._passwords.is_cached(user, password):
            self._check(environ.get("REMOTE_ADDR", ""), user, password)
        return Identity(user, roles=self._roles, is_system=True)

    def _check(self, peer: str, user: str, password: str) -> None:
        # Others may guess from the same address, or so many at a time that no more can be checked: whoever was right before,
        # with the hash that the file still has, is not to suffer for that.
        known = self._passwords.was_valid(user, password)
        seconds = 0.0 if known else self._throttle.get_wait_s(peer, user)
        if seconds > 0:
            raise AuthenticationError("too many wrong passwords; wait before you try again", status=429, retry_after=seconds)
        try:
            right = self._passwords.is_valid(user, password)
        except TooBusy:
            if known:
                return
            reason = "too many passwords are being checked; try again"
            raise AuthenticationError(reason, status=503, retry_after=1.0) from None
        if not right:
            self._throttle.record_failure(peer, user)
            raise AuthenticationError("user or password is wrong", challenge=CHALLENGE)
        self._throttle.record_success(peer, user)


def _credentials(header: str) -> tuple[str, str]:
    """User and password. Raises :class:`AuthenticationError`."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise AuthenticationError("say who you are, with HTTP basic authentication", challenge=CHALLENGE)
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = user = password = ""
    if not colon or len(user) > _LONGEST or len(password) > _LONGEST:
        raise AuthenticationError("the Authorization header is not user:password in base64", challenge=CHALLENGE)
    return user, password
