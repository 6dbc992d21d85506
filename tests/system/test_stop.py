"""SIGTERM under load: running work ends, received requests are answered, and no lease remains."""

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

from tests.fixtures.metald_service import Service

NODES = 100
STOP_TIMEOUT_S = 40.0
TCP_CLOSE = 7
"""State of a connection after a reset, from the kernel's ``tcp_states.h``."""
SLOW_DEPLOYMENT = {"write_image": {"effect": "slow", "seconds": 1.0}}


class Reader(threading.Thread):
    """Sends requests continuously on a kept-alive connection, and counts the results."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=STOP_TIMEOUT_S)
        self.results: Counter[str] = Counter()
        self.is_stopped = False

    def run(self) -> None:
        while not self.is_stopped:
            try:
                self._connection.connect()
            except OSError:
                self.results["not accepted"] += 1
                return
            self._send_requests()

    def _send_requests(self) -> None:
        """Send requests until the connection ends."""
        # http.client forgets the socket after an error; the duplicate can still be examined then.
        with self._connection.sock.dup() as duplicate:
            while self._connection.sock is not None and not self.is_stopped:
                self._send_request(duplicate)

    def _send_request(self, duplicate: socket.socket) -> None:
        try:
            self._connection.request("GET", "/v1/nodes?limit=5")
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException):
            self.results["not accepted" if was_reset(duplicate) else "lost"] += 1
            self._connection.close()
            return
        try:
            response.read()
        except (OSError, http.client.HTTPException):
            self.results["cut"] += 1
            self._connection.close()
            return
        self.results[str(response.status)] += 1


def was_reset(connection: socket.socket) -> bool:
    """Return whether the server's kernel has reset the connection.

    The kernel does so if the server closed a connection with unread bytes, so the server has not read the request. If the
    server had read it, the connection would be half closed instead.
    """
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE


class TestStopping(TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = Path(self.useFixture(TempDir()).path)
        self.state = directory / "state"
        config = directory / "metald.conf"
        config.write_text(f"[conductor]\ngraceful_shutdown_timeout = {STOP_TIMEOUT_S}\nsync_power_state_interval = 0\n")
        self.service = self.useFixture(Service("--config-file", str(config), state=self.state))

    def send_partial_request(self, data: bytes) -> socket.socket:
        """Send the first bytes of a request on a new connection."""
        parts = urlsplit(self.service.url)
        connection = socket.create_connection((str(parts.hostname), parts.port), timeout=STOP_TIMEOUT_S)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def wait_until_port_is_closed(self) -> None:
        """Wait until the server no longer listens, which is the start of its stop."""
        parts = urlsplit(self.service.url)
        end = time.monotonic() + STOP_TIMEOUT_S
        pause = threading.Event()
        while time.monotonic() < end:
            try:
                socket.create_connection((str(parts.hostname), parts.port), timeout=0.5).close()
            except OSError:
                return
            pause.wait(0.02)
        self.fail("the server still listens")

    def deploy_all(self) -> None:
        """Start a deployment of all nodes."""
        client = self.service.client
        nodes = []
        for number in range(NODES):
            values = {"driver": "fake-hardware", "name": f"n{number}", "driver_info": {"fake_faults": SLOW_DEPLOYMENT}}
            nodes.append(client.create_node(values)["uuid"])
        for verb, state in (("manage", "manageable"), ("provide", "available")):
            for node in nodes:
                client.set_provision_state(node, verb)
            self.wait_for_all(state)
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

    def test_a_request_whose_first_byte_was_read_is_answered(self) -> None:
        """A client that sent a part of a request before SIGTERM, and the rest after it, receives the whole response."""
        request = b"GET /v1/nodes?limit=5 HTTP/1.1\r\nHost: metald\r\n\r\n"
        partial = [(self.send_partial_request(request[:size]), request[size:]) for size in (1, 1, 3, 14, len(request) - 1)]
        # A complete exchange proves that the server has read the bytes that were sent before it.
        self.assertEqual({"nodes": []}, self.service.client.request("GET", "/v1/nodes?limit=5"))
        os.kill(self.service.child.pid, signal.SIGTERM)
        self.wait_until_port_is_closed()
        for connection, rest in partial:
            connection.sendall(rest)
        for connection, _ in partial:
            response = http.client.HTTPResponse(connection)
            response.begin()
            self.assertEqual(200, response.status)
            self.assertEqual({"nodes": []}, json.loads(response.read()))
        self.assertEqual(0, self.service.child.wait(STOP_TIMEOUT_S + 20))

    def test_sigterm_under_load_loses_nothing(self) -> None:
        """SIGTERM hits 100 deployments and reading clients. The process ends in time with exit code 0.

        All deployments have ended, no lease remains, and no response is cut short.
        """
        self.deploy_all()
        readers = [Reader(self.service.url) for _ in range(8)]
        for reader in readers:
            reader.start()
        begin = time.monotonic()
        os.kill(self.service.child.pid, signal.SIGTERM)
        self.assertEqual(0, self.service.child.wait(STOP_TIMEOUT_S + 20))
        self.assertLess(time.monotonic() - begin, STOP_TIMEOUT_S + 10)
        for reader in readers:
            reader.is_stopped = True
            reader.join(STOP_TIMEOUT_S)
        results = sum((reader.results for reader in readers), Counter())
        self.assertEqual(set(), set(results) - {"200", "503", "not accepted"}, results)
        [database] = self.state.glob("*.sqlite")
        with sqlite3.connect(database) as connection:
            states = Counter(connection.execute("SELECT provision_state, lease_holder FROM bm_nodes").fetchall())
        self.assertEqual({("active", None): NODES}, dict(states))
