"""The device library of the example, as its vendor might publish it: it knows nothing of bare-metal services.

An Acme BMC speaks lines of text over TCP: ``login PASSWORD``, ``chassis status``, ``chassis on``, ``chassis off`` and ``bye``;
each is answered by one line that starts with ``ok`` or ``no``.
"""

from __future__ import annotations

import socket


class LoginRefused(Exception):
    """The BMC does not accept the password."""


class CommandRefused(Exception):
    """The BMC does not do what it was asked."""


class Client:
    """A session at one BMC. *timeout* in seconds bounds the connection and each command."""

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
        """Whether the machine has power."""
        return self._ask("chassis status") == "on"

    def chassis(self, command: str) -> None:
        """Switch the machine ``on`` or ``off``; the BMC answers before it is done."""
        self._ask(f"chassis {command}")

    def logout(self) -> None:
        """End the session."""
        self._ask("bye")
        self.close()

    def close(self) -> None:
        """Free the connection without a word."""
        self._lines.close()
        self._connection.close()
