"""BMC access: sessions, slots, breakers, and the masking of secrets."""

from __future__ import annotations

import gc
import io
import logging
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from testtools import ExpectedException, TestCase

from baremetal_fake.bmc_account import Account
from baremetal_interfaces import (
    AuthenticationFailed,
    BMCBusy,
    BMCUnreachable,
    Connector,
    Deadline,
    DeadlineExceeded,
    DriverInfo,
    Fault,
    NotSupported,
    UnexpectedAnswer,
    option,
)
from baremetal_sdk import Conductor
from baremetal_sdk.bmc import BMCAccess, Refusal, RefusalsInMemory, SessionExpired
from baremetal_sdk.bmc.auth_breaker import AuthBreaker
from baremetal_sdk.bmc.connect_breakers import ConnectBreaker
from baremetal_sdk.bmc.sessions import BMC
from baremetal_sdk.bmc.slots import RequestSemaphore
from baremetal_sdk.bmc.stored_refusals import StoredRefusals
from baremetal_sdk.observability.redaction import RedactingFilter
from baremetal_sdk.store.memory.store import MemoryStore
from baremetal_sdk.store.records.hardware import LoginRefusalRecord
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.store.secrets import FernetBox, PlainBox
from baremetal_sdk.testing import ManualClock, settle
from tests.fixtures.machines import MachinesCase

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Info(DriverInfo):
    toy_address: str = option("Address.")
    toy_password: str = option("Password.", secret=True)


class Refused(Exception):
    pass


class Expired(Exception):
    pass


class ToyConnector(Connector[str]):
    """A connector that counts logins and log-outs, and accepts two passwords."""

    opened = 0
    closed = 0

    def open(self, info: Any, tls: Any, deadline: Deadline) -> str:
        type(self).opened += 1
        if info.toy_password not in ("right", "new"):
            raise Refused(f"wrong password {info.toy_password}")
        return f"session {self.opened}"

    def close(self, session: str, deadline: Deadline) -> None:
        type(self).closed += 1

    def classify(self, exc: Exception) -> Fault:
        kinds = {Refused: Fault.AUTH, Expired: Fault.EXPIRED, OSError: Fault.UNREACHABLE}
        return kinds.get(type(exc), Fault.OTHER)


class SlowRefusals(RefusalsInMemory):
    """Storage whose first write waits."""

    def __init__(self) -> None:
        super().__init__()
        self.writing, self.go = threading.Event(), threading.Event()

    def put(self, endpoint: str, refusal: Refusal) -> None:
        if not self.writing.is_set():
            self.writing.set()
            self.go.wait(TIMEOUT_S)
        super().put(endpoint, refusal)


class AccessCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.access = BMCAccess(self.clock, idle_seconds=100.0)
        # The counts are class attributes, so each test has its own class.
        self.connector: Any = type("Toy", (ToyConnector,), {})

    @contextmanager
    def borrow(self, password: str = "right", address: str = "bmc1", seconds: float = 10.0) -> Iterator[Any]:
        info = Info(toy_address=address, toy_password=password)
        with self.access.borrow(self.connector, info, (password,), Deadline.after(seconds)) as session:
            yield session


class TestSessions(AccessCase):
    def test_a_session_is_reused(self) -> None:
        """One login serves any number of borrowers with the same BMC and credential."""
        for _ in range(5):
            with self.borrow() as session:
                self.assertEqual("session 1", session)
        self.assertEqual((1, 0), (self.connector.opened, self.connector.closed))

    def test_other_credentials_get_another_session(self) -> None:
        """Sessions are not shared between credentials, so changed credentials apply at once."""
        with self.borrow():
            pass
        with ExpectedException(AuthenticationFailed), self.borrow("wrong"):
            pass
        self.assertEqual(2, self.connector.opened)

    def test_a_broken_session_is_closed_and_not_reused(self) -> None:
        """After a connection error the next borrower gets a new login."""
        with ExpectedException(BMCUnreachable), self.borrow():
            raise OSError("reset")
        with self.borrow() as session:
            self.assertEqual("session 2", session)
        self.assertEqual(1, self.connector.closed)

    def test_a_login_closes_the_session_that_it_replaces(self) -> None:
        """A session with old credentials is closed before a new login, but not for credentials that were refused."""
        with self.borrow():
            pass
        with self.borrow("new"):
            pass
        self.assertEqual((2, 1), (self.connector.opened, self.connector.closed))
        for _ in range(3):
            with ExpectedException(AuthenticationFailed), self.borrow("wrong"):
                pass
        with self.borrow("new"):
            pass
        closed = self.connector.closed
        with ExpectedException(AuthenticationFailed, ".*has refused.*"), self.borrow("wrong"):
            pass
        self.assertEqual(closed, self.connector.closed)

    def test_a_broken_session_is_closed_before_the_next_login(self) -> None:
        """A broken session is closed even if it has borrowers: the BMC never has two sessions."""
        self.connector.shareable = self.connector.takes_turns = True
        with self.borrow() as first:
            with ExpectedException(BMCUnreachable), self.borrow():
                raise OSError("reset")
            self.assertEqual(0, self.connector.closed)
            with self.borrow() as other:
                self.assertEqual(("session 1", "session 2", 1), (first, other, self.connector.closed))
        self.assertEqual(1, self.connector.closed)

    def test_an_exceeded_deadline_breaks_no_shared_session(self) -> None:
        """A deadline of one borrower breaks a session of a single borrower, but not a shared one."""
        for shareable, closed in ((True, 0), (False, 1)):
            self.connector = type("Toy", (ToyConnector,), {"shareable": shareable})
            with ExpectedException(DeadlineExceeded), self.borrow():
                raise DeadlineExceeded("over")
            self.assertEqual(closed, self.connector.closed)

    def test_an_expired_session_has_its_own_error(self) -> None:
        """An expired session is closed, and its error says that a new login may help."""
        with ExpectedException(SessionExpired), self.borrow():
            raise Expired
        self.assertEqual(1, self.connector.closed)

    def test_a_refusal_by_the_driver_keeps_the_session(self) -> None:
        """An error of the contract that says nothing about the session does not close it."""
        with ExpectedException(NotSupported), self.borrow():
            raise NotSupported("not offered")
        with self.borrow() as session:
            self.assertEqual("session 1", session)

    def test_idle_sessions_are_closed(self) -> None:
        """A session that was idle for too long is logged out."""
        with self.borrow():
            pass
        self.clock.turn(99)
        self.assertEqual(0, self.access.close_idle())
        self.clock.turn(2)
        self.assertEqual((1, 1), (self.access.close_idle(), self.connector.closed))

    def test_all_sessions_are_closed_at_the_end(self) -> None:
        """``close`` logs out of all sessions."""
        for address in ("bmc1", "bmc2"):
            with self.borrow(address=address):
                pass
        self.assertEqual(2, self.access.close(Deadline.after(10.0)))
        self.assertEqual(2, self.connector.closed)


class TestSlots(AccessCase):
    def test_one_borrower_at_a_time_by_default(self) -> None:
        """A second borrower waits for the first until its deadline, and its error names the BMC."""
        with self.borrow(), ExpectedException(BMCBusy, ".*bmc1 serves other requests.*"), self.borrow(seconds=0.01):
            pass

    def test_bmcs_do_not_wait_for_each_other(self) -> None:
        """A BMC that is in use does not delay borrowers of another BMC."""
        with self.borrow(), self.borrow(address="bmc2") as session:
            self.assertEqual("session 2", session)

    def test_a_waiter_gets_the_slot_when_it_is_free(self) -> None:
        """A borrower that waits for a slot gets it, with the same session."""
        got: list[str] = []
        inside, go = threading.Event(), threading.Event()

        def first() -> None:
            with self.borrow():
                inside.set()
                go.wait(10.0)

        def second() -> None:
            with self.borrow() as session:
                got.append(session)

        threads = [threading.Thread(target=first)]
        threads[0].start()
        self.assertTrue(inside.wait(10.0))
        threads.append(threading.Thread(target=second))
        threads[1].start()
        go.set()
        for thread in threads:
            thread.join(10.0)
        self.assertEqual(["session 1"], got)

    def test_shareable_sessions_without_turns_are_limited(self) -> None:
        """A connector that takes no slot for each request gets one for each borrower, also if its sessions are shareable."""
        self.connector.shareable = True
        with self.borrow(), ExpectedException(BMCBusy, ".*serves other requests.*"), self.borrow(seconds=0.01):
            pass

    def test_a_session_whose_secrets_are_unknown_frees_the_slot(self) -> None:
        """An error of ``session_secrets`` closes the session and releases the slot."""

        def fail(connector: Any, session: str) -> tuple[str, ...]:
            raise KeyError("token")

        self.connector.session_secrets = fail
        for number in (1, 2):
            with ExpectedException(UnexpectedAnswer), self.borrow(seconds=0.01):
                pass
            self.assertEqual((number, number), (self.connector.opened, self.connector.closed))

    def test_a_failed_login_frees_the_slot(self) -> None:
        """A failed login releases the BMC's slot."""
        with ExpectedException(AuthenticationFailed), self.borrow("wrong"):
            pass
        with self.borrow() as session:
            self.assertEqual("session 2", session)


class TestSharing(AccessCase):
    def test_a_shareable_session_is_lent_to_several_at_once(self) -> None:
        """Borrowers share one login and do not wait for each other, if the session is shareable."""
        self.connector.shareable = self.connector.takes_turns = True
        with self.borrow() as first, self.borrow(seconds=0.01) as second:
            self.assertEqual((first, 1), (second, self.connector.opened))

    def test_a_broken_shared_session_is_closed_by_its_last_borrower(self) -> None:
        """Current borrowers may finish, and new borrowers get a new session."""
        self.connector.shareable = self.connector.takes_turns = True
        with self.borrow():
            with ExpectedException(BMCUnreachable), self.borrow():
                raise OSError("reset")
            self.assertEqual(0, self.connector.closed)
            with self.borrow() as other:
                self.assertEqual("session 2", other)
        self.assertEqual(1, self.connector.closed)

    def test_the_maximum_of_sessions_is_never_exceeded(self) -> None:
        """If all sessions are in use, another login is refused without a request, until one is returned."""
        self.access = BMCAccess(self.clock, max_sessions=2)
        with self.borrow(address="bmc1"):
            with self.borrow(address="bmc2"), ExpectedException(BMCBusy, ".*2 sessions.*in use.*"), self.borrow(address="bmc3"):
                pass
            self.assertEqual((2, 2), (self.access.open_sessions, self.connector.opened))
            with self.borrow(address="bmc3"):
                self.assertEqual(2, self.access.open_sessions)

    def test_the_session_that_was_idle_longest_is_evicted(self) -> None:
        """At the maximum of open sessions, the session that was idle longest is closed for a new one."""
        self.access = BMCAccess(self.clock, max_sessions=2)
        for address in ("bmc1", "bmc2", "bmc3"):
            self.clock.turn(1)
            with self.borrow(address=address):
                pass
        self.assertEqual((3, 1), (self.connector.opened, self.connector.closed))
        with self.borrow(address="bmc2"):
            pass
        self.assertEqual(3, self.connector.opened)


class TestBreakers(AccessCase):
    def fail_to_reach(self, times: int) -> None:
        for _ in range(times):
            with ExpectedException(BMCUnreachable), self.borrow():
                raise OSError("no route")

    def test_wrong_passwords_are_counted_separately(self) -> None:
        """Each of two wrong passwords is tried twice, even if the right one is accepted meanwhile."""
        self.access = BMCAccess(self.clock, refusals=StoredRefusals(MemoryStore(self.clock), PlainBox()))
        for _ in range(5):
            for password in ("wrong", "wrong too"):
                with ExpectedException(AuthenticationFailed), self.borrow(password):
                    pass
            with self.borrow():
                pass
        # The right password logs in twice, because the second try of a wrong one closed its session.
        wrong, right = 2 + 2, 2
        self.assertEqual(wrong + right, self.connector.opened)

    def test_wrong_credentials_are_tried_twice_and_no_more(self) -> None:
        """After two refused logins the credentials are not tried again; other credentials are."""
        for _ in range(5):
            with ExpectedException(AuthenticationFailed), self.borrow("wrong"):
                pass
        self.assertEqual(2, self.connector.opened)
        with self.borrow("right"):
            pass
        with ExpectedException(AuthenticationFailed), self.borrow("wrong"):
            pass
        self.assertEqual(3, self.connector.opened)

    def test_reset_allows_another_login(self) -> None:
        """After a reset of the breaker, refused credentials are tried once more."""
        for _ in range(3):
            with ExpectedException(AuthenticationFailed), self.borrow("wrong"):
                pass
        self.access.reset_auth_breaker(Info(toy_address="bmc1", toy_password="x").endpoint())
        with ExpectedException(AuthenticationFailed, ".*refuses the credentials.*"), self.borrow("wrong"):
            pass
        self.assertEqual(3, self.connector.opened)

    def test_concurrent_refusals_are_all_counted(self) -> None:
        """Refusals of one account at the same time are counted one after another, and no lock is held while they are stored."""
        refusals = SlowRefusals()
        breaker = AuthBreaker(refusals)
        endpoint = Info(toy_address="bmc1", toy_password="x").endpoint()
        with ThreadPoolExecutor(4) as threads:
            first = threads.submit(breaker.record_refused, endpoint, b"wrong")
            self.assertTrue(refusals.writing.wait(TIMEOUT_S))
            others = [threads.submit(breaker.record_refused, endpoint, credential) for credential in (b"wrong", b"other")]
            for other in others:
                other.result(TIMEOUT_S)
            self.assertEqual(2, breaker.count_refused(endpoint, b"wrong"))
            refusals.go.set()
            first.result(TIMEOUT_S)
        self.assertEqual([2, 1], [breaker.count_refused(endpoint, credential) for credential in (b"wrong", b"other")])
        breaker.record_accepted(endpoint, b"wrong")
        self.assertEqual([0, 1], [breaker.count_refused(endpoint, credential) for credential in (b"wrong", b"other")])

    def test_unreadable_refusals_are_not_forgotten(self) -> None:
        """Without the key that sealed the counts, no login is tried until the key is back or the credentials are set again."""
        store = MemoryStore(self.clock)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        boxes = [FernetBox(f"{directory.name}/{name}") for name in ("key", "other")]
        for box, message in ((boxes[0], ".*refuses the credentials.*"), (boxes[1], ".*key that is not available.*")):
            self.access = BMCAccess(self.clock, refusals=StoredRefusals(store, box))
            with ExpectedException(AuthenticationFailed, message), self.borrow("wrong"):
                pass
        self.assertEqual(1, self.connector.opened)
        self.access.reset_auth_breaker(Info(toy_address="bmc1", toy_password="x").endpoint())
        with self.borrow():
            pass

    def test_refusals_outlive_the_process(self) -> None:
        """A new process with the same stored refusals does not repeat refused logins."""
        refusals = RefusalsInMemory()
        for _ in range(2):
            self.access = BMCAccess(self.clock, refusals=refusals)
            with ExpectedException(AuthenticationFailed), self.borrow("wrong"):
                pass
        self.access = BMCAccess(self.clock, refusals=refusals)
        with ExpectedException(AuthenticationFailed, ".*has refused these credentials 2 times.*"), self.borrow("wrong"):
            pass
        self.assertEqual(2, self.connector.opened)

    def test_an_unreachable_bmc_is_backed_off(self) -> None:
        """After three failures in a row all callers are refused at once, with the time of the next attempt, which doubles."""
        self.fail_to_reach(3)
        opened = self.connector.opened
        error = self.assertRaises(BMCUnreachable, self.borrow().__enter__)
        self.assertIn("did not answer 3 times in a row; it is tried again in 5 s", str(error))
        self.assertEqual((opened, 5.0), (self.connector.opened, error.retry_after))
        self.clock.turn(6)
        self.fail_to_reach(1)
        self.assertEqual(10.0, self.access.get_retry_delay(Info(toy_address="bmc1", toy_password="x").endpoint()))

    def test_one_caller_probes_an_unreachable_bmc(self) -> None:
        """After the pause one caller tries, and others are refused until the BMC has answered."""
        self.fail_to_reach(3)
        self.clock.turn(6)
        with self.borrow(), ExpectedException(BMCUnreachable, ".*tried again in 1 s"), self.borrow(seconds=0.01):
            pass
        for _ in range(2):
            with self.borrow():
                pass

    def test_an_error_response_keeps_the_breaker_closed(self) -> None:
        """A BMC that answers with errors counts as reachable."""
        for _ in range(5):
            with ExpectedException(UnexpectedAnswer), self.borrow():
                raise KeyError("odd")
        with self.borrow():
            pass


class TestMemory(AccessCase):
    def setUp(self) -> None:
        super().setUp()
        self.states_before = self.count_states()

    def count_states(self) -> int:
        gc.collect()
        return sum(isinstance(found, BMC | ConnectBreaker | RequestSemaphore) for found in gc.get_objects())

    def test_unused_addresses_are_forgotten(self) -> None:
        """Clients cannot fill the memory with addresses: only those with sessions, failures or users are remembered."""
        for number in range(50):
            with self.borrow(address=f"bmc{number}"):
                pass
            with ExpectedException(AuthenticationFailed), self.borrow("wrong", address=f"refuses{number}"):
                pass
        self.access.close(Deadline.after(10.0))
        self.assertLessEqual(self.count_states(), self.states_before)

    def test_failures_are_remembered_and_forgotten_after_a_time(self) -> None:
        """Failures of a BMC that no caller refers to count for ten minutes."""
        for _ in range(3):
            with ExpectedException(BMCUnreachable), self.borrow():
                raise OSError("no route")
        gc.collect()
        with ExpectedException(BMCUnreachable, ".*3 times in a row.*"), self.borrow():
            pass
        self.clock.turn(700)
        self.access.close_idle()
        self.assertLessEqual(self.count_states(), self.states_before)


class TestSecrets(AccessCase):
    def test_a_password_is_masked_in_errors(self) -> None:
        """The error of a login contains the password neither in its message nor in its cause."""
        try:
            with self.borrow("hunter2"):
                pass
        except AuthenticationFailed as exc:
            self.assertNotIn("hunter2", str(exc))
            self.assertIn("******", str(exc))
            self.assertIsNone(exc.__cause__)
        else:
            self.fail("a wrong password was taken")

    def test_unexpected_errors_are_translated(self) -> None:
        """Any exception of a library becomes an error of the contract."""
        with ExpectedException(UnexpectedAnswer, ".*KeyError.*PowerState.*"), self.borrow():
            raise KeyError("PowerState")


class TestLogs(AccessCase):
    def setUp(self) -> None:
        super().setUp()
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.addFilter(RedactingFilter())
        self.log = logging.getLogger(self.id())
        self.log.propagate = False
        self.log.addHandler(self.handler)
        self.connector.session_secrets = lambda connector, session: ("t0ken-of-the-session",)

    def test_log_lines_show_neither_password_nor_token(self) -> None:
        """During a session, passwords and tokens are masked in messages, arguments, tracebacks and URLs."""
        with self.borrow("right"):
            self.log.warning("logged in with %s and %s", {"password": "right"}, "t0ken-of-the-session")
            try:
                raise ValueError("https://user:right@bmc1/")
            except ValueError:
                self.log.exception("failed")
        written = self.stream.getvalue()
        self.assertIn("logged in with {'password': '******'} and ******", written)
        self.assertIn("Traceback", written)
        self.assertNotIn("user:right@", written)

    def test_other_log_lines_are_unchanged(self) -> None:
        """After the session is returned, log lines are not changed."""
        with self.borrow("right"):
            pass
        self.log.warning("all right")
        self.assertEqual("all right\n", self.stream.getvalue())

    def test_an_error_does_not_show_a_token(self) -> None:
        """The session's token is masked in errors."""
        with ExpectedException(UnexpectedAnswer, r".*\*\*\*\*\*\*.*"), self.borrow():
            raise KeyError("t0ken-of-the-session")


class TestThroughTheRuntime(MachinesCase):
    def test_many_operations_take_one_login(self) -> None:
        """Many operations on a node use one login and one request at a time, and the stop logs out."""
        conductor = self.conductor()
        node = self.enroll(conductor, power_interface="fake-bmc", management_interface="fake-bmc")
        for target in ("power on", "rebooting", "power off"):
            conductor.rpc.call("change_power_state", node=node.uuid, target=target, timeout=None)
            settle(conductor)
        conductor.rpc.call("set_boot_device", node=node.uuid, device="pxe", persistent=False)
        counters = self.rack.counters("m1")
        self.assertEqual((1, 1), (counters.logins, counters.in_flight_max))
        conductor.stop()
        self.assertEqual(0, counters.open_sessions)

    def test_an_expired_session_is_replaced_transparently(self) -> None:
        """If a BMC drops a session, the call is repeated with a new login, and the client does not notice."""
        conductor = self.conductor()
        node = self.enroll(conductor, power_interface="fake-bmc", faults={"set_power": {"effect": "expire", "times": 1}})
        conductor.rpc.call("change_power_state", node=node.uuid, target="power on", timeout=None)
        settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual(("power on", None), (record.power_state, record.last_error))
        self.assertEqual(2, self.rack.counters("m1").logins)

    def test_a_wrong_password_is_tried_once_per_call_and_never_shown(self) -> None:
        """A refused login is not repeated within a call, and the password is in no field of the node."""
        conductor = self.conductor()
        secret = "correct horse battery"
        node = self.enroll(conductor, power_interface="fake-bmc", driver_info={"fake_username": "admin", "fake_password": secret})
        self.assertEqual("******", node.driver_info["fake_password"])
        self.rack.set_account("m1", Account("admin", "another"))
        conductor.rpc.call("change_power_state", node=node.uuid, target="power on", timeout=None)
        settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual(1, self.rack.counters("m1").refused_logins)
        self.assertIn("refuses the credentials", record.last_error or "")
        self.assertNotIn(secret, repr(record))
        for _ in range(3):
            conductor.rpc.call("change_power_state", node=node.uuid, target="power on", timeout=None)
            settle(conductor)
        self.assertEqual(2, self.rack.counters("m1").refused_logins)

    def test_refused_credentials_are_not_tried_again_after_a_restart(self) -> None:
        """The next conductor on the same store does not repeat refused logins, and the store has no plain password."""
        first = self.conductor()
        node = self.enroll(
            first, power_interface="fake-bmc", driver_info={"fake_username": "admin", "fake_password": "wrong-canary"}
        )
        self.rack.set_account("m1", Account("admin", "right"))
        self.try_power(first, node.uuid, times=3)
        store = first.store
        first.stop()
        second = self.conductor(handed_in={"store": store})
        self.try_power(second, node.uuid, times=2)
        self.assertEqual(2, self.rack.counters("m1").refused_logins)
        self.assertNotIn("wrong-canary", repr(store.records(LoginRefusalRecord, Query())))

    def try_power(self, conductor: Conductor, node: str, times: int) -> None:
        for _ in range(times):
            conductor.rpc.call("change_power_state", node=node, target="power on", timeout=None)
            settle(conductor)

    def test_corrected_credentials_apply_at_once(self) -> None:
        """After too many refused logins, new credentials are used at the next call."""
        conductor = self.conductor()
        driver_info = {"fake_username": "admin", "fake_password": "wrong"}
        node = self.enroll(conductor, power_interface="fake-bmc", driver_info=driver_info)
        self.rack.set_account("m1", Account("admin", "right"))
        for password in ("wrong", "wrong", "right"):
            info = {**conductor.store.node(node.uuid).driver_info, "fake_password": password}
            conductor.rpc.call("update_node", node=node.uuid, changes={"driver_info": info})
            conductor.rpc.call("change_power_state", node=node.uuid, target="power on", timeout=None)
            settle(conductor)
        record = conductor.store.node(node.uuid)
        self.assertEqual(("power on", None), (record.power_state, record.last_error))
