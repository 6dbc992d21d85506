"""A client of a running service that sends and reads as gophercloud does: its headers, its success statuses, its types."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 60.0
TIME = "a time"
"""The type of a field that holds a time with its zone."""
TYPES_OF_NODE: Mapping[str, Any] = {
    **dict.fromkeys(
        (
            "uuid", "name", "power_state", "target_power_state", "provision_state", "target_provision_state", "fault", "health",
            "maintenance_reason", "last_error", "reservation", "driver", "instance_uuid", "chassis_uuid", "resource_class",
            "conductor_group", "parent_node", "protected_reason", "owner", "lessee", "shard", "description", "conductor",
            "allocation_uuid", "retired_reason", "bios_interface", "boot_interface", "console_interface", "deploy_interface",
            "firmware_interface", "inspect_interface", "management_interface", "network_interface", "power_interface",
            "raid_interface", "rescue_interface", "storage_interface", "vendor_interface",
        ),
        str,
    ),
    **dict.fromkeys(("maintenance", "console_enabled", "protected", "retired", "automated_clean", "disable_power_off"), bool),
    **dict.fromkeys(
        (
            "driver_info", "driver_internal_info", "properties", "instance_info", "extra", "raid_config", "target_raid_config",
            "clean_step", "deploy_step", "service_step", "network_data",
        ),
        dict,
    ),
    **dict.fromkeys(
        ("provision_updated_at", "inspection_started_at", "inspection_finished_at", "created_at", "updated_at"), TIME
    ),
    **{name: [{"href": str, "rel": str}] for name in ("links", "ports", "portgroups", "states", "volume")},
    "traits": [str],
}  # fmt: skip
_TIMES = {"created_at": TIME, "updated_at": TIME}
TYPES_OF_PORT: Mapping[str, Any] = {
    **dict.fromkeys(("uuid", "address", "node_uuid", "portgroup_uuid", "physical_network"), str),
    **dict.fromkeys(("pxe_enabled", "is_smartnic"), bool),
    **dict.fromkeys(("local_link_connection", "internal_info", "extra"), dict),
    **_TIMES,
}
TYPES_OF_PORT_GROUP: Mapping[str, Any] = {
    **dict.fromkeys(("uuid", "name", "address", "node_uuid", "mode"), str),
    **dict.fromkeys(("internal_info", "extra", "properties"), dict),
    "standalone_ports_supported": bool,
    **{name: [{"href": str, "rel": str}] for name in ("links", "ports")},
    **_TIMES,
}
TYPES_OF_ALLOCATION: Mapping[str, Any] = {
    **dict.fromkeys(("uuid", "last_error", "name", "node_uuid", "state", "resource_class"), str),
    "candidate_nodes": [str],
    "traits": [str],
    "extra": dict,
    **_TIMES,
}
TYPES_OF_CONDUCTOR: Mapping[str, Any] = {"alive": bool, "hostname": str, "drivers": [str], "conductor_group": str, **_TIMES}
_VALIDATED = ("bios", "boot", "console", "deploy", "inspect", "management", "network", "power", "raid", "rescue", "storage")
TYPES_OF_VALIDATION: Mapping[str, Any] = {kind: {"result": bool, "reason": str} for kind in (*_VALIDATED, "firmware")}
TYPES_OF_DRIVER: Mapping[str, Any] = {
    **{f"default_{kind}_interface": str for kind in (*_VALIDATED, "firmware", "vendor")},
    **{f"enabled_{kind}_interfaces": [str] for kind in (*_VALIDATED, "firmware", "vendor")},
    **dict.fromkeys(("name", "type"), str),
    "hosts": [str],
}
TYPES_OF_BIOS_SETTING: Mapping[str, Any] = {
    **dict.fromkeys(("name", "value", "attribute_type"), str),
    **dict.fromkeys(("lower_bound", "upper_bound", "min_length", "max_length"), int),
    **dict.fromkeys(("read_only", "reset_required", "unique"), bool),
    "allowable_values": [str],
}
TYPES_OF_FIRMWARE: Mapping[str, Any] = {
    **dict.fromkeys(("component", "initial_version", "current_version", "last_version_flashed", "vendor", "model"), str),
    **_TIMES,
}
TYPES_OF_METHODS: Mapping[str, Any] = {"http_methods": [str], "async": bool, "description": str, "attach": bool}
_NAMES_OF_INTERFACE = ("name", "product", "vendor", "pci_address", "biosdevname", "client_id")
TYPES_OF_INVENTORY: Mapping[str, Any] = {
    "inventory": {
        **dict.fromkeys(("bmc_address", "hostname"), str),
        "boot": {"current_boot_mode": str, "pxe_interface": str},
        "cpu": {"architecture": str, "count": int, "flags": [str], "frequency": str, "model_name": str},
        "disks": [
            {
                **dict.fromkeys(("hctl", "model", "name", "by_path", "serial", "vendor", "wwn"), str),
                "rotational": bool,
                "size": int,
            }
        ],
        "interfaces": [
            {
                **dict.fromkeys((*_NAMES_OF_INTERFACE, "mac_address", "ipv4_address", "ipv6_address"), str),
                "has_carrier": bool,
                "speed_mbps": int,
            }
        ],
        "memory": {"physical_mb": int, "total": int},
        "system_vendor": {
            **dict.fromkeys(("manufacturer", "product_name", "serial_number"), str),
            "firmware": {"version": str, "build_date": str, "vendor": str},
        },
    },
    "plugin_data": dict,
}
TYPES_OF_VIRTUAL_MEDIA: Mapping[str, Any] = {"image": str, "inserted": bool, "media_types": [str]}
TYPES_OF_SUBSCRIPTION: Mapping[str, Any] = {"Id": str, "Context": str, "Destination": str, "EventTypes": [str], "Protocol": str}


def find_wrong_types(value: Any, types: Any, path: str = "") -> list[str]:
    """Return the fields of *value* that gophercloud cannot read as *types*. A missing field or null is never wrong."""
    if value is None:
        return []
    if isinstance(types, list):
        if not isinstance(value, list):
            return [f"{path}: {value!r} is no list"]
        return [wrong for index, item in enumerate(value) for wrong in find_wrong_types(item, types[0], f"{path}/{index}")]
    if isinstance(types, Mapping):
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no object"]
        return [wrong for name in types for wrong in find_wrong_types(value.get(name), types[name], f"{path}/{name}")]
    if types == TIME:
        return [] if _is_time(value) else [f"{path}: {value!r} is no time"]
    is_right = isinstance(value, types) and (types is bool or not isinstance(value, bool))
    return [] if is_right else [f"{path}: {value!r} is no {types.__name__}"]


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class GoAnswer:
    """The answer to one request."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def message(self) -> str:
        """The message of an error, as clients show it."""
        return str(json.loads(self.body["error_message"])["faultstring"])


class GoClient:
    """Client of the service at *url* with the API *version*, and with *account* (name and password) for HTTP Basic."""

    def __init__(self, url: str, version: str, account: tuple[str, str] | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port
        self.version = version
        self._account = account

    def at(self, version: str) -> GoClient:
        """Return a client of the same service with another version."""
        return GoClient(f"http://{self._host}:{self._port}", version, self._account)

    def send(self, method: str, path: str, body: Any = None) -> GoAnswer:
        """Send one request and return its answer. *path* is below ``/v1/``."""
        headers = {
            "Accept": "application/json",
            "User-Agent": "gophercloud/v2",
            "X-OpenStack-Ironic-API-Version": self.version,
            "OpenStack-API-Version": f"baremetal {self.version}",
        }
        if self._account is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(self._account).encode()).decode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, f"/v1/{path}", None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
            return GoAnswer(response.status, response.headers, json.loads(content) if content else None)
        finally:
            connection.close()

    def expect(self, status: int, method: str, path: str, body: Any = None, *, types: Any = None) -> Any:
        """Send a request, check the status and the types of its answer, and return the body."""
        answer = self.send(method, path, body)
        if answer.status != status:
            raise AssertionError(f"{method} {path} {json.dumps(body)}: {answer.status} and not {status}: {answer.body}")
        wrong = find_wrong_types(answer.body, types) if types is not None else []
        if wrong:
            raise AssertionError(f"{method} {path}: {wrong}")
        return answer.body

    def get_node(self, node: str) -> dict[str, Any]:
        """Return a node."""
        found: dict[str, Any] = self.expect(200, "GET", f"nodes/{node}", types=TYPES_OF_NODE)
        return found

    def list_resources(self, path: str, name: str, types: Any) -> list[dict[str, Any]]:
        """Return the entries of the listing at *path*."""
        found: list[dict[str, Any]] = self.expect(200, "GET", path, types={name: [types]})[name]
        return found

    def wait_for_node(self, node: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Poll a node until *condition* is true and no task holds it. Fail after a minute."""
        pause, end = threading.Event(), time.monotonic() + TIMEOUT_S
        while True:
            found = self.get_node(node)
            if condition(found) and found["reservation"] is None:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"node {node}: {found['provision_state']}, {found['power_state']}: {found['last_error']}")
            pause.wait(0.05)

    def change_state(self, node: str, target: str, state: str, **arguments: Any) -> dict[str, Any]:
        """Request a provision state and wait for *state*. Fail at once if the work fails."""
        self.expect(202, "PUT", f"nodes/{node}/states/provision", {"target": target, **arguments})
        found = self.wait_for_node(
            node, lambda seen: seen["provision_state"] == state or (seen["target_provision_state"] is None)
            or "failed" in seen["provision_state"],
        )  # fmt: skip
        if found["provision_state"] != state:
            raise AssertionError(f"{target}: {found['provision_state']}: {found['last_error']}")
        return found

    def delete_node(self, node: str) -> None:
        """Delete a node in any state, as the acceptance tests do."""
        self.expect(202, "PUT", f"nodes/{node}/maintenance", {"reason": "forced deletion"})
        self.expect(204, "DELETE", f"nodes/{node}")
