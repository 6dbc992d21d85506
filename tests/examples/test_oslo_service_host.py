"""The example host that oslo.service starts: signals, reload and end."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from testtools import TestCase
from testtools.matchers import LessThan

from metald.client import APIError, BareMetalClient
from tests.examples.host import TIMEOUT_S, Host, wait_until

START_FAILURE_TIMEOUT_S = 30.0
"""Seconds in which a service that cannot start must end."""


class OsloServiceHostCase(TestCase):
    """A test with the example ``oslo_service_host.py`` in a separate process."""

    def start_host(self, text: str = "", program: str | None = None) -> Host:
        return self.useFixture(Host("oslo_service_host.py", text, program))

    def enroll(self, client: BareMetalClient, count: int, seconds: float) -> list[str]:
        """Create nodes whose power commands take *seconds*, and return their UUIDs."""
        info = {"fake_faults": {"set_power": {"effect": "slow", "seconds": seconds}}}
        values = {"driver": "fake-hardware", "driver_info": info}
        return [client.create_node({"name": f"m{number}", **values})["uuid"] for number in range(count)]


class TestStop(OsloServiceHostCase):
    """SIGTERM."""

    def test_running_work_has_the_time_limit_of_the_conductor(self) -> None:
        """After SIGTERM, power changes may take longer than oslo.service's [DEFAULT] graceful_shutdown_timeout."""
        host = self.start_host("graceful_shutdown_timeout = 1\n")
        client = host.wait_until_ready()
        nodes = self.enroll(client, 10, seconds=2.5)
        for node in nodes:
            client.set_power_state(node, "power on")
        host.child.send(signal.SIGTERM)
        self.assertEqual(0, host.child.wait(TIMEOUT_S))
        store = host.open_store()
        self.addCleanup(store.close)
        records = [store.node(node) for node in nodes]
        self.assertEqual({("power on", None)}, {(record.power_state, record.lease_holder) for record in records}, host.log)

    def test_work_that_does_not_end_does_not_delay_the_stop(self) -> None:
        """The process ends normally within [conductor] graceful_shutdown_timeout although a power change still runs."""
        host = self.start_host("[conductor]\ngraceful_shutdown_timeout = 2\n")
        client = host.wait_until_ready()
        (node,) = self.enroll(client, 1, seconds=600.0)
        client.set_power_state(node, "power on")
        begin = time.monotonic()
        host.child.send(signal.SIGTERM)
        self.assertEqual(0, host.child.wait(TIMEOUT_S))
        self.assertThat(time.monotonic() - begin, LessThan(10.0))
        self.assertIn("did not finish after 2 s; continuing shutdown", host.log)


class Clients:
    """Clients that send requests without a pause, each on a new connection, and collect errors."""

    def __init__(self, client: BareMetalClient, threads: int) -> None:
        self._client = client
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send_requests) for _ in range(threads)]
        self.answered = 0
        self.failures: list[APIError] = []

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send_requests(self) -> None:
        while not self._stop.is_set():
            try:
                self._client.request("GET", "/v1/conductors")
                self.answered += 1
            except APIError as exc:
                self.failures.append(exc)

    def wait_for_more(self, count: int = 50) -> None:
        """Wait until *count* more requests were answered."""
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal)


class TestReload(OsloServiceHostCase):
    """SIGHUP."""

    def test_a_new_child_takes_over_without_a_failed_request(self) -> None:
        """On SIGHUP, a child with the current configuration replaces the old one, and no request of a client fails."""
        host = self.start_host("[ours]\nregion = north\n")
        client = host.wait_until_ready()
        with Clients(client, threads=4) as clients:
            clients.wait_for_more()
            for region in ("south", "west"):
                host.configure(f"[ours]\nregion = {region}\n")
                host.child.send(signal.SIGHUP)
                self.assertEqual(
                    client.request("GET", "/v1/conductors"), host.wait_until_ready().request("GET", "/v1/conductors")
                )
                clients.wait_for_more()
        self.assertEqual([], clients.failures)
        regions = [line.split()[-1] for line in host.log.splitlines() if "a conductor for" in line]
        self.assertEqual(["north", "south", "west"], regions)
        self.assertEqual(0, host.child.stop())

    def test_an_invalid_configuration_changes_nothing(self) -> None:
        """A reload logs an error in the file, and the service continues with the previous configuration."""
        host = self.start_host()
        host.wait_until_ready()
        host.configure("enabled_hardware_types = nonsense\n")
        host.child.send(signal.SIGHUP)
        client = host.wait_until_ready()
        self.assertEqual(["ours"], [conductor["hostname"] for conductor in client.request("GET", "/v1/conductors")["conductors"]])
        self.assertIn(
            "the new configuration is invalid and the previous one stays in use: [DEFAULT] enabled_hardware_types", host.log
        )


class TestThreads(OsloServiceHostCase):
    """Native threads."""

    def test_no_process_imports_eventlet(self) -> None:
        """Neither the parent nor the child imports Eventlet, although oslo.service requires its installation."""
        host = self.start_host(
            program="import sys, oslo_service_host as example\n"
            "def loaded():\n    return [name for name in sys.modules if name.startswith('eventlet') and sys.modules[name]]\n"
            "example.Ours.ready = lambda self, conductor: print('child:', loaded(), flush=True)\n"
            "read = example.Ours.read\n"
            "example.Ours.read = lambda self: [print('read:', loaded(), flush=True), read(self)][1]\n"
            "example.main(sys.argv[1:])"
        )
        self.assertEqual("[]", host.child.wait_for_line("read: ", TIMEOUT_S))
        self.assertEqual("[]", host.child.wait_for_line("child: ", TIMEOUT_S))


class TestFailure(OsloServiceHostCase):
    """Failures at and after the start."""

    def test_an_invalid_option_ends_the_process_with_a_message(self) -> None:
        """An invalid option ends the process before it starts any part, and the message names the option."""
        host = self.start_host("[conductor]\nworkers_pool_size = many\n")
        self.assertEqual(1, host.child.wait(START_FAILURE_TIMEOUT_S))
        self.assertIn("[conductor] workers_pool_size", host.log)

    def test_a_child_that_cannot_start_ends_the_process_with_the_reason(self) -> None:
        """The parent does not restart the child. It ends with the error of the child."""
        host = self.start_host("enabled_hardware_types = nonsense\n")
        self.assertEqual(1, host.child.wait(START_FAILURE_TIMEOUT_S))
        self.assertIn("ours: [DEFAULT] enabled_hardware_types: nonsense not installed", host.log)
        self.assertEqual(1, host.log.count("a conductor for here"))

    def test_a_child_that_dies_before_it_is_ready_is_restarted_a_few_times(self) -> None:
        """The parent restarts a child that dies without a reason three times at most, then ends."""
        host = self.start_host(
            program="import os, oslo_service_host as example\n"
            "example.Ours.make = lambda *_: os._exit(7)\n"
            "example.main(os.sys.argv[1:])"
        )
        self.assertEqual(1, host.child.wait(START_FAILURE_TIMEOUT_S))
        self.assertIn("ours: the process died 3 times before it was ready", host.log)

    def test_a_child_that_dies_later_is_replaced(self) -> None:
        """oslo.service replaces a killed child, and the new child uses the same socket."""
        host = self.start_host(
            program="import os, oslo_service_host as example\n"
            "def ready(self, conductor):\n    print('child:', os.getpid())\n    print('ready:', self.server.url, flush=True)\n"
            "example.Ours.ready = ready\nexample.main(os.sys.argv[1:])"
        )
        first = int(host.child.wait_for_line("child: ", TIMEOUT_S))
        url = host.child.wait_for_line("ready: ", TIMEOUT_S)
        self.assertNotEqual(host.child.pid, first)
        os.kill(first, signal.SIGKILL)
        self.assertNotEqual(first, int(host.child.wait_for_line("child: ", TIMEOUT_S)))
        self.assertEqual(url, host.child.wait_for_line("ready: ", TIMEOUT_S))
