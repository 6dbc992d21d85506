"""A failure counts against the thing that failed: an address, a way to use it, or neither. Neighbors are not backed off."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from testtools import ExpectedException, TestCase

from baremetal_interfaces import (
    BMCBusy,
    BMCUnreachable,
    Connector,
    Deadline,
    DeadlineExceeded,
    DriverError,
    DriverInfo,
    Endpoint,
    Fault,
    HostUnresolved,
    InvalidInput,
    TLSOptions,
    option,
    request_slot,
)
from baremetal_sdk.bmc import BMCAccess
from baremetal_sdk.testing import ManualClock

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Info(DriverInfo):
    toy_address: str = option("Address.", default="chassis")
    toy_username: str | None = option("User name.", default=None)
    toy_password: str = option("Password.", default="", secret=True)
    toy_part: str | None = option("Part behind the BMC.", default=None)
    toy_ca: str | None = option("File of certificate authorities.", default=None)

    def endpoint(self) -> Endpoint:
        tls = None if self.toy_ca is None else TLSOptions(ca_file=self.toy_ca)
        return Endpoint("", self.toy_address, None, self.toy_username, tls)


class Failed(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Toy(Connector[str]):
    """A connector whose sessions take a slot for each request, and whose logins fail for some users."""

    shareable = takes_turns = True

    def open(self, info: Any, tls: Any, deadline: Deadline) -> str:
        return "session"

    def failure_scope(self, info: Any) -> Hashable:
        return info.toy_part

    def close(self, session: str, deadline: Deadline) -> None:
        pass

    def classify(self, exc: Exception) -> Fault:
        return exc.fault if isinstance(exc, Failed) else Fault.OTHER


class BlameCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.access = BMCAccess(self.clock)

    def borrow(self, deadline: Deadline | None = None, **info: Any) -> Any:
        parsed = Info(**info)
        return self.access.borrow(Toy, parsed, (), deadline or Deadline.after(TIMEOUT_S, self.clock.monotonic))

    def fail_requests(
        self, error: Exception, *, seconds: float = TIMEOUT_S, after: float = 0.0, times: int = 5, **info: Any
    ) -> None:
        """Let a number of requests fail with *error* some seconds *after* they were sent."""
        for _ in range(times):
            with (
                contextlib.suppress(DriverError),
                self.borrow(Deadline.after(seconds, self.clock.monotonic), **info),
            ):
                self.clock.turn(after)
                raise error

    def is_held_back(self, **info: Any) -> bool:
        try:
            with self.borrow(**info):
                return False
        except BMCUnreachable:
            return True


class TestScopes(BlameCase):
    def test_an_unreachable_address_counts_for_all_its_nodes(self) -> None:
        """If nothing answers at the address, no node sends requests there."""
        self.fail_requests(Failed(Fault.UNREACHABLE), toy_part="a")
        for info in ({"toy_part": "a"}, {"toy_part": "b"}, {"toy_username": "other"}):
            self.assertTrue(self.is_held_back(**info), info)

    def test_an_unanswered_request_counts_for_its_part_and_credential(self) -> None:
        """A silent part holds back its own requests with the same credential only."""
        self.fail_requests(Failed(Fault.UNANSWERED), toy_part="a", toy_username="u", toy_password="p")
        same = {"toy_part": "a", "toy_username": "u", "toy_password": "p"}
        self.assertTrue(self.is_held_back(**same))
        for other in ({"toy_part": "b"}, {"toy_username": "v"}, {"toy_password": "q"}, {"toy_address": "other"}):
            self.assertFalse(self.is_held_back(**{**same, **other}), other)

    def test_neighbors_do_not_close_the_breaker_of_a_part(self) -> None:
        """Answers of one part do not stand for a silent one, and failures of one part do not count for others in sum."""
        for _ in range(5):
            self.fail_requests(Failed(Fault.UNANSWERED), times=1, toy_part="a")
            self.fail_requests(Failed(Fault.UNANSWERED), times=1, toy_part="b") if _ == 0 else None
            self.assertFalse(self.is_held_back(toy_part="b"))
        self.assertTrue(self.is_held_back(toy_part="a"))

    def test_an_unresolved_name_counts_for_nothing(self) -> None:
        """After an outage of the name servers, all BMCs are tried at once."""
        self.fail_requests(Failed(Fault.UNRESOLVED))
        with ExpectedException(HostUnresolved), self.borrow():
            raise Failed(Fault.UNRESOLVED)
        self.assertFalse(self.is_held_back())

    def test_the_state_of_the_breakers_includes_the_part(self) -> None:
        """The delay that a node's explanation shows is that of its own part."""
        self.fail_requests(Failed(Fault.UNANSWERED), toy_part="a")
        delays = [self.access.describe_breakers(Info(toy_part=part), Toy)["backed_off_seconds"] for part in ("a", "b")]
        self.assertEqual((True, 0.0), (delays[0] > 0.0, delays[1]))
        self.assertEqual(1, self.access.unreachable_bmcs)

    def test_a_silent_part_keeps_the_shared_session(self) -> None:
        """The session of an unanswered request is lent again."""
        opened = []
        self.patch(Toy, "open", lambda *args: opened.append(1) or "session")
        self.fail_requests(Failed(Fault.UNANSWERED), times=2, toy_part="a")
        self.assertFalse(self.is_held_back(toy_part="b"))
        self.assertEqual([1], opened)


class TestPatience(BlameCase):
    ERRORS = (Failed(Fault.UNREACHABLE), Failed(Fault.UNANSWERED), DeadlineExceeded("over"))

    def test_a_short_deadline_counts_for_nothing(self) -> None:
        """A caller that gives the BMC less than three seconds says nothing about it."""
        for error in self.ERRORS:
            self.fail_requests(error, seconds=2.0, after=2.0)
            self.assertFalse(self.is_held_back())

    def test_a_long_silence_counts(self) -> None:
        """A BMC that did not use its time has failed, also if the deadline has passed."""
        for number, error in enumerate(self.ERRORS):
            self.fail_requests(error, seconds=4.0, after=4.0, times=3, toy_address=f"bmc{number}")
            self.assertTrue(self.is_held_back(toy_address=f"bmc{number}"))

    def test_waiting_for_a_slot_is_not_time_of_the_bmc(self) -> None:
        """The time for an answer starts when the request has got its slot."""
        for _ in range(5):
            deadline = Deadline.after(10.0, self.clock.monotonic)
            with contextlib.suppress(BMCUnreachable), self.borrow(deadline):
                self.clock.turn(9.0)  # stands for the wait for the slot
                with request_slot(deadline):
                    self.clock.turn(1.0)
                    raise Failed(Fault.UNREACHABLE)
        self.assertFalse(self.is_held_back())

    def test_an_expired_deadline_counts_for_nothing(self) -> None:
        """A call that starts after its deadline has not asked the BMC."""
        self.fail_requests(DeadlineExceeded("over"), seconds=0.0)
        self.assertFalse(self.is_held_back())

    def test_who_waited_leaves_when_the_part_is_backed_off(self) -> None:
        """Requests that waited for a slot behind those that failed do not keep the slot from other nodes."""
        sent = []

        def ask(part: str) -> None:
            with request_slot(Deadline.after(TIMEOUT_S)):
                sent.append(part)

        with self.borrow(toy_part="a"), ExpectedException(BMCUnreachable, ".*3 times in a row.*"), self.borrow(toy_part="a"):
            self.fail_requests(Failed(Fault.UNANSWERED), times=3, toy_part="a")
            ask("a")
        with self.borrow(toy_part="b"):
            ask("b")
        self.assertEqual(["b"], sent)


class TestOwnOptions(BlameCase):
    def test_an_unusable_file_counts_for_nothing(self) -> None:
        """A node with an unusable file of authorities is refused without a request, and its neighbors are not affected."""
        for _ in range(5):
            with ExpectedException(InvalidInput), self.borrow(toy_ca="/absent/ca.pem"):
                pass
        self.assertFalse(self.is_held_back())

    def test_a_file_that_hangs_costs_its_own_call(self) -> None:
        """While the file system of one node's authorities hangs, its call waits, without a slot and without a lock."""
        go, reading = threading.Event(), threading.Event()
        self.addCleanup(go.set)
        self.patch_read(lambda: (reading.set(), go.wait(TIMEOUT_S)))
        errors: list[Exception] = []

        def ask() -> None:
            try:
                with self.borrow(Deadline.after(0.5), toy_ca="/hangs/ca.pem"):
                    pass
            except Exception as exc:
                errors.append(exc)

        thread = threading.Thread(target=ask)
        thread.start()
        self.assertTrue(reading.wait(TIMEOUT_S))
        try:
            with self.borrow(Deadline.after(TIMEOUT_S)), request_slot(Deadline.after(0.0)):
                pass
        except BMCBusy:
            self.fail("the read of a file holds a slot")
        thread.join(TIMEOUT_S)
        self.assertEqual([DeadlineExceeded], [type(error) for error in errors])
        self.assertFalse(self.is_held_back())

    def patch_read(self, wait: Callable[[], object]) -> None:
        from baremetal_interfaces.http import tls

        def read(*args: object) -> Any:
            wait()
            return tls.TLSFiles()

        self.patch(tls, "read_tls_files", read)
