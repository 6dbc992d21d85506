"""Who has lost the lease of a node sends its BMC nothing, however late that is noticed."""

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


class TestLeaseOfATask(MachinesCase):
    def test_after_expiry_nothing_is_sent(self) -> None:
        """A task whose lease expired while its process stood still commands nothing, though nobody took the node yet."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="paused") as task:
            task.call(Kind.POWER, "set_power_state", PowerState.ON)
            before = len(self.machine().commands())
            clock.turn(31)
            self.assertRaises(LeaseLost, task.call, Kind.POWER, "set_power_state", PowerState.OFF)
            self.assertRaises(LeaseLost, task.call, Kind.POWER, "get_power_state")
        self.assertEqual(before, len(self.machine().commands()))

    def test_a_renewed_lease_goes_on_sending(self) -> None:
        """What counts is the last renewal."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="long") as task:
            for _ in range(3):
                clock.turn(20)
                conductor.components.tasks.renew()
            self.assertEqual(PowerState.OFF, task.call(Kind.POWER, "get_power_state"))

    def test_a_lease_is_taken_over_when_the_longest_call_has_ended_too(self) -> None:
        """Between its expiry and that moment a node is nobody's: what was on the wire has ended before anybody else sends."""
        clock = ManualClock()
        first = self.conductor(handed_in={"clock": clock}, lease_duration=30.0, bmc_call_timeout=10.0)
        node = self.enrol(first)
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

    def test_leases_are_measured_by_a_clock_that_counts_suspension(self) -> None:
        """On the machine's clock they go on while the machine sleeps; a clock that is handed in is believed."""
        elapsed = boottime_source(SystemClock())
        self.assertAlmostEqual(time.clock_gettime(time.CLOCK_BOOTTIME), elapsed(), delta=1.0)
        clock = ManualClock()
        clock.turn(5)
        self.assertEqual(5.0, boottime_source(clock)())


class TestHTTP(TestCase):
    def guarded(self, allowed: int) -> tuple[list[bytes], list[bool]]:
        """Post something while a guard allows so many looks; what came at the server, and what the guard was told."""
        received: list[bytes] = []
        told: list[bool] = []
        arrived = threading.Event()

        def script(client: socket.socket) -> None:
            received.append(client.recv(65536))
            arrived.set()
            client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        def guard(sent: bool) -> None:
            told.append(sent)
            if len(told) > allowed:
                raise LeaseLost("expired")

        with ExitStack() as stack:
            server = stack.enter_context(RawServer(script))
            session = HTTPSession("http", "127.0.0.1", server.port)
            stack.callback(session.close)
            stack.enter_context(send_guard(guard))
            try:
                session.request("POST", "/", body=b"x", deadline=Deadline.after(10.0))
                told.append(True)
            except LeaseLost:
                told.append(False)
            self.assertTrue(arrived.wait(5.0))
        return [data for data in received if data], told

    def test_the_guard_is_asked_before_the_first_byte(self) -> None:
        """A request that is refused never leaves: the BMC hears nothing of it."""
        self.assertEqual(([], [False, False]), self.guarded(0))

    def test_what_left_at_the_last_moment_is_told(self) -> None:
        """A request that was being sent when the lease expired has reached the BMC, and its caller is told so."""
        received, told = self.guarded(1)
        self.assertEqual([False, True, False], told)
        self.assertEqual(1, len(received))

    def test_without_a_guard_everything_is_sent(self) -> None:
        """Reading without a lease is free, and other hosts of plugins have no leases at all."""
        with send_guard(None):
            check_send()
            check_send(sent=True)
