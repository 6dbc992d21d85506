"""The service under test: metald with several users, and a planted crash if a check of the harness needs it."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import bcrypt

from benchmarks.api_connection import APIConnection
from metald.processes import Child

ROLES = {"admin": "admin", "operator": "operator", "reader": "reader", "owner": "operator red", "nothing": ""}
"""User -> role and project. The password of each user is the name of the user."""
READY_TIMEOUT_S = 90.0
_LOWEST_BCRYPT_COST = 4
_PLANT = """
from baremetal_sdk.services.management import Management
from baremetal_sdk.services.nodes import Nodes

def _crash(self, node):
    raise RuntimeError("planted")

_crash.__baremetal_rpc__ = "1.0"
_crash.__annotations__ = {"node": str}
Management.get_boot_device = _crash
Nodes.validate_node = _crash
"""
"""Lines that run before metald: two methods fail, as with a mistake in their code. The harness has to find this."""


class FuzzedService:
    """``metald serve``, or another command of metald, with the files in *directory*. It stops at the end of the block."""

    def __init__(self, directory: Path, options: str, *, command: str = "serve", plant: bool = False) -> None:
        self._config = directory / "metald.conf"
        self._config.write_text(options, encoding="utf-8")
        arguments = [command, "--config-file", str(self._config)]
        if command == "serve":
            arguments += ["--port", "0", "--state-dir", str(directory / "state")]
        lines = f"import sys\n{_PLANT if plant else ''}\nfrom metald.cli import main\nsys.exit(main())"
        self._child = Child("metald", [sys.executable, "-P", "-c", lines, *arguments], directory)
        self.url = ""

    def __enter__(self) -> FuzzedService:
        try:
            self.url = self._child.wait_for_line("metald ready: ", READY_TIMEOUT_S)
        except Exception:
            self._child.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    @property
    def pid(self) -> int:
        """Process ID of the service."""
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """True while the service runs."""
        return self._child.is_running

    @property
    def log(self) -> str:
        """The output of the service."""
        return self._child.log.read_text(encoding="utf-8", errors="replace")


def write_users(directory: Path) -> str:
    """Write files of users and their roles. Return the lines of the configuration that select them."""
    salt = bcrypt.gensalt(_LOWEST_BCRYPT_COST)
    users = directory / "users"
    users.write_text("".join(f"{user}:{bcrypt.hashpw(user.encode(), salt).decode()}\n" for user in ROLES), encoding="ascii")
    users.chmod(0o600)
    roles = directory / "roles"
    roles.write_text("".join(f"{user}: {role}\n" for user, role in ROLES.items() if role), encoding="ascii")
    return f"[DEFAULT]\nauth_strategy = http_basic\nhttp_basic_auth_user_file = {users}\n[api]\nroles_file = {roles}\n"


def build_authorization(user: str) -> str:
    """Return the header ``Authorization`` of a user."""
    return "Basic " + base64.b64encode(f"{user}:{user}".encode()).decode()


def connect(url: str, user: str | None, timeout: float = 60.0) -> APIConnection:
    """Return a connection of a user, or of an anonymous client."""
    return APIConnection(url, timeout, {"Authorization": build_authorization(user)} if user else None)
