"""A service under mixed load and failures for a long time: descriptors, threads and memory stay flat.

Run it as ``python -m benchmarks.soak.mixed_load [--minutes 30] [--seed 1] [--plant] [--json]``. The rule: the median of the last
third of the run exceeds the median of the second third by at most the allowed growth. The first third is the warm-up.
"""

from __future__ import annotations

import argparse
import random
import ssl
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baremetal_fake.bmc_account import Account
from baremetal_fake.faults import Effect, Fault, FaultPlan
from baremetal_fake.machine import Timings
from baremetal_fake.rack import Rack
from baremetal_fake.redfish import BMCOptions, RedfishService
from benchmarks.api_connection import APIConnection, Unanswered
from benchmarks.crashes.verify import find_stuck_nodes
from benchmarks.fuzz.rules import INTERNAL_ERRORS
from benchmarks.processes import ProcessFigures, find_exceptions
from benchmarks.report import Report
from benchmarks.soak.soaked_service import SoakedService
from tests.fixtures import postgresql
from tests.fixtures.http_clients import trusting_context

CLIENTS, STREAMS, REDFISH_NODES = 4, 4, 8
SAMPLE_INTERVAL_S = 0.5
_OPTIONS = """
[conductor]
bmc_call_timeout = 5
power_state_change_timeout = 10
sync_power_state_interval = 5
heartbeat_interval = 2
lease_duration = 20
[sensor_data]
send_sensor_data = true
interval = 10
[metrics]
endpoint = none
"""
_VERBS = ("manage", "provide", "active", "deleted")
_LISTINGS = ("/v1/nodes", "/v1/nodes/detail", "/v1/ports", "/v1/conductors", "/v1/drivers")
_STREAM = "/v1/events/stream"


@dataclass(frozen=True)
class Growth:
    """Allowed growth from the second third of a run to the last: memory in MiB, threads and descriptors."""

    mebibytes: float = 16.0
    threads: float = 8.0
    descriptors: float = 16.0


def find_growth(samples: Sequence[ProcessFigures], allowed: Growth) -> tuple[dict[str, Any], list[str]]:
    """Compare the medians of the last and the second third of *samples*. Return the medians, and the figures that grew."""
    third = len(samples) // 3
    medians, grown = {}, []
    for name in ("mebibytes", "threads", "descriptors"):
        values = [getattr(sample, name) for sample in samples]
        before, after = statistics.median(values[third : 2 * third]), statistics.median(values[2 * third :])
        medians[name] = {"second_third": before, "last_third": after}
        limit = getattr(allowed, name)
        if after - before > limit:
            grown.append(f"{name} grew by {after - before:g} to {after:g} from the second third to the last; allowed: {limit:g}")
    return medians, grown


def run_soak(minutes: float, seed: int, report: Report, *, allowed: Growth = Growth(), plant: bool = False) -> dict[str, Any]:
    """Run the service under load for some minutes and check the rule. Return the figures."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = None if postgresql.missing() else stack.enter_context(postgresql.PostgreSQL())
        rack = Rack(timings=Timings(power_on=0.2, power_off=0.2))
        options = BMCOptions(account=Account("admin", "password"), session_limit=4096)
        redfish = stack.enter_context(RedfishService(REDFISH_NODES, rack=rack, options=options))
        service = stack.enter_context(SoakedService(directory, server.url if server else None, _OPTIONS, plant=plant))
        soak = _Soak(service, redfish, report)
        samples = soak.run(60.0 * minutes, seed, server.restart if server else None)
        medians, grown = find_growth(samples, allowed)
        soak.check_end()
        for text in grown:
            report.add_violation(text)
        code = service.stop()
        if code != 0:
            report.add_violation(f"the service ended with exit code {code}")
        for exception in find_exceptions(service.log):
            report.add_violation(f"exception in the log: {exception}")
    return {
        "minutes": minutes, "seed": seed, "requests": soak.statuses.total(), "statuses": dict(sorted(soak.statuses.items())),
        "failures": dict(soak.failures), "stream_bytes": soak.stream_bytes, **medians,
    }  # fmt: skip


class _Soak:
    def __init__(self, service: SoakedService, redfish: RedfishService, report: Report) -> None:
        self._service = service
        self._redfish = redfish
        self._report = report
        self._stopping = threading.Event()
        self._context: ssl.SSLContext = trusting_context()
        self.statuses: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        """Number of failures that were caused, by kind."""
        self.stream_bytes = 0
        self._nodes = [self._create_redfish_node(index) for index in range(REDFISH_NODES)]

    def run(self, seconds: float, seed: int, restart: Callable[[], None] | None) -> list[ProcessFigures]:
        """Load the service for some seconds, and return samples of its figures."""
        work: list[tuple[Callable[..., None], Any]] = [
            *((self._run_lifecycles, f"{seed}-{number}") for number in range(CLIENTS)),
            *((self._use_bmcs, f"{seed}-bmc-{number}") for number in range(CLIENTS)),
            *((self._read_streams, f"{seed}-stream-{number}") for number in range(STREAMS)),
        ]
        threads = [threading.Thread(target=self._repeat, args=item, name=f"soak-{item[1]}") for item in work]
        threads.append(threading.Thread(target=self._cause_failures, args=(random.Random(seed), restart), name="failures"))
        for thread in threads:
            thread.start()
        samples, begin = [], time.monotonic()
        while (elapsed := time.monotonic() - begin) < seconds and self._service.is_running:
            samples.append(ProcessFigures.read(self._service.pid))
            self._report.progress(round(elapsed), round(seconds), f"{samples[-1]}")
            time.sleep(SAMPLE_INTERVAL_S)
        self._stopping.set()
        for thread in threads:
            thread.join()
        if not self._service.is_running:
            self._report.add_violation("the service has ended")
        return samples

    def _repeat(self, work: Callable[[APIConnection, random.Random], None], seed: str) -> None:
        chance = random.Random(seed)
        while not self._stopping.is_set():
            connection = self._connect()
            try:
                work(connection, chance)
            except Unanswered:
                self.statuses[0] += 1
                self._stopping.wait(0.5)
            finally:
                connection.close()

    def _connect(self) -> APIConnection:
        return APIConnection(self._service.url, 60.0, context=self._context)

    def _request(self, connection: APIConnection, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = connection.request(method, path, body)
        self.statuses[answer.status] += 1
        if answer.status >= 500 and any(text in answer.body[:4096].lower() for text in INTERNAL_ERRORS):
            self._report.add_violation(f"status {answer.status}: {method} {path.split('/')[2]}: {answer.body[:150]!r}")
        return answer.status, answer.json if answer.body[:1] in (b"{", b"[") else None

    def _run_lifecycles(self, connection: APIConnection, chance: random.Random) -> None:
        """Create a node, provision it through several states, read listings, and delete it."""
        # A simulated machine stays when its node is deleted, as a real one does, so each client uses one machine.
        info = {"fake_machine": threading.current_thread().name}
        status, node = self._request(connection, "POST", "/v1/nodes", {"driver": "fake-hardware", "driver_info": info})
        if status != 201:
            self._stopping.wait(0.5)
            return
        path = f"/v1/nodes/{node['uuid']}"
        extra = {"text": "x" * chance.randrange(3000)}
        self._request(connection, "PATCH", path, [{"op": "add", "path": "/extra", "value": extra}])
        for verb in _VERBS[: chance.randrange(len(_VERBS) + 1)]:
            self._request(connection, "PUT", f"{path}/states/provision", {"target": verb})
            self._wait(connection, path)
        self._request(connection, "GET", chance.choice(_LISTINGS))
        self._request(connection, "PUT", f"{path}/maintenance", {"reason": "end of the test"})
        while not self._stopping.is_set() and self._request(connection, "DELETE", path)[0] not in (204, 404):
            self._stopping.wait(0.5)

    def _wait(self, connection: APIConnection, path: str) -> None:
        """Wait up to ten seconds until the node has no task."""
        for _ in range(50):
            status, node = self._request(connection, "GET", path)
            if status == 200 and node["reservation"] is None and not node["provision_state"].endswith("ing"):
                return
            self._stopping.wait(0.2)

    def _use_bmcs(self, connection: APIConnection, chance: random.Random) -> None:
        for _ in range(20):
            path = f"/v1/nodes/{chance.choice(self._nodes)}"
            method, below, body = chance.choice((
                ("GET", "management/boot_device", None), ("PUT", "management/boot_device", {"boot_device": "pxe"}),
                ("PUT", "states/power", {"target": chance.choice(("power on", "power off", "rebooting"))}),
                ("PUT", "states/provision", {"target": chance.choice(("manage", "inspect"))}), ("GET", "states", None),
            ))  # fmt: skip
            self._request(connection, method, f"{path}/{below}", body)
            self._stopping.wait(0.1)

    def _read_streams(self, connection: APIConnection, chance: random.Random) -> None:
        self.stream_bytes += connection.read_some(_STREAM, chance.uniform(0.5, 5.0))

    def _create_redfish_node(self, index: int) -> str:
        info = {
            "redfish_address": self._redfish.url_of(index), "redfish_system_id": self._redfish.system_path(index),
            "redfish_username": "admin", "redfish_password": "password",
        }  # fmt: skip
        status, node = self._request(self._connect(), "POST", "/v1/nodes", {"driver": "redfish", "driver_info": info})
        assert status == 201, node
        return str(node["uuid"])

    def _cause_failures(self, chance: random.Random, restart: Callable[[], None] | None) -> None:
        """Cause a failure every few seconds: of BMCs, connections, the log reader and the database; and reload the service."""
        kinds: dict[str, Callable[[], None]] = {
            "BMCs hang": lambda: self._inject(Effect.HANG),
            "BMCs are slow": lambda: self._inject(Effect.SLOW, seconds=2.0),
            "BMCs drop requests": lambda: self._inject(Effect.DROP),
            "BMCs answer wrongly": lambda: self._inject(Effect.MISTYPE),
            "connections are cut": self._redfish.drop_connections,
            "sessions end": self._redfish.end_sessions,
            "certificate is replaced": self._service.replace_certificate,
            "SIGHUP": self._service.reload,
            "log reader stalls": self._stall_log,
        }
        if restart is not None:
            kinds["database restarts"] = restart
        names: list[str] = []
        while not self._stopping.wait(chance.uniform(1.0, 4.0)):
            # Each kind occurs once before one occurs again.
            names = names or chance.sample(list(kinds), len(kinds))
            name = names.pop()
            self.failures[name] += 1
            kinds[name]()
        self._redfish.inject(FaultPlan())

    def _inject(self, effect: Effect, seconds: float = 0.0) -> None:
        """Let half of all BMCs fail for some seconds."""
        self._redfish.inject(FaultPlan((Fault("*", effect, seconds=seconds),)), "[0-3]")
        self._stopping.wait(5.0)
        self._redfish.inject(FaultPlan())

    def _stall_log(self) -> None:
        self._service.stall_log(True)
        self._stopping.wait(5.0)
        self._service.stall_log(False)

    def check_end(self) -> None:
        """Check that the service answers and that no node is stuck."""
        connection = self._connect()
        try:
            for stuck in find_stuck_nodes(connection):
                self._report.add_violation(stuck)
        except (Unanswered, AssertionError) as exc:
            self._report.add_violation(f"the service does not answer at the end: {exc}"[:300])
        finally:
            connection.close()


def main() -> int:
    """Run the soak and print the figures. Return 1 if a promise was violated."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.mixed_load", description="Load a service for a long time.")
    parser.add_argument("--minutes", type=float, default=30.0, help="duration in minutes (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="seed of load and failures (default: 1)")
    parser.add_argument("--plant", action="store_true", help="plant a leak of memory, which the run has to find")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    options = parser.parse_args()
    report = Report("soak")
    figures = run_soak(options.minutes, options.seed, report, plant=options.plant)
    return report.finish(figures, as_json=options.json)


if __name__ == "__main__":
    raise SystemExit(main())
