"""A task that has lost the lease of a node sends nothing to its BMC, even before it notices the loss."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack

from testtools import TestCase

from baremetal_interfaces import Deadline, Kind, PowerState, check_send, send_guard
from baremetal_interfaces.http import HTTPSession
from baremetal_sdk.clock import SystemClock, boottime_source
from baremetal_sdk.errors import LeaseLost
from baremetal_sdk.testing import ManualClock
from tests.fixtures.machines import MachinesCase
from tests.fixtures.raw_server import RawServer


class TestTaskLease(MachinesCase):
    def test_expired_lease_stops_requests(self) -> None:
        """After a pause longer than the lease, a task's driver calls fail, even if no other conductor has acquired the node."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="paused") as task:
            task.call(Kind.POWER, "set_power_state", PowerState.ON)
            before = len(self.machine().commands())
            clock.turn(31)
            self.assertRaises(LeaseLost, task.call, Kind.POWER, "set_power_state", PowerState.OFF)
            self.assertRaises(LeaseLost, task.call, Kind.POWER, "get_power_state")
        self.assertEqual(before, len(self.machine().commands()))

    def test_renewed_lease_allows_requests(self) -> None:
        """The last renewal decides until when a task may send."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="long") as task:
            for _ in range(3):
                clock.turn(20)
                conductor.components.tasks.renew()
            self.assertEqual(PowerState.OFF, task.call(Kind.POWER, "get_power_state"))

    def test_expired_lease_can_be_acquired_after_the_grace(self) -> None:
        """After the expiry of a lease, the node stays locked for the longest call, so that no old request is still on its way."""
        clock = ManualClock()
        first = self.conductor(handed_in={"clock": clock}, lease_duration=30.0, bmc_call_timeout=10.0)
        node = self.enroll(first)
        first.store.take_lease(node.uuid, holder="dead/1", purpose="deploy", duration=30.0)
        for seconds, free in ((30.5, False), (9.0, False), (1.0, True)):
            clock.turn(seconds)
            try:
                first.acquire("m1", purpose="take-over").release()
                taken = True
            except Exception as exc:
                taken = False
                self.assertIn("dead", str(exc))
            self.assertEqual(free, taken, seconds)

    def test_lease_clock_counts_suspension(self) -> None:
        """The system clock of leases counts the time that the machine is suspended. A clock from the host is used as it is."""
        elapsed = boottime_source(SystemClock())
        self.assertAlmostEqual(time.clock_gettime(time.CLOCK_BOOTTIME), elapsed(), delta=1.0)
        clock = ManualClock()
        clock.turn(5)
        self.assertEqual(5.0, boottime_source(clock)())


class TestHTTPGuard(TestCase):
    def post_with_guard(self, allowed: int) -> tuple[list[bytes], list[bool]]:
        """Post under a guard that fails after *allowed* calls. Return what the server received and the guard's arguments.

        The last element of the arguments is whether the request succeeded.
        """
        received: list[bytes] = []
        guard_calls: list[bool] = []
        arrived = threading.Event()

        def script(client: socket.socket) -> None:
            received.append(client.recv(65536))
            arrived.set()
            client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        def guard(sent: bool) -> None:
            guard_calls.append(sent)
            if len(guard_calls) > allowed:
                raise LeaseLost("expired")

        with ExitStack() as stack:
            server = stack.enter_context(RawServer(script))
            session = HTTPSession("http", "127.0.0.1", server.port)
            stack.callback(session.close)
            stack.enter_context(send_guard(guard))
            try:
                session.request("POST", "/", body=b"x", deadline=Deadline.after(10.0))
                guard_calls.append(True)
            except LeaseLost:
                guard_calls.append(False)
            self.assertTrue(arrived.wait(5.0))
        return [data for data in received if data], guard_calls

    def test_guard_runs_before_the_first_byte(self) -> None:
        """If the guard refuses a request, the BMC receives nothing of it."""
        self.assertEqual(([], [False, False]), self.post_with_guard(0))

    def test_expiry_during_a_send_is_reported(self) -> None:
        """If the lease expires while a request is sent, the BMC has received it, and the caller gets LeaseLost."""
        received, guard_calls = self.post_with_guard(1)
        self.assertEqual([False, True, False], guard_calls)
        self.assertEqual(1, len(received))

    def test_sends_without_guard_are_allowed(self) -> None:
        """Reads need no lease, and other hosts of plugins have no leases."""
        with send_guard(None):
            check_send()
            check_send(sent=True)
