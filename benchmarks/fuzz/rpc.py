"""Random JSON-RPC messages to a conductor: wrong types, marks of the codec, batches, depth, and odd deadlines."""

from __future__ import annotations

import json
import random
import socket
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from baremetal_sdk import ConductorConfig
from baremetal_sdk.testing import running_conductor
from benchmarks.api_connection import Answer, APIConnection, Unanswered
from benchmarks.fuzz import values
from benchmarks.fuzz.rules import Rules
from benchmarks.fuzz.service import FuzzedService, connect, write_users
from benchmarks.report import Report

DEADLINE_S = 10.0
CLIENTS = 4
FORGED = "FORGED-LINE"
"""Text that messages contain after a line break. No line of the log may begin with it."""
_INTERNAL_ERROR = -32603
_UNAUTHORIZED = 401
_MARKS = ("record", "int", "bytes", "datetime", "dict", "set", "frozenset", "tuple", "float", "os.system", "", None, {})
_HEAVY_BODIES = (
    b"[" * 100_000, b'{"a":' * 50_000, b"{}", b"", b"[]", b"null", b'{"jsonrpc": "2.0"', b"\xff", b'{"jsonrpc":"2.0","id":1e999}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{%s}}' % b",".join(b'"%d":1' % number for number in range(100_000)),
    b'{"jsonrpc":"2.0","id":1,"method":"create_node","params":{"values":{"extra":' + b"[" * 300 + b"]" * 300 + b"}}}",
)  # fmt: skip


def run_rpc_fuzz(count: int, seed: int, report: Report, *, plant: bool = False, clients: int = CLIENTS) -> dict[str, Any]:
    """Send *count* random messages and check all rules. Return the figures. Equal seeds send equal messages."""
    rules = Rules(report, DEADLINE_S)
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        with FuzzedService(Path(directory), _write_options(Path(directory), port), command="conductor", plant=plant) as service:
            fuzz = _RPCFuzz(service, f"http://127.0.0.1:{port}", rules, count)
            with ThreadPoolExecutor(clients) as threads:
                list(threads.map(lambda number: fuzz.run_client(f"{seed}-{number}", count // clients), range(clients)))
            figures: dict[str, Any] = {"messages": fuzz.sent, "seed": seed, "errors": dict(fuzz.codes.most_common())}
            fuzz.check_end()
            figures["slowest_s"] = round(rules.slowest_s, 2)
            if service.is_running:
                figures |= rules.check_process(service.pid)
            rules.check_log(service.log)
    return figures


def _write_options(directory: Path, port: int) -> str:
    key = directory / "key"
    lines = write_users(directory).replace("[DEFAULT]\n", "[DEFAULT]\nrpc_transport = json-rpc\nhost = localhost\n")
    users = directory / "users"
    return (
        f"{lines}port = 0\n[json_rpc]\nhost_ip = 127.0.0.1\nport = {port}\nauth_strategy = http_basic\n"
        f"http_basic_auth_user_file = {users}\nusername = admin\npassword = admin\n"
        f"[database]\nconnection = sqlite:///{directory}/metald.sqlite\nsecret_key_file = {key}\n"
        "[conductor]\nsync_power_state_interval = 0\nbmc_call_timeout = 5\n[metrics]\nendpoint = none\n"
    )


def _find_methods() -> dict[str, Sequence[str]]:
    """Return the arguments of each RPC method of a conductor by name."""
    with running_conductor(ConductorConfig(host="methods")) as conductor:
        registry = conductor.components.registry
        return {name: tuple(registry[name].signature.parameters) for name in registry.names()}


class MessageBuilder:
    """Builder of random messages. Each method of the conductor has the same share."""

    def __init__(self, chance: random.Random, methods: dict[str, Sequence[str]], nodes: Sequence[str]) -> None:
        self._chance = chance
        self._methods = methods
        self._nodes = nodes

    def build(self) -> bytes:
        """Return the next message or batch as JSON text."""
        chance = self._chance
        if chance.random() < 0.02:
            return chance.choice(_HEAVY_BODIES)
        if chance.random() < 0.05:
            batch: Any = [self._build_request() for _ in range(chance.choice((1, 2, 20, 101)))]
            return json.dumps(batch if chance.random() < 0.9 else [batch, None, 1]).encode()
        return json.dumps(self._build_request()).encode()

    def _build_request(self) -> Any:
        chance = self._chance
        method = chance.choice(list(self._methods))
        request = {
            "jsonrpc": "2.0",
            "id": chance.choice((1, "text", None, "x" * 100)),
            "method": method,
            "params": {name: self._build_argument(name) for name in self._methods[method] if chance.random() < 0.97},
            "baremetal": self._build_extension(),
        }
        return values.mutate(request, chance) if chance.random() < 0.2 else request

    def _build_argument(self, name: str) -> Any:
        chance = self._chance
        if chance.random() < 0.5:
            if name == "node":
                return chance.choice(self._nodes)
            if name in ("values", "changes"):
                return {"driver": "fake-hardware", values.choose_name(chance): self._build_value()}
        return self._build_value()

    def _build_value(self) -> Any:
        chance = self._chance
        if chance.random() < 0.3:
            return {"$": chance.choice(_MARKS), "v": values.choose_value(chance), "name": chance.choice(("NodeRecord", "x", 1))}
        return values.choose_value(chance)

    def _build_extension(self) -> Any:
        context = {"request_id": f"x\n{FORGED}", "user": f"y\r\n{FORGED}", "roles": ["admin"]}
        timeout = self._chance.choice((0.001, 0, -1, 5, 1e308, "x", True))
        versions = ({"version": "1.0"}, {"version": "9.9"})
        return self._chance.choice((None, None, None, *versions, {"timeout": timeout}, {"context": context}, {"cast": True}, []))


class _RPCFuzz:
    def __init__(self, service: FuzzedService, url: str, rules: Rules, count: int) -> None:
        self._service = service
        self._url = url
        self._rules = rules
        self._count = count
        self._methods = _find_methods()
        self._lock = threading.Lock()
        self._is_warm = False
        self.sent = 0
        self.codes: Counter[str] = Counter()
        """Number of responses by the code of their error, or ``ok``."""
        self._nodes = [self._create_node() for _ in range(8)]

    def run_client(self, seed: str, count: int) -> None:
        """Send *count* messages over one connection, and some of them without credentials."""
        chance = random.Random(seed)
        builder = MessageBuilder(chance, self._methods, self._nodes)
        own, anonymous = connect(self._url, "admin", DEADLINE_S * 3), connect(self._url, None, DEADLINE_S * 3)
        for _ in range(count):
            if not self._service.is_running:
                self._rules.report.add_violation("the conductor has ended")
                return
            has_credentials = chance.random() < 0.97
            self._send(own if has_credentials else anonymous, builder.build(), has_credentials)
        own.close()
        anonymous.close()

    def _send(self, connection: APIConnection, body: bytes, has_credentials: bool) -> None:
        begin = time.monotonic()
        try:
            answer = connection.request("POST", "/", body)
        except Unanswered as exc:
            self._rules.report.add_violation(f"no answer to {body[:100]!r}: {exc!r:.150}")
            return
        self._rules.check_answer(f"message {body[:150]!r}", answer.status, b"", time.monotonic() - begin)
        if not has_credentials and answer.status != _UNAUTHORIZED:
            self._rules.report.add_violation(f"status {answer.status} without credentials")
        self._count_codes(answer)
        with self._lock:
            self.sent += 1
            if not self._is_warm and self.sent >= self._count // 5:
                self._is_warm = True
                self._rules.end_warm_up(self._service.pid)
        self._rules.report.progress(self.sent, self._count)

    def _count_codes(self, answer: Answer) -> None:
        if answer.status != 200:
            self.codes[f"HTTP {answer.status}"] += 1
            return
        responses = answer.json
        for response in responses if isinstance(responses, list) else [responses]:
            error = response.get("error") or {}
            with self._lock:
                self.codes[str(error.get("code", "ok"))] += 1
            if error.get("code") == _INTERNAL_ERROR:
                self._rules.report.add_violation(f"internal error: {error.get('message', '')[:150]}")

    def _create_node(self) -> str:
        node = str(uuid.uuid4())
        params = {"values": {"uuid": node, "driver": "fake-hardware"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "create_node", "params": params}
        connection = connect(self._url, "admin")
        answer = connection.request("POST", "/", message)
        connection.close()
        if answer.status != 200 or "error" in answer.json:
            raise AssertionError(f"cannot create a node: {answer.status} {answer.body[:200]!r}")
        return node

    def check_end(self) -> None:
        """Check that the conductor answers and that no line of the log was forged."""
        try:
            self._create_node()
        except (Unanswered, AssertionError) as exc:
            self._rules.report.add_violation(f"the conductor does not answer at the end: {exc}"[:300])
        if any(line.startswith(FORGED) for line in self._service.log.splitlines()):
            self._rules.report.add_violation("a text of a message is a line of the log")
