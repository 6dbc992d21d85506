"""Fills a service with one of each kind of resource, and prints what they are called, for openapi_hooks.py.

Without it nearly every request about something would be answered with 404, and nothing behind that would be asked.
"""

from __future__ import annotations

import json
import sys
import urllib.request
import uuid
from typing import Any

NODES = 8
"""Nodes that are managed; as many others are as they were enrolled."""
FAMOUS = [str(uuid.uuid5(uuid.NAMESPACE_DNS, f"node-{number}")) for number in range(2 * NODES)]
STEP = {"interface": "deploy", "step": "deploy", "args": {}}


def main(url: str) -> None:
    """Fill the service at *url*."""

    def ask(method: str, path: str, body: Any) -> Any:
        headers = {"X-OpenStack-Ironic-API-Version": "latest", "Content-Type": "application/json"}
        request = urllib.request.Request(url + path, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def made(path: str, **body: Any) -> str:
        created: dict[str, Any] = ask("POST", path, body)
        return str(created["uuid"])

    chassis = made("/v1/chassis")
    new = [{"driver": "fake-hardware", "uuid": node, "chassis_uuid": chassis, "resource_class": "small"} for node in FAMOUS]
    bulk = ask("POST", "/v1/bulk/nodes", {"nodes": new})
    assert all(one["status"] == 201 for one in bulk["results"]), bulk
    for verb in ("manage", "provide", "active"):
        named = FAMOUS[: NODES // 2] if verb != "manage" else FAMOUS[:NODES]
        _settle(ask, verb, named)
    ask("PUT", f"/v1/nodes/{FAMOUS[0]}/traits", {"traits": ["CUSTOM_KNOWN"]})
    of_node, several = {"node_uuid": FAMOUS[0]}, range(4)
    known = {
        "node": FAMOUS,
        "chassis": [chassis, made("/v1/chassis")],
        "port": [made("/v1/ports", address=f"52:54:00:00:00:0{one}", **of_node) for one in several],
        "portgroup": [made("/v1/portgroups", name=f"group-{one}", **of_node) for one in several],
        "connector": [made("/v1/volume/connectors", type="ip", connector_id=f"10.0.0.{one}", **of_node) for one in several],
        "target": [made("/v1/volume/targets", volume_type="iscsi", volume_id="v", boot_index=one, **of_node) for one in several],
        "template": [made("/v1/deploy_templates", name=f"CUSTOM_{one}", steps=[{**STEP, "priority": 1}]) for one in several],
        "runbook": [made("/v1/runbooks", name=f"CUSTOM_{one}", steps=[{**STEP, "order": 1}]) for one in several],
        "rule": [made("/v1/inspection_rules", actions=[{"op": "fail", "args": {"msg": "no"}}]) for _ in several],
        "allocation": [made("/v1/allocations", resource_class="small", name=f"one-{one}") for one in several],
        "driver": ["fake-hardware"],
        "conductor": [one["hostname"] for one in ask("GET", "/v1/conductors", None)["conductors"]],
        "trait": ["CUSTOM_KNOWN", "CUSTOM_NEW"],
    }
    print(json.dumps(known))


def _settle(ask: Any, verb: str, nodes: list[str]) -> None:
    """Have a verb done, and wait for what comes of it."""
    ask("PUT", "/v1/bulk/nodes/states/provision", {"nodes": nodes, "target": verb})
    for _ in range(600):
        found = ask("GET", "/v1/nodes?fields=uuid,target_provision_state", None)["nodes"]
        if all(one["target_provision_state"] is None for one in found):
            return
    raise SystemExit(f"{verb} does not end")


if __name__ == "__main__":
    main(sys.argv[1])
