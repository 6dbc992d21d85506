"""What a host application hands in: a pool, a registry for metrics, secrets of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from baremetal_sdk.pool import ElasticPool, LaneLimits
from baremetal_sdk.testing import provision
from tests.runtime.machines import MachinesCase


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
        self.assertEqual("from the vault", conductor.assembly.tasks.look(without.uuid).raw_info["fake_password"])
        self.assertEqual("stored", conductor.assembly.tasks.look(stored.uuid).raw_info["fake_password"])
        self.assertEqual([(without.uuid, "fake_password")], vault.asked)
        self.assertNotIn("from the vault", repr(conductor.store.node(without.uuid)))
