"""A Keystone of a test's own, from PyPI, on SQLite in a temporary directory. It lives in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from fixtures import Fixture, TempDir

PYTHON = "BAREMETAL_TEST_KEYSTONE"
"""The environment variable that names the Python of an environment with Keystone in it."""
ADMIN, PASSWORD = "admin", "a-secret-of-a-test"
_CONFIGURATION = """\
[DEFAULT]
use_stderr = false
log_file = {directory}/log
[database]
connection = sqlite:///{directory}/keystone.sqlite
[fernet_tokens]
key_repository = {directory}/fernet
[cache]
enabled = false
[identity]
password_hash_rounds = 4
"""


def missing() -> str | None:
    """Why there can be no Keystone here; None when there can."""
    return None if os.environ.get(PYTHON) else f"{PYTHON} names no Python with Keystone in it: tox -e keystone"


class Keystone(Fixture):
    """A running Keystone at :attr:`url` with its bootstrap's administrator, roles and domain."""

    def _setUp(self) -> None:
        directory = Path(self.useFixture(TempDir()).path)
        (directory / "fernet").mkdir()
        self._configuration = directory / "keystone.conf"
        self._configuration.write_text(_CONFIGURATION.format(directory=directory))
        self._python = Path(os.environ[PYTHON])
        self._manage("db_sync")
        self._manage("fernet_setup", "--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid()))
        self._manage("bootstrap", "--bootstrap-password", PASSWORD)
        script = Path(__file__).with_name("keystone_server.py")
        process = subprocess.Popen(
            [self._python, "-I", "-W", "ignore", script, self._configuration], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.addCleanup(_end, process)
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, (directory / "log").read_text()[-2000:]
        self.url = f"http://127.0.0.1:{int(port)}/v3"
        self._token = self.token(ADMIN, {"system": {"all": True}})
        service = self.ask("POST", "services", {"service": {"type": "identity", "name": "keystone"}})["service"]["id"]
        for interface in ("public", "internal", "admin"):
            self.ask("POST", "endpoints", {"endpoint": {"service_id": service, "interface": interface, "url": self.url}})
        self._roles = {role["name"]: role["id"] for role in self.ask("GET", "roles")["roles"]}

    def middleware_options(self) -> dict[str, str]:
        """What ``[keystone_authtoken]`` needs to ask this Keystone."""
        return {
            "auth_type": "password",
            "auth_url": self.url,
            "www_authenticate_uri": self.url,
            "username": ADMIN,
            "password": PASSWORD,
            "user_domain_id": "default",
            "system_scope": "all",
        }

    def project(self, name: str) -> str:
        """Make a project and give back its id."""
        return str(self.ask("POST", "projects", {"project": {"name": name, "domain_id": "default"}})["project"]["id"])

    def user(self, name: str) -> str:
        """Make a user and give back its id."""
        body = {"user": {"name": name, "password": PASSWORD, "domain_id": "default"}}
        return str(self.ask("POST", "users", body)["user"]["id"])

    def assign(self, user: str, role: str, project: str | None) -> None:
        """Give a user a role in a project or, without one, in the whole system."""
        where = "system" if project is None else f"projects/{project}"
        self.ask("PUT", f"{where}/users/{user}/roles/{self._roles[role]}")

    def token(self, user: str, scope: Any = None) -> str:
        """Log a user in."""
        who = {"name": user, "domain": {"id": "default"}, "password": PASSWORD}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": who}}}
        auth["scope"] = "unscoped" if scope is None else scope
        with urlopen(self._request("POST", "auth/tokens", {"auth": auth}), timeout=30) as answer:
            return str(answer.headers["X-Subject-Token"])

    def revoke(self, token: str) -> None:
        """Take a token back."""
        urlopen(self._request("DELETE", "auth/tokens", None, {**self._known(), "X-Subject-Token": token}), timeout=30).close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request of the administrator."""
        with urlopen(self._request(method, path, body, self._known()), timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def _known(self) -> dict[str, str]:
        return {"X-Auth-Token": self._token}

    def _request(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Request:
        data = None if body is None else json.dumps(body).encode()
        return Request(f"{self.url}/{path}", data, {"Content-Type": "application/json", **(headers or {})}, method=method)

    def _manage(self, *arguments: str) -> None:
        command = [self._python, "-W", "ignore", self._python.with_name("keystone-manage"), "--config-file", self._configuration]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-2000:]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
