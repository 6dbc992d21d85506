"""Metrics for Prometheus: what is counted, under which names, and who sees it."""

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
    """The sum of the series with this name and these labels."""
    samples = (sample for family in registry.collect() for sample in family.samples if sample.name == name)
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


class MeteredCase(MachinesCase):
    """A conductor on a database, with a registry that was handed in."""

    def setUp(self) -> None:
        super().setUp()
        self.registry = CollectorRegistry()

    def metered(self, **handed_in: Any) -> Conductor:
        """Start a conductor that registers."""
        return self.conductor(handed_in={"metrics": self.registry, **handed_in})

    def wait_for(self, name: str, least: float, **labels: str) -> None:
        """Return once the series has that value; a task is counted when it has ended, which is after its last write."""
        patience = threading.Event()
        for _ in range(200):
            if value(self.registry, name, **labels) >= least:
                return
            patience.wait(0.05)
        self.fail(f"{name} {labels} is {value(self.registry, name, **labels)}:\n{generate_latest(self.registry).decode()}")


class TestCounts(MeteredCase):
    """What a conductor counts."""

    def test_a_cleaning_is_counted_as_tasks_steps_and_calls(self) -> None:
        """A node that was managed and provided is seen as tasks by purpose, steps by phase, and BMC calls by outcome."""
        conductor = self.metered()
        node = self.enrol(conductor, power_interface="fake-bmc", management_interface="fake-bmc")
        provision(conductor, node.uuid, "manage", "provide")
        self.wait_for("baremetal_tasks_total", 1, purpose="provisioning: provide", outcome="succeeded")
        self.wait_for("baremetal_tasks_total", 1, purpose="provisioning: manage", outcome="succeeded")
        self.wait_for("baremetal_steps_total", 1, phase="clean", outcome="succeeded")
        self.wait_for("baremetal_bmc_calls_total", 1, interface="power", outcome="succeeded")
        self.wait_for("baremetal_bmc_logins_total", 1, outcome="succeeded")
        self.assertEqual(0, value(self.registry, "baremetal_bmc_calls_total", method="validate"), "it speaks to no BMC")
        self.assertEqual(0, value(self.registry, "baremetal_tasks_in_progress"))

    def test_a_bmc_that_does_not_answer_is_an_outcome(self) -> None:
        """What goes wrong with a BMC is counted by what it was, and the task as failed."""
        conductor = self.metered()
        node = self.enrol(conductor, power_interface="fake-bmc", faults={"get_power": {"effect": "drop"}})
        task = conductor.components.tasks.read_only(node.uuid)
        self.assertRaises(BareMetalError, task.sample_power)
        self.assertLess(0, value(self.registry, "baremetal_bmc_calls_total", interface="power", outcome="unreachable"))

    def test_a_lease_that_is_held_is_a_conflict_for_others(self) -> None:
        """Leases are shown as held, with the age of the oldest, and those that were not had as conflicts."""
        conductor = self.metered()
        self.enrol(conductor)
        with conductor.acquire("m1", purpose="test"):
            self.assertRaises(NodeLocked, conductor.acquire, "m1", purpose="test")
            self.assertEqual(1, value(self.registry, "baremetal_leases_held"))
            self.assertEqual(1, value(self.registry, "baremetal_tasks_in_progress"))
        self.assertEqual(1, value(self.registry, "baremetal_lease_conflicts_total"))
        self.assertEqual(0, value(self.registry, "baremetal_tasks_in_progress"))

    def test_each_use_of_the_database_is_counted(self) -> None:
        """Reads and writes are told apart, with the time that they took."""
        directory = self.useFixture(TempDir()).path
        store = SQLStore(f"sqlite:///{directory}/nodes.db")
        store.open()
        self.addCleanup(store.close)
        conductor = self.metered(store=store)
        generate_latest(self.registry)  # the first scrape counts the nodes
        before = value(self.registry, "baremetal_database_transactions_total", kind="read")
        conductor.store.conductors()
        self.assertEqual(before + 1, value(self.registry, "baremetal_database_transactions_total", kind="read"))
        self.assertLess(0, value(self.registry, "baremetal_database_transaction_duration_seconds_count", kind="write"))
        conductor.stop()
        self.assertFalse(store.database.telemetry.observes(Work.TRANSACTION), "a store that was handed in is left as it was")

    def test_two_conductors_share_a_registry(self) -> None:
        """A label tells the conductors of one process apart."""
        for host in ("one", "two"):
            self.conductor(host=host, handed_in={"metrics": self.registry})
        self.assertEqual(1, value(self.registry, "baremetal_pool_threads_max", conductor="one") > 0)
        self.assertEqual(1, value(self.registry, "baremetal_pool_threads_max", conductor="two") > 0)

    def test_an_observation_of_power_is_counted_and_its_lag_known(self) -> None:
        """Power sync is seen by how much it is behind, and by what its looks found."""
        conductor = self.conductor(handed_in={"metrics": self.registry}, sync_power_state_interval=0.2)
        provision(conductor, self.enrol(conductor).uuid, "manage")
        self.wait_for("baremetal_power_sync_observations_total", 1, outcome="succeeded")
        self.assertEqual(1, value(self.registry, "baremetal_power_sync_nodes"))
        self.assertLess(value(self.registry, "baremetal_power_sync_lag_seconds"), 60)


class TestRequests(MeteredCase):
    """What the API counts."""

    def test_a_request_is_counted_by_its_route(self) -> None:
        """The path of the route is a label, and never the path that was sent: there are as many series as routes."""
        conductor = self.metered()
        server = APIServer(bare_metal_api(conductor, metrics=self.registry), APIConfig(port=0))
        app = bare_metal_api(conductor)
        for path in ("/v1/nodes/a", "/v1/nodes/b", "/v1/nodes", "/nowhere/at/all"):
            Request.blank(path).get_response(app)
        labels = {"method": "GET", "route": "/v1/nodes/{node}", "code": "404"}
        self.assertEqual(2, value(self.registry, "baremetal_http_requests_total", **labels))
        self.assertEqual(1, value(self.registry, "baremetal_http_requests_total", route="/v1/nodes", code="200"))
        self.assertEqual(1, value(self.registry, "baremetal_http_requests_total", route="none", code="404"))
        self.assertEqual([], list(server.readings()), "it does not serve")

    def test_a_method_that_nobody_knows_makes_no_series(self) -> None:
        """What clients can choose freely does not become a label."""
        app = bare_metal_api(self.metered())
        for number in range(3):
            Request.blank("/v1/nodes", method=f"BREW{number}").get_response(app)
        self.assertEqual(3, value(self.registry, "baremetal_http_requests_total", method="other"))

    def test_a_server_shows_its_threads_and_connections(self) -> None:
        """A part that is added shows its figures for as long as the conductor runs."""
        config = APIConfig(port=0)
        conductor = Conductor(metrics=self.registry)
        conductor.add(APIServer(bare_metal_api(conductor), config))
        with conductor:
            self.assertLess(0, value(self.registry, "baremetal_pool_threads_max", pool="http"))
            self.assertIn(b"baremetal_http_connections", generate_latest(self.registry))
        self.assertNotIn(b"baremetal_", generate_latest(self.registry))


class TestEndpoint(TestCase):
    """``/metrics``."""

    def test_it_speaks_the_formats_of_prometheus(self) -> None:
        """By default it answers in the text format, and in OpenMetrics where that is asked for."""
        app = MetricsEndpoint(CollectorRegistry())
        plain = Request.blank("/metrics").get_response(app)
        self.assertEqual((200, "text/plain"), (plain.status_int, plain.content_type))
        wanted = Request.blank("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        self.assertEqual("application/openmetrics-text", wanted.get_response(app).content_type)
        self.assertEqual(404, Request.blank("/").get_response(app).status_int)
        self.assertEqual(405, Request.blank("/metrics", method="POST").get_response(app).status_int)

    def test_only_readers_of_the_whole_system_see_it(self) -> None:
        """Beside an API that asks for names, a project's reader is refused."""
        rules = {"baremetal:metrics:get": "system-reader"}
        app = MetricsPath(MetricsEndpoint(CollectorRegistry()), CollectorRegistry(), RolePolicy(rules))
        reader = Identity("prometheus", None, frozenset({"reader"}), True)
        tenant = Identity("tenant", "p", frozenset({"admin"}), False)
        for who, code in ((reader, 200), (tenant, 403), (None, 403)):
            request = Request.blank("/metrics", environ={} if who is None else {IDENTITY_KEY: who})
            self.assertEqual(code, request.get_response(app).status_int, who)


class TestDeclarations(MeteredCase):
    """Names, units and labels."""

    def test_names_follow_the_conventions_of_prometheus(self) -> None:
        """Base units, no suffix that the client adds, and no name twice."""
        names = [metric.name for metric in METRICS]
        self.assertEqual(len(names), len(set(names)))
        for metric in METRICS:
            self.assertRegex(metric.name, r"^baremetal_[a-z]+(_[a-z]+)*$")
            self.assertNotRegex(metric.name, r"_(total|count|sum|bucket|ms|milliseconds|minutes|kb|mb)$")
            self.assertTrue(metric.type != "histogram" or metric.name.endswith("_seconds"), metric.name)
            self.assertRegex(metric.meaning, r"\.$")

    def test_everything_that_is_shown_is_declared(self) -> None:
        """What a scrape holds is in the table of the documentation, with these labels."""
        conductor = self.metered()
        provision(conductor, self.enrol(conductor).uuid, "manage")
        declared = {metric.name: {"conductor", *metric.labels} for metric in METRICS}
        families = list(text_string_to_metric_families(generate_latest(self.registry).decode()))
        self.assertLess(20, len(families))
        for family in families:
            self.assertIn(family.name, declared)
            for sample in family.samples:
                self.assertEqual(declared[family.name], sample.labels.keys() - {"le"})

    def test_the_dashboard_shows_metrics_that_there_are(self) -> None:
        """Each metric that the dashboard names exists, and each kind of work is shown on it."""
        board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
        queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        named = set(re.findall(r"\bbaremetal_[a-z_]+", " ".join(queries)))
        self.assertEqual(set(), named - SERIES)
        shown = {metric.name for metric in METRICS if named & set(metric.series)}
        self.assertEqual(set(), {metric.name for metric in METRICS} - shown, "metrics that no panel shows")

    def test_nodes_are_counted_by_state(self) -> None:
        """A scrape tells how many nodes are in each state; the store is asked now and then, and not where it cannot be."""
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
        conductor = self.metered()
        self.enrol(conductor)
        self.assertEqual(1, value(self.registry, "baremetal_nodes", provision_state="enroll"))
        self.assertEqual([], list(NodeCounts(self.failing).readings()))

    def failing(self) -> list[tuple[str, int]]:
        raise StoreUnavailable("away")

    def test_a_label_has_so_many_values_and_no_more(self) -> None:
        """Values beyond the bound are counted together, so that a scrape stays small whatever names are given."""
        registry, collector = CollectorRegistry(), Collector("test")
        registry.register(collector)
        telemetry = Telemetry(collector.counts)
        for number in range(MAX_LABEL_VALUES + 5):
            telemetry.begin(Work.TASK, {"purpose": f"purpose {number}"}).end()
        self.assertEqual(5, value(registry, "baremetal_tasks_total", purpose=OTHER))
        self.assertEqual(MAX_LABEL_VALUES + 5, value(registry, "baremetal_tasks_total"))

    def test_times_are_counted_in_their_buckets(self) -> None:
        """Work is in the bucket of its time and in all above, and the sum is of all times."""
        registry, collector = CollectorRegistry(), Collector("test")
        registry.register(collector)
        telemetry = Telemetry(collector.counts)
        one = telemetry.begin(Work.REQUEST, {"method": "GET", "route": "/", "code": "200"})
        one.began_at -= 0.2
        one.end()
        name, bounds = "baremetal_http_request_duration_seconds", ("0.1", "0.25", "5.0", "+Inf")
        buckets = {bound: value(registry, f"{name}_bucket", le=bound) for bound in bounds}
        self.assertEqual({"0.1": 0, "0.25": 1, "5.0": 1, "+Inf": 1}, buckets)
        self.assertTrue(0.2 <= value(registry, f"{name}_sum") < 0.25)

    def test_nothing_is_lost_between_threads(self) -> None:
        """However many threads work at the same time, each piece of work is counted once, and its time in the right bucket."""
        registry, collector = CollectorRegistry(), Collector("test")
        registry.register(collector)
        telemetry = Telemetry(collector.counts)

        def work(_: int) -> None:
            for code in ("200", "404") * 500:
                telemetry.begin(Work.REQUEST, {"method": "GET", "route": "/", "code": code}).end()

        goes_on = telemetry.begin(Work.REQUEST, {"method": "GET", "route": "/", "code": "200"})
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        for _ in range(2):
            self.assertEqual(4000, value(registry, "baremetal_http_requests_total", code="404"))
            self.assertEqual(8000, value(registry, "baremetal_http_request_duration_seconds_count", route="/"))
            self.assertEqual(8000, value(registry, "baremetal_http_request_duration_seconds_bucket", le="+Inf"))
            self.assertEqual(8000, value(registry, "baremetal_http_request_duration_seconds_bucket", le="30.0"))
            self.assertEqual(1, value(registry, "baremetal_http_requests_in_progress"))
        goes_on.end()
        self.assertEqual(0, value(registry, "baremetal_http_requests_in_progress"))
        self.assertEqual(4001, value(registry, "baremetal_http_requests_total", code="200"))

    def test_outcomes_are_few_words(self) -> None:
        """An error is counted by what it means."""
        outcomes = {
            "unreachable": BMCUnreachable("x"),
            "authentication_failed": AuthenticationFailed("x"),
            "refused": InvalidInput("x"),
            "failed": ValueError("x"),
        }
        self.assertEqual(list(outcomes), [classify_outcome(exc) for exc in outcomes.values()])
