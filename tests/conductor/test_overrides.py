"""What a host application hands in: a pool, a registry for metrics, secrets of its own."""

from __future__ import annotations

import logging
import threading

from fixtures import FakeLogger
from prometheus_client import CollectorRegistry, generate_latest

from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits, should_stop
from baremetal_sdk.rpc.registry import rpc_method
from baremetal_sdk.testing import provision, quick_options, settle
from tests.fixtures.machines import MachinesCase


class TestPool(MachinesCase):
    def test_a_pool_that_was_handed_in_lives_on(self) -> None:
        """The conductor adds its lanes to the host's pool, and leaves the pool open when it stops."""
        pool = ElasticPool(20, {"ours": LaneLimits(reserved=1)})
        self.addCleanup(pool.close, 5.0)
        conductor = self.conductor(handed_in={"pool": pool})
        provision(conductor, self.enrol(conductor).uuid, "manage")
        self.assertIs(pool, conductor.pool)
        conductor.stop()
        self.assertEqual(1, pool["ours"].submit(lambda: 1).result(10))

    def test_a_stop_waits_for_what_is_the_conductors_on_it(self) -> None:
        """What was cast before the stop is done when it returns, and the host's own work is not waited for."""
        pool, gate = self.shared_pool(), threading.Event()
        self.addCleanup(gate.set)
        own = pool["ours"].submit(gate.wait, 30.0)
        conductor, slow = self.with_slow_work(pool)
        conductor.rpc.call("begin_slow_work")
        self.assertTrue(slow.begun.wait(10.0))
        conductor.stop(10.0)
        self.assertEqual(["done"], slow.outcome)
        self.assertFalse(own.done())

    def test_what_does_not_end_by_itself_is_asked_to(self) -> None:
        """Near the end of the time of a stop, work of the conductor's is told to stop."""
        conductor, slow = self.with_slow_work(self.shared_pool())
        slow.endless = True
        conductor.rpc.call("begin_slow_work")
        self.assertTrue(slow.begun.wait(10.0))
        conductor.stop(1.0)
        self.assertEqual(["asked to stop"], slow.outcome)

    def test_a_stop_ends_although_something_does_not(self) -> None:
        """What runs on when the time is over is named in the log, and left."""
        pool = self.shared_pool()
        conductor, slow = self.with_slow_work(pool)
        slow.endless = slow.stubborn = True
        conductor.rpc.call("begin_slow_work")
        self.assertTrue(slow.begun.wait(10.0))
        log = self.useFixture(FakeLogger(level=logging.ERROR))
        conductor.stop(0.5)
        self.assertIn("_run in lane 'requests' did not finish", log.output)
        slow.endless = False
        self.assertTrue(pool.drain(10.0))

    def test_nothing_of_a_conductor_that_has_stopped_begins_on_it(self) -> None:
        """A step that is to be polled after the stop is left to whoever takes the node up."""
        pool = self.shared_pool()
        conductor = self.conductor(handed_in={"pool": pool})
        node = self.enrol(conductor)
        provision(conductor, node.uuid, "manage")
        wanted = [{"interface": "deploy", "step": "burnin", "args": {"seconds": 0.2}}]
        conductor.rpc.call("change_provision_state", node=node.uuid, verb="clean", arguments={"clean_steps": wanted})
        settle(conductor)
        store = conductor.store
        conductor.stop()
        passed = threading.Event()
        pool.timer.after(0.5, passed.set)
        self.assertTrue(passed.wait(10.0) and pool.drain(10.0))
        self.assertEqual(("clean wait", None), (store.node(node.uuid).provision_state, store.node(node.uuid).lease_holder))

    def shared_pool(self) -> ElasticPool:
        pool = ElasticPool(20, {"ours": LaneLimits(reserved=1)})
        self.addCleanup(pool.close, 5.0)
        return pool

    def with_slow_work(self, pool: ElasticPool) -> tuple[Conductor, SlowWork]:
        conductor = Conductor(ConductorConfig(host="test", conductor=quick_options()), pool=pool)
        slow = SlowWork(conductor)
        conductor.add(slow)
        conductor.start()
        self.addCleanup(conductor.stop, 1.0)
        return conductor, slow


class SlowWork:
    """Work that ends some time after its conductor has begun to stop, or when it is asked to."""

    def __init__(self, conductor: Conductor) -> None:
        self.begun = threading.Event()
        self.endless = self.stubborn = False
        self.outcome: list[str] = []
        self._conductor = conductor

    @rpc_method("1.0")
    def begin_slow_work(self) -> None:
        """Cast it."""
        self._conductor.rpc.cast("slow_work")

    @rpc_method("1.0")
    def slow_work(self) -> None:
        """Work until the conductor stops, and for a moment more."""
        self.begun.set()
        while self._conductor.ready or self.endless:
            if should_stop() and not self.stubborn:
                self.outcome.append("asked to stop")
                return
            threading.Event().wait(0.01)
        threading.Event().wait(0.1)
        self.outcome.append("done")


class TestMetrics(MachinesCase):
    def test_a_scrape_shows_lanes_and_leases(self) -> None:
        """A registry that was handed in shows what the conductor does, and nothing of it once it has stopped."""
        registry = CollectorRegistry()
        conductor = self.conductor(handed_in={"metrics": registry})
        node = self.enrol(conductor)
        provision(conductor, node.uuid, "manage")
        with conductor.acquire("m1", purpose="test"):
            self.assertEqual(1.0, registry.get_sample_value("baremetal_leases_held", {"conductor": "test"}))
        labels = {"conductor": "test", "pool": "conductor", "lane": "provisioning", "outcome": "succeeded"}
        self.assertEqual(1.0, registry.get_sample_value("baremetal_lane_tasks_total", labels))
        conductor.stop()
        self.assertNotIn(b"baremetal_", generate_latest(registry))


class Vault:
    """Knows one password, and who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def secret(self, node: str, option: str) -> str | None:
        self.asked.append((node, option))
        return "from the vault" if option == "fake_password" else None


class TestCredentials(MachinesCase):
    def test_secrets_that_a_node_lacks_come_from_the_host(self) -> None:
        """A declared secret that is not stored is asked of the host application; a stored one is not."""
        vault = Vault()
        conductor = self.conductor(handed_in={"credentials": vault})
        without = self.enrol(conductor, "without", power_interface="fake-bmc")
        stored = self.enrol(conductor, "stored", power_interface="fake-bmc", driver_info={"fake_password": "stored"})
        self.assertEqual("from the vault", conductor.components.tasks.read_only(without.uuid).raw_info["fake_password"])
        self.assertEqual("stored", conductor.components.tasks.read_only(stored.uuid).raw_info["fake_password"])
        self.assertEqual([(without.uuid, "fake_password")], vault.asked)
        self.assertNotIn("from the vault", repr(conductor.store.node(without.uuid)))
