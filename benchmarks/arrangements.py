"""Every deployment arrangement of the operator's guide as local processes, with clients of all its APIs.

``python -m benchmarks.arrangements`` starts the arrangements one after the other. In each it creates 100 nodes and deletes 90,
sends each request to a random API, and prints one line of JSON. Arguments are words that select arrangements, such as
``oslo mariadb``. A command after ``--`` runs instead; its last argument is the comma-separated list of API URLs. The servers
are Debian's.
"""

from __future__ import annotations

import http.client
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fixtures import Fixture, TempDir

from tests.fixtures import etcd, mariadb, postgresql, rabbitmq
from tests.fixtures.databases import EmptyDatabase
from tests.fixtures.metald_processes import MetaldProcesses
from tests.fixtures.metald_service import Service

NODES = 100
DRIVERS = ("ipmi", "redfish")
_DATABASES = {"postgresql": postgresql.PostgreSQL, "mariadb": mariadb.MariaDB}


class Arrangement(NamedTuple):
    """RPC transport, database, and source of the liveness of conductors."""

    rpc: str
    database: str
    liveness: str = "heartbeats"

    @property
    def name(self) -> str:
        """The words of the arrangement."""
        return " ".join(self)

    @property
    def missing(self) -> str | None:
        """The reason why the arrangement cannot run here, or None."""
        servers = {"postgresql": postgresql, "mariadb": mariadb, "oslo": rabbitmq, "etcd": etcd}
        reasons = (servers[word].missing() for word in self if word in servers)
        return next(filter(None, reasons), None)


_SERVERS = ("postgresql", "mariadb")
_LIVENESS_SOURCES = ("heartbeats", "etcd")
ARRANGEMENTS = (
    *(Arrangement("none", database) for database in ("sqlite", *_SERVERS)),
    *(Arrangement("json-rpc", database, liveness) for database in ("sqlite", *_SERVERS) for liveness in _LIVENESS_SOURCES),
    *(Arrangement("oslo", database, liveness) for database in _SERVERS for liveness in _LIVENESS_SOURCES),
)


class RunningArrangement(Fixture):
    """A running arrangement. :attr:`urls` are those of its APIs. An arrangement of several processes has two of each kind."""

    def __init__(self, arrangement: Arrangement) -> None:
        super().__init__()
        self._arrangement = arrangement

    def _setUp(self) -> None:
        arrangement = self._arrangement
        server = _DATABASES.get(arrangement.database)
        self.database_url = self.useFixture(server() if server else EmptyDatabase("")).url
        options: dict[str, dict[str, str]] = {"DEFAULT": {"rpc_transport": arrangement.rpc}}
        if arrangement.rpc == "oslo":
            options["DEFAULT"]["transport_url"] = self.useFixture(rabbitmq.RabbitMQ()).url
        if arrangement.liveness == "etcd":
            options["coordination"] = {"backend_url": self.useFixture(etcd.Etcd()).url}
        self.urls = [self._start_one_process()] if arrangement.rpc == "none" else self._start_processes(options)

    def _start_one_process(self) -> str:
        directory = self.useFixture(TempDir()).path
        config = f"{directory}/metald.conf"
        with open(config, "w", encoding="ascii") as output:
            print(f"[database]\nconnection = {self.database_url}\nsecret_key_file = {directory}/key", file=output)
        url: str = self.useFixture(Service("--config-file", config)).url
        return url

    def _start_processes(self, options: dict[str, dict[str, str]]) -> list[str]:
        processes = self.useFixture(MetaldProcesses(self.database_url, options))
        for number in (1, 2):
            processes.start_conductor(number)
        return [processes.start_api(number)[1] for number in (3, 4)]


class ArrangementClient:
    """Client of one API over a kept-alive connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60.0)

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any, float]:
        """Send a request. Return status, body and duration in seconds."""
        headers = {"X-OpenStack-Ironic-API-Version": "1.81", "Content-Type": "application/json"}
        begin = time.perf_counter()
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content else None, time.perf_counter() - begin


def create_and_delete(urls: Sequence[str], nodes: int = NODES) -> dict[str, Any]:
    """Create nodes and delete nine of ten, each through a random API. Return the figures and the unexpected responses."""
    clients = [ArrangementClient(url) for url in urls]
    durations: dict[str, list[float]] = {"POST": [], "DELETE": []}
    errors: list[str] = []

    def send(expected_status: int, method: str, path: str, body: Any = None) -> Any:
        status, content, seconds = random.choice(clients)(method, path, body)
        durations[method].append(seconds)
        if status != expected_status:
            errors.append(f"{method} {path}: {status} {content}")
        return content

    begin = time.perf_counter()
    created = []
    for number in range(nodes):
        created.append(send(201, "POST", "/v1/nodes", {"driver": random.choice(DRIVERS), "name": f"n{number}"}))
    deleted_count = nodes * 9 // 10
    for node in created[:deleted_count]:
        send(204, "DELETE", f"/v1/nodes/{node['uuid']}")
    total_seconds = time.perf_counter() - begin
    # All APIs show the nodes that any API has created.
    remaining = {node["uuid"] for node in created[deleted_count:]}
    for client in clients:
        if {node["uuid"] for node in client("GET", "/v1/nodes")[1]["nodes"]} != remaining:
            errors.append("an API does not show exactly the remaining nodes")
    medians = {f"{method.lower()}_ms": round(1000 * statistics.median(times), 1) for method, times in durations.items()}
    return {"apis": len(urls), "seconds": round(total_seconds, 2), **medians, "wrong": errors}


def main(arguments: Sequence[str]) -> int:
    """Run the selected arrangements. Return the number of arrangements with errors."""
    words, command = arguments, list[str]()
    if "--" in arguments:
        separator = arguments.index("--")
        words, command = arguments[:separator], list(arguments[separator + 1 :])
    failed = 0
    for arrangement in ARRANGEMENTS:
        if not set(words) <= set(arrangement):
            continue
        if arrangement.missing:
            print(json.dumps({"arrangement": arrangement.name, "left out": arrangement.missing}), flush=True)
            continue
        with RunningArrangement(arrangement) as running:
            if command:
                print(f"=== {arrangement.name}", flush=True)
                failed += subprocess.run([*command, ",".join(running.urls)], check=False).returncode != 0
            else:
                figures = create_and_delete(running.urls)
                print(json.dumps({"arrangement": arrangement.name, **figures}), flush=True)
                failed += bool(figures["wrong"])
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
