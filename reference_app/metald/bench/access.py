"""Who asks: nobody, a user with a password or a certificate, or a token, Keystone's own included.

Passwords come from the environment only.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from metald.bench.connection import Connection, Target


class AccessFailed(Exception):
    """Credentials are missing, or were refused."""


@dataclass(frozen=True)
class Credentials:
    """Variables of the environment, named as OpenStack's clients name them; *prefix* is tried before the plain name."""

    environment: Mapping[str, str]
    prefix: str = ""

    def get(self, name: str) -> str | None:
        """The value of a variable such as ``OS_USERNAME``."""
        return self.environment.get(self.prefix + name) or self.environment.get(name) or None

    def need(self, name: str, kind: str) -> str:
        """The same. Raises :class:`AccessFailed` where it is not set."""
        value = self.get(name)
        if value is None:
            raise AccessFailed(f"--auth {kind} takes {self.prefix}{name} from the environment, and it is not set")
        return value


class Access:
    """Header lines that say who asks. A token that is no longer good is fetched anew, once for all threads."""

    def __init__(self, kind: str, credentials: Credentials, *, cacert: str | None = None, insecure: bool = False) -> None:
        self._kind = kind
        self._credentials = credentials
        self._cacert, self._insecure = cacert, insecure
        self._lock = threading.Lock()
        self._lines = self._made()

    @property
    def lines(self) -> str:
        """The header lines of now."""
        return self._lines

    def renew(self, refused: str) -> bool:
        """Fetch a new token in place of the *refused* lines; whether there are other ones now."""
        if self._kind != "keystone":
            return False
        with self._lock:
            if self._lines == refused:
                self._lines = self._made()
        return self._lines != refused

    def _made(self) -> str:
        if self._kind in ("none", "certificate"):
            return ""
        if self._kind == "token":
            return f"X-Auth-Token: {self._credentials.need('OS_TOKEN', 'token')}\r\n"
        user, password = (self._credentials.need(name, self._kind) for name in ("OS_USERNAME", "OS_PASSWORD"))
        if self._kind == "http_basic":
            return f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}\r\n"
        return f"X-Auth-Token: {self._keystone_token(user, password)}\r\n"

    def _keystone_token(self, user: str, password: str) -> str:
        get = self._credentials.get
        domain = {"name": get("OS_USER_DOMAIN_NAME") or "Default"}
        identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
        request: dict[str, object] = {"identity": identity}
        if get("OS_SYSTEM_SCOPE"):
            request["scope"] = {"system": {"all": True}}
        elif (project := get("OS_PROJECT_NAME")) is not None:
            project_domain = {"name": get("OS_PROJECT_DOMAIN_NAME") or "Default"}
            request["scope"] = {"project": {"name": project, "domain": project_domain}}
        url = self._credentials.need("OS_AUTH_URL", "keystone").rstrip("/")
        target = Target(url if url.endswith("/v3") else f"{url}/v3", cacert=self._cacert, insecure=self._insecure)
        connection = Connection(target)
        try:
            answer = connection.request(
                "POST", "/auth/tokens", "Accept: application/json\r\n", json.dumps({"auth": request}).encode()
            )
        finally:
            connection.close()
        if answer.status != 201 or "x-subject-token" not in answer.headers:
            raise AccessFailed(f"Keystone at {target.url} gave no token: it answered {answer.status}")
        return answer.headers["x-subject-token"]
