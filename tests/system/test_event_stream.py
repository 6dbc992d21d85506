"""Streams of events of real processes: many readers, a stop, a crash, and several conductors behind several APIs."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest import skipIf

from fixtures import TempDir
from testtools import TestCase

from baremetal_interfaces import Deadline
from metald.client import BareMetalClient
from metald.processes import Child
from tests.fixtures import postgresql
from tests.http.certificates import write_certificate
from tests.http.clients import trusting_context
from tests.metald.service import Service
from tests.system.event_readers import EventReader

READERS, NODES = 40, 8
BOUND = 60.0


def walk(client: BareMetalClient, names: list[str]) -> None:
    """Make nodes available."""
    for name in names:
        client.create_node({"driver": "fake-hardware", "name": name})
    for verb, state in (("manage", "manageable"), ("provide", "available")):
        for name in names:
            client.set_provision_state(name, verb)
        for name in names:
            reach(client, name, state)


def reach(client: BareMetalClient, name: str, *states: str) -> None:
    """Wait until a node is in a state, and nobody holds it."""
    deadline = Deadline.after(BOUND)
    while (node := client.get_node(name))["provision_state"] not in states or node["reservation"]:
        deadline.check(f"{name} to be {states}")
        time.sleep(0.05)


def settled(readers: list[EventReader], url: str) -> str:
    """Wait until each reader is as far as everything is; the id of the last event."""
    deadline = Deadline.after(BOUND)
    while True:
        last = head(url)
        if all(reader.cursor == last for reader in readers):
            return last
        deadline.check(f"readers to reach {last}: {[reader.cursor for reader in readers]}")
        time.sleep(0.05)


def all_after(url: str, cursor: str) -> EventReader:
    """Everything that there is after a cursor."""
    reader = EventReader(url, cursor, "?wait=false")
    reader.join(BOUND)
    return reader


def head(url: str) -> str:
    """The id of the last event."""
    reader = EventReader(url, query="?wait=false")
    reader.join(BOUND)
    assert reader.cursor is not None
    return reader.cursor


class TestOneProcess(TestCase):
    """One service with its own store."""

    def setUp(self) -> None:
        super().setUp()
        self.state = Path(self.useFixture(TempDir()).path) / "state"

    def serve(self, *arguments: str) -> Service:
        """Start it on the test's state directory; nothing happens there by itself."""
        config = self.state.with_name("quiet.conf")
        config.write_text("[conductor]\nsync_power_state_interval = 0\n")
        return self.useFixture(Service("--config-file", str(config), *arguments, state=self.state))

    def test_no_reader_misses_or_repeats_across_a_crash_and_a_stop(self) -> None:
        """Killed while it works and stopped while it streams: with its cursor each reader has every event once."""
        first = self.serve()
        began = head(first.url)
        readers = [EventReader(first.url) for _ in range(READERS)]
        silent = [self.silent(first.url) for _ in range(READERS)]
        walk(first.client, [f"n{number}" for number in range(NODES)])
        for number in range(NODES):
            first.client.set_provision_state(f"n{number}", "active")
        os.kill(first.child.pid, signal.SIGKILL)
        first.child.stop()
        for reader in readers:
            reader.join(BOUND)
        second = self.serve()
        again = [EventReader(second.url, reader.cursor) for reader in readers]
        self.assertEqual({200}, {reader.status for reader in again})
        for number in range(NODES):
            reach(second.client, f"n{number}", "active", "deploy failed")
        settled(again, second.url)
        whole = all_after(second.url, began)
        begun = time.monotonic()
        second.child.send(signal.SIGTERM)
        for reader in again:
            reader.join(BOUND)
        self.assertEqual(0, second.child.wait(BOUND))
        self.assertLess(time.monotonic() - begun, 10.0)
        self.assertEqual({"whole"}, {reader.end for reader in again})
        for before, after in zip(readers, again, strict=True):
            self.assertEqual(whole.events, before.events + after.events)
        self.assert_lives(whole, NODES)
        for sock in silent:
            sock.close()

    def silent(self, url: str) -> socket.socket:
        """A reader that asks for a stream, and never reads."""
        port = int(url.rpartition(":")[2])
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"GET /v1/events/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        self.addCleanup(sock.close)
        return sock

    def assert_lives(self, seen: EventReader, count: int) -> None:
        """The events tell a life for each node, in its order: states, and a lease that is given back whenever it was taken."""
        states: dict[str, list[str]] = defaultdict(list)
        for _, kind, content in seen.events:
            if kind == "state" and content["provision_state"] not in states[content["name"]][-1:]:
                states[content["name"]].append(content["provision_state"])
        self.assertEqual(count, len(states))
        for life in states.values():
            self.assertEqual(["enroll", "verifying", "manageable", "cleaning", "available", "deploying"], life[:6])
            self.assertIn(life[-1], ("active", "deploy failed"))
        self.assertEqual({"state", "power", "step", "lease"}, {kind for _, kind, _ in seen.events})

    def test_over_tls(self) -> None:
        """A stream over TLS is as one without, and ends with the service."""
        certificate, key = write_certificate(self.state.parent, "first")
        config = self.state.with_name("metald.conf")
        config.write_text(f"[api]\nenable_ssl_api = true\ncert_file = {certificate}\nkey_file = {key}\n")
        command = [sys.executable, "-m", "metald", "serve", "--port", "0", "--state-dir", str(self.state)]
        child = Child("metald", [*command, "--config-file", str(config)], self.state.parent)
        self.addCleanup(child.stop)
        url = child.wait_for_line("metald ready: ", BOUND)
        reader = EventReader(url, context=trusting_context())
        connection = http.client.HTTPSConnection(url.removeprefix("https://"), timeout=BOUND, context=trusting_context())
        self.addCleanup(connection.close)
        connection.request("POST", "/v1/nodes", '{"driver": "fake-hardware"}', {"Content-Type": "application/json"})
        self.assertEqual(201, connection.getresponse().status)
        deadline = Deadline.after(BOUND)
        while not reader.events:
            deadline.check("an event")
            time.sleep(0.02)
        child.stop()
        reader.join(BOUND)
        self.assertEqual(("whole", "state"), (reader.end, reader.events[0][1]))


@skipIf(postgresql.missing(), postgresql.missing() or "")
class TestManyProcesses(TestCase):
    """Two conductors and two APIs on one PostgreSQL."""

    def setUp(self) -> None:
        super().setUp()
        self.database = self.useFixture(postgresql.PostgreSQL())
        self.directory = Path(self.useFixture(TempDir()).path)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.rpc_port = free.getsockname()[1]

    def start(self, part: str, host: str) -> tuple[Child, str]:
        """One process; a conductor is reached by its name, which is its address."""
        file = self.directory / f"{part}-{host}.conf"
        file.write_text(
            f"[DEFAULT]\nhost = {host}\nrpc_transport = json-rpc\nenabled_hardware_types = fake-hardware\n"
            f"[json_rpc]\nhost_ip = {host}\nport = {self.rpc_port}\n[api]\nport = 0\n"
            "[conductor]\nsync_power_state_interval = 0\nheartbeat_interval = 1\n[metrics]\nendpoint = none\n"
            f"[database]\nconnection = {self.database.url}\nsecret_key_file = {self.directory}/key\n",
            encoding="ascii",
        )
        child = Child(f"{part}-{host}", [sys.executable, "-m", "metald", part, "--config-file", str(file)], self.directory)
        self.addCleanup(child.stop, 5.0)
        return child, child.wait_for_line("metald ready: ", BOUND)

    def test_any_api_tells_of_all_conductors(self) -> None:
        """Whatever conductor works and whatever API is asked, readers get all of it in one order, and each takes their cursor."""
        for host in ("127.0.0.1", "127.0.0.2"):
            self.start("conductor", host)
        (_, first), (doomed, second) = self.start("api", "127.0.0.3"), self.start("api", "127.0.0.4")
        began = head(first)
        steady = [EventReader(first, began) for _ in range(5)]
        moving = [EventReader(second, began) for _ in range(5)]
        client = BareMetalClient(first)
        names = [f"n{number}" for number in range(NODES)]
        walk(client, names[: NODES // 2])
        doomed.send(signal.SIGKILL)
        for reader in moving:
            reader.join(BOUND)
        moved = [EventReader(first, reader.cursor) for reader in moving]
        walk(client, names[NODES // 2 :])
        settled([*steady, *moved], first)
        whole = all_after(first, began).events
        for reader in steady:
            self.assertEqual(whole, reader.events)
        for before, after in zip(moving, moved, strict=True):
            self.assertEqual(whole, before.events + after.events)
        self.assertEqual({"127.0.0.1", "127.0.0.2"}, self.holders(whole))

    def holders(self, events: list[tuple[str, str, dict[str, Any]]]) -> set[str]:
        """The conductors that took leases."""
        return {content["reservation"] for _, kind, content in events if kind == "lease" and content["reservation"]}
