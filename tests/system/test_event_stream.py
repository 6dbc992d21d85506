"""Event streams of real processes: many readers, a stop, a crash, and several conductors behind several APIs."""

from __future__ import annotations

import http.client
import itertools
import os
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import skipIf

from fixtures import TempDir
from testtools import TestCase

from baremetal_interfaces import Deadline
from metald.client import BareMetalClient
from metald.processes import Child
from tests.fixtures import postgresql
from tests.fixtures.certificates import write_certificate
from tests.fixtures.http_clients import trusting_context
from tests.fixtures.metald_service import Service
from tests.system.event_readers import EventReader

READERS, NODES = 40, 8
TIMEOUT_S = 60.0


def make_available(client: BareMetalClient, names: list[str], groups: Sequence[str] = ("",)) -> None:
    """Create nodes, in the conductor groups in turn, and make them available."""
    for name, group in zip(names, itertools.cycle(groups), strict=False):
        client.create_node({"driver": "fake-hardware", "name": name, "conductor_group": group})
    for verb, state in (("manage", "manageable"), ("provide", "available")):
        for name in names:
            client.set_provision_state(name, verb)
        for name in names:
            wait_for_state(client, name, state)


def wait_for_state(client: BareMetalClient, name: str, *states: str) -> None:
    """Wait until a node is in one of *states* and no task holds it."""
    deadline = Deadline.after(TIMEOUT_S)
    while (node := client.get_node(name))["provision_state"] not in states or node["reservation"]:
        deadline.check(f"{name} to be {states}")
        time.sleep(0.05)


def wait_for_readers(readers: list[EventReader], url: str) -> str:
    """Wait until all readers have the last event. Return its ID."""
    deadline = Deadline.after(TIMEOUT_S)
    while True:
        last = get_last_event_id(url)
        if all(reader.cursor == last for reader in readers):
            return last
        deadline.check(f"readers to reach {last}: {[reader.cursor for reader in readers]}")
        time.sleep(0.05)


def read_events_after(url: str, cursor: str) -> EventReader:
    """Read all events after a cursor."""
    reader = EventReader(url, cursor, "?wait=false")
    reader.join(TIMEOUT_S)
    return reader


def get_last_event_id(url: str) -> str:
    """Return the ID of the last event."""
    reader = EventReader(url, query="?wait=false")
    reader.join(TIMEOUT_S)
    assert reader.cursor is not None
    return reader.cursor


class TestOneProcess(TestCase):
    """One service with its own database."""

    def setUp(self) -> None:
        super().setUp()
        self.state = Path(self.useFixture(TempDir()).path) / "state"

    def serve(self, *arguments: str) -> Service:
        """Start the service on the state directory of the test, without power sync."""
        config = self.state.with_name("quiet.conf")
        config.write_text("[conductor]\nsync_power_state_interval = 0\n")
        return self.useFixture(Service("--config-file", str(config), *arguments, state=self.state))

    def test_readers_miss_and_repeat_no_event_across_crash_and_stop(self) -> None:
        """Readers that reconnect with their cursor after a kill and a stop receive each event exactly once."""
        first = self.serve()
        start = get_last_event_id(first.url)
        readers = [EventReader(first.url) for _ in range(READERS)]
        silent = [self.connect_silent_reader(first.url) for _ in range(READERS)]
        make_available(first.client, [f"n{number}" for number in range(NODES)])
        for number in range(NODES):
            first.client.set_provision_state(f"n{number}", "active")
        os.kill(first.child.pid, signal.SIGKILL)
        first.child.stop()
        for reader in readers:
            reader.join(TIMEOUT_S)
        second = self.serve()
        reconnected = [EventReader(second.url, reader.cursor) for reader in readers]
        self.assertEqual({200}, {reader.status for reader in reconnected})
        for number in range(NODES):
            wait_for_state(second.client, f"n{number}", "active", "deploy failed")
        wait_for_readers(reconnected, second.url)
        whole = read_events_after(second.url, start)
        begin = time.monotonic()
        second.child.send(signal.SIGTERM)
        for reader in reconnected:
            reader.join(TIMEOUT_S)
        self.assertEqual(0, second.child.wait(TIMEOUT_S))
        self.assertLess(time.monotonic() - begin, 10.0)
        self.assertEqual({"whole"}, {reader.end for reader in reconnected})
        for before, after in zip(readers, reconnected, strict=True):
            self.assertEqual(whole.events, before.events + after.events)
        self.assert_complete_lives(whole, NODES)
        for sock in silent:
            sock.close()

    def connect_silent_reader(self, url: str) -> socket.socket:
        """Request a stream on a connection that never reads."""
        port = int(url.rpartition(":")[2])
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"GET /v1/events/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        self.addCleanup(sock.close)
        return sock

    def assert_complete_lives(self, reader: EventReader, count: int) -> None:
        """Check that the events show all states of each node in order, and lease events."""
        states: dict[str, list[str]] = defaultdict(list)
        for _, kind, content in reader.events:
            if kind == "state" and content["provision_state"] not in states[content["name"]][-1:]:
                states[content["name"]].append(content["provision_state"])
        self.assertEqual(count, len(states))
        for life in states.values():
            self.assertEqual(["enroll", "verifying", "manageable", "cleaning", "available", "deploying"], life[:6])
            self.assertIn(life[-1], ("active", "deploy failed"))
        self.assertEqual({"state", "power", "step", "lease"}, {kind for _, kind, _ in reader.events})

    def test_a_stream_over_tls_ends_with_the_service(self) -> None:
        """A stream over TLS delivers events and ends properly when the service stops."""
        certificate, key = write_certificate(self.state.parent, "first")
        config = self.state.with_name("metald.conf")
        config.write_text(f"[api]\nenable_ssl_api = true\ncert_file = {certificate}\nkey_file = {key}\n")
        command = [sys.executable, "-m", "metald", "serve", "--port", "0", "--state-dir", str(self.state)]
        child = Child("metald", [*command, "--config-file", str(config)], self.state.parent)
        self.addCleanup(child.stop)
        url = child.wait_for_line("metald ready: ", TIMEOUT_S)
        reader = EventReader(url, context=trusting_context())
        connection = http.client.HTTPSConnection(url.removeprefix("https://"), timeout=TIMEOUT_S, context=trusting_context())
        self.addCleanup(connection.close)
        connection.request("POST", "/v1/nodes", '{"driver": "fake-hardware"}', {"Content-Type": "application/json"})
        self.assertEqual(201, connection.getresponse().status)
        deadline = Deadline.after(TIMEOUT_S)
        while not reader.events:
            deadline.check("an event")
            time.sleep(0.02)
        child.stop()
        reader.join(TIMEOUT_S)
        self.assertEqual("whole", reader.end)
        self.assertEqual("state", reader.events[0][1])


@skipIf(postgresql.missing(), postgresql.missing() or "")
class TestManyProcesses(TestCase):
    """Two conductors and two APIs with one PostgreSQL database."""

    def setUp(self) -> None:
        super().setUp()
        self.database = self.useFixture(postgresql.PostgreSQL())
        self.directory = Path(self.useFixture(TempDir()).path)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.rpc_port = free.getsockname()[1]

    def start(self, part: str, host: str, group: str = "") -> tuple[Child, str]:
        """Start one process and return its ready line. A conductor's host name is its address, which the APIs use."""
        file = self.directory / f"{part}-{host}.conf"
        file.write_text(
            f"[DEFAULT]\nhost = {host}\nrpc_transport = json-rpc\nenabled_hardware_types = fake-hardware\n"
            f"[json_rpc]\nhost_ip = {host}\nport = {self.rpc_port}\n[api]\nport = 0\n"
            f"[conductor]\nsync_power_state_interval = 0\nheartbeat_interval = 1\nconductor_group = {group}\n"
            "[metrics]\nendpoint = none\n"
            f"[database]\nconnection = {self.database.url}\nsecret_key_file = {self.directory}/key\n",
            encoding="ascii",
        )
        child = Child(f"{part}-{host}", [sys.executable, "-m", "metald", part, "--config-file", str(file)], self.directory)
        self.addCleanup(child.stop, 5.0)
        return child, child.wait_for_line("metald ready: ", TIMEOUT_S)

    def test_every_api_streams_events_of_all_conductors(self) -> None:
        """All APIs stream the events of all conductors in one order, and a cursor of one API is valid at another."""
        # Without groups the random UUIDs decide, and sometimes one conductor gets all nodes.
        groups = {"127.0.0.1": "left", "127.0.0.2": "right"}
        for host, group in groups.items():
            self.start("conductor", host, group)
        (_, first), (killed, second) = self.start("api", "127.0.0.3"), self.start("api", "127.0.0.4")
        start = get_last_event_id(first)
        steady = [EventReader(first, start) for _ in range(5)]
        moving = [EventReader(second, start) for _ in range(5)]
        client = BareMetalClient(first)
        names = [f"n{number}" for number in range(NODES)]
        make_available(client, names[: NODES // 2], [*groups.values()])
        killed.send(signal.SIGKILL)
        for reader in moving:
            reader.join(TIMEOUT_S)
        moved = [EventReader(first, reader.cursor) for reader in moving]
        make_available(client, names[NODES // 2 :], [*groups.values()])
        wait_for_readers([*steady, *moved], first)
        whole = read_events_after(first, start).events
        for reader in steady:
            self.assertEqual(whole, reader.events)
        for before, after in zip(moving, moved, strict=True):
            self.assertEqual(whole, before.events + after.events)
        self.assertEqual(set(groups), self.get_lease_holders(whole))

    def get_lease_holders(self, events: list[tuple[str, str, dict[str, Any]]]) -> set[str]:
        """Return the conductors that acquired leases."""
        return {content["reservation"] for _, kind, content in events if kind == "lease" and content["reservation"]}
