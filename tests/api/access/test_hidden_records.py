"""Callers that may not see a record cannot find out whether it exists."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from fixtures import FakeLogger

from baremetal_sdk.api import routes
from baremetal_sdk.auth import Identity
from baremetal_sdk.store.records.hardware import (
    ChassisRecord,
    NodeHistoryRecord,
    PortgroupRecord,
    VolumeConnectorRecord,
    VolumeTargetRecord,
)
from baremetal_sdk.store.records.node import PortRecord
from baremetal_sdk.store.records.policy import AllocationRecord, RunbookRecord
from tests.fixtures.api_access import RBACTestCase, project_identity

STRANGERS = (
    *(project_identity("stranger", role) for role in ("reader", "member", "operator", "manager", "service", "admin")),
    Identity("anonymous", roles=frozenset()),
)
"""Identities without any right on the records of the project ``owner``."""
FIXED = {"driver": "fake-hardware", "method": "x", "trait": "CUSTOM_X", "indicator": "led@system", "vif": "v", "setting": "s"}
"""Values of parameters that name no record of a project."""


class TestHiddenRecords(RBACTestCase):
    """Requests for records of another project, beside the same requests for records that do not exist."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(FakeLogger(level=logging.CRITICAL))
        store = self.conductor.store
        chassis = store.create_record(ChassisRecord(str(uuid4())))
        node = store.update_node(self.enroll().uuid, {"chassis_uuid": chassis.uuid}, fence=None).uuid
        address, step = "52:54:00:00:00:01", {"interface": "bios", "step": "x", "args": {}, "order": 1}
        self.existing = {
            "chassis": chassis.uuid,
            "node": node,
            "port": store.create_port(PortRecord(str(uuid4()), node, address), fence=None).uuid,
            "portgroup": store.create_record(PortgroupRecord(str(uuid4()), node)).uuid,
            "connector": store.create_record(VolumeConnectorRecord(str(uuid4()), node, "iqn", "c")).uuid,
            "target": store.create_record(VolumeTargetRecord(str(uuid4()), node, "iscsi", "v", 0, {})).uuid,
            "allocation": store.create_record(
                AllocationRecord(str(uuid4()), node_uuid=node, owner="owner", resource_class="x", state="active")
            ).uuid,
            "runbook": store.create_record(RunbookRecord(str(uuid4()), "CUSTOM_R", (step,), owner="owner")).uuid,
            "entry": store.create_record(NodeHistoryRecord(str(uuid4()), node, event="x")).uuid,
        }

    def test_existing_and_unknown_identifiers_get_the_same_response(self) -> None:
        """Status and text are the same for a record of another project and for none, on all routes that name a record."""
        compared = set()
        for route in routes():
            names = set(re.findall(r"\{(\w+)\}", route["path"]))
            for name in names & self.existing.keys():
                for identity in STRANGERS:
                    # The other identifiers of the path name existing records.
                    unknown = {**self.existing, name: str(uuid4())}
                    expected, response = self.send(identity, route, unknown), self.send(identity, route, self.existing)
                    self.assertEqual(expected, response, (route["method"], route["path"], name, identity.user))
                compared.add(name)
        self.assertEqual(self.existing.keys(), compared)

    def test_existing_and_unknown_references_get_the_same_response(self) -> None:
        """The same holds for references in bodies and in queries."""
        owner = project_identity("stranger", "admin")
        made = self.request_as(owner, "POST", "/v1/nodes", {"driver": "fake-hardware", "name": "mine"})
        self.assertEqual(201, made.status, made.raw)
        mine = made.json["uuid"]
        for method, path, body, name in (
            ("POST", "/v1/nodes", {"driver": "fake-hardware", "chassis_uuid": "?"}, "chassis"),
            ("PATCH", f"/v1/nodes/{mine}", [{"op": "add", "path": "/chassis_uuid", "value": "?"}], "chassis"),
            ("PATCH", f"/v1/nodes/{mine}", [{"op": "add", "path": "/parent_node", "value": "?"}], "node"),
            ("POST", "/v1/nodes", {"driver": "fake-hardware", "parent_node": "?"}, "node"),
            ("POST", "/v1/ports", {"node_uuid": "?", "address": "52:54:00:00:00:09"}, "node"),
            ("POST", "/v1/portgroups", {"node_uuid": "?"}, "node"),
            ("POST", "/v1/volume/targets", {"node_uuid": "?", "volume_type": "x", "volume_id": "1", "boot_index": 0}, "node"),
            ("POST", "/v1/allocations", {"resource_class": "x", "candidate_nodes": ["?"]}, "node"),
            ("POST", "/v1/allocations", {"resource_class": "x", "node": "?"}, "node"),
            ("GET", "/v1/ports?node=?", None, "node"),
            ("GET", "/v1/portgroups?node=?", None, "node"),
            ("GET", "/v1/allocations?node=?", None, "node"),
            ("GET", "/v1/volume/targets?node=?", None, "node"),
            ("GET", "/v1/nodes?chassis_uuid=?", None, "chassis"),
            ("GET", "/v1/nodes?parent_node=?", None, "node"),
            ("GET", "/v1/nodes?marker=?", None, "node"),
            ("PUT", f"/v1/nodes/{mine}/states/provision", {"target": "clean", "runbook": "?"}, "runbook"),
        ):
            answers = []
            for identifier in (str(uuid4()), self.existing[name]):
                response = self.request_as(owner, method, path.replace("=?", f"={identifier}"), _insert(body, identifier))
                answers.append((response.status, _remove_identifiers(response.raw)))
            self.assertEqual(*answers, (method, path, body))

    def send(self, identity: Identity, route: Mapping[str, Any], values: Mapping[str, str]) -> tuple[int, str]:
        """Return status and text of a response, without the identifiers of the request."""
        path = re.sub(r"\{(\w+)\}", lambda match: {**FIXED, **values}.get(match[1], "x"), str(route["path"]))
        response = self.request_as(identity, route["method"], path, None if route["method"] == "GET" else {})
        return response.status, _remove_identifiers(response.raw)


def _insert(body: Any, identifier: str) -> Any:
    """Return *body* with the identifier in place of the text ``?``."""
    if isinstance(body, dict):
        return {name: _insert(value, identifier) for name, value in body.items()}
    if isinstance(body, list):
        return [_insert(value, identifier) for value in body]
    return identifier if body == "?" else body


def _remove_identifiers(raw: bytes) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", raw.decode())
