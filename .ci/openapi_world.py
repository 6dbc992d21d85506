"""Creates resources of each kind in a service and prints their names as JSON, for openapi_hooks.py.

Without existing resources, nearly all generated requests would end with status 404.
"""

from __future__ import annotations

import json
import sys
import urllib.request
import uuid
from typing import Any

MANAGED_NODES = 8
"""Number of nodes in the state manageable or later. The same number stays in the state enroll."""
NODE_UUIDS = [str(uuid.uuid5(uuid.NAMESPACE_DNS, f"node-{number}")) for number in range(2 * MANAGED_NODES)]
STEP = {"interface": "deploy", "step": "deploy", "args": {}}


def main(url: str) -> None:
    """Create the resources in the service at *url*."""

    def request(method: str, path: str, body: Any) -> Any:
        headers = {"X-OpenStack-Ironic-API-Version": "latest", "Content-Type": "application/json"}
        http_request = urllib.request.Request(url + path, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(http_request, timeout=30) as response:
            return json.loads(response.read() or b"null")

    def create(path: str, **body: Any) -> str:
        created: dict[str, Any] = request("POST", path, body)
        return str(created["uuid"])

    chassis = create("/v1/chassis")
    new = [{"driver": "fake-hardware", "uuid": node, "chassis_uuid": chassis, "resource_class": "small"} for node in NODE_UUIDS]
    bulk = request("POST", "/v1/bulk/nodes", {"nodes": new})
    assert all(result["status"] == 201 for result in bulk["results"]), bulk
    for verb in ("manage", "provide", "active"):
        nodes = NODE_UUIDS[: MANAGED_NODES // 2] if verb != "manage" else NODE_UUIDS[:MANAGED_NODES]
        _run_verb(request, verb, nodes)
    request("PUT", f"/v1/nodes/{NODE_UUIDS[0]}/traits", {"traits": ["CUSTOM_KNOWN"]})
    of_node, numbers = {"node_uuid": NODE_UUIDS[0]}, range(4)
    names = {
        "node": NODE_UUIDS,
        "chassis": [chassis, create("/v1/chassis")],
        "port": [create("/v1/ports", address=f"52:54:00:00:00:0{number}", **of_node) for number in numbers],
        "portgroup": [create("/v1/portgroups", name=f"group-{number}", **of_node) for number in numbers],
        "connector": [
            create("/v1/volume/connectors", type="ip", connector_id=f"10.0.0.{number}", **of_node) for number in numbers
        ],
        "target": [
            create("/v1/volume/targets", volume_type="iscsi", volume_id="v", boot_index=number, **of_node) for number in numbers
        ],
        "template": [
            create("/v1/deploy_templates", name=f"CUSTOM_{number}", steps=[{**STEP, "priority": 1}]) for number in numbers
        ],
        "runbook": [create("/v1/runbooks", name=f"CUSTOM_{number}", steps=[{**STEP, "order": 1}]) for number in numbers],
        "rule": [create("/v1/inspection_rules", actions=[{"op": "fail", "args": {"msg": "no"}}]) for _ in numbers],
        "allocation": [create("/v1/allocations", resource_class="small", name=f"allocation-{number}") for number in numbers],
        "driver": ["fake-hardware"],
        "conductor": [conductor["hostname"] for conductor in request("GET", "/v1/conductors", None)["conductors"]],
        "trait": ["CUSTOM_KNOWN", "CUSTOM_NEW"],
    }
    print(json.dumps(names))


def _run_verb(request: Any, verb: str, nodes: list[str]) -> None:
    """Send a provision verb for *nodes* and wait until no node is in transition."""
    request("PUT", "/v1/bulk/nodes/states/provision", {"nodes": nodes, "target": verb})
    for _ in range(600):
        all_nodes = request("GET", "/v1/nodes?fields=uuid,target_provision_state", None)["nodes"]
        if all(node["target_provision_state"] is None for node in all_nodes):
            return
    raise SystemExit(f"{verb} did not finish in time")


if __name__ == "__main__":
    main(sys.argv[1])
