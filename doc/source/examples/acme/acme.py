"""The device library of the example, as a vendor might publish it. It does not know bare-metal services.

An Acme BMC accepts lines of text over TCP: ``login PASSWORD``, ``chassis status``, ``chassis on``, ``chassis off`` and ``bye``.
It answers each with one line that starts with ``ok`` or ``no``.
"""

from __future__ import annotations

import socket


class LoginRefused(Exception):
    """The BMC rejected the password."""


class CommandRefused(Exception):
    """The BMC rejected the command."""


class Client:
    """A session with one BMC. *timeout* limits the connection and each command, in seconds."""

    def __init__(self, host: str, port: int, password: str, timeout: float) -> None:
        self._connection = socket.create_connection((host, port), timeout)
        self._lines = self._connection.makefile("rw", encoding="utf-8", newline="\n")
        try:
            self._ask(f"login {password}")
        except CommandRefused:
            self.close()
            raise LoginRefused(f"{host}:{port}") from None

    def _ask(self, command: str) -> str:
        self._lines.write(command + "\n")
        self._lines.flush()
        answer = self._lines.readline().strip()
        if not answer:
            raise ConnectionResetError("the BMC closed the connection")
        word, _, rest = answer.partition(" ")
        if word != "ok":
            raise CommandRefused(rest)
        return rest

    def is_on(self) -> bool:
        """Return whether the machine is on."""
        return self._ask("chassis status") == "on"

    def chassis(self, command: str) -> None:
        """Switch the machine ``on`` or ``off``. The BMC answers before the machine has changed."""
        self._ask(f"chassis {command}")

    def logout(self) -> None:
        """End the session."""
        self._ask("bye")
        self.close()

    def close(self) -> None:
        """Close the connection without a logout."""
        self._lines.close()
        self._connection.close()
