"""Leases that are kept alive, lost, waited for and given back."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import Any

from testtools import ExpectedException

from baremetal_fake import FaultPlan
from baremetal_interfaces import (
    BareMetalError,
    Conflict,
    Deadline,
    DeadlineExceeded,
    Kind,
    NodeLocked,
    PowerState,
    PowerStateFailure,
)
from baremetal_sdk import ConductorConfig
from baremetal_sdk.concurrency.pool import LaneLimits
from baremetal_sdk.context import RequestContext, current_request
from baremetal_sdk.errors import InvalidState, LeaseLost, NodeNotFound
from baremetal_sdk.tasks.leases import host_of, new_holder
from baremetal_sdk.testing import ManualClock, provision, quick_options, settle
from tests.fixtures.machines import MachinesCase

BOUND = 10.0


class TestHolders(MachinesCase):
    def test_each_incarnation_is_another_holder(self) -> None:
        """A conductor that restarts under its host name is somebody else; clients see the host name."""
        first, second = new_holder("rack/1"), new_holder("rack/1")
        self.assertNotEqual(first, second)
        self.assertEqual(("rack/1", "rack/1", None), (host_of(first), host_of(second), host_of(None)))

    def test_a_name_that_looks_like_a_pattern_voids_nobody_elses_leases(self) -> None:
        """Leases of dead holders are voided by their exact name: 'ironic_a' is not a pattern for 'ironicXa'."""
        conductor = self.conductor()
        for name, holder in (("one", "ironic_a/1"), ("other", "ironicXa/1")):
            node = self.enrol(conductor, name)
            conductor.store.take_lease(node.uuid, holder=holder, purpose="test", duration=600.0)
        self.assertEqual(1, conductor.store.expire_leases("ironic_a/1"))
        self.assertEqual((None, "ironicXa/1"), tuple(conductor.store.node(name).lease_holder for name in ("one", "other")))

    def test_reading_takes_no_lease(self) -> None:
        """The boot device and the validity of a node that is held can be asked for."""
        conductor = self.conductor()
        node = self.enrol(conductor)
        with conductor.acquire("m1", purpose="held"):
            conductor.rpc.call("get_boot_device", node=node.uuid)
            self.assertTrue(conductor.rpc.call("validate_node", node=node.uuid)["power"]["result"])


class TestRenewal(MachinesCase):
    def test_a_lease_lives_as_long_as_its_task(self) -> None:
        """Renewed in time, a lease does not expire however long its task takes."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="long") as task:
            for _ in range(10):
                clock.turn(12)
                conductor.components.tasks.renew()
            task.write(description="still here")
        self.assertEqual("still here", conductor.store.node("m1").description)

    def test_a_task_whose_lease_is_lost_is_told_to_stop(self) -> None:
        """When somebody else took the node after the lease expired, the task is cancelled and can write nothing."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        node = self.enrol(conductor)
        with conductor.acquire("m1", purpose="paused") as task:
            clock.turn(31)
            conductor.store.take_lease(node.uuid, holder="other/1", purpose="take-over", duration=60.0)
            conductor.components.tasks.renew()
            self.assertTrue(task.cancelled)
            self.assertRaises(LeaseLost, task.write, description="too late")

    def test_a_young_lease_is_not_renewed(self) -> None:
        """A lease that was just taken costs no write."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="short"):
            [before] = conductor.components.leases.list_held()
            conductor.components.tasks.renew()
            self.assertEqual([before], conductor.components.leases.list_held())


class TestQueueing(MachinesCase):
    def test_work_is_done_in_its_order_once_the_node_is_free(self) -> None:
        """What is enqueued for a node that is held begins when it is given back, first in, first out, and no thread waits."""
        conductor = self.conductor()
        self.enrol(conductor)
        done: list[int] = []
        with conductor.acquire("m1", purpose="first"):
            futures = [conductor.enqueue("m1", lambda task, n=n: done.append(n), purpose=f"work {n}") for n in range(5)]
            self.assertEqual(0, conductor.pool["requests"].statistics.busy)
            self.assertEqual([], done)
        for future in futures:
            future.result(BOUND)
        self.assertEqual([0, 1, 2, 3, 4], done)
        settle(conductor)
        self.assertIsNone(conductor.store.node("m1").lease_holder)

    def test_nodes_do_not_wait_for_each_other(self) -> None:
        """Work for a free node is done while another node is held."""
        conductor = self.conductor()
        self.enrol(conductor, "one")
        self.enrol(conductor, "other")
        with conductor.acquire("one", purpose="held"):
            conductor.enqueue("one", lambda task: None, purpose="waits")
            self.assertEqual("other", conductor.enqueue("other", lambda task: task.node.name, purpose="goes on").result(BOUND))

    def test_cancelled_work_is_left_out(self) -> None:
        """What is cancelled while it waits is not done; what comes after it is."""
        conductor = self.conductor()
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="held"):
            cancelled = conductor.enqueue("m1", lambda task: 1, purpose="cancelled")
            after = conductor.enqueue("m1", lambda task: 2, purpose="after")
            self.assertTrue(cancelled.cancel())
        self.assertEqual(2, after.result(BOUND))
        self.assertRaises(CancelledError, cancelled.result, 0)

    def test_an_error_ends_in_the_future_and_the_next_one_goes_on(self) -> None:
        """Work that fails does not keep what waits behind it."""
        conductor = self.conductor()
        self.enrol(conductor)

        def fail(task: Any) -> None:
            raise ValueError("on purpose")

        with conductor.acquire("m1", purpose="held"):
            failed = conductor.enqueue("m1", fail, purpose="fails")
            after = conductor.enqueue("m1", lambda task: "done", purpose="after")
        self.assertIsInstance(failed.exception(BOUND), ValueError)
        self.assertEqual("done", after.result(BOUND))

    def test_work_runs_on_behalf_of_whoever_enqueued_it(self) -> None:
        """Context variables are those of the call, and not of the task whose end let the work begin."""
        conductor = self.conductor()
        self.enrol(conductor)
        requests = [RequestContext(), RequestContext()]
        futures = []
        with conductor.acquire("m1", purpose="held"):
            for request in requests:
                token = current_request.set(request)
                futures.append(conductor.enqueue("m1", lambda task: current_request.get(), purpose="asks"))
                current_request.reset(token)
        self.assertEqual(requests, [future.result(BOUND) for future in futures])

    def test_a_full_lane_is_tried_again_in_order(self) -> None:
        """Where there is no worker for work that waits it waits on, in its order, and is done once there is room."""
        conductor = self.conductor()
        self.enrol(conductor)
        gate = threading.Event()
        self.addCleanup(gate.set)
        conductor.pool.resize(lanes={"requests": LaneLimits(reserved=1, cap=1, queue=0)})
        held = conductor.pool["requests"].submit(gate.wait, BOUND)
        done: list[int] = []
        futures = [conductor.enqueue("m1", lambda task, n=n: done.append(n), purpose="waits") for n in range(3)]
        self.assertEqual(3, conductor.components.queues.queue_length(conductor.store.node("m1").uuid))
        gate.set()
        held.result(BOUND)
        for future in futures:
            future.result(BOUND)
        self.assertEqual([0, 1, 2], done)

    def test_what_has_not_begun_ends_with_the_conductor(self) -> None:
        """Nobody waits for ever for work that a conductor which stops will never begin."""
        conductor = self.conductor(graceful_shutdown_timeout=0.5)
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="held"):
            waiting = conductor.enqueue("m1", lambda task: None, purpose="waits")
            conductor.stop()
        self.assertTrue(waiting.cancelled())

    def test_a_node_that_is_deleted_ends_what_waits_for_it(self) -> None:
        """Work for a node that is gone fails with that."""
        conductor = self.conductor()
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="deletes") as task:
            waiting = conductor.enqueue("m1", lambda task: None, purpose="waits")
            task.delete_node()
        self.assertIsInstance(waiting.exception(BOUND), NodeNotFound)


class TestTasks(MachinesCase):
    def test_acquire_never_waits(self) -> None:
        """A node that is held is refused at once, with who, for what, since when, and when to come back."""
        conductor = self.conductor()
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="an experiment"):
            error = self.assertRaises(NodeLocked, conductor.acquire, "m1", purpose="another")
        self.assertEqual(409, error.code)
        self.assertIn("'an experiment'", str(error))
        self.assertTrue(error.retry_after)
        self.assertEqual({"node", "holder", "purpose", "since"}, set(error.details) & {"node", "holder", "purpose", "since"})

    def test_a_deadline_bounds_every_call(self) -> None:
        """When the task's time is over, a driver that looks at its deadline ends."""
        conductor = self.conductor()
        self.enrol(conductor, power_interface="fake-bmc")
        uuid = conductor.store.node("m1").uuid
        with conductor.components.tasks.acquire(uuid, purpose="short", deadline=Deadline.after(0.0)) as task:
            self.assertEqual(0.0, task.deadline.remaining())
            self.assertRaises(DeadlineExceeded, task.deadline.check, "something")

    def test_a_deadline_bounds_the_wait_for_power(self) -> None:
        """The time of the task counts, however long power may take by the configuration."""
        conductor = self.conductor(power_state_change_timeout=600.0)
        self.enrol(conductor, faults={"set_power": {"effect": "lose"}})
        with conductor.acquire("m1", purpose="short", deadline=Deadline.after(0.3)) as task:
            error = self.assertRaises(BareMetalError, task.power.set, PowerState.ON)
        self.assertIsInstance(error, (PowerStateFailure, DeadlineExceeded))

    def test_power_actions_can_be_held_back_by_one_switch(self) -> None:
        """While the switch is held no power command is sent, and the error says why; released, it goes on."""
        conductor = self.conductor()
        self.enrol(conductor)
        conductor.power_gate.hold("work on the mains")
        with conductor.acquire("m1", purpose="test") as task:
            with ExpectedException(Conflict, ".*held back: work on the mains"):
                task.power.set(PowerState.ON)
            self.assertEqual([], self.machine().commands("set_power"))
            conductor.power_gate.release()
            task.power.set(PowerState.ON)

    def test_a_cancelled_task_stops_waiting(self) -> None:
        """A task that waits for a machine stops when it is told to."""
        conductor = self.conductor(power_state_change_timeout=BOUND)
        self.enrol(conductor, faults={"set_power": {"effect": "lose"}})
        with conductor.acquire("m1", purpose="test") as task:
            ended = threading.Event()

            def change() -> None:
                try:
                    task.power.set(PowerState.ON)
                except Conflict:
                    ended.set()
                except Exception as exc:
                    self.assertIn("was cancelled", str(exc))
                    ended.set()

            thread = threading.Thread(target=change)
            thread.start()
            task.cancel()
            self.assertTrue(ended.wait(BOUND))
            thread.join(BOUND)

    def test_a_driver_is_called_in_one_place(self) -> None:
        """What a driver raises comes out as an error of the contract, and nothing of the original is left on it."""
        conductor = self.conductor()
        self.enrol(conductor, faults={"get_power": {"effect": "refuse"}})
        with conductor.acquire("m1", purpose="test") as task:
            try:
                task.call(Kind.POWER, "get_power_state")
            except Exception as exc:
                self.assertEqual((None, None), (exc.__cause__, exc.__context__))
            else:
                self.fail("the fault did not strike")


class TestReloading(MachinesCase):
    def test_limits_change_while_it_runs(self) -> None:
        """A reload changes pool size, intervals and time limits in place; what runs goes on."""
        conductor = self.conductor()
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="goes on") as task:
            conductor.reload(ConductorConfig(host="test", conductor=quick_options(workers_pool_size=33, bmc_call_timeout=7.0)))
            self.assertEqual((33, 7.0), (conductor.pool.max_workers, task.options.bmc_call_timeout))
            task.write(description="still here")

    def test_what_may_be_deleted_changes_while_it_runs(self) -> None:
        """A reload that forbids it keeps available nodes from being deleted, and one that allows it again does not."""
        conductor = self.conductor()
        node = self.enrol(conductor).uuid
        provision(conductor, node, "manage", "provide")
        conductor.reload(ConductorConfig(host="test", conductor=quick_options(allow_deleting_available_nodes=False)))
        with ExpectedException(InvalidState, ".*it can be deleted when it is"):
            conductor.rpc.call("delete_node", node=node)
        conductor.reload(ConductorConfig(host="test", conductor=quick_options()))
        conductor.rpc.call("delete_node", node=node)
        self.assertRaises(NodeNotFound, conductor.store.node, node)

    def test_how_often_power_may_be_missing_changes_while_it_runs(self) -> None:
        """A reload of power_state_sync_max_retries counts for what is observed from then on."""
        conductor = self.conductor(power_state_sync_max_retries=100)
        node = self.enrol(conductor).uuid
        provision(conductor, node, "manage")
        self.machine().inject(FaultPlan.from_json({"get_power": {"effect": "refuse"}}))
        sync = conductor.components.power_sync
        for _ in range(3):
            self.assertIsNotNone(sync.observe(node))
        self.assertFalse(conductor.store.node(node).maintenance)
        conductor.reload(ConductorConfig(host="test", conductor=quick_options(power_state_sync_max_retries=3)))
        self.assertIsNotNone(sync.observe(node))
        self.assertEqual((True, "power failure"), (conductor.store.node(node).maintenance, conductor.store.node(node).fault))
