"""Every arrangement of the operator's guide as processes on this machine, and clients that ask any of its APIs.

``python -m benchmarks.arrangements`` starts each in turn, creates 100 nodes and deletes 90 of them, each request at an API that
is picked at random, and prints a line of JSON. Arguments are words that an arrangement has to have (``oslo mariadb``); what comes
after ``--`` is a command to run in place of that, with the URLs, divided by commas, as its last argument. Servers are Debian's.
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
    """Which mode of RPC, on which database, and who tells which conductors live."""

    rpc: str
    database: str
    witness: str = "heartbeats"

    @property
    def name(self) -> str:
        """Its words."""
        return " ".join(self)

    @property
    def missing(self) -> str | None:
        """Why it cannot be had here."""
        needed = {"postgresql": postgresql, "mariadb": mariadb, "oslo": rabbitmq, "etcd": etcd}
        return next((why for word in self if (why := needed[word].missing() if word in needed else None)), None)


_SERVERS = ("postgresql", "mariadb")
_WITNESSES = ("heartbeats", "etcd")
ARRANGEMENTS = (
    *(Arrangement("none", database) for database in ("sqlite", *_SERVERS)),
    *(Arrangement("json-rpc", database, who) for database in ("sqlite", *_SERVERS) for who in _WITNESSES),
    *(Arrangement("oslo", database, who) for database in _SERVERS for who in _WITNESSES),
)


class Running(Fixture):
    """An arrangement that runs: :attr:`urls` are those of its APIs. Apart from their conductors there are two of each."""

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
        if arrangement.witness == "etcd":
            options["coordination"] = {"backend_url": self.useFixture(etcd.Etcd()).url}
        self.urls = [self._in_one()] if arrangement.rpc == "none" else self._apart(options)

    def _in_one(self) -> str:
        directory = self.useFixture(TempDir()).path
        config = f"{directory}/metald.conf"
        with open(config, "w", encoding="ascii") as output:
            print(f"[database]\nconnection = {self.database_url}\nsecret_key_file = {directory}/key", file=output)
        url: str = self.useFixture(Service("--config-file", config)).url
        return url

    def _apart(self, options: dict[str, dict[str, str]]) -> list[str]:
        processes = self.useFixture(MetaldProcesses(self.database_url, options))
        for number in (1, 2):
            processes.start_conductor(number)
        return [processes.start_api(number)[1] for number in (3, 4)]


class Client:
    """Asks one API, over a connection that is kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60.0)

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any, float]:
        """Status, body, and seconds that it took."""
        headers = {"X-OpenStack-Ironic-API-Version": "1.81", "Content-Type": "application/json"}
        begun = time.perf_counter()
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None, time.perf_counter() - begun


def create_and_delete(urls: Sequence[str], nodes: int = NODES) -> dict[str, Any]:
    """Create nodes and delete nine in ten, each at any API; what it took, and the answers that were none of the expected."""
    clients = [Client(url) for url in urls]
    taken: dict[str, list[float]] = {"POST": [], "DELETE": []}
    wrong: list[str] = []

    def ask(expected: int, method: str, path: str, body: Any = None) -> Any:
        status, content, seconds = random.choice(clients)(method, path, body)
        taken[method].append(seconds)
        if status != expected:
            wrong.append(f"{method} {path}: {status} {content}")
        return content

    begun = time.perf_counter()
    made = [ask(201, "POST", "/v1/nodes", {"driver": random.choice(DRIVERS), "name": f"n{number}"}) for number in range(nodes)]
    for one in made[: nodes * 9 // 10]:
        ask(204, "DELETE", f"/v1/nodes/{one['uuid']}")
    seconds = time.perf_counter() - begun
    # What one API has created all of them show.
    seen = [{one["uuid"] for one in client("GET", "/v1/nodes")[1]["nodes"]} for client in clients]
    if any(uuids != {one["uuid"] for one in made[nodes * 9 // 10 :]} for uuids in seen):
        wrong.append("the APIs do not show the nodes that are left")
    medians = {f"{method.lower()}_ms": round(1000 * statistics.median(found), 1) for method, found in taken.items()}
    return {"apis": len(urls), "seconds": round(seconds, 2), **medians, "wrong": wrong}


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 0 when nothing was wrong."""
    words, command = arguments, list[str]()
    if "--" in arguments:
        divided = arguments.index("--")
        words, command = arguments[:divided], list(arguments[divided + 1 :])
    failed = 0
    for arrangement in (one for one in ARRANGEMENTS if set(words) <= set(one)):
        if arrangement.missing:
            print(json.dumps({"arrangement": arrangement.name, "left out": arrangement.missing}), flush=True)
            continue
        with Running(arrangement) as running:
            if command:
                print(f"=== {arrangement.name}", flush=True)
                failed += subprocess.run([*command, ",".join(running.urls)], check=False).returncode != 0
            else:
                found = create_and_delete(running.urls)
                print(json.dumps({"arrangement": arrangement.name, **found}), flush=True)
                failed += bool(found["wrong"])
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
