"""The life of a conductor inside a host application."""

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
    """A runnable that notes what happens to it."""

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
        self.made = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        self.addCleanup(self.made.stop, 0.0)

    def test_parts_start_by_phase_and_stop_the_other_way_round(self) -> None:
        """However they were added, what takes requests starts last and stops first."""
        self.made.add(Part("api", StartPhase.API, self.log))
        self.made.add(Part("rpc", StartPhase.RPC, self.log))
        self.made.start()
        self.assertTrue(self.made.ready)
        self.made.stop()
        self.assertFalse(self.made.ready)
        self.assertEqual(["start rpc", "start api", "stop api", "stop rpc"], self.log)

    def test_it_is_ready_until_its_parts_have_stopped(self) -> None:
        """Requests that were let in are answered as ever while the API stops: store and RPC are there, and it is ready."""
        made, seen = self.made, []

        class API(Part):
            def stop(self, deadline: Deadline) -> None:
                seen.append((made.ready, len(made.store.conductors())))

        made.add(API("api", StartPhase.API, self.log))
        made.start()
        made.stop()
        self.assertEqual([(True, 1)], seen)
        self.assertFalse(made.ready)

    def test_a_part_that_cannot_start_stops_the_others(self) -> None:
        """The reason comes out, and what had started is stopped."""
        self.made.add(Part("rpc", StartPhase.RPC, self.log))
        self.made.add(Part("api", StartPhase.API, self.log, fails=True))
        with ExpectedException(OSError, "api cannot start"):
            self.made.start()
        self.assertEqual(["start rpc", "stop rpc"], self.log)
        self.assertFalse(self.made.ready)

    def test_what_has_nothing_to_add_is_refused(self) -> None:
        """An object without start and stop, periodics or RPC methods is a mistake, and is told so."""
        with ExpectedException(TypeError, "object cannot be added: .*neither a phase.*nor a periodic method.*nor an RPC method"):
            self.made.add(object())

    def test_nothing_is_added_after_the_start(self) -> None:
        """A running conductor takes no parts."""
        self.made.start()
        self.assertRaises(RuntimeError, self.made.add, Part("late", StartPhase.API, self.log))

    def test_it_can_be_started_again(self) -> None:
        """A conductor that was stopped starts anew."""
        for _ in range(2):
            self.made.start()
            self.assertTrue(self.made.ready)
            self.made.stop()
            self.assertFalse(self.made.ready)

    def test_starting_twice_is_refused(self) -> None:
        """A second start of a running conductor is a mistake."""
        self.made.start()
        self.assertRaises(RuntimeError, self.made.start)

    def test_an_unknown_hardware_type_is_named_at_the_start(self) -> None:
        """The error names the option, what is not installed and what is."""
        wrong = Conductor(ConductorConfig(enabled_hardware_types=("nope",)))
        with ExpectedException(
            ConfigurationError, r"\[DEFAULT\] enabled_hardware_types: nope not installed; there are:.*fake-hardware.*"
        ):
            wrong.start()


class TestAdding(TestCase):
    def test_periodics_and_rpc_methods_of_a_host_are_served(self) -> None:
        """What a host declares on its own object is called with the conductor, and by name."""
        host = Host()
        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        conductor.add(host)
        self.addCleanup(conductor.stop, 0.0)
        conductor.start()
        self.assertTrue(host.reported.wait(10.0))
        self.assertIs(conductor, host.seen)
        self.assertEqual("hello you", conductor.rpc.call("greet", name="you"))

    def test_an_interval_is_read_from_the_configuration_at_the_start(self) -> None:
        """An interval can be a function of the conductor: it is asked when the conductor starts and when it reloads."""
        host = FromConfiguration()
        with running_conductor(ConductorConfig(host="test", conductor=quick_options(heartbeat_interval=0.01))) as conductor:
            self.assertEqual([], host.asked)
            conductor.stop()
            conductor.add(host)
            conductor.start()
            self.assertTrue(host.reported.wait(10.0))
            conductor.reload(ConductorConfig(host="test", conductor=quick_options(heartbeat_interval=7.0)))
        self.assertEqual([0.01, 7.0], host.asked)

    def test_it_starts_and_stops_off_the_main_thread(self) -> None:
        """A host may start and stop a conductor from any thread."""
        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        outcomes: list[bool] = []

        def live() -> None:
            conductor.start()
            outcomes.append(conductor.ready)
            conductor.stop()
            outcomes.append(conductor.ready)

        thread = threading.Thread(target=live)
        thread.start()
        thread.join(30.0)
        self.assertEqual([True, False], outcomes)

    def test_what_is_not_registered_cannot_be_called(self) -> None:
        """Only methods that say so can be called from outside."""
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


class FromConfiguration:
    asked: ClassVar[list[float]] = []

    def __init__(self) -> None:
        self.asked.clear()
        self.reported = threading.Event()

    @staticmethod
    def interval(conductor: Conductor) -> float:
        FromConfiguration.asked.append(conductor.config.conductor.heartbeat_interval)
        return FromConfiguration.asked[-1]

    @periodic(every=interval)
    def report(self) -> None:
        self.reported.set()


class TestStopping(MachinesCase):
    def test_running_work_ends_before_the_stop(self) -> None:
        """A deployment that goes on when the stop begins is finished, and its lease is given back."""
        conductor = self.conductor(graceful_shutdown_timeout=30.0)
        store = conductor.store
        node = self.enrol(conductor, faults={"write_image": {"effect": "slow", "seconds": 0.2}})
        provision(conductor, node.uuid, "manage", "provide")
        conductor.rpc.call("change_provision_state", node=node.uuid, verb="active")
        conductor.stop()
        record = store.node(node.uuid)
        self.assertEqual(("active", None), (record.provision_state, record.lease_holder))

    def test_a_task_that_hangs_does_not_hold_up_the_stop(self) -> None:
        """The stop ends by its deadline, whatever drivers do."""
        conductor = self.conductor(graceful_shutdown_timeout=0.2)
        node = self.enrol(conductor, faults={"get_power": {"effect": "hang"}})
        conductor.rpc.call("change_power_state", node=node.uuid, target="power on", timeout=None)
        stopped = threading.Event()
        threading.Thread(target=lambda: (conductor.stop(), stopped.set()), daemon=True).start()
        self.assertTrue(stopped.wait(10.0))

    def test_a_part_that_hangs_does_not_hold_up_the_stop(self) -> None:
        """What a host's own part does in its stop is left at the deadline; everything after it is done."""
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

    def test_no_lease_is_left_also_of_work_that_goes_on(self) -> None:
        """A task that does not end loses its lease to the stop: its node is free at once, and it can do nothing more to it."""
        conductor = self.conductor(graceful_shutdown_timeout=0.2)
        node, store = self.enrol(conductor), conductor.store
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

        conductor.enqueue("m1", work, purpose="goes on")
        self.assertTrue(begun.wait(10.0))
        conductor.stop()
        self.assertIsNone(store.node(node.uuid).lease_holder)
        gate.set()
        self.assertTrue(ended.wait(10.0))
        self.assertEqual([LeaseLost, LeaseLost], [type(one) for one in outcomes])

    def test_on_a_pool_of_the_host_a_stop_waits_for_its_own_work_only(self) -> None:
        """What the host, or another conductor, runs on the same pool holds nothing up."""
        pool = ElasticPool(20, {"ours": LaneLimits()})
        gate = threading.Event()
        self.addCleanup(pool.close, 5.0)
        self.addCleanup(gate.set)
        pool["ours"].submit(gate.wait, 60.0)
        conductor = self.conductor(graceful_shutdown_timeout=60.0, handed_in={"pool": pool})
        stopped = threading.Event()
        threading.Thread(target=lambda: (conductor.stop(), stopped.set()), daemon=True).start()
        self.assertTrue(stopped.wait(20.0))

    def test_one_of_two_conductors_stops_and_the_other_goes_on(self) -> None:
        """Conductors in one process share nothing: they drive their nodes, and end, apart."""
        first = self.conductor(host="first")
        second = self.conductor(host="second", handed_in={"store": first.store})
        one, other = self.enrol(first, "one"), self.enrol(second, "other")
        provision(first, one.uuid, "manage")
        store = first.store
        first.stop()
        self.assertEqual("available", provision(second, other.uuid, "manage", "provide").provision_state)
        self.assertEqual(["second"], [record.hostname for record in store.conductors()])

    def test_leases_of_the_dead_are_void_for_a_sole_owner(self) -> None:
        """A conductor that owns its store alone takes over at once what its predecessor held."""
        before = self.conductor(host="first")
        node = self.enrol(before)
        before.store.take_lease(node.uuid, holder="first/dead", purpose="deploy", duration=600.0)
        after = self.conductor(host="first", handed_in={"store": before.store, "sole_owner": True})
        self.assertEqual("manageable", provision(after, node.uuid, "manage").provision_state)


class TestRun(MachinesCase):
    def test_sigterm_ends_run_and_handlers_are_put_back(self) -> None:
        """run() returns after SIGTERM, and leaves the process's signal handlers as they were."""
        before = signal.getsignal(signal.SIGTERM)
        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        conductor.run(ready=lambda: os.kill(os.getpid(), signal.SIGTERM))
        self.assertFalse(conductor.ready)
        self.assertEqual(before, signal.getsignal(signal.SIGTERM))

    def test_a_signal_during_the_start_is_heeded_after_it(self) -> None:
        """SIGTERM that comes too early does not kill the process half-way: the conductor starts, and stops in order."""
        log: list[str] = []

        class Early(Part):
            def start(self, conductor: Conductor) -> None:
                os.kill(os.getpid(), signal.SIGTERM)
                super().start(conductor)

        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()))
        conductor.add(Early("api", StartPhase.API, log))
        conductor.run()
        self.assertEqual(["start api", "stop api"], log)

    def test_changes_can_be_followed(self) -> None:
        """A callback hears of each state that a node enters, until it is ended."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        states: list[str] = []
        end = conductor.subscribe(lambda record: states.append(record.provision_state))
        conductor.rpc.call("change_provision_state", node=node.uuid, verb="manage")
        wait_for(conductor, node.uuid, "manageable")
        end()
        provision(conductor, node.uuid, "provide")
        settle(conductor)
        self.assertEqual(["verifying", "manageable"], list(dict.fromkeys(states)))
