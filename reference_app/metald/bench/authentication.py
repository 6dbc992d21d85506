"""Authentication of the bench client: none, user and password, certificate, token, or a token from Keystone.

Passwords and tokens come only from environment variables, never from the command line.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from metald.bench.connection import BenchConnection, ServerAddress


class AuthenticationSetupError(Exception):
    """Error raised when a credential is missing, or when Keystone gives no token."""


@dataclass(frozen=True)
class EnvironmentCredentials:
    """Credentials of the bench client from environment variables, with the names that OpenStack clients use.

    A variable whose name begins with *prefix* takes precedence over the variable with the plain name.
    """

    environment: Mapping[str, str]
    prefix: str = ""

    def get(self, name: str) -> str | None:
        """Return the value of the variable *name*, such as ``OS_USERNAME``, or None if it is unset or empty."""
        return self.environment.get(self.prefix + name) or self.environment.get(name) or None

    def require(self, name: str, method: str) -> str:
        """Return the value of the variable *name*; raise AuthenticationSetupError if it is unset or empty.

        *method* is the authentication method that the error names.
        """
        value = self.get(name)
        if value is None:
            variable = self.prefix + name
            raise AuthenticationSetupError(
                f"--auth {method}: the environment variable {variable} is not set; set it to the credential"
            )
        return value


class RequestAuthentication:
    """Header lines that authenticate the requests of one server. Thread-safe: threads share one token and renew it once.

    Construction with *method* ``keystone`` requests a token. Raises AuthenticationSetupError if that fails or a credential
    is missing.
    """

    def __init__(
        self, method: str, credentials: EnvironmentCredentials, *, cacert: str | None = None, insecure: bool = False
    ) -> None:
        self._method = method
        self._credentials = credentials
        self._cacert, self._insecure = cacert, insecure
        self._lock = threading.Lock()
        self._header_lines = self._build_header_lines()

    @property
    def header_lines(self) -> str:
        """Present header lines, each with its line end; empty if requests need no header."""
        return self._header_lines

    def renew(self, rejected: str) -> bool:
        """Request a new Keystone token after the server rejected *rejected*, the header lines of a request.

        Return whether the header lines differ now, so that a retry makes sense. If another thread has renewed the token
        meanwhile, no token is requested. Other methods than Keystone return False.
        """
        if self._method != "keystone":
            return False
        with self._lock:
            # Another thread may have renewed the token since this thread sent its request.
            if self._header_lines == rejected:
                self._header_lines = self._build_header_lines()
        return self._header_lines != rejected

    def _build_header_lines(self) -> str:
        if self._method in ("none", "certificate"):
            return ""
        if self._method == "token":
            return f"X-Auth-Token: {self._credentials.require('OS_TOKEN', 'token')}\r\n"
        user, password = (self._credentials.require(name, self._method) for name in ("OS_USERNAME", "OS_PASSWORD"))
        if self._method == "http_basic":
            return f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}\r\n"
        return f"X-Auth-Token: {self._request_keystone_token(user, password)}\r\n"

    def _request_keystone_token(self, user: str, password: str) -> str:
        """Return a new token from Keystone; raise AuthenticationSetupError if Keystone gives none."""
        get = self._credentials.get
        domain = {"name": get("OS_USER_DOMAIN_NAME") or "Default"}
        identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
        request: dict[str, object] = {"identity": identity}
        if get("OS_SYSTEM_SCOPE"):
            request["scope"] = {"system": {"all": True}}
        elif (project := get("OS_PROJECT_NAME")) is not None:
            project_domain = {"name": get("OS_PROJECT_DOMAIN_NAME") or "Default"}
            request["scope"] = {"project": {"name": project, "domain": project_domain}}
        url = self._credentials.require("OS_AUTH_URL", "keystone").rstrip("/")
        address = ServerAddress(url if url.endswith("/v3") else f"{url}/v3", cacert=self._cacert, insecure=self._insecure)
        connection = BenchConnection(address)
        try:
            response = connection.request(
                "POST", "/auth/tokens", "Accept: application/json\r\n", json.dumps({"auth": request}).encode()
            )
        finally:
            connection.close()
        if response.status != 201 or "x-subject-token" not in response.headers:
            raise AuthenticationSetupError(
                f"no token from Keystone at {address.url}: it answered {response.status}; "
                "check OS_USERNAME, OS_PASSWORD and the scope"
            )
        return response.headers["x-subject-token"]
