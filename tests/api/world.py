"""A small world for tests of the API: a store in memory, a conductor's answers with a state of their own, and a client."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import testtools
from webob import Request

from baremetal_interfaces import MASK, NodeLocked
from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.api.access.policy import Policy
from baremetal_sdk.config import APIConfig, ConductorConfig, EventsConfig
from baremetal_sdk.context import RequestContext, current_request
from baremetal_sdk.store.memory.store import MemoryStore
from baremetal_sdk.store.records.node import ConductorRecord, NodeRecord, PortRecord
from baremetal_sdk.store.records.query import Scope
from baremetal_sdk.testing import ManualClock

LATEST = "1.115"
DRIVERS = {
    "fake-hardware": {
        "power": {"default": "fake", "enabled": ["fake"]},
        "bios": {"default": "no-bios", "enabled": ["no-bios", "fake"]},
        "firmware": {"default": None, "enabled": []},
    },
    "redfish": {"power": {"default": "redfish", "enabled": ["redfish"]}},
}
PROPERTIES = {"fake_address": "Where it is."}


class ContestedStore(MemoryStore):
    """A store in which somebody else writes right after a node was read: one change of *others* after each read."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.others: deque[dict[str, Any]] = deque()

    def node(self, ident: str, *, scope: Scope = Scope.ALL) -> NodeRecord:
        """Read a node, and let the others write."""
        record = super().node(ident, scope=scope)
        if self.others:
            self.update_node(record.uuid, self.others.popleft(), fence=None)
        return record


class FakeConductor:
    """What the API needs of a conductor: it writes through the store, and remembers what it was asked to do."""

    def __init__(self, api: APIConfig | None = None) -> None:
        self.clock = ManualClock()
        self.store = ContestedStore(self.clock)
        # What asks for every route asks for streams as well, and reads them to their end.
        events = EventsConfig(max_stream_age=0.05)
        self.config = ConductorConfig(host="host-1", api=api or APIConfig(), events=events)
        self.ready = True
        self.rpc = self
        self.accepted: list[tuple[str, dict[str, Any]]] = []
        """Work that was accepted, which a conductor would do in the background."""
        self.contexts: list[RequestContext | None] = []
        """The context of each call."""
        self.failing: dict[str, Exception] = {}
        """Method -> what it raises from now on."""
        self.boot_device = {"boot_device": "disk", "persistent": True}
        self.breakers: list[dict[str, Any]] = []
        """What is known of the BMCs of any node."""
        self.join("host-1")

    def join(self, hostname: str, group: str = "") -> None:
        """Have a conductor register."""
        self.store.register_conductor(ConductorRecord(hostname, f"{hostname}/1", group, DRIVERS))

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Do what a conductor does at once, or accept it."""
        self.contexts.append(current_request.get())
        if method in self.failing:
            raise self.failing[method]
        immediate = getattr(self, f"_{method}", None)
        if immediate is not None:
            return immediate(**arguments)
        self.store.node(arguments["node"])
        self.accepted.append((method, arguments))
        return None

    def cast(self, method: str, /, **arguments: Any) -> None:
        """Accept work."""
        self.accepted.append((method, arguments))

    def _create_node(self, values: dict[str, Any]) -> NodeRecord:
        return self.store.create_node(NodeRecord(**values), fence=None)

    def _update_node(
        self, node: str, changes: dict[str, Any], reset_interfaces: bool = False, revision: int | None = None
    ) -> NodeRecord:
        if reset_interfaces:
            changes = {**changes, "power_interface": None}
        return self.store.update_node(node, changes, fence=None, revision=revision)

    def _set_target_raid_config(self, node: str, target_raid_config: dict[str, Any]) -> None:
        self.store.update_node(node, {"target_raid_config": target_raid_config}, fence=None)

    def _delete_node(self, node: str) -> None:
        self.store.delete_node(node, fence=None)

    def _validate_node(self, node: str) -> dict[str, Any]:
        return {"power": {"result": True, "reason": None}, "bios": {"result": None, "reason": "not offered"}}

    def _set_maintenance(self, node: str, maintenance: bool, reason: str | None) -> None:
        self.store.update_node(node, {"maintenance": maintenance, "maintenance_reason": reason}, fence=None)

    def _explain_node(self, node: str) -> dict[str, Any]:
        return {"calls": [], "breakers": self.breakers}

    def _get_boot_device(self, node: str) -> dict[str, Any]:
        return self.boot_device

    def _set_boot_device(self, node: str, device: str, persistent: bool) -> None:
        self.contexts: list[RequestContext | None] = []
        """The context of each call."""
        self.failing: dict[str, Exception] = {}
        """Method -> what it raises from now on."""
        self.boot_device = {"boot_device": device, "persistent": persistent}

    def _get_supported_boot_devices(self, node: str) -> list[str]:
        return ["pxe", "disk"]

    def _create_port(self, values: dict[str, Any]) -> PortRecord:
        return self.store.create_port(PortRecord(**values), fence=None)

    def _update_port(self, port: str, changes: dict[str, Any]) -> PortRecord:
        return self.store.update_port(port, changes, fence=None)

    def _delete_port(self, port: str) -> None:
        self.store.delete_port(port, fence=None)

    def _driver_properties(self, driver: str) -> dict[str, str]:
        return PROPERTIES

    def _change_power_state(self, node: str, target: str, timeout: float | None) -> None:
        record = self.store.node(node)
        if record.lease_holder is not None:
            raise NodeLocked(f"node {node} is held by {record.lease_holder}", retry_after=2.5, holder=record.lease_holder)
        self.accepted.append(("change_power_state", {"node": node, "target": target, "timeout": timeout}))


class Answer:
    """What came back for one request."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_int
        self.headers = response.headers
        self.raw: bytes = response.body

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.raw)

    @property
    def fault(self) -> dict[str, Any]:
        """What an error says, which is JSON inside JSON."""
        found: dict[str, Any] = json.loads(self.json["error_message"])
        return found

    @property
    def message(self) -> str:
        """The message of an error."""
        return str(self.fault["faultstring"])


class APITestCase(testtools.TestCase):
    """A test that talks to the API of a fake conductor."""

    api = APIConfig()
    policy: Policy | None = None

    def setUp(self) -> None:
        super().setUp()
        self.conductor = FakeConductor(self.api)
        self.app = bare_metal_api(self.conductor, policy=self.policy)

    def request(self, method: str, path: str, body: Any = None, *, version: str | None = LATEST, **headers: str) -> Answer:
        """Send one request; *body* is sent as JSON unless it is bytes."""
        request = Request.blank(path, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()})
        if version is not None:
            request.headers["X-OpenStack-Ironic-API-Version"] = version
        if body is not None:
            request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.headers.setdefault("Content-Type", "application/json")
            request.headers["Content-Type"] = headers.get("Content_Type", "application/json")
        return Answer(request.get_response(self.app))

    def get(self, path: str, version: str | None = LATEST) -> Any:
        """The body of an answer that has to be a success."""
        answer = self.request("GET", path, version=version)
        self.assertEqual(200, answer.status, answer.raw)
        return answer.json

    def node(self, **values: Any) -> str:
        """Enrol a node and give back its UUID."""
        answer = self.request("POST", "/v1/nodes", {"driver": "fake-hardware", **values})
        self.assertEqual(201, answer.status, answer.raw)
        return str(answer.json["uuid"])

    def patch(self, path: str, *operations: tuple[Any, ...], version: str | None = LATEST) -> Answer:
        """Send operations, each as (op, path) or (op, path, value)."""
        names = ("op", "path", "value")
        return self.request(
            "PATCH", path, [dict(zip(names, operation, strict=False)) for operation in operations], version=version
        )

    def assert_refused(self, answer: Answer, status: int, *words: str) -> None:
        """The answer is an error in the clients' format whose message has these words."""
        self.assertEqual(status, answer.status, answer.raw)
        self.assertEqual("Client" if status < 500 else "Server", answer.fault["faultcode"])
        for word in words:
            self.assertIn(word, answer.message)


__all__ = ["DRIVERS", "LATEST", "MASK", "PROPERTIES", "APITestCase", "Answer", "FakeConductor"]
