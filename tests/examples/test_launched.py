"""The example host that oslo.service launches: its signals, its reload, its end."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from testtools import TestCase
from testtools.matchers import LessThan

from metald.client import APIError, BareMetalClient
from tests.examples.host import SOON, Host, until

FAILS = 30.0
"""Seconds in which a service that cannot start has ended."""


class LaunchedCase(TestCase):
    def host(self, text: str = "", program: str | None = None) -> Host:
        return self.useFixture(Host("launched.py", text, program))

    def enrol(self, client: BareMetalClient, count: int, seconds: float) -> list[str]:
        """Machines whose power commands take so many seconds."""
        info = {"fake_faults": {"set_power": {"effect": "slow", "seconds": seconds}}}
        values = {"driver": "fake-hardware", "driver_info": info}
        return [client.create_node({"name": f"m{number}", **values})["uuid"] for number in range(count)]


class TestStop(LaunchedCase):
    def test_running_work_ends_and_has_the_time_of_the_service_for_it(self) -> None:
        """SIGTERM lets power changes end, for longer than [DEFAULT] graceful_shutdown_timeout of oslo.service would."""
        host = self.host("graceful_shutdown_timeout = 1\n")
        client = host.ready()
        nodes = self.enrol(client, 10, seconds=2.5)
        for node in nodes:
            client.set_power_state(node, "power on")
        host.child.send(signal.SIGTERM)
        self.assertEqual(0, host.child.wait(SOON))
        store = host.store()
        self.addCleanup(store.close)
        records = [store.node(node) for node in nodes]
        self.assertEqual({("power on", None)}, {(record.power_state, record.lease_holder) for record in records}, host.log)

    def test_work_that_does_not_end_is_left_in_time(self) -> None:
        """The service's own graceful time bounds the stop, and it is an orderly one."""
        host = self.host("[conductor]\ngraceful_shutdown_timeout = 2\n")
        client = host.ready()
        (node,) = self.enrol(client, 1, seconds=600.0)
        client.set_power_state(node, "power on")
        begin = time.monotonic()
        host.child.send(signal.SIGTERM)
        self.assertEqual(0, host.child.wait(SOON))
        self.assertThat(time.monotonic() - begin, LessThan(10.0))
        self.assertIn("does not end; the stop goes on without it", host.log)


class Clients:
    """Clients that ask without a pause, each request on a connection of its own, and keep what went wrong."""

    def __init__(self, client: BareMetalClient, threads: int) -> None:
        self._client = client
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]
        self.answered = 0
        self.failures: list[APIError] = []

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                self._client.request("GET", "/v1/conductors")
                self.answered += 1
            except APIError as exc:
                self.failures.append(exc)

    def wait_for_more(self, count: int = 50) -> None:
        """Until so many more requests were answered."""
        goal = self.answered + count
        until(lambda: self.answered >= goal)


class TestReload(LaunchedCase):
    def test_a_new_child_takes_over_without_a_failed_request(self) -> None:
        """On SIGHUP the child is replaced, with the configuration as it is then, while clients go on asking."""
        host = self.host("[ours]\nregion = north\n")
        client = host.ready()
        with Clients(client, threads=4) as clients:
            clients.wait_for_more()
            for region in ("south", "west"):
                host.configure(f"[ours]\nregion = {region}\n")
                host.child.send(signal.SIGHUP)
                self.assertEqual(client.request("GET", "/v1/conductors"), host.ready().request("GET", "/v1/conductors"))
                clients.wait_for_more()
        self.assertEqual([], clients.failures)
        regions = [line.split()[-1] for line in host.log.splitlines() if "a conductor for" in line]
        self.assertEqual(["north", "south", "west"], regions)
        self.assertEqual(0, host.child.stop())

    def test_a_configuration_that_cannot_be_used_changes_nothing(self) -> None:
        """A mistake in the file is logged at the reload, and the service goes on with what it had."""
        host = self.host()
        host.ready()
        host.configure("enabled_hardware_types = nonsense\n")
        host.child.send(signal.SIGHUP)
        client = host.ready()
        self.assertEqual(["ours"], [one["hostname"] for one in client.request("GET", "/v1/conductors")["conductors"]])
        self.assertIn("the configuration cannot be used, and the one before it stays: [DEFAULT] enabled_hardware_types", host.log)


class TestThreads(LaunchedCase):
    def test_eventlet_is_in_no_process_of_it(self) -> None:
        """oslo.service requires that Eventlet is installed; neither parent nor child has imported it."""
        host = self.host(
            program="import sys, launched\n"
            "def loaded():\n    return [name for name in sys.modules if name.startswith('eventlet') and sys.modules[name]]\n"
            "launched.Ours.ready = lambda self, conductor: print('child:', loaded(), flush=True)\n"
            "read = launched.Ours.read\n"
            "launched.Ours.read = lambda self: [print('read:', loaded(), flush=True), read(self)][1]\n"
            "launched.main(sys.argv[1:])"
        )
        self.assertEqual("[]", host.child.wait_for_line("read: ", SOON))
        self.assertEqual("[]", host.child.wait_for_line("child: ", SOON))


class TestFailure(LaunchedCase):
    def test_a_wrong_option_ends_it_with_a_message(self) -> None:
        """What is wrong before anything is started ends the process, and the message names the option."""
        host = self.host("[conductor]\nworkers_pool_size = many\n")
        self.assertEqual(1, host.child.wait(FAILS))
        self.assertIn("[conductor] workers_pool_size", host.log)

    def test_a_child_that_cannot_start_ends_it_with_the_reason(self) -> None:
        """It is not started again for ever: the parent ends with what the child found."""
        host = self.host("enabled_hardware_types = nonsense\n")
        self.assertEqual(1, host.child.wait(FAILS))
        self.assertIn("ours: [DEFAULT] enabled_hardware_types: nonsense not installed", host.log)
        self.assertEqual(1, host.log.count("a conductor for here"))

    def test_a_child_that_dies_before_it_is_ready_is_given_up(self) -> None:
        """Also a child that cannot say why it ends is started a few times only."""
        host = self.host(
            program="import os, launched\nlaunched.Ours.make = lambda *_: os._exit(7)\nlaunched.main(os.sys.argv[1:])"
        )
        self.assertEqual(1, host.child.wait(FAILS))
        self.assertIn("ours: the process died 3 times before it was ready", host.log)

    def test_a_child_that_dies_later_is_replaced(self) -> None:
        """What oslo.service supervises for goes on: a killed child has a successor on the same socket."""
        host = self.host(
            program="import os, launched\n"
            "def ready(self, conductor):\n    print('child:', os.getpid())\n    print('ready:', self.server.url, flush=True)\n"
            "launched.Ours.ready = ready\nlaunched.main(os.sys.argv[1:])"
        )
        first = int(host.child.wait_for_line("child: ", SOON))
        url = host.child.wait_for_line("ready: ", SOON)
        self.assertNotEqual(host.child.pid, first)
        os.kill(first, signal.SIGKILL)
        self.assertNotEqual(first, int(host.child.wait_for_line("child: ", SOON)))
        self.assertEqual(url, host.child.wait_for_line("ready: ", SOON))
