"""Many who guess passwords at the same time, against a server with few threads."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import bcrypt
from fixtures import TempDir
from testtools import TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk.auth import add_authentication
from baremetal_sdk.config import APIConfig, ConductorConfig
from baremetal_sdk.http import HTTPServer
from tests.fixtures.callers import application, basic
from tests.fixtures.http_clients import receive

PATIENCE = 20.0
GUESSERS = 24
REQUESTS = 40
LONGEST = 2.0
"""Seconds that a request of a known user may take, on a machine that does other things as well."""


class TestFlood(TestCase):
    def setUp(self) -> None:
        super().setUp()
        users = Path(self.useFixture(TempDir()).path) / "htpasswd"
        users.write_text(f"alice:{bcrypt.hashpw(b'wonderland', bcrypt.gensalt(12)).decode()}\n")
        users.chmod(0o600)
        api = APIConfig(port=0, min_threads=1, max_threads=4)
        config = ConductorConfig(auth_strategy="http_basic", http_basic_auth_user_file=str(users), api=api)
        self.server = HTTPServer(add_authentication(application, config), api)
        self.server.start()
        self.addCleanup(self.server.stop, Deadline.after(PATIENCE))
        self.over = threading.Event()

    def ask(self, user: str, password: str, source: str = "127.0.0.1") -> bytes:
        """The status line of an answer, over a new connection from *source*."""
        with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE, source_address=(source, 0)) as sock:
            head = f"GET /who HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(user, password)}\r\nConnection: close\r\n\r\n"
            sock.sendall(head.encode())
            return receive(sock).partition(b"\r\n")[0]

    def guess(self, number: int) -> None:
        """Guess from ever new addresses, which no throttle knows: half of them the same, half never the same."""
        tried = 0
        while not self.over.is_set():
            tried += 1
            password = f"guess {tried}" if number % 2 else "guess"
            self.ask(f"user{number}" if number % 4 else "alice", password, f"127.{number}.{tried // 250 % 250}.{tried % 250 + 1}")

    def test_known_users_do_not_wait_for_those_who_guess(self) -> None:
        """A check takes long on purpose; who guesses waits for it, or is told to come back, and nobody else does."""
        self.assertEqual(b"HTTP/1.1 200 OK", self.ask("alice", "wonderland"))
        guessers = [threading.Thread(target=self.guess, args=(number + 1,)) for number in range(GUESSERS)]
        for thread in guessers:
            thread.start()
        try:
            waits = []
            for _ in range(REQUESTS):
                began = time.monotonic()
                self.assertEqual(b"HTTP/1.1 200 OK", self.ask("alice", "wonderland"))
                waits.append(time.monotonic() - began)
        finally:
            self.over.set()
            for thread in guessers:
                thread.join(PATIENCE)
        self.assertLess(max(waits), LONGEST)
