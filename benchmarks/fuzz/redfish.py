"""Hostile Redfish BMCs: each behaves correctly until its node is manageable, and then answers all requests in its hostile way."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from baremetal_fake.bmc_account import Account
from baremetal_fake.machine import Timings
from baremetal_fake.rack import Rack
from baremetal_fake.redfish import BMCOptions, RedfishService
from benchmarks.api_connection import APIConnection, Unanswered
from benchmarks.crashes.verify import find_stuck_nodes
from benchmarks.fuzz.hostile_bmc import Behavior, CredentialTrap, HostileBMC
from benchmarks.fuzz.redfish_behaviors import HANDSHAKE, select_behaviors
from benchmarks.fuzz.rules import Limits, Rules
from benchmarks.fuzz.service import FuzzedService
from benchmarks.report import Report

CALL_TIMEOUT_S = 3.0
DEADLINE_S = CALL_TIMEOUT_S + 3.0
"""Time in seconds in which each request has to be answered: a call to the BMC, and waiting on a loaded machine."""
IDLE_TIMEOUT_S = 60.0
"""Seconds in which a task on a hostile BMC has to end."""
NODES_AT_ONCE = 6
_SETUP_TIMEOUT_S = 60.0
_OPTIONS = f"""
[DEFAULT]
enabled_hardware_types = redfish
[conductor]
bmc_call_timeout = {CALL_TIMEOUT_S}
power_state_change_timeout = 5
sync_power_state_interval = 2
[sensor_data]
send_sensor_data = true
interval = 5
[metrics]
endpoint = none
"""
_CLEAN_STEPS = [{"interface": "management", "step": "clear_job_queue"}]
REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "management/boot_device", None),
    ("GET", "management/boot_device/supported", None),
    ("PUT", "management/boot_device", {"boot_device": "pxe", "persistent": True}),
    ("PUT", "states/power", {"target": "power on"}),
    ("PUT", "states/provision", {"target": "inspect"}),
    ("GET", "management/indicators", None),
    ("PUT", "states/boot_mode", {"target": "uefi"}),
    ("PUT", "states/provision", {"target": "clean", "clean_steps": _CLEAN_STEPS}),
    ("GET", "vmedia", None),
    ("GET", "firmware", None),
    ("PUT", "states/power", {"target": "rebooting"}),
    ("PUT", "states/provision", {"target": "provide"}),
    ("PUT", "management/inject_nmi", {}),
    ("GET", "vendor_passthru/methods", None),
    ("GET", "explain", None),
    ("GET", "states", None),
)
"""Method, path below the node, and body of the requests that each hostile BMC causes."""


def run_redfish_fuzz(count: int, seed: int, report: Report, *, plant: bool = False) -> dict[str, Any]:
    """Let *count* BMCs behave in hostile ways, and check all rules. Return the figures."""
    rules = Rules(report, DEADLINE_S, Limits(mebibytes=128.0), with_failing_bmcs=True)
    behaviors = select_behaviors(count)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(FuzzedService(directory, _OPTIONS, plant=plant))
        fuzz = stack.enter_context(_RedfishFuzz(service, rules, seed, len(behaviors)))
        # The first node loads the driver and its libraries.
        fuzz.run_node("warm-up", lambda exchange: exchange.answer())
        rules.end_warm_up(service.pid)
        with ThreadPoolExecutor(NODES_AT_ONCE) as threads:
            list(threads.map(lambda item: fuzz.run_node(*item), behaviors.items()))
        fuzz.check_end()
        figures: dict[str, Any] = {
            "behaviors": len(behaviors),
            "seed": seed,
            "hostile_answers": fuzz.hostile_answers,
            "statuses": {str(status): rules.answers[status] for status in sorted(rules.answers)},
            "states": dict(fuzz.states),
            "slowest_s": round(rules.slowest_s, 2),
        }
        if service.is_running:
            figures |= rules.check_process(service.pid, settle_s=30.0)
        rules.check_log(service.log)
    return figures


class _RedfishFuzz:
    """The simulated machines, and the rounds on one node each."""

    def __init__(self, service: FuzzedService, rules: Rules, seed: int, total: int) -> None:
        self._service = service
        self._rules = rules
        self._seed = seed
        self._total = total
        self._lock = threading.Lock()
        self._done = 0
        self.hostile_answers = 0
        self.states: Counter[str] = Counter()
        """Number of nodes by their state at the end."""

    def __enter__(self) -> _RedfishFuzz:
        self._stack = ExitStack()
        account = Account("admin", "password")
        rack = Rack(timings=Timings(power_on=0.2, power_off=0.2))
        options = BMCOptions(account=account, session_limit=4096)
        self._redfish = self._stack.enter_context(RedfishService(self._total + 1, rack=rack, options=options))
        self._trap = CredentialTrap()
        self._stack.callback(self._trap.close)
        self._machines = iter(range(self._total + 1))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run_node(self, name: str, behavior: Behavior) -> None:
        """Manage a node, let its BMC become hostile, send all requests, and wait until no task runs."""
        with self._lock:
            machine = next(self._machines)
        handshake = behavior if name in HANDSHAKE else None
        bmc = HostileBMC(
            self._redfish.port, behavior, seed=f"{self._seed}-{name}", other_port=self._trap.port, before_tls=handshake
        )
        connection = APIConnection(self._service.url)
        try:
            node = self._create_node(connection, bmc, machine)
            if handshake is None:
                self._provision(connection, node, "manage", "manageable")
                bmc.is_hostile.set()
            for method, path, body in REQUESTS:
                self._send(connection, f"{name}: {method} {path}", method, f"/v1/nodes/{node}/{path}", body)
            self._wait_until_idle(connection, node, name)
        except (Unanswered, AssertionError) as exc:
            self._rules.report.add_violation(f"{name}: {exc}"[:300])
        finally:
            bmc.stop()
            connection.close()
        with self._lock:
            self._done += 1
            self.hostile_answers += bmc.requests
        self._rules.report.progress(min(self._done - 1, self._total), self._total, name)

    def _create_node(self, connection: APIConnection, bmc: HostileBMC, machine: int) -> str:
        info = {
            "redfish_address": bmc.url, "redfish_system_id": self._redfish.system_path(machine), "redfish_username": "admin",
            "redfish_password": "password", "redfish_verify_ca": False,
        }  # fmt: skip
        answer = connection.request("POST", "/v1/nodes", {"driver": "redfish", "driver_info": info})
        assert answer.status == 201, f"cannot create the node: {answer.status} {answer.body[:200]!r}"
        return str(answer.json["uuid"])

    def _provision(self, connection: APIConnection, node: str, verb: str, state: str) -> None:
        connection.request("PUT", f"/v1/nodes/{node}/states/provision", {"target": verb})
        end = time.monotonic() + _SETUP_TIMEOUT_S
        while (record := self._read(connection, node))["provision_state"] != state or record["reservation"]:
            assert time.monotonic() < end, f"the node is not {state}: {record['last_error']}"
            time.sleep(0.1)

    def _send(self, connection: APIConnection, label: str, method: str, path: str, body: Any) -> None:
        begin = time.monotonic()
        answer = connection.request(method, path, body)
        self._rules.check_answer(label, answer.status, answer.body, time.monotonic() - begin)

    def _wait_until_idle(self, connection: APIConnection, node: str, name: str) -> None:
        end = time.monotonic() + IDLE_TIMEOUT_S
        while True:
            record = self._read(connection, node)
            if record["reservation"] is None and not record["provision_state"].endswith(("ing", "wait")):
                break
            assert time.monotonic() < end, f"stuck: {record['provision_state']}, reservation {record['reservation']}"
            time.sleep(0.2)
        with self._lock:
            self.states[record["provision_state"]] += 1

    def _read(self, connection: APIConnection, node: str) -> Mapping[str, Any]:
        answer = connection.request("GET", f"/v1/nodes/{node}")
        assert answer.status == 200, f"the node cannot be read: {answer.status} {answer.body[:200]!r}"
        record: Mapping[str, Any] = answer.json
        return record

    def check_end(self) -> None:
        """Check that the service answers, that no node is stuck, and that no credentials reached another host."""
        connection = APIConnection(self._service.url)
        try:
            for stuck in find_stuck_nodes(connection, waiting_is_rest=True):
                self._rules.report.add_violation(stuck)
            connection.list_all("/v1/nodes/detail", "nodes")
        except (Unanswered, AssertionError) as exc:
            self._rules.report.add_violation(f"the service does not answer at the end: {exc}"[:300])
        finally:
            connection.close()
        if self._trap.caught:
            self._rules.report.add_violation(f"credentials were sent to another host {self._trap.caught} times")
