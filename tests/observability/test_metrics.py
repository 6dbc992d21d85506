"""Prometheus metrics: counted work, names, and access to them."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fixtures import TempDir
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from testtools import TestCase
from webob import Request

from baremetal_interfaces import AuthenticationFailed, BareMetalError, BMCUnreachable, InvalidInput, NodeLocked
from baremetal_sdk import APIServer, Conductor, bare_metal_api
from baremetal_sdk.api.access.roles import RolePolicy
from baremetal_sdk.api.v1.metrics_path import MetricsPath
from baremetal_sdk.auth.identity import IDENTITY_KEY, Identity
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.observability.metrics import METRICS, Collector, MetricsEndpoint
from baremetal_sdk.observability.metrics.counters import MAX_LABEL_VALUES, OTHER
from baremetal_sdk.observability.metrics.node_counts import NodeCounts
from baremetal_sdk.observability.telemetry import Telemetry, Work, classify_outcome
from baremetal_sdk.store.sql.store import SQLStore
from baremetal_sdk.testing import provision
from tests.fixtures.machines import MachinesCase

DASHBOARD = Path(__file__).parents[2] / "doc" / "source" / "operator" / "grafana-dashboard.json"
SERIES = {name for metric in METRICS for name in metric.series}


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Return the sum of the series with this name and these labels."""
    samples = (sample for family in registry.collect() for sample in family.samples if sample.name == name)
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


class MetricsTestCase(MachinesCase):
    """Base of tests with a conductor and a registry of the host application."""

    def setUp(self) -> None:
        super().setUp()
        self.registry = CollectorRegistry()

    def start_conductor(self, **handed_in: Any) -> Conductor:
        """Start a conductor with the registry."""
        return self.conductor(handed_in={"metrics": self.registry, **handed_in})

    def wait_for(self, name: str, least: float, **labels: str) -> None:
        """Wait until the series has at least this value. A task is counted when it ends, which is after its last write."""
        never = threading.Event()
        for _ in range(200):
            if value(self.registry, name, **labels) >= least:
                return
            never.wait(0.05)
        self.fail(f"{name} {labels} is {value(self.registry, name, **labels)}:\n{generate_latest(self.registry).decode()}")


class TestWorkCounters(MetricsTestCase):
    """Test the counters of a conductor."""

    def test_a_cleaning_is_counted_as_tasks_steps_and_calls(self) -> None:
        """Managing and providing a node counts tasks by purpose, steps by phase, and BMC calls by outcome."""
        conductor = self.start_conductor()
        node = self.enroll(conductor, power_interface="fake-bmc", management_interface="fake-bmc")
        provision(conductor, node.uuid, "manage", "provide")
        self.wait_for("baremetal_tasks_total", 1, purpose="provisioning: provide", outcome="succeeded")
        self.wait_for("baremetal_tasks_total", 1, purpose="provisioning: manage", outcome="succeeded")
        self.wait_for("baremetal_steps_total", 1, phase="clean", outcome="succeeded")
        self.wait_for("baremetal_bmc_calls_total", 1, interface="power", outcome="succeeded")
        self.wait_for("baremetal_bmc_logins_total", 1, outcome="succeeded")
        self.assertEqual(
            0, value(self.registry, "baremetal_bmc_calls_total", method="validate"), "validate sends no request to a BMC"
        )
        self.assertEqual(0, value(self.registry, "baremetal_tasks_in_progress"))

    def test_an_unreachable_bmc_is_an_outcome(self) -> None:
        """A call of a BMC that does not respond is counted as unreachable."""
        conductor = self.start_conductor()
        node = self.enroll(conductor, power_interface="fake-bmc", faults={"get_power": {"effect": "drop"}})
        task = conductor.components.tasks.read_only(node.uuid)
        self.assertRaises(BareMetalError, task.sample_power)
        self.assertLess(0, value(self.registry, "baremetal_bmc_calls_total", interface="power", outcome="unreachable"))

    def test_a_held_lease_causes_conflicts(self) -> None:
        """Held leases and running tasks are gauges. A rejected attempt to acquire a lease is counted as a conflict."""
        conductor = self.start_conductor()
        self.enroll(conductor)
        with conductor.acquire("m1", purpose="test"):
            self.assertRaises(NodeLocked, conductor.acquire, "m1", purpose="test")
            self.assertEqual(1, value(self.registry, "baremetal_leases_held"))
            self.assertEqual(1, value(self.registry, "baremetal_tasks_in_progress"))
        self.assertEqual(1, value(self.registry, "baremetal_lease_conflicts_total"))
        self.assertEqual(0, value(self.registry, "baremetal_tasks_in_progress"))

    def test_each_transaction_is_counted(self) -> None:
        """Reads and writes of the database are counted separately, with their durations."""
        directory = self.useFixture(TempDir()).path
        store = SQLStore(f"sqlite:///{directory}/nodes.db")
        store.open()
        self.addCleanup(store.close)
        conductor = self.start_conductor(store=store)
        generate_latest(self.registry)  # the first scrape counts the nodes
        before = value(self.registry, "baremetal_database_transactions_total", kind="read")
        conductor.store.conductors()
        self.assertEqual(before + 1, value(self.registry, "baremetal_database_transactions_total", kind="read"))
        self.assertLess(0, value(self.registry, "baremetal_database_transaction_duration_seconds_count", kind="write"))
        conductor.stop()
        self.assertFalse(
            store.database.telemetry.observes(Work.TRANSACTION), "the conductor removes its observers from the store of the host"
        )

    def test_two_conductors_share_a_registry(self) -> None:
        """The label conductor distinguishes the conductors of one process."""
        for host in ("one", "two"):
            self.conductor(host=host, handed_in={"metrics": self.registry})
        self.assertEqual(1, value(self.registry, "baremetal_pool_threads_max", conductor="one") > 0)
        self.assertEqual(1, value(self.registry, "baremetal_pool_threads_max", conductor="two") > 0)

    def test_power_reads_and_their_lag_are_published(self) -> None:
        """Power sync publishes its reads by outcome, its number of nodes, and its lag."""
        conductor = self.conductor(handed_in={"metrics": self.registry}, sync_power_state_interval=0.2)
        provision(conductor, self.enroll(conductor).uuid, "manage")
        self.wait_for("baremetal_power_sync_observations_total", 1, outcome="succeeded")
        self.assertEqual(1, value(self.registry, "baremetal_power_sync_nodes"))
        self.assertLess(value(self.registry, "baremetal_power_sync_lag_seconds"), 60)


class TestRequests(MetricsTestCase):
    """Test the metrics of the API."""

    def test_a_request_is_counted_by_its_route(self) -> None:
        """The label route is the path of the route, never the requested path, so series are as many as routes."""
        conductor = self.start_conductor()
        server = APIServer(bare_metal_api(conductor, metrics=self.registry), APIConfig(port=0))
        app = bare_metal_api(conductor)
        for path in ("/v1/nodes/a", "/v1/nodes/b", "/v1/nodes", "/nowhere/at/all"):
            Request.blank(path).get_response(app)
        labels = {"method": "GET", "route": "/v1/nodes/{node}", "code": "404"}
        self.assertEqual(2, value(self.registry, "baremetal_http_requests_total", **labels))
        self.assertEqual(1, value(self.registry, "baremetal_http_requests_total", route="/v1/nodes", code="200"))
        self.assertEqual(1, value(self.registry, "baremetal_http_requests_total", route="none", code="404"))
        self.assertEqual([], list(server.readings()), "a server that has not started has no readings")

    def test_an_unknown_method_makes_no_series(self) -> None:
        """Unknown HTTP methods are counted as other, because clients can choose them freely."""
        app = bare_metal_api(self.start_conductor())
        for number in range(3):
            Request.blank("/v1/nodes", method=f"BREW{number}").get_response(app)
        self.assertEqual(3, value(self.registry, "baremetal_http_requests_total", method="other"))

    def test_a_server_publishes_its_threads_and_connections(self) -> None:
        """An added component publishes its metrics while the conductor runs."""
        config = APIConfig(port=0)
        conductor = Conductor(metrics=self.registry)
        conductor.add(APIServer(bare_metal_api(conductor), config))
        with conductor:
            self.assertLess(0, value(self.registry, "baremetal_pool_threads_max", pool="http"))
            self.assertIn(b"baremetal_http_connections", generate_latest(self.registry))
        self.assertNotIn(b"baremetal_", generate_latest(self.registry))


class TestEndpoint(TestCase):
    """Test ``/metrics``."""

    def test_the_client_selects_the_format(self) -> None:
        """The default is the text format. A client can request OpenMetrics."""
        app = MetricsEndpoint(CollectorRegistry())
        plain = Request.blank("/metrics").get_response(app)
        self.assertEqual((200, "text/plain"), (plain.status_int, plain.content_type))
        wanted = Request.blank("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        self.assertEqual("application/openmetrics-text", wanted.get_response(app).content_type)
        self.assertEqual(404, Request.blank("/").get_response(app).status_int)
        self.assertEqual(405, Request.blank("/metrics", method="POST").get_response(app).status_int)

    def test_only_system_readers_can_read_it(self) -> None:
        """On an API with authentication, a user of one project is rejected, and so is an unknown client."""
        rules = {"baremetal:metrics:get": "system-reader"}
        app = MetricsPath(MetricsEndpoint(CollectorRegistry()), CollectorRegistry(), RolePolicy(rules))
        reader = Identity("prometheus", None, frozenset({"reader"}), True)
        tenant = Identity("tenant", "p", frozenset({"admin"}), False)
        for identity, code in ((reader, 200), (tenant, 403), (None, 403)):
            request = Request.blank("/metrics", environ={} if identity is None else {IDENTITY_KEY: identity})
            self.assertEqual(code, request.get_response(app).status_int, identity)


class TestDeclarations(MetricsTestCase):
    """Test names, units and labels."""

    def test_names_follow_the_conventions_of_prometheus(self) -> None:
        """Names are unique, have base units, and have no suffix that the Prometheus client adds."""
        names = [metric.name for metric in METRICS]
        self.assertEqual(len(names), len(set(names)))
        for metric in METRICS:
            self.assertRegex(metric.name, r"^baremetal_[a-z]+(_[a-z]+)*$")
            self.assertNotRegex(metric.name, r"_(total|count|sum|bucket|ms|milliseconds|minutes|kb|mb)$")
            self.assertTrue(metric.type != "histogram" or metric.name.endswith("_seconds"), metric.name)
            self.assertRegex(metric.meaning, r"\.$")

    def test_every_published_metric_is_declared(self) -> None:
        """Each metric of a scrape is declared, and so documented, with the same labels."""
        conductor = self.start_conductor()
        provision(conductor, self.enroll(conductor).uuid, "manage")
        declared = {metric.name: {"conductor", *metric.labels} for metric in METRICS}
        families = list(text_string_to_metric_families(generate_latest(self.registry).decode()))
        self.assertLess(20, len(families))
        for family in families:
            self.assertIn(family.name, declared)
            for sample in family.samples:
                self.assertEqual(declared[family.name], sample.labels.keys() - {"le"})

    def test_the_dashboard_shows_all_metrics(self) -> None:
        """Each metric in the dashboard exists, and each metric is in the dashboard."""
        board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
        queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        named = set(re.findall(r"\bbaremetal_[a-z_]+", " ".join(queries)))
        self.assertEqual(set(), named - SERIES)
        shown = {metric.name for metric in METRICS if named & set(metric.series)}
        self.assertEqual(set(), {metric.name for metric in METRICS} - shown, "metrics that no panel shows")

    def test_nodes_are_counted_by_state(self) -> None:
        """A scrape contains the number of nodes by state. Counts are cached, and an unavailable store gives none."""
        asked: list[int] = []

        def count() -> list[tuple[str, int]]:
            asked.append(1)
            return [("active", 3), ("no state of ours", 1), ("neither is this", 1)]

        registry, collector = CollectorRegistry(), Collector("test")
        registry.register(collector)
        collector.add(NodeCounts(count).readings)
        for _ in range(3):
            self.assertEqual(3, value(registry, "baremetal_nodes", provision_state="active"))
        self.assertEqual(2, value(registry, "baremetal_nodes", provision_state="other"))
        self.assertEqual(1, len(asked))
        conductor = self.start_conductor()
        self.enroll(conductor)
        self.assertEqual(1, value(self.registry, "baremetal_nodes", provision_state="enroll"))
        self.assertEqual([], list(NodeCounts(self.raise_unavailable).readings()))

    def raise_unavailable(self) -> list[tuple[str, int]]:
        raise StoreUnavailable("away")

    def test_the_values_of_a_label_are_limited(self) -> None:
        """Values beyond the limit are counted together as other, so that a scrape stays small."""
        registry, collector = CollectorRegistry(), Collector("test")
        registry.register(collector)
        telemetry = Telemetry(collector.counters)
        for number in range(MAX_LABEL_VALUES + 5):
            telemetry.begin(Work.TASK, {"purpose": f"purpose {number}"}).end()
        self.assertEqual(5, value(registry, "baremetal_tasks_total", purpose=OTHER))
        self.assertEqual(MAX_LABEL_VALUES + 5, value(registry, "baremetal_tasks_total"))

    def test_times_are_counted_in_their_buckets(self) -> None:
        """Work is counted in the bucket of its duration and all larger ones. The sum adds up all durations."""
        registry, collector = CollectorRegistry(), Collector("test")
        registry.register(collector)
        telemetry = Telemetry(collector.counters)
        observation = telemetry.begin(Work.REQUEST, {"method": "GET", "route": "/", "code": "200"})
        observation.began_at -= 0.2
        observation.end()
        name, bounds = "baremetal_http_request_duration_seconds", ("0.1", "0.25", "5.0", "+Inf")
        buckets = {bound: value(registry, f"{name}_bucket", le=bound) for bound in bounds}
        self.assertEqual({"0.1": 0, "0.25": 1, "5.0": 1, "+Inf": 1}, buckets)
        self.assertTrue(0.2 <= value(registry, f"{name}_sum") < 0.25)

    def test_nothing_is_lost_between_threads(self) -> None:
        """Work of many concurrent threads is counted once each, in the right bucket."""
        registry, collector = CollectorRegistry(), Collector("test")
        registry.register(collector)
        telemetry = Telemetry(collector.counters)

        def work(_: int) -> None:
            for code in ("200", "404") * 500:
                telemetry.begin(Work.REQUEST, {"method": "GET", "route": "/", "code": code}).end()

        in_progress = telemetry.begin(Work.REQUEST, {"method": "GET", "route": "/", "code": "200"})
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        for _ in range(2):
            self.assertEqual(4000, value(registry, "baremetal_http_requests_total", code="404"))
            self.assertEqual(8000, value(registry, "baremetal_http_request_duration_seconds_count", route="/"))
            self.assertEqual(8000, value(registry, "baremetal_http_request_duration_seconds_bucket", le="+Inf"))
            self.assertEqual(8000, value(registry, "baremetal_http_request_duration_seconds_bucket", le="30.0"))
            self.assertEqual(1, value(registry, "baremetal_http_requests_in_progress"))
        in_progress.end()
        self.assertEqual(0, value(registry, "baremetal_http_requests_in_progress"))
        self.assertEqual(4001, value(registry, "baremetal_http_requests_total", code="200"))

    def test_errors_are_classified_as_outcomes(self) -> None:
        """Each error has the outcome of its class."""
        outcomes = {
            "unreachable": BMCUnreachable("x"),
            "authentication_failed": AuthenticationFailed("x"),
            "refused": InvalidInput("x"),
            "failed": ValueError("x"),
        }
        self.assertEqual(list(outcomes), [classify_outcome(exc) for exc in outcomes.values()])
