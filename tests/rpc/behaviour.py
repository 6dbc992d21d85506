"""How RPC behaves, in whatever mode. Each mode runs these tests unchanged."""

from __future__ import annotations

import os
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from fixtures import FakeLogger
from opentelemetry.sdk.trace import TracerProvider
from testtools import TestCase

import baremetal_sdk.errors as runtime_errors
from baremetal_fake.rack import Rack, share
from baremetal_interfaces import (
    BareMetalError,
    Busy,
    Cancelled,
    Conflict,
    Deadline,
    DeadlineExceeded,
    InvalidInput,
    NodeLocked,
    Problem,
)
from baremetal_interfaces import errors as contract_errors
from baremetal_sdk import Conductor
from baremetal_sdk.config import ConductorConfig, CoordinationConfig
from baremetal_sdk.context import RequestContext, calling_until, current_request
from baremetal_sdk.errors import InternalError, InvalidArguments, NoFreeWorker, UnknownRPCMethod
from baremetal_sdk.observability.tracing import current_span
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.secrets import PlainBox
from baremetal_sdk.store.sql.store import SQLStore
from baremetal_sdk.testing import quick_options, settle
from tests.fixtures.stores import SERVER_URL, new_prefix
from tests.rpc import every_method
from tests.rpc.acme_errors import RackOnFire
from tests.rpc.probe import Probe, Unheard

PATIENCE = 20.0
CONTEXT = RequestContext("req-1", "jane", "ops", frozenset({"admin", "reader"}))


def _all_of(module: Any) -> list[type[BareMetalError]]:
    found = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, BareMetalError)]
    return [one for one in found if one.__module__ == module.__name__]


class Mode(TestCase):
    """A mode: it has a conductor with a probe, and a client of that conductor."""

    rpc: RPCClient

    def setUp(self) -> None:
        super().setUp()
        self.probe = Probe()
        self.tracing = TracerProvider()
        self.addCleanup(self.tracing.shutdown)
        self.conductor = self.started(self.config())
        self.rpc = self.connected({})

    def config(self) -> ConductorConfig:
        """What the mode needs, over :meth:`base`."""
        raise NotImplementedError

    def base(self, **changes: Any) -> ConductorConfig:
        """The configuration of any mode; with a liveness_source of who lives where BAREMETAL_TEST_COORDINATION names one."""
        liveness_source = CoordinationConfig(backend_url=os.environ.get("BAREMETAL_TEST_COORDINATION"))
        return ConductorConfig(host="127.0.0.1", conductor=quick_options(), coordination=liveness_source, **changes)

    def store(self) -> Store | None:
        """A store of the test's own on the server that BAREMETAL_TEST_DATABASE names; one in memory without."""
        if not SERVER_URL:
            return None
        store = SQLStore(SERVER_URL, table_prefix=new_prefix())
        store.open()
        self.addCleanup(store.close)
        return store

    def started(self, config: ConductorConfig) -> Conductor:
        """A conductor with the probe."""
        conductor = Conductor(config, tracing=self.tracing, store=self.store(), secrets=PlainBox())
        conductor.add(self.probe)
        conductor.start()
        self.addCleanup(conductor.stop, 5.0)
        return conductor

    def connected(self, versions: dict[str, str]) -> RPCClient:
        """A client that knows methods in these versions."""
        raise NotImplementedError

    def in_thread(self, function: Any, *args: Any, **kwargs: Any) -> Outcome:
        """Run something in a thread of its own."""
        outcome = Outcome(function, args, kwargs)
        self.addCleanup(outcome.thread.join, PATIENCE)
        self.addCleanup(self.probe.release.set)
        return outcome


class Outcome:
    """What a call in another thread comes to."""

    def __init__(self, function: Any, args: Any, kwargs: Any) -> None:
        self.error: Any = None
        self.result: Any = None

        def run() -> None:
            try:
                self.result = function(*args, **kwargs)
            except BaseException as exc:
                self.error = exc

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def wait(self) -> Outcome:
        """Wait for its end."""
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            raise AssertionError("the call has not ended")
        return self


class Values(Mode):
    def test_every_public_method_can_be_called(self) -> None:
        """A conductor answers in every mode what it answers in its own process, method by method."""
        rack = share(Rack(f"rack-{uuid.uuid4().hex}"))
        self.addCleanup(rack.end_waits)
        here = every_method.run_all(self.conductor.rpc.call, lambda: settle(self.conductor), "here", rack.name)
        there = every_method.run_all(self.rpc.call, lambda: settle(self.conductor), "there", rack.name)
        self.assertEqual({name: every_method.shape(one) for name, one in here.items()}, _shapes(there))
        own = {name for name in vars(Probe) if not name.startswith("_")}
        uncalled = set(self.conductor.components.registry.names()) - own - set(there)
        self.assertEqual(set(), uncalled, "call these in tests/rpc/every_method.py")
        internal = [name for name, one in there.items() if isinstance(one, InternalError | InvalidArguments)]
        self.assertEqual([], internal)

    def test_values_arrive_as_they_were_sent(self) -> None:
        """Dates, tuples, sets, bytes, numbers of any size, keys that are no text, and records keep their types."""
        record = NodeRecord(uuid="u", traits=("a", "b"), created_at=datetime.now(UTC), sealed_secrets=b"\x00\xff")
        for value in (
            None, True, 1.5, float("inf"), 2**80, -1, "é\u0000", b"\x00", (1, (2,)), [1, [2]], {"a": {"b": ()}}, {1: 2, None: 3},
            {"$": "x", "v": 1}, {1, 2}, frozenset({"a"}), datetime(2030, 1, 1, tzinfo=UTC), record, [record], "",
        ):  # fmt: skip
            self.assertEqual((value, type(value)), ((got := self.rpc.call("echo", value=value)), type(got)))

    def test_large_values_arrive_whole(self) -> None:
        """An inventory of megabytes is no reason to fail."""
        value = {"lines": [f"line {number} " + "x" * 1000 for number in range(3000)], "blob": b"\x00\x01" * 500_000}
        self.assertEqual(value, self.rpc.call("echo", value=value))

    def test_many_callers_get_their_own_answers(self) -> None:
        """Calls at the same time are not mixed up."""
        wrong: list[int] = []

        def ask(start: int) -> None:
            wrong.extend(one for one in range(start, start + 20) if self.rpc.call("echo", value=one) != one)

        for outcome in [self.in_thread(ask, 100 * caller) for caller in range(8)]:
            self.assertIsNone(outcome.wait().error)
        self.assertEqual([], wrong)

    def test_who_asks_travels_with_the_call(self) -> None:
        """Request id, user, project and roles are there for the method, as they were for the caller."""
        token = current_request.set(CONTEXT)
        self.addCleanup(current_request.reset, token)
        self.assertEqual(("req-1", "jane", "ops", ["admin", "reader"]), self.rpc.call("who")[0])

    def test_the_trace_of_the_caller_goes_on(self) -> None:
        """What a method does, for a call or for a cast, is a part of the caller's span; without one it is a part of nothing."""
        with self.tracing.get_tracer("test").start_as_current_span("asking"):
            asking = dict(current_span())
            self.assertEqual(asking, self.rpc.call("trace"))
            self.probe.seen.clear()
            self.rpc.cast("trace")
            self.assertTrue(self.probe.seen.wait(PATIENCE))
        self.assertEqual([asking, asking], self.probe.casts)
        self.assertEqual({}, self.rpc.call("trace"))


class Methods(Mode):
    def test_only_registered_methods_can_be_called(self) -> None:
        """Neither public methods of services nor those of the conductor are reachable without being registered."""
        for name in ("never", "stop", "__init__", "nope", "prepare_host"):
            error = self.assertRaises(UnknownRPCMethod, self.rpc.call, name)
            self.assertIn("there is no RPC method", error.message)
            self.assertEqual(501, error.code)
            self.assertRaises(UnknownRPCMethod, self.rpc.cast, name)
        self.assertEqual(0, self.probe.runs)

    def test_wrong_arguments_are_refused_before_the_method_runs(self) -> None:
        """What is missing or too much is said by name."""
        for arguments in ({}, {"value": 1, "other": 2}, {"valve": 1}):
            error = self.assertRaises(InvalidArguments, self.rpc.call, "echo", **arguments)
            self.assertIsInstance(error, InvalidInput)
            self.assertEqual(("echo", "it needs value; it can have none"), (error.problems[0].field, error.problems[0].allowed))
            self.assertRaises(InvalidArguments, self.rpc.cast, "echo", **arguments)
        self.assertEqual(0, self.probe.runs)

    def test_a_mistake_inside_a_method_is_an_internal_error(self) -> None:
        """A TypeError of the method is not one of the caller, and its text, which may hold a secret, is not in the log."""
        log = self.useFixture(FakeLogger())
        error = self.assertRaises(InternalError, self.rpc.call, "mistake")
        self.assertEqual(500, error.code)
        self.assertNotIn("len", error.message)
        self.assertIn("in mistake", log.output)
        self.probe.raising = ValueError("password=hunter2")
        self.assertRaises(InternalError, self.rpc.call, "fail")
        self.assertNotIn("hunter2", log.output.replace('secret: Any = "hunter2"', ""))

    def test_a_method_of_a_later_version_is_not_run(self) -> None:
        """Who asks for more than the conductor has is told what it has; who asks for less is served."""
        for wanted in ("1.3", "2.0"):
            error = self.assertRaises(
                runtime_errors.UnsupportedRPCVersion, self.connected({"newer": wanted}).call, "newer", value=1
            )
            self.assertEqual({"method": "newer", "wanted": wanted, "supported": "1.2"}, error.details)
        self.assertEqual(1, self.connected({"newer": "1.1"}).call("newer", value=1))
        self.assertEqual("1.2", self.conductor.components.registry.version)


class Errors(Mode):
    def test_every_error_arrives_as_it_was_raised(self) -> None:
        """Class, message, code, time to come back and details of every error that there is are kept."""
        for kind in (*_all_of(contract_errors), *_all_of(runtime_errors)):
            self.probe.raising = kind("what went wrong", who="me", since=datetime(2030, 1, 1, tzinfo=UTC))
            self.probe.raising.retry_after = 2.5
            error = self.assertRaises(kind, self.rpc.call, "fail")
            self.assertIs(kind, type(error))
            self.assertEqual(
                ("what went wrong", "what went wrong", kind.code, 2.5), (str(error), error.message, error.code, error.retry_after)
            )
            self.assertEqual({"who": "me", "since": datetime(2030, 1, 1, tzinfo=UTC)}, error.details)

    def test_the_problems_of_an_input_arrive_one_by_one(self) -> None:
        """Field, what was wrong and what is allowed stay apart."""
        problems = (Problem("a", "is bad", "b or c"), Problem("d", "is worse"))
        self.probe.raising = InvalidInput(problems)
        self.assertEqual(problems, self.assertRaises(InvalidInput, self.rpc.call, "fail").problems)

    def test_an_error_of_a_plugin_keeps_its_class(self) -> None:
        """Where the plugin is loaded, its error is its error, also when it is made in a way of its own."""
        self.probe.raising = RackOnFire("r7")
        error = self.assertRaises(RackOnFire, self.rpc.call, "fail")
        self.assertEqual(
            ("rack r7 is on fire", 507, 90.0, {"rack": "r7"}), (error.message, error.code, error.retry_after, error.details)
        )
        self.probe.raising = Unheard("a teapot")
        self.assertEqual(418, self.assertRaises(Unheard, self.rpc.call, "fail").code)

    def test_a_locked_node_says_who_has_it(self) -> None:
        """The conflict that clients meet most often arrives with all that it says."""
        node = self.rpc.call("create_node", values={"driver": "fake-hardware"}).uuid
        with self.conductor.acquire(node, purpose="a test"):
            error = self.assertRaises(NodeLocked, self.rpc.call, "delete_node", node=node)
        self.assertIsInstance(error, Conflict)
        self.assertEqual("a test", error.details["purpose"])


class Casts(Mode):
    def test_a_cast_returns_when_it_is_accepted(self) -> None:
        """It does not wait for the method, and the method runs."""
        self.rpc.cast("wait", seconds=PATIENCE)
        self.assertTrue(self.probe.entered.wait(PATIENCE))
        self.probe.release.set()
        self.rpc.cast("remember", value=(1, {"a": b"b"}))
        self.assertTrue(self.probe.seen.wait(PATIENCE))
        self.assertEqual([(1, {"a": b"b"})], self.probe.casts)

    def test_a_cast_is_refused_when_there_is_no_room(self) -> None:
        """What was not accepted is said at once, with the time to come back."""
        lane = self.conductor.pool["requests"]
        self.addCleanup(self.probe.release.set)
        refused: list[Busy] = []
        for _ in range(3000):
            try:
                lane.submit(self.probe.release.wait, PATIENCE)
            except NoFreeWorker as exc:
                refused.append(exc)
                break
        self.assertEqual(1, len(refused))
        error = self.assertRaises(Busy, self.rpc.cast, "remember", value=1)
        self.assertEqual(503, error.code)
        self.assertIsNotNone(error.retry_after)

    def test_a_cast_that_fails_is_logged(self) -> None:
        """There is nobody to tell, so the log is told."""
        log = self.useFixture(FakeLogger())
        self.probe.raising = Conflict("not now")
        self.rpc.cast("fail")
        settle(self.conductor)
        self.assertIn("cast of fail failed: not now", log.output)


class Time(Mode):
    def test_a_deadline_travels_with_the_call(self) -> None:
        """The method knows how much time its caller has."""
        with calling_until(Deadline.after(30.0)):
            left = self.rpc.call("who")[1]
        self.assertTrue(20.0 < left <= 30.0, left)

    def test_a_call_ends_by_its_deadline(self) -> None:
        """The caller learns in time that the time is over, whether the method notices or not."""
        with calling_until(Deadline.after(0.4)):
            error = self.assertRaises(DeadlineExceeded, self.rpc.call, "within")
        self.assertEqual(504, error.code)
        with calling_until(Deadline.after(0.4)):
            self.assertRaises(DeadlineExceeded, self.rpc.call, "wait", seconds=0.6)

    def test_a_call_without_any_time_is_not_made(self) -> None:
        """Nothing runs for a caller who is gone."""
        with calling_until(Deadline.after(0.0)):
            self.assertRaises(DeadlineExceeded, self.rpc.call, "echo", value=1)
        self.assertEqual(0, self.probe.runs)

    def test_a_full_conductor_says_when_to_come_back(self) -> None:
        """Busy arrives as busy, which an API makes 503 with Retry-After of."""
        error = self.assertRaises(NoFreeWorker, self.rpc.call, "full")
        self.assertEqual((503, 7.5), (error.code, error.retry_after))

    def test_a_cancelled_call_says_so(self) -> None:
        """Work that is told to stop tells its caller."""
        outcome = self.in_thread(self.rpc.call, "work_until_cancelled")
        self.assertTrue(self.probe.entered.wait(PATIENCE))
        self.probe.release.set()
        error = outcome.wait().error
        self.assertIsInstance(error, Cancelled)
        self.assertEqual({"step": "half"}, error.details)

    def test_a_conductor_that_cannot_work_yet_is_busy(self) -> None:
        """Before it can work, and once it stops, calls are answered with when to come back, and not run."""
        self.conductor.components.dispatcher.close()
        for ask in (self.rpc.call, self.rpc.cast):
            error = self.assertRaises(Busy, ask, "echo", value=1)
            self.assertEqual(1.0, error.retry_after)
        self.conductor.components.dispatcher.open()
        self.assertEqual(1, self.rpc.call("echo", value=1))


def _shapes(outcomes: dict[str, Any]) -> dict[str, Any]:
    return {name: every_method.shape(one) for name, one in outcomes.items()}


class Behaviour(Values, Methods, Errors, Casts, Time):
    """All of it."""
