"""A load of writes whose acknowledgements are recorded, and of tasks on simulated machines."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from benchmarks.api_connection import Answer, APIConnection, Unanswered
from benchmarks.crashes.ledger import Key, Ledger

MAX_RECORDS = 25
"""Number of records of one collection that a writer keeps. It deletes before it creates more."""
TASKS: tuple[tuple[str, str], ...] = (
    *(("power", target) for target in ("power on", "power off", "rebooting")),
    *(("provision", verb) for verb in ("manage", "provide", "active", "deleted", "rebuild", "abort")),
)
"""Kind and target of the tasks that a worker starts."""
_CREATED, _CHANGED, _DELETED, _ACCEPTED, _CONFLICT = 201, 200, 204, 202, 409


class Collection(NamedTuple):
    """Path of a collection, and a function of a node's UUID and a random generator that returns a new record."""

    path: str
    build: Callable[[str, random.Random], dict[str, Any]]


def _build_port(node: str, chance: random.Random) -> dict[str, Any]:
    return {"node_uuid": node, "address": "52:54:" + ":".join(f"{chance.randrange(256):02x}" for _ in range(4))}


COLLECTIONS: Mapping[str, Collection] = {
    "nodes": Collection("/v1/nodes", lambda node, chance: {"driver": "fake-hardware"}),
    "ports": Collection("/v1/ports", _build_port),
    "chassis": Collection("/v1/chassis", lambda node, chance: {}),
    "portgroups": Collection("/v1/portgroups", lambda node, chance: {"node_uuid": node}),
}
"""The collections that writers use, by the name of their records in a listing."""


class WriterLoad:
    """Threads that create, change and delete records, and threads that start tasks.

    Each thread has its own records and keeps them over several runs. It ends a run when a request is not answered, because the
    service was killed. *plant* is the planted fault that a check has to find: at the end of a run each writer records a write as
    acknowledged that it did not send.
    """

    def __init__(self, ledger: Ledger, *, seed: int, writers: int = 8, workers: int = 2, plant: bool = False) -> None:
        self.unexpected: Counter[str] = Counter()
        """Responses with an unexpected status."""
        self._plant = plant
        self._stopping = threading.Event()
        self._writers = [Writer(ledger, random.Random(f"{seed}-writer-{number}")) for number in range(writers)]
        self._workers = [Worker(ledger, random.Random(f"{seed}-worker-{number}")) for number in range(workers)]

    @contextmanager
    def run(self, url: str) -> Iterator[None]:
        """Load the API at *url* within the block."""
        self._stopping.clear()
        clients = (*self._writers, *self._workers)
        threads = [threading.Thread(target=self._run_client, args=(client, url), name="load") for client in clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()
        if self._plant:
            for writer in self._writers:
                writer.acknowledge_unsent_change()

    def _run_client(self, client: Writer | Worker, url: str) -> None:
        connection = APIConnection(url)
        try:
            client.prepare(connection)
            while not self._stopping.is_set():
                client.step(connection)
        except Unanswered:
            pass
        except UnexpectedAnswer as exc:
            self.unexpected[str(exc)] += 1
        finally:
            connection.close()


class UnexpectedAnswer(Exception):
    """A response with a status that the load does not expect."""


class Writer:
    """A client that writes its own records, one request at a time, and records what the API acknowledged."""

    def __init__(self, ledger: Ledger, chance: random.Random) -> None:
        self._ledger = ledger
        self._chance = chance
        self._keys: dict[str, list[Key]] = {name: [] for name in COLLECTIONS}
        self._node: Key | None = None
        """The node of the other records. It is never deleted."""
        self._sequence = 0

    def prepare(self, connection: APIConnection) -> None:
        """Forget the records that do not exist any more, and create the node of the other records if it does not exist."""
        self._keys = {name: [key for key in keys if self._ledger.exists(key)] for name, keys in self._keys.items()}
        while self._node is None or not self._ledger.exists(self._node):
            self._node = self._create(connection, "nodes")

    def step(self, connection: APIConnection) -> None:
        """Send one write."""
        name = self._chance.choice(list(COLLECTIONS))
        keys = self._keys[name]
        action = self._chance.choices(("create", "change", "delete"), (3, 5, 2))[0]
        if not keys or (action == "create" and len(keys) < MAX_RECORDS):
            key = self._create(connection, name)
            if self._ledger.exists(key):
                keys.append(key)
            return
        key = keys.pop(self._chance.randrange(len(keys)))
        path = f"{COLLECTIONS[name].path}/{key.uuid}"
        if action == "change":
            state = self._build_state()
            self._send(connection, "PATCH", path, [{"op": "add", "path": "/extra", "value": state}], key=key, state=state)
        else:
            self._send(connection, "DELETE", path, None, key=key, state=None)
        if self._ledger.exists(key):
            keys.append(key)

    def acknowledge_unsent_change(self) -> None:
        """Record a change of the node as acknowledged without sending it."""
        if self._node is not None and self._ledger.exists(self._node):
            self._ledger.begin(self._node, self._build_state())
            self._ledger.acknowledge(self._node, "planted")

    def _create(self, connection: APIConnection, name: str) -> Key:
        collection = COLLECTIONS[name]
        key = Key(name, str(uuid.UUID(int=self._chance.getrandbits(128), version=4)))
        state = self._build_state()
        node = "" if self._node is None else self._node.uuid
        body = {**collection.build(node, self._chance), "uuid": key.uuid, "extra": state}
        self._send(connection, "POST", collection.path, body, key=key, state=state)
        return key

    def _build_state(self) -> dict[str, Any]:
        self._sequence += 1
        return {"sequence": self._sequence, "text": "x" * self._chance.choice((1, 100, 2000))}

    def _send(
        self, connection: APIConnection, method: str, path: str, body: Any, *, key: Key, state: Mapping[str, Any] | None
    ) -> None:
        """Send a write of a record. A failure of the server leaves it open whether the write was executed."""
        self._ledger.begin(key, state)
        answer = connection.request(method, path, body)
        if answer.status == {"POST": _CREATED, "PATCH": _CHANGED, "DELETE": _DELETED}[method]:
            self._ledger.acknowledge(key, method)
        elif answer.status == _CONFLICT:
            self._ledger.reject(key)
        elif answer.status != 503:
            raise UnexpectedAnswer(_describe(method, COLLECTIONS[key.collection].path, answer))


class Worker:
    """A client that starts tasks on its own nodes. Conflicts are expected; the outcome is the service's concern."""

    def __init__(self, ledger: Ledger, chance: random.Random, nodes: int = 5) -> None:
        self._ledger = ledger
        self._chance = chance
        self._nodes = [Key("nodes", str(uuid.UUID(int=chance.getrandbits(128), version=4))) for _ in range(nodes)]

    def prepare(self, connection: APIConnection) -> None:
        """Create the nodes that do not exist."""
        for key in self._nodes:
            if not self._ledger.exists(key):
                self._ledger.begin(key, {})
                body = {"uuid": key.uuid, "driver": "fake-hardware", "extra": {}}
                answer = connection.request("POST", "/v1/nodes", body)
                if answer.status != _CREATED:
                    raise UnexpectedAnswer(_describe("POST", "/v1/nodes", answer))
                self._ledger.acknowledge(key, "POST")

    def step(self, connection: APIConnection) -> None:
        """Start one task."""
        kind, target = self._chance.choice(TASKS)
        node = self._chance.choice(self._nodes).uuid
        answer = connection.request("PUT", f"/v1/nodes/{node}/states/{kind}", {"target": target})
        if answer.status == _ACCEPTED:
            self._ledger.acknowledged["tasks"] += 1
        elif answer.status not in (400, _CONFLICT, 503):
            raise UnexpectedAnswer(_describe("PUT", f"states/{kind}", answer))


def _describe(method: str, path: str, answer: Answer) -> str:
    return f"{method} {path}: {answer.status} {answer.body[:200]!r}"
