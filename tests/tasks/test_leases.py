"""Leases, node queues and tasks."""

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
    def test_each_incarnation_is_a_new_holder(self) -> None:
        """A conductor that restarts under its host name is a new holder. Clients see only the host name."""
        first, second = new_holder("rack/1"), new_holder("rack/1")
        self.assertNotEqual(first, second)
        self.assertEqual("rack/1", host_of(first))
        self.assertEqual("rack/1", host_of(second))
        self.assertIsNone(host_of(None))

    def test_leases_expire_by_exact_holder_name(self) -> None:
        """The holder's name is compared exactly: 'ironic_a' is no pattern that matches 'ironicXa'."""
        conductor = self.conductor()
        for name, holder in (("one", "ironic_a/1"), ("other", "ironicXa/1")):
            node = self.enroll(conductor, name)
            conductor.store.take_lease(node.uuid, holder=holder, purpose="test", duration=600.0)
        self.assertEqual(1, conductor.store.expire_leases("ironic_a/1"))
        self.assertEqual((None, "ironicXa/1"), tuple(conductor.store.node(name).lease_holder for name in ("one", "other")))

    def test_reading_needs_no_lease(self) -> None:
        """The boot device can be read and the node validated while a task holds it."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        with conductor.acquire("m1", purpose="held"):
            conductor.rpc.call("get_boot_device", node=node.uuid)
            self.assertTrue(conductor.rpc.call("validate_node", node=node.uuid)["power"]["result"])


class TestRenewal(MachinesCase):
    def test_renewed_lease_does_not_expire(self) -> None:
        """A lease that is renewed in time lasts as long as its task."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="long") as task:
            for _ in range(10):
                clock.turn(12)
                conductor.components.tasks.renew()
            task.write(description="still here")
        self.assertEqual("still here", conductor.store.node("m1").description)

    def test_lost_lease_cancels_the_task(self) -> None:
        """If another holder acquires the node after the lease expired, the task is cancelled and its writes fail."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        node = self.enroll(conductor)
        with conductor.acquire("m1", purpose="paused") as task:
            clock.turn(31)
            conductor.store.take_lease(node.uuid, holder="other/1", purpose="take-over", duration=60.0)
            conductor.components.tasks.renew()
            self.assertTrue(task.cancelled)
            self.assertRaises(LeaseLost, task.write, description="too late")

    def test_new_lease_is_not_renewed(self) -> None:
        """A lease in the first third of its duration is not renewed, which saves a write."""
        clock = ManualClock()
        conductor = self.conductor(handed_in={"clock": clock}, lease_duration=30.0)
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="short"):
            [before] = conductor.components.leases.list_held()
            conductor.components.tasks.renew()
            self.assertEqual([before], conductor.components.leases.list_held())


class TestNodeQueues(MachinesCase):
    def test_work_runs_in_order_when_the_node_is_free(self) -> None:
        """Work for a held node starts when its lease is released, first in, first out, and occupies no thread before."""
        conductor = self.conductor()
        self.enroll(conductor)
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

    def test_nodes_have_separate_queues(self) -> None:
        """Work for a free node runs while another node is held."""
        conductor = self.conductor()
        self.enroll(conductor, "one")
        self.enroll(conductor, "other")
        with conductor.acquire("one", purpose="held"):
            conductor.enqueue("one", lambda task: None, purpose="waits")
            self.assertEqual("other", conductor.enqueue("other", lambda task: task.node.name, purpose="goes on").result(BOUND))

    def test_cancelled_work_is_skipped(self) -> None:
        """Work that is cancelled in the queue does not run, and the work behind it does."""
        conductor = self.conductor()
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="held"):
            cancelled = conductor.enqueue("m1", lambda task: 1, purpose="cancelled")
            after = conductor.enqueue("m1", lambda task: 2, purpose="after")
            self.assertTrue(cancelled.cancel())
        self.assertEqual(2, after.result(BOUND))
        self.assertRaises(CancelledError, cancelled.result, 0)

    def test_error_of_work_goes_to_its_future_only(self) -> None:
        """Work that raises passes the error to its future, and the work behind it runs."""
        conductor = self.conductor()
        self.enroll(conductor)

        def fail(task: Any) -> None:
            raise ValueError("on purpose")

        with conductor.acquire("m1", purpose="held"):
            failed = conductor.enqueue("m1", fail, purpose="fails")
            after = conductor.enqueue("m1", lambda task: "done", purpose="after")
        self.assertIsInstance(failed.exception(BOUND), ValueError)
        self.assertEqual("done", after.result(BOUND))

    def test_work_runs_in_the_context_of_its_caller(self) -> None:
        """Work has the context variables of the call of enqueue, not those of the task whose end starts it."""
        conductor = self.conductor()
        self.enroll(conductor)
        requests = [RequestContext(), RequestContext()]
        futures = []
        with conductor.acquire("m1", purpose="held"):
            for request in requests:
                token = current_request.set(request)
                futures.append(conductor.enqueue("m1", lambda task: current_request.get(), purpose="asks"))
                current_request.reset(token)
        self.assertEqual(requests, [future.result(BOUND) for future in futures])

    def test_full_lane_is_retried_in_order(self) -> None:
        """Work that finds the lane full stays in its queue, in order, and runs when the lane has room."""
        conductor = self.conductor()
        self.enroll(conductor)
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

    def test_stop_cancels_queued_work(self) -> None:
        """A conductor that stops cancels all work that has not started, so that no caller waits for ever."""
        conductor = self.conductor(graceful_shutdown_timeout=0.5)
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="held"):
            waiting = conductor.enqueue("m1", lambda task: None, purpose="waits")
            conductor.stop()
        self.assertTrue(waiting.cancelled())

    def test_deletion_of_the_node_fails_queued_work(self) -> None:
        """Work for a node that was deleted fails with NodeNotFound."""
        conductor = self.conductor()
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="deletes") as task:
            waiting = conductor.enqueue("m1", lambda task: None, purpose="waits")
            task.delete_node()
        self.assertIsInstance(waiting.exception(BOUND), NodeNotFound)


class TestTasks(MachinesCase):
    def test_acquire_never_waits(self) -> None:
        """acquire of a held node fails at once, with the holder, the purpose, the start and a time to retry."""
        conductor = self.conductor()
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="an experiment"):
            error = self.assertRaises(NodeLocked, conductor.acquire, "m1", purpose="another")
        self.assertEqual(409, error.code)
        self.assertIn("'an experiment'", str(error))
        self.assertTrue(error.retry_after)
        self.assertEqual({"node", "holder", "purpose", "since"}, set(error.details) & {"node", "holder", "purpose", "since"})

    def test_deadline_of_a_task_limits_its_calls(self) -> None:
        """A driver that checks its deadline stops when that of the task has expired."""
        conductor = self.conductor()
        self.enroll(conductor, power_interface="fake-bmc")
        uuid = conductor.store.node("m1").uuid
        with conductor.components.tasks.acquire(uuid, purpose="short", deadline=Deadline.after(0.0)) as task:
            self.assertEqual(0.0, task.deadline.remaining())
            self.assertRaises(DeadlineExceeded, task.deadline.check, "something")

    def test_deadline_of_a_task_limits_the_wait_for_power(self) -> None:
        """The task's deadline ends the wait for a power change, even if the configured timeout is longer."""
        conductor = self.conductor(power_state_change_timeout=600.0)
        self.enroll(conductor, faults={"set_power": {"effect": "lose"}})
        with conductor.acquire("m1", purpose="short", deadline=Deadline.after(0.3)) as task:
            error = self.assertRaises(BareMetalError, task.power.set, PowerState.ON)
        self.assertIsInstance(error, (PowerStateFailure, DeadlineExceeded))

    def test_power_gate_holds_back_power_actions(self) -> None:
        """While power actions are held back, none is sent and the error gives the reason. After the release they work."""
        conductor = self.conductor()
        self.enroll(conductor)
        conductor.power_gate.hold("work on the mains")
        with conductor.acquire("m1", purpose="test") as task:
            with ExpectedException(Conflict, ".*held back: work on the mains"):
                task.power.set(PowerState.ON)
            self.assertEqual([], self.machine().commands("set_power"))
            conductor.power_gate.release()
            task.power.set(PowerState.ON)

    def test_cancelled_task_stops_waiting_for_power(self) -> None:
        """A task that waits for a power change stops waiting when it is cancelled."""
        conductor = self.conductor(power_state_change_timeout=BOUND)
        self.enroll(conductor, faults={"set_power": {"effect": "lose"}})
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

    def test_driver_errors_lose_their_origin(self) -> None:
        """An exception of a driver becomes an error of the contract without a reference to the original."""
        conductor = self.conductor()
        self.enroll(conductor, faults={"get_power": {"effect": "refuse"}})
        with conductor.acquire("m1", purpose="test") as task:
            try:
                task.call(Kind.POWER, "get_power_state")
            except Exception as exc:
                self.assertIsNone(exc.__cause__)
                self.assertIsNone(exc.__context__)
            else:
                self.fail("the fault did not strike")


class TestReloading(MachinesCase):
    def test_reload_changes_limits(self) -> None:
        """A reload changes the pool size and timeouts, and running tasks continue."""
        conductor = self.conductor()
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="goes on") as task:
            conductor.reload(ConductorConfig(host="test", conductor=quick_options(workers_pool_size=33, bmc_call_timeout=7.0)))
            self.assertEqual(33, conductor.pool.max_workers)
            self.assertEqual(7.0, task.options.bmc_call_timeout)
            task.write(description="still here")

    def test_reload_changes_the_deletion_of_available_nodes(self) -> None:
        """A reload can forbid the deletion of available nodes and allow it again."""
        conductor = self.conductor()
        node = self.enroll(conductor).uuid
        provision(conductor, node, "manage", "provide")
        conductor.reload(ConductorConfig(host="test", conductor=quick_options(allow_deleting_available_nodes=False)))
        with ExpectedException(InvalidState, ".*it can be deleted when it is"):
            conductor.rpc.call("delete_node", node=node)
        conductor.reload(ConductorConfig(host="test", conductor=quick_options()))
        conductor.rpc.call("delete_node", node=node)
        self.assertRaises(NodeNotFound, conductor.store.node, node)

    def test_reload_changes_the_number_of_power_failures(self) -> None:
        """A reload of power_state_sync_max_retries applies to the next observation."""
        conductor = self.conductor(power_state_sync_max_retries=100)
        node = self.enroll(conductor).uuid
        provision(conductor, node, "manage")
        self.machine().inject(FaultPlan.from_json({"get_power": {"effect": "refuse"}}))
        sync = conductor.components.power_sync
        for _ in range(3):
            self.assertIsNotNone(sync.observe(node))
        self.assertFalse(conductor.store.node(node).maintenance)
        conductor.reload(ConductorConfig(host="test", conductor=quick_options(power_state_sync_max_retries=3)))
        self.assertIsNotNone(sync.observe(node))
        self.assertIs(True, conductor.store.node(node).maintenance)
        self.assertEqual("power failure", conductor.store.node(node).fault)
