"""SIGTERM under load: what was begun ends, what was asked is answered, and nothing stays held."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from fixtures import TempDir
from testtools import TestCase

from tests.metald.service import Service

NODES = 100
GRACE = 40.0
TCP_CLOSE = 7
SLOW = {"write_image": {"effect": "slow", "seconds": 1.0}}


class Reader(threading.Thread):
    """Asks again and again on one kept connection, and counts how its requests end."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=GRACE)
        self.ends: Counter[str] = Counter()
        self.over = False

    def run(self) -> None:
        while not self.over:
            try:
                self._connection.connect()
            except OSError:
                self.ends["not taken"] += 1
                return
            self._ask()

    def _ask(self) -> None:
        """Ask until the connection ends."""
        # Of its own, for http.client parts from the connection when it fails.
        with self._connection.sock.dup() as seen:
            while self._connection.sock is not None and not self.over:
                self._ask_once(seen)

    def _ask_once(self, seen: socket.socket) -> None:
        try:
            self._connection.request("GET", "/v1/nodes?limit=5")
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException):
            self.ends["not taken" if was_reset(seen) else "lost"] += 1
            self._connection.close()
            return
        try:
            response.read()
        except (OSError, http.client.HTTPException):
            self.ends["cut"] += 1
            self._connection.close()
            return
        self.ends[str(response.status)] += 1


def was_reset(connection: socket.socket) -> bool:
    """Whether the server's kernel has reset a connection: it does when bytes came that the server has not read, and no more will.

    Where they were read and the connection was closed all the same, it is half closed.
    """
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE


class TestStopping(TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = Path(self.useFixture(TempDir()).path)
        self.state = directory / "state"
        config = directory / "metald.conf"
        config.write_text(f"[conductor]\ngraceful_shutdown_timeout = {GRACE}\nsync_power_state_interval = 0\n")
        self.service = self.useFixture(Service("--config-file", str(config), state=self.state))

    def begin(self, sent: bytes) -> socket.socket:
        """Send the first bytes of a request on a connection of its own."""
        parts = urlsplit(self.service.url)
        connection = socket.create_connection((str(parts.hostname), parts.port), timeout=GRACE)
        self.addCleanup(connection.close)
        connection.sendall(sent)
        return connection

    def until_no_one_is_let_in(self) -> None:
        """Return once the server has begun to stop: it listens no more."""
        parts = urlsplit(self.service.url)
        end = time.monotonic() + GRACE
        pause = threading.Event()
        while time.monotonic() < end:
            try:
                socket.create_connection((str(parts.hostname), parts.port), timeout=0.5).close()
            except OSError:
                return
            pause.wait(0.02)
        self.fail("it goes on listening")

    def deploy_all(self) -> None:
        """Bring all nodes to where they are being deployed."""
        client = self.service.client
        nodes = [
            client.create_node({"driver": "fake-hardware", "name": f"n{number}", "driver_info": {"fake_faults": SLOW}})["uuid"]
            for number in range(NODES)
        ]
        for verb, reached in (("manage", "manageable"), ("provide", "available")):
            for node in nodes:
                client.set_provision_state(node, verb)
            self.wait_for_all(reached)
        for node in nodes:
            client.set_provision_state(node, "active")

    def wait_for_all(self, state: str) -> None:
        end = time.monotonic() + 60
        pause = threading.Event()
        while True:
            listed = self.service.client.request("GET", f"/v1/nodes?provision_state={state}&limit=1000")["nodes"]
            if len(listed) == NODES:
                return
            self.assertLess(time.monotonic(), end, f"{len(listed)} are {state}\n{self.service.log[-2000:]}")
            pause.wait(0.05)

    def test_whose_first_byte_was_read_gets_the_whole_answer(self) -> None:
        """Who had sent the first bytes of a request before SIGTERM, and sends the rest after it, gets all of its answer."""
        request = b"GET /v1/nodes?limit=5 HTTP/1.1\r\nHost: metald\r\n\r\n"
        begun = [(self.begin(request[:sent]), request[sent:]) for sent in (1, 1, 3, 14, len(request) - 1)]
        # One that ends shows that the server has read what came before it.
        self.assertEqual({"nodes": []}, self.service.client.request("GET", "/v1/nodes?limit=5"))
        os.kill(self.service.child.pid, signal.SIGTERM)
        self.until_no_one_is_let_in()
        for connection, rest in begun:
            connection.sendall(rest)
        for connection, _ in begun:
            response = http.client.HTTPResponse(connection)
            response.begin()
            self.assertEqual(200, response.status)
            self.assertEqual({"nodes": []}, json.loads(response.read()))
        self.assertEqual(0, self.service.child.wait(GRACE + 20))

    def test_sigterm_under_load_loses_nothing(self) -> None:
        """While a hundred machines are deployed and clients read, SIGTERM ends the process in time, with exit code 0, every
        deployment ended, no lease left, and no answer cut short."""
        self.deploy_all()
        readers = [Reader(self.service.url) for _ in range(8)]
        for reader in readers:
            reader.start()
        begun = time.monotonic()
        os.kill(self.service.child.pid, signal.SIGTERM)
        self.assertEqual(0, self.service.child.wait(GRACE + 20))
        self.assertLess(time.monotonic() - begun, GRACE + 10)
        for reader in readers:
            reader.over = True
            reader.join(GRACE)
        ends = sum((reader.ends for reader in readers), Counter())
        self.assertEqual(set(), set(ends) - {"200", "503", "not taken"}, ends)
        [database] = self.state.glob("*.sqlite")
        with sqlite3.connect(database) as connection:
            states = Counter(connection.execute("SELECT provision_state, lease_holder FROM bm_nodes").fetchall())
        self.assertEqual({("active", None): NODES}, dict(states))
