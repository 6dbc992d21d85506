"""Many clients guess passwords at the same time on a server with few threads."""

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

TIMEOUT_S = 20.0
GUESSING_CLIENTS = 24
REQUESTS = 40
MAX_WAIT_S = 2.0
"""Maximum seconds of a known user's request on a loaded machine."""


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
        self.addCleanup(self.server.stop, Deadline.after(TIMEOUT_S))
        self.has_ended = threading.Event()

    def ask(self, user: str, password: str, source: str = "127.0.0.1") -> bytes:
        """Send a request on a new connection from *source* and return the status line."""
        with socket.create_connection(("127.0.0.1", self.server.port), TIMEOUT_S, source_address=(source, 0)) as sock:
            head = f"GET /who HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(user, password)}\r\nConnection: close\r\n\r\n"
            sock.sendall(head.encode())
            return receive(sock).partition(b"\r\n")[0]

    def guess(self, number: int) -> None:
        """Guess from new addresses, which the throttle does not know. Half of the clients repeat a password, half change it."""
        tried = 0
        while not self.has_ended.is_set():
            tried += 1
            password = f"guess {tried}" if number % 2 else "guess"
            self.ask(f"user{number}" if number % 4 else "alice", password, f"127.{number}.{tried // 250 % 250}.{tried % 250 + 1}")

    def test_guessing_does_not_delay_known_users(self) -> None:
        """Password checks are slow by design. Guessing clients wait for them or get an error, and known users do not."""
        self.assertEqual(b"HTTP/1.1 200 OK", self.ask("alice", "wonderland"))
        guessers = [threading.Thread(target=self.guess, args=(number + 1,)) for number in range(GUESSING_CLIENTS)]
        for thread in guessers:
            thread.start()
        try:
            waits = []
            for _ in range(REQUESTS):
                started = time.monotonic()
                self.assertEqual(b"HTTP/1.1 200 OK", self.ask("alice", "wonderland"))
                waits.append(time.monotonic() - started)
        finally:
            self.has_ended.set()
            for thread in guessers:
                thread.join(TIMEOUT_S)
        self.assertLess(max(waits), MAX_WAIT_S)
