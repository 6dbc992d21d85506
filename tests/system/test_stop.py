"""SIGTERM under load: what was begun ends, what was asked is answered, and nothing stays held."""

from __future__ import annotations

import http.client
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from fixtures import TempDir
from testtools import TestCase

from tests.app.service import Service

NODES = 100
GRACE = 40.0
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
                self._connection.request("GET", "/v1/nodes?limit=5")
                response = self._connection.getresponse()
            except (OSError, http.client.HTTPException):
                # Nothing of an answer: the connection was closed before the request was read.
                self.ends["not taken"] += 1
                self._connection.close()
                return
            try:
                response.read()
            except (OSError, http.client.HTTPException):
                self.ends["cut"] += 1
                return
            self.ends[str(response.status)] += 1


class TestStopping(TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = Path(self.useFixture(TempDir()).path)
        self.state = directory / "state"
        config = directory / "metald.conf"
        config.write_text(f"[conductor]\ngraceful_shutdown_timeout = {GRACE}\nsync_power_state_interval = 0\n")
        self.service = self.useFixture(Service("--config-file", str(config), state=self.state))

    def deploy_all(self) -> None:
        """Bring all nodes to where they are being deployed."""
        client = self.service.client
        nodes = [
            client.create_node({"driver": "fake-hardware", "name": f"n{number}", "driver_info": {"fake_faults": SLOW}})["uuid"]
            for number in range(NODES)
        ]
        for verb, reached in (("manage", "manageable"), ("provide", "available")):
            for node in nodes:
                client.provision(node, verb)
            self.wait_for_all(reached)
        for node in nodes:
            client.provision(node, "active")

    def wait_for_all(self, state: str) -> None:
        end = time.monotonic() + 60
        pause = threading.Event()
        while True:
            listed = self.service.client.request("GET", f"/v1/nodes?provision_state={state}&limit=1000")["nodes"]
            if len(listed) == NODES:
                return
            self.assertLess(time.monotonic(), end, f"{len(listed)} are {state}\n{self.service.log[-2000:]}")
            pause.wait(0.05)

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
