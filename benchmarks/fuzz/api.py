"""Random requests to all routes of the API, by users with different roles."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.api_connection import APIConnection, Unanswered
from benchmarks.crashes.verify import find_stuck_nodes
from benchmarks.fuzz.api_requests import FuzzRequest, KnownIDs, RequestBuilder
from benchmarks.fuzz.rules import Rules
from benchmarks.fuzz.service import ROLES, FuzzedService, connect, write_users
from benchmarks.report import Report

DEADLINE_S = 10.0
"""Time in seconds in which each request has to be answered: the deadline of a BMC call, and waiting on a loaded machine."""
CLIENTS = 4
NODES = 12
_MAX_RECORDS = 150
_REFRESH_INTERVAL = 500
"""Number of requests of one client after which records are listed again, and surplus ones deleted."""
_OPTIONS = """
[conductor]
bmc_call_timeout = 5
sync_power_state_interval = 5
[metrics]
endpoint = none
"""
_COLLECTIONS = {
    "node": ("/v1/nodes", "nodes", "uuid"),
    "port": ("/v1/ports", "ports", "uuid"),
    "portgroup": ("/v1/portgroups", "portgroups", "uuid"),
    "chassis": ("/v1/chassis", "chassis", "uuid"),
    "connector": ("/v1/volume/connectors", "connectors", "uuid"),
    "target": ("/v1/volume/targets", "targets", "uuid"),
    "allocation": ("/v1/allocations", "allocations", "uuid"),
    "template": ("/v1/deploy_templates", "deploy_templates", "uuid"),
    "runbook": ("/v1/runbooks", "runbooks", "uuid"),
    "rule": ("/v1/inspection_rules", "inspection_rules", "uuid"),
    "driver": ("/v1/drivers", "drivers", "name"),
    "conductor": ("/v1/conductors", "conductors", "hostname"),
}
"""Argument of paths -> path of its collection, key of the listing, and field of the identifier."""


def run_api_fuzz(count: int, seed: int, report: Report, *, plant: bool = False, clients: int = CLIENTS) -> dict[str, Any]:
    """Send *count* random requests and check all rules. Return the figures. Equal seeds send equal requests."""
    rules = Rules(report, DEADLINE_S)
    with tempfile.TemporaryDirectory() as directory:
        options = write_users(Path(directory)) + _OPTIONS
        with FuzzedService(Path(directory), options, plant=plant) as service:
            fuzz = _APIFuzz(service, rules, count)
            with ThreadPoolExecutor(clients) as threads:
                list(threads.map(lambda number: fuzz.run_client(f"{seed}-{number}", count // clients), range(clients)))
            figures: dict[str, Any] = {"requests": sum(rules.answers.values()), "seed": seed, "statuses": _sort(rules.answers)}
            fuzz.check_end()
            figures["slowest_s"] = round(rules.slowest_s, 2)
            if service.is_running:
                figures |= rules.check_process(service.pid)
            rules.check_log(service.log)
    return figures


def _sort(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(name): counts[name] for name in sorted(counts)}


class _APIFuzz:
    def __init__(self, service: FuzzedService, rules: Rules, count: int) -> None:
        self._service = service
        self._rules = rules
        self._count = count
        self._known = KnownIDs()
        self._refreshing = threading.Lock()
        self._warm_up_at = count // 5
        self._refresh()

    def run_client(self, seed: str, count: int) -> None:
        """Send *count* requests over kept-alive connections, one for each user."""
        chance = random.Random(seed)
        builder = RequestBuilder(chance, self._known, tuple(ROLES))
        connections = {user: connect(self._service.url, user, DEADLINE_S * 3) for user in (*ROLES, None)}
        for number in range(count):
            if number % _REFRESH_INTERVAL == _REFRESH_INTERVAL - 1:
                self._refresh()
            if not self._service.is_running:
                self._rules.report.add_violation("the service has ended")
                return
            self._send(builder.build(), connections)
            done = self._rules.answers.total()
            if done >= self._warm_up_at:
                self._end_warm_up()
            self._rules.report.progress(done, self._count)
        for connection in connections.values():
            connection.close()

    def _send(self, request: FuzzRequest, connections: Mapping[str | None, APIConnection]) -> None:
        if request.is_stream:
            return self._open_stream(request)
        begin = time.monotonic()
        try:
            answer = connections[request.user].request(request.method, request.path, request.body, request.headers)
        except Unanswered as exc:
            if time.monotonic() - begin > DEADLINE_S or "Timeout" in str(exc):
                self._rules.report.add_violation(f"no answer: {request.label}: {exc!r:.200}")
            # Otherwise the server closed the connection, as it may after a request that it refused.
            self._rules.answers[0] += 1
            return None
        self._rules.check_answer(request.label, answer.status, answer.body, time.monotonic() - begin)
        return None

    def _open_stream(self, request: FuzzRequest) -> None:
        connection = connect(self._service.url, request.user, DEADLINE_S * 3)
        begin = time.monotonic()
        try:
            status = connection.read_status(request.method, request.path, request.headers)
            self._rules.check_answer(request.label, status, b"stream", time.monotonic() - begin)
        except Unanswered:
            self._rules.answers[0] += 1
        finally:
            connection.close()

    def _end_warm_up(self) -> None:
        with self._refreshing:
            if self._warm_up_at <= self._count:
                self._warm_up_at = self._count + 1
                self._rules.end_warm_up(self._service.pid)

    def _refresh(self) -> None:
        """List the records, delete surplus ones and create nodes, so that requests find records and their number is bounded."""
        if not self._refreshing.acquire(blocking=False):
            return
        connection = connect(self._service.url, "admin")
        try:
            for argument, (path, key, name) in _COLLECTIONS.items():
                records = [record[name] for record in connection.list_all(path, key)]
                for surplus in records[_MAX_RECORDS:]:
                    connection.request("DELETE", f"{path}/{surplus}")
                if argument == "node":
                    records += [self._create_node(connection) for _ in range(NODES - len(records))]
                self._known.by_argument[argument] = records[:_MAX_RECORDS]
        except (Unanswered, AssertionError) as exc:
            self._rules.report.add_violation(f"a listing fails: {exc}"[:300])
        finally:
            connection.close()
            self._refreshing.release()

    def _create_node(self, connection: APIConnection) -> str:
        answer = connection.request("POST", "/v1/nodes", {"driver": "fake-hardware", "owner": "red"})
        if answer.status != 201:
            raise AssertionError(f"cannot create a node: {answer.status} {answer.body[:200]!r}")
        return str(answer.json["uuid"])

    def check_end(self) -> None:
        """Check that the service answers and that no node is stuck."""
        try:
            connection = connect(self._service.url, "admin")
            for stuck in find_stuck_nodes(connection, waiting_is_rest=True):
                self._rules.report.add_violation(stuck)
            for path, key, _ in _COLLECTIONS.values():
                connection.list_all(path, key)
            connection.close()
        except (Unanswered, AssertionError) as exc:
            self._rules.report.add_violation(f"the service does not answer at the end: {exc}"[:300])
