"""Behavior of RPC with every transport. Each transport runs these tests unchanged."""

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

TIMEOUT_S = 20.0
CONTEXT = RequestContext("req-1", "jane", "ops", frozenset({"admin", "reader"}))


def _list_errors(module: Any) -> list[type[BareMetalError]]:
    kinds = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, BareMetalError)]
    return [kind for kind in kinds if kind.__module__ == module.__name__]


class TransportCase(TestCase):
    """Base of the tests of one transport: a conductor with a probe, and a client of that conductor."""

    rpc: RPCClient

    def setUp(self) -> None:
        super().setUp()
        self.probe = Probe()
        self.tracing = TracerProvider()
        self.addCleanup(self.tracing.shutdown)
        self.conductor = self.start_conductor(self.config())
        self.rpc = self.create_client({})

    def config(self) -> ConductorConfig:
        """Return the configuration for the transport, based on :meth:`create_base_config`."""
        raise NotImplementedError

    def create_base_config(self, **changes: Any) -> ConductorConfig:
        """Return a configuration for any transport. BAREMETAL_TEST_COORDINATION may name a tooz backend."""
        coordination = CoordinationConfig(backend_url=os.environ.get("BAREMETAL_TEST_COORDINATION"))
        return ConductorConfig(host="127.0.0.1", conductor=quick_options(), coordination=coordination, **changes)

    def store(self) -> Store | None:
        """Return a new store on the server in BAREMETAL_TEST_DATABASE, or None for a store in memory."""
        if not SERVER_URL:
            return None
        store = SQLStore(SERVER_URL, table_prefix=new_prefix())
        store.open()
        self.addCleanup(store.close)
        return store

    def start_conductor(self, config: ConductorConfig) -> Conductor:
        """Start a conductor with the probe."""
        conductor = Conductor(config, tracing=self.tracing, store=self.store(), secrets=PlainBox())
        conductor.add(self.probe)
        conductor.start()
        self.addCleanup(conductor.stop, 5.0)
        return conductor

    def create_client(self, versions: dict[str, str]) -> RPCClient:
        """Return a client that needs these versions of methods."""
        raise NotImplementedError

    def call_in_thread(self, function: Any, *args: Any, **kwargs: Any) -> BackgroundCall:
        """Call a function in a new thread."""
        call = BackgroundCall(function, args, kwargs)
        self.addCleanup(call.thread.join, TIMEOUT_S)
        self.addCleanup(self.probe.release.set)
        return call


class BackgroundCall:
    """A call in another thread, with its result or its error."""

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

    def wait(self) -> BackgroundCall:
        """Wait for the end of the call and return itself."""
        self.thread.join(TIMEOUT_S)
        if self.thread.is_alive():
            raise AssertionError("the call did not end in time")
        return self


class ValueTests(TransportCase):
    def test_every_public_method_can_be_called(self) -> None:
        """Each method gives the same result with every transport as within the process of the conductor."""
        rack = share(Rack(f"rack-{uuid.uuid4().hex}"))
        self.addCleanup(rack.end_waits)
        here = every_method.run_all(self.conductor.rpc.call, lambda: settle(self.conductor), "here", rack.name)
        there = every_method.run_all(self.rpc.call, lambda: settle(self.conductor), "there", rack.name)
        self.assertEqual(_shapes(here), _shapes(there))
        own = {name for name in vars(Probe) if not name.startswith("_")}
        uncalled = set(self.conductor.components.registry.names()) - own - set(there)
        self.assertEqual(set(), uncalled, "call these in tests/rpc/every_method.py")
        internal = [name for name, result in there.items() if isinstance(result, InternalError | InvalidArguments)]
        self.assertEqual([], internal)

    def test_values_arrive_as_they_were_sent(self) -> None:
        """Dates, tuples, sets, bytes, integers of any size, keys other than text, and records keep their types."""
        record = NodeRecord(uuid="u", traits=("a", "b"), created_at=datetime.now(UTC), sealed_secrets=b"\x00\xff")
        for value in (
            None, True, 1.5, float("inf"), 2**80, -1, "é\u0000", b"\x00", (1, (2,)), [1, [2]], {"a": {"b": ()}}, {1: 2, None: 3},
            {"$": "x", "v": 1}, {1, 2}, frozenset({"a"}), datetime(2030, 1, 1, tzinfo=UTC), record, [record], "",
        ):  # fmt: skip
            result = self.rpc.call("echo", value=value)
            self.assertEqual(value, result)
            self.assertIs(type(value), type(result))

    def test_large_values_arrive_whole(self) -> None:
        """Values of several megabytes arrive complete."""
        value = {"lines": [f"line {number} " + "x" * 1000 for number in range(3000)], "blob": b"\x00\x01" * 500_000}
        self.assertEqual(value, self.rpc.call("echo", value=value))

    def test_many_callers_get_their_own_answers(self) -> None:
        """Concurrent calls get their own results."""
        wrong: list[int] = []

        def ask(start: int) -> None:
            wrong.extend(number for number in range(start, start + 20) if self.rpc.call("echo", value=number) != number)

        for call in [self.call_in_thread(ask, 100 * caller) for caller in range(8)]:
            self.assertIsNone(call.wait().error)
        self.assertEqual([], wrong)

    def test_the_request_context_travels_with_the_call(self) -> None:
        """The method sees the request id, user, project and roles of its caller."""
        token = current_request.set(CONTEXT)
        self.addCleanup(current_request.reset, token)
        self.assertEqual(("req-1", "jane", "ops", ["admin", "reader"]), self.rpc.call("who")[0])

    def test_the_trace_of_the_caller_continues(self) -> None:
        """Calls and casts continue the span of the caller. Without a span, the method has none."""
        with self.tracing.get_tracer("test").start_as_current_span("caller"):
            span = dict(current_span())
            self.assertEqual(span, self.rpc.call("trace"))
            self.probe.seen.clear()
            self.rpc.cast("trace")
            self.assertTrue(self.probe.seen.wait(TIMEOUT_S))
        self.assertEqual([span, span], self.probe.casts)
        self.assertEqual({}, self.rpc.call("trace"))


class MethodTests(TransportCase):
    def test_only_registered_methods_can_be_called(self) -> None:
        """Unregistered methods of services and of the conductor cannot be called."""
        for name in ("never", "stop", "__init__", "nope", "prepare_host"):
            error = self.assertRaises(UnknownRPCMethod, self.rpc.call, name)
            self.assertIn("unknown RPC method", error.message)
            self.assertEqual(501, error.code)
            self.assertRaises(UnknownRPCMethod, self.rpc.cast, name)
        self.assertEqual(0, self.probe.runs)

    def test_wrong_arguments_are_rejected_before_the_method_runs(self) -> None:
        """The error names the required and the optional arguments, and the method does not run."""
        for arguments in ({}, {"value": 1, "other": 2}, {"valve": 1}):
            error = self.assertRaises(InvalidArguments, self.rpc.call, "echo", **arguments)
            self.assertIsInstance(error, InvalidInput)
            self.assertEqual("echo", error.problems[0].field)
            self.assertEqual("required: value; optional: none", error.problems[0].allowed)
            self.assertRaises(InvalidArguments, self.rpc.cast, "echo", **arguments)
        self.assertEqual(0, self.probe.runs)

    def test_a_mistake_inside_a_method_is_an_internal_error(self) -> None:
        """A TypeError inside a method is an internal error. Its message, which may contain a secret, is not logged."""
        log = self.useFixture(FakeLogger())
        error = self.assertRaises(InternalError, self.rpc.call, "mistake")
        self.assertEqual(500, error.code)
        self.assertNotIn("len", error.message)
        self.assertIn("in mistake", log.output)
        self.probe.raising = ValueError("password=hunter2")
        self.assertRaises(InternalError, self.rpc.call, "fail")
        self.assertNotIn("hunter2", log.output.replace('secret: Any = "hunter2"', ""))

    def test_a_method_of_a_later_version_is_not_run(self) -> None:
        """A method is not run if the caller needs a later version. An earlier version is sufficient."""
        for wanted in ("1.3", "2.0"):
            error = self.assertRaises(
                runtime_errors.UnsupportedRPCVersion, self.create_client({"newer": wanted}).call, "newer", value=1
            )
            self.assertEqual({"method": "newer", "wanted": wanted, "supported": "1.2"}, error.details)
        self.assertEqual(1, self.create_client({"newer": "1.1"}).call("newer", value=1))
        self.assertEqual("1.2", self.conductor.components.registry.version)


class ErrorTests(TransportCase):
    def test_every_error_arrives_as_it_was_raised(self) -> None:
        """Every error keeps its class, message, code, retry time and details."""
        for kind in (*_list_errors(contract_errors), *_list_errors(runtime_errors)):
            self.probe.raising = kind("what went wrong", who="me", since=datetime(2030, 1, 1, tzinfo=UTC))
            self.probe.raising.retry_after = 2.5
            error = self.assertRaises(kind, self.rpc.call, "fail")
            self.assertIs(kind, type(error))
            self.assertEqual("what went wrong", str(error))
            self.assertEqual("what went wrong", error.message)
            self.assertEqual(kind.code, error.code)
            self.assertEqual(2.5, error.retry_after)
            self.assertEqual({"who": "me", "since": datetime(2030, 1, 1, tzinfo=UTC)}, error.details)

    def test_the_problems_of_an_input_stay_separate(self) -> None:
        """Field, fault and allowed values of each problem stay separate."""
        problems = (Problem("a", "is bad", "b or c"), Problem("d", "is worse"))
        self.probe.raising = InvalidInput(problems)
        self.assertEqual(problems, self.assertRaises(InvalidInput, self.rpc.call, "fail").problems)

    def test_an_error_of_a_plugin_keeps_its_class(self) -> None:
        """A loaded error class of a plugin is used, even if its constructor has other parameters."""
        self.probe.raising = RackOnFire("r7")
        error = self.assertRaises(RackOnFire, self.rpc.call, "fail")
        self.assertEqual(
            ("rack r7 is on fire", 507, 90.0, {"rack": "r7"}), (error.message, error.code, error.retry_after, error.details)
        )
        self.probe.raising = Unheard("a teapot")
        self.assertEqual(418, self.assertRaises(Unheard, self.rpc.call, "fail").code)

    def test_a_locked_node_reports_its_purpose(self) -> None:
        """NodeLocked arrives with the purpose of the task that holds the node."""
        node = self.rpc.call("create_node", values={"driver": "fake-hardware"}).uuid
        with self.conductor.acquire(node, purpose="a test"):
            error = self.assertRaises(NodeLocked, self.rpc.call, "delete_node", node=node)
        self.assertIsInstance(error, Conflict)
        self.assertEqual("a test", error.details["purpose"])


class CastTests(TransportCase):
    def test_a_cast_returns_when_it_is_accepted(self) -> None:
        """A cast returns before the method ends, and the method runs."""
        self.rpc.cast("wait", seconds=TIMEOUT_S)
        self.assertTrue(self.probe.entered.wait(TIMEOUT_S))
        self.probe.release.set()
        self.rpc.cast("remember", value=(1, {"a": b"b"}))
        self.assertTrue(self.probe.seen.wait(TIMEOUT_S))
        self.assertEqual([(1, {"a": b"b"})], self.probe.casts)

    def test_a_cast_is_rejected_when_the_queue_is_full(self) -> None:
        """A cast without a place in the queue fails at once as busy, with a retry time."""
        lane = self.conductor.pool["requests"]
        self.addCleanup(self.probe.release.set)
        refused: list[Busy] = []
        for _ in range(3000):
            try:
                lane.submit(self.probe.release.wait, TIMEOUT_S)
            except NoFreeWorker as exc:
                refused.append(exc)
                break
        self.assertEqual(1, len(refused))
        error = self.assertRaises(Busy, self.rpc.cast, "remember", value=1)
        self.assertEqual(503, error.code)
        self.assertIsNotNone(error.retry_after)

    def test_a_cast_that_fails_is_logged(self) -> None:
        """The error of a cast method is logged, because no caller waits for it."""
        log = self.useFixture(FakeLogger())
        self.probe.raising = Conflict("not now")
        self.rpc.cast("fail")
        settle(self.conductor)
        self.assertIn("cast of fail failed: not now", log.output)


class DeadlineTests(TransportCase):
    def test_a_deadline_travels_with_the_call(self) -> None:
        """The method sees the remaining time of its caller."""
        with calling_until(Deadline.after(30.0)):
            left = self.rpc.call("who")[1]
        self.assertTrue(20.0 < left <= 30.0, left)

    def test_a_call_ends_by_its_deadline(self) -> None:
        """A call past its deadline fails with DeadlineExceeded, whether the method notices the deadline or not."""
        with calling_until(Deadline.after(0.4)):
            error = self.assertRaises(DeadlineExceeded, self.rpc.call, "within")
        self.assertEqual(504, error.code)
        with calling_until(Deadline.after(0.4)):
            self.assertRaises(DeadlineExceeded, self.rpc.call, "wait", seconds=0.6)

    def test_a_call_without_any_time_is_not_made(self) -> None:
        """A call whose deadline has passed is not sent."""
        with calling_until(Deadline.after(0.0)):
            self.assertRaises(DeadlineExceeded, self.rpc.call, "echo", value=1)
        self.assertEqual(0, self.probe.runs)

    def test_a_full_conductor_sends_a_retry_time(self) -> None:
        """Busy keeps its status 503 and its retry time."""
        error = self.assertRaises(NoFreeWorker, self.rpc.call, "full")
        self.assertEqual(503, error.code)
        self.assertEqual(7.5, error.retry_after)

    def test_a_cancelled_call_raises_cancelled(self) -> None:
        """The caller of cancelled work gets Cancelled with its details."""
        call = self.call_in_thread(self.rpc.call, "work_until_cancelled")
        self.assertTrue(self.probe.entered.wait(TIMEOUT_S))
        self.probe.release.set()
        error = call.wait().error
        self.assertIsInstance(error, Cancelled)
        self.assertEqual({"step": "half"}, error.details)

    def test_a_conductor_that_cannot_work_yet_is_busy(self) -> None:
        """While the conductor starts or stops, calls fail as busy with a retry time and are not run."""
        self.conductor.components.dispatcher.close()
        for ask in (self.rpc.call, self.rpc.cast):
            error = self.assertRaises(Busy, ask, "echo", value=1)
            self.assertEqual(1.0, error.retry_after)
        self.conductor.components.dispatcher.open()
        self.assertEqual(1, self.rpc.call("echo", value=1))


def _shapes(outcomes: dict[str, Any]) -> dict[str, Any]:
    return {name: every_method.shape(result) for name, result in outcomes.items()}


class Behavior(ValueTests, MethodTests, ErrorTests, CastTests, DeadlineTests):
    """All tests of the behavior."""
