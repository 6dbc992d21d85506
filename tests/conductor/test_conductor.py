"""A conductor inside a host application: its start, its parts and its stop."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any, ClassVar

from testtools import ExpectedException, TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk import Conductor, ConductorConfig, StartPhase, periodic, rpc_method
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits
from baremetal_sdk.errors import ConfigurationError, LeaseLost, UnknownRPCMethod
from baremetal_sdk.testing import provision, quick_options, running_conductor, settle, wait_for
from tests.fixtures.machines import MachinesCase


class Part:
    """A runnable that logs its start and stop."""

    def __init__(self, name: str, phase: StartPhase, log: list[str], fails: bool = False) -> None:
        self.phase, self._name, self._log, self._fails = phase, name, log, fails

    def start(self, conductor: Conductor) -> None:
        if self._fails:
            raise OSError(f"{self._name} cannot start")
        self._log.append(f"start {self._name}")

    def stop(self, deadline: Deadline) -> None:
        self._log.append(f"stop {self._name}")


class TestOrder(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log: list[str] = []
        self.unstarted = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        self.addCleanup(self.unstarted.stop, 0.0)

    def test_parts_start_by_phase_and_stop_in_reverse(self) -> None:
        """A server for requests starts last and stops first, whatever the order in which parts were added."""
        self.unstarted.add(Part("api", StartPhase.API, self.log))
        self.unstarted.add(Part("rpc", StartPhase.RPC, self.log))
        self.unstarted.start()
        self.assertTrue(self.unstarted.ready)
        self.unstarted.stop()
        self.assertFalse(self.unstarted.ready)
        self.assertEqual(["start rpc", "start api", "stop api", "stop rpc"], self.log)

    def test_the_conductor_is_ready_until_its_parts_have_stopped(self) -> None:
        """While the API stops, store and RPC still work and the conductor is ready, so accepted requests are answered."""
        conductor, seen = self.unstarted, []

        class API(Part):
            def stop(self, deadline: Deadline) -> None:
                seen.append((conductor.ready, len(conductor.store.conductors())))

        conductor.add(API("api", StartPhase.API, self.log))
        conductor.start()
        conductor.stop()
        self.assertEqual([(True, 1)], seen)
        self.assertFalse(conductor.ready)

    def test_a_failed_start_stops_the_started_parts(self) -> None:
        """The error of the part that failed is raised, and the parts that started are stopped."""
        self.unstarted.add(Part("rpc", StartPhase.RPC, self.log))
        self.unstarted.add(Part("api", StartPhase.API, self.log, fails=True))
        with ExpectedException(OSError, "api cannot start"):
            self.unstarted.start()
        self.assertEqual(["start rpc", "stop rpc"], self.log)
        self.assertFalse(self.unstarted.ready)

    def test_an_object_without_parts_is_refused(self) -> None:
        """Adding an object without start and stop, periodic methods or RPC methods is a ``TypeError``."""
        with ExpectedException(TypeError, "object cannot be added: .*phase, start.*or a periodic method.*or an RPC method"):
            self.unstarted.add(object())

    def test_nothing_is_added_after_the_start(self) -> None:
        """Adding a part to a running conductor is an error."""
        self.unstarted.start()
        self.assertRaises(RuntimeError, self.unstarted.add, Part("late", StartPhase.API, self.log))

    def test_a_stopped_conductor_can_start_again(self) -> None:
        """A conductor can be started and stopped repeatedly."""
        for _ in range(2):
            self.unstarted.start()
            self.assertTrue(self.unstarted.ready)
            self.unstarted.stop()
            self.assertFalse(self.unstarted.ready)

    def test_starting_twice_is_refused(self) -> None:
        """Starting a running conductor is an error."""
        self.unstarted.start()
        self.assertRaises(RuntimeError, self.unstarted.start)

    def test_an_unknown_hardware_type_fails_the_start(self) -> None:
        """The error names the option, the missing hardware type and the available ones."""
        wrong = Conductor(ConductorConfig(enabled_hardware_types=("nope",)))
        with ExpectedException(
            ConfigurationError, r"\[DEFAULT\] enabled_hardware_types: nope not installed; installed:.*fake-hardware.*"
        ):
            wrong.start()


class TestAdding(TestCase):
    def test_periodic_and_rpc_methods_of_a_host_run(self) -> None:
        """A periodic method of a host's object gets the conductor, and its RPC methods can be called by name."""
        host = Host()
        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        conductor.add(host)
        self.addCleanup(conductor.stop, 0.0)
        conductor.start()
        self.assertTrue(host.reported.wait(10.0))
        self.assertIs(conductor, host.seen)
        self.assertEqual("hello you", conductor.rpc.call("greet", name="you"))

    def test_an_interval_can_come_from_the_configuration(self) -> None:
        """An interval that is a function of the conductor is evaluated at the start and at each reload."""
        host = IntervalFromConfig()
        with running_conductor(ConductorConfig(host="test", conductor=quick_options(heartbeat_interval=0.01))) as conductor:
            self.assertEqual([], host.asked)
            conductor.stop()
            conductor.add(host)
            conductor.start()
            self.assertTrue(host.reported.wait(10.0))
            conductor.reload(ConductorConfig(host="test", conductor=quick_options(heartbeat_interval=7.0)))
        self.assertEqual([0.01, 7.0], host.asked)

    def test_any_thread_can_start_and_stop_a_conductor(self) -> None:
        """Start and stop work outside of the main thread."""
        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        outcomes: list[bool] = []

        def start_and_stop() -> None:
            conductor.start()
            outcomes.append(conductor.ready)
            conductor.stop()
            outcomes.append(conductor.ready)

        thread = threading.Thread(target=start_and_stop)
        thread.start()
        thread.join(30.0)
        self.assertEqual([True, False], outcomes)

    def test_only_rpc_methods_can_be_called(self) -> None:
        """A method without the decorator is an unknown RPC method, even if the conductor has it."""
        with running_conductor() as conductor:
            for name in ("stop", "_drain", "nonsense"):
                self.assertRaises(UnknownRPCMethod, conductor.rpc.call, name)


class Host:
    def __init__(self) -> None:
        self.reported = threading.Event()
        self.seen: Any = None

    @periodic(every=0.01)
    def report(self, conductor: Conductor) -> None:
        self.seen = conductor
        self.reported.set()

    @rpc_method("1.0")
    def greet(self, name: str) -> str:
        return f"hello {name}"


class IntervalFromConfig:
    asked: ClassVar[list[float]] = []

    def __init__(self) -> None:
        self.asked.clear()
        self.reported = threading.Event()

    @staticmethod
    def interval(conductor: Conductor) -> float:
        IntervalFromConfig.asked.append(conductor.config.conductor.heartbeat_interval)
        return IntervalFromConfig.asked[-1]

    @periodic(every=interval)
    def report(self) -> None:
        self.reported.set()


class TestStopping(MachinesCase):
    def test_running_work_ends_before_the_stop(self) -> None:
        """A deployment that runs when the stop begins is completed, and its lease is released."""
        conductor = self.conductor(graceful_shutdown_timeout=30.0)
        store = conductor.store
        node = self.enroll(conductor, faults={"write_image": {"effect": "slow", "seconds": 0.2}})
        provision(conductor, node.uuid, "manage", "provide")
        conductor.rpc.call("change_provision_state", node=node.uuid, verb="active")
        conductor.stop()
        record = store.node(node.uuid)
        self.assertEqual(("active", None), (record.provision_state, record.lease_holder))

    def test_a_hanging_task_does_not_delay_the_stop(self) -> None:
        """The stop ends by its deadline even if a driver call never returns."""
        conductor = self.conductor(graceful_shutdown_timeout=0.2)
        node = self.enroll(conductor, faults={"get_power": {"effect": "hang"}})
        conductor.rpc.call("change_power_state", node=node.uuid, target="power on", timeout=None)
        stopped = threading.Event()
        threading.Thread(target=lambda: (conductor.stop(), stopped.set()), daemon=True).start()
        self.assertTrue(stopped.wait(10.0))

    def test_a_hanging_part_does_not_delay_the_stop(self) -> None:
        """A part whose stop never returns is left behind at the deadline, and the later steps of the shutdown run."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        class Hanging(Part):
            def stop(self, deadline: Deadline) -> None:
                gate.wait(60.0)

        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        conductor.add(Hanging("api", StartPhase.API, []))
        conductor.start()
        store = conductor.store
        stopped = threading.Event()
        threading.Thread(target=lambda: (conductor.stop(0.1), stopped.set()), daemon=True).start()
        self.assertTrue(stopped.wait(20.0))
        self.assertEqual([], list(store.conductors()))

    def test_a_stop_releases_the_leases_of_stragglers(self) -> None:
        """A task that outlives the stop loses its lease: the node is free, and the task's writes and driver calls fail."""
        conductor = self.conductor(graceful_shutdown_timeout=0.2)
        node, store = self.enroll(conductor), conductor.store
        gate, begun = threading.Event(), threading.Event()
        self.addCleanup(gate.set)
        outcomes: list[BaseException] = []
        ended = threading.Event()

        def work(task: Any) -> None:
            begun.set()
            gate.wait(60.0)
            for attempt in (lambda: task.write(description="late"), lambda: task.power.get()):
                try:
                    attempt()
                except BaseException as exc:
                    outcomes.append(exc)
            ended.set()

        conductor.enqueue("m1", work, purpose="runs on")
        self.assertTrue(begun.wait(10.0))
        conductor.stop()
        self.assertIsNone(store.node(node.uuid).lease_holder)
        gate.set()
        self.assertTrue(ended.wait(10.0))
        self.assertEqual([LeaseLost, LeaseLost], [type(outcome) for outcome in outcomes])

    def test_on_a_shared_pool_a_stop_waits_only_for_its_own_work(self) -> None:
        """Jobs of the host application on the same pool do not delay the stop."""
        pool = ElasticPool(20, {"ours": LaneLimits()})
        gate = threading.Event()
        self.addCleanup(pool.close, 5.0)
        self.addCleanup(gate.set)
        pool["ours"].submit(gate.wait, 60.0)
        conductor = self.conductor(graceful_shutdown_timeout=60.0, handed_in={"pool": pool})
        stopped = threading.Event()
        threading.Thread(target=lambda: (conductor.stop(), stopped.set()), daemon=True).start()
        self.assertTrue(stopped.wait(20.0))

    def test_two_conductors_in_a_process_are_independent(self) -> None:
        """One of two conductors in a process stops, and the other one still provisions its node."""
        first = self.conductor(host="first")
        second = self.conductor(host="second", handed_in={"store": first.store})
        node, other = self.enroll(first, "one"), self.enroll(second, "other")
        provision(first, node.uuid, "manage")
        store = first.store
        first.stop()
        self.assertEqual("available", provision(second, other.uuid, "manage", "provide").provision_state)
        self.assertEqual(["second"], [record.hostname for record in store.conductors()])

    def test_a_sole_owner_ends_the_leases_of_its_predecessor(self) -> None:
        """A conductor that is the only user of its store ends all leases at the start, before they expire."""
        before = self.conductor(host="first")
        node = self.enroll(before)
        before.store.take_lease(node.uuid, holder="first/dead", purpose="deploy", duration=600.0)
        after = self.conductor(host="first", handed_in={"store": before.store, "sole_owner": True})
        self.assertEqual("manageable", provision(after, node.uuid, "manage").provision_state)


class TestRun(MachinesCase):
    def test_sigterm_ends_run_and_restores_handlers(self) -> None:
        """``run()`` returns after SIGTERM and restores the signal handlers of the process."""
        before = signal.getsignal(signal.SIGTERM)
        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        conductor.run(ready=lambda: os.kill(os.getpid(), signal.SIGTERM))
        self.assertFalse(conductor.ready)
        self.assertEqual(before, signal.getsignal(signal.SIGTERM))

    def test_sigterm_during_the_start_takes_effect_after_it(self) -> None:
        """SIGTERM during the start lets the conductor finish its start and then stop in order."""
        log: list[str] = []

        class Early(Part):
            def start(self, conductor: Conductor) -> None:
                os.kill(os.getpid(), signal.SIGTERM)
                super().start(conductor)

        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        conductor.add(Early("api", StartPhase.API, log))
        conductor.run()
        self.assertEqual(["start api", "stop api"], log)

    def test_subscribers_get_each_change(self) -> None:
        """A callback is called for each state that a node enters, until it unsubscribes."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        states: list[str] = []
        unsubscribe = conductor.subscribe(lambda record: states.append(record.provision_state))
        conductor.rpc.call("change_provision_state", node=node.uuid, verb="manage")
        wait_for(conductor, node.uuid, "manageable")
        unsubscribe()
        provision(conductor, node.uuid, "provide")
        settle(conductor)
        self.assertEqual(["verifying", "manageable"], list(dict.fromkeys(states)))
