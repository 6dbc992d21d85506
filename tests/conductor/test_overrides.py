"""Components that a host application passes in: a pool, a metrics registry, a source of credentials."""

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
    def test_a_passed_pool_stays_open(self) -> None:
        """The conductor adds its lanes to the host's pool, and its stop leaves the pool open."""
        pool = ElasticPool(20, {"ours": LaneLimits(reserved=1)})
        self.addCleanup(pool.close, 5.0)
        conductor = self.conductor(handed_in={"pool": pool})
        provision(conductor, self.enroll(conductor).uuid, "manage")
        self.assertIs(pool, conductor.pool)
        conductor.stop()
        self.assertEqual(1, pool["ours"].submit(lambda: 1).result(10))

    def test_a_stop_waits_for_the_conductors_own_work(self) -> None:
        """An RPC cast from before the stop has finished when the stop returns. The host's own job is not waited for."""
        pool, gate = self.shared_pool(), threading.Event()
        self.addCleanup(gate.set)
        own = pool["ours"].submit(gate.wait, 30.0)
        conductor, slow = self.with_slow_work(pool)
        conductor.rpc.call("begin_slow_work")
        self.assertTrue(slow.begun.wait(10.0))
        conductor.stop(10.0)
        self.assertEqual(["done"], slow.outcome)
        self.assertFalse(own.done())

    def test_work_that_does_not_end_is_cancelled(self) -> None:
        """Near the shutdown deadline, running work of the conductor sees ``should_stop()``."""
        conductor, slow = self.with_slow_work(self.shared_pool())
        slow.endless = True
        conductor.rpc.call("begin_slow_work")
        self.assertTrue(slow.begun.wait(10.0))
        conductor.stop(1.0)
        self.assertEqual(["cancelled"], slow.outcome)

    def test_a_straggler_is_logged_and_left_behind(self) -> None:
        """Work that ignores cancellation is named in the log, and the stop returns."""
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

    def test_a_stopped_conductor_starts_no_work_on_the_pool(self) -> None:
        """A poll of a step that falls due after the stop does not run; the node keeps waiting."""
        pool = self.shared_pool()
        conductor = self.conductor(handed_in={"pool": pool})
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage")
        wanted = [{"interface": "deploy", "step": "burnin", "args": {"seconds": 0.2}}]
        conductor.rpc.call("change_provision_state", node=node.uuid, verb="clean", arguments={"clean_steps": wanted})
        settle(conductor)
        store = conductor.store
        conductor.stop()
        passed = threading.Event()
        pool.timer.after(0.5, passed.set)
        self.assertTrue(passed.wait(10.0) and pool.drain(10.0))
        record = store.node(node.uuid)
        self.assertEqual("clean wait", record.provision_state)
        self.assertIsNone(record.lease_holder)

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
    """Work that ends after its conductor has begun to stop, or when it is cancelled."""

    def __init__(self, conductor: Conductor) -> None:
        self.begun = threading.Event()
        self.endless = self.stubborn = False
        self.outcome: list[str] = []
        self._conductor = conductor

    @rpc_method("1.0")
    def begin_slow_work(self) -> None:
        """Cast ``slow_work``."""
        self._conductor.rpc.cast("slow_work")

    @rpc_method("1.0")
    def slow_work(self) -> None:
        """Work until 0.1 s after the conductor began to stop."""
        self.begun.set()
        while self._conductor.ready or self.endless:
            if should_stop() and not self.stubborn:
                self.outcome.append("cancelled")
                return
            threading.Event().wait(0.01)
        threading.Event().wait(0.1)
        self.outcome.append("done")


class TestMetrics(MachinesCase):
    def test_a_passed_registry_has_the_conductors_metrics(self) -> None:
        """A registry shows lanes and leases while the conductor runs, and no metric of it after the stop."""
        registry = CollectorRegistry()
        conductor = self.conductor(handed_in={"metrics": registry})
        node = self.enroll(conductor)
        provision(conductor, node.uuid, "manage")
        with conductor.acquire("m1", purpose="test"):
            self.assertEqual(1.0, registry.get_sample_value("baremetal_leases_held", {"conductor": "test"}))
        labels = {"conductor": "test", "pool": "conductor", "lane": "provisioning", "outcome": "succeeded"}
        self.assertEqual(1.0, registry.get_sample_value("baremetal_lane_tasks_total", labels))
        conductor.stop()
        self.assertNotIn(b"baremetal_", generate_latest(registry))


class Vault:
    """A source of one password that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def secret(self, node: str, option: str) -> str | None:
        self.calls.append((node, option))
        return "from the vault" if option == "fake_password" else None


class TestCredentials(MachinesCase):
    def test_missing_secrets_come_from_the_host(self) -> None:
        """A declared secret that is not stored is read from the host application. A stored one is not."""
        vault = Vault()
        conductor = self.conductor(handed_in={"credentials": vault})
        without = self.enroll(conductor, "without", power_interface="fake-bmc")
        stored = self.enroll(conductor, "stored", power_interface="fake-bmc", driver_info={"fake_password": "stored"})
        self.assertEqual("from the vault", conductor.components.tasks.read_only(without.uuid).raw_info["fake_password"])
        self.assertEqual("stored", conductor.components.tasks.read_only(stored.uuid).raw_info["fake_password"])
        self.assertEqual([(without.uuid, "fake_password")], vault.calls)
        self.assertNotIn("from the vault", repr(conductor.store.node(without.uuid)))
