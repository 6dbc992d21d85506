"""Engine that applies inspection rules to the data of an inspection."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from baremetal_interfaces import DriverError, InvalidInput, Problem
from baremetal_interfaces.json_comparison import is_equal
from baremetal_sdk.inspection_rules.api_call import call_api
from baremetal_sdk.inspection_rules.conditions import conditions_hold, interpolate_arguments, list_items
from baremetal_sdk.inspection_rules.language import ACTIONS
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.records.policy import InspectionRuleRecord

LOG = get_logger(__name__)

NODE_FIELDS = (
    "automated_clean", "chassis_uuid", "conductor_group", "description", "driver_info", "extra", "instance_info",
    "lessee", "name", "network_data", "owner", "parent_node", "properties", "resource_class", "retired", "retired_reason",
    "shard",
)  # fmt: skip
"""Fields of a node that rules may write."""
READABLE = (
    *NODE_FIELDS, "allocation_uuid", "driver", "instance_uuid", "maintenance", "power_state", "provision_state", "traits", "uuid",
)  # fmt: skip
"""Fields of a node that rules may read. Secrets in them are masked."""
PORT_FIELDS = (
    "category", "description", "extra", "is_smartnic", "local_link_connection", "name", "physical_network", "pxe_enabled",
    "vendor",
)  # fmt: skip
"""Fields of a port that rules may write."""


@dataclass
class InspectionData:
    """Data of a node's inspection. Rules read it and change it in place. The caller stores the changes."""

    node: dict[str, Any]
    inventory: Mapping[str, Any]
    plugin_data: dict[str, Any]
    ports: Mapping[str, dict[str, Any]]
    """Ports by UUID and also by MAC address."""
    changed: set[str] = field(default_factory=set)
    """Names of the node's fields that rules have written."""
    changed_ports: dict[str, set[str]] = field(default_factory=dict)
    """Names of the fields that rules have written, by UUID of the port."""

    def changes(self) -> dict[str, Any]:
        """Return the values of the node's fields that rules have written, by name."""
        return {name: tuple(self.node[name]) if name == "traits" else self.node[name] for name in sorted(self.changed)}


def apply_rules(rules: Iterable[InspectionRuleRecord], data: InspectionData) -> None:
    """Run the actions of *rules* in order, for each rule whose conditions hold. They change *data* in place.

    Raises ``DriverError`` with the name of the rule if a condition or an action fails, or for the action ``fail``.
    """
    for rule in rules:
        variables = {"node": data.node, "inventory": data.inventory, "plugin_data": data.plugin_data}
        try:
            if conditions_hold(rule.conditions, variables):
                for action in rule.actions:
                    _run(action, data, variables)
        except InvalidInput as exc:
            raise DriverError(f"inspection rule {rule.description or rule.uuid!r}: {_describe_failure(rule, exc)}") from None


def _describe_failure(rule: InspectionRuleRecord, error: InvalidInput) -> str:
    """Return why the rule failed the inspection, without any content of a sensitive rule."""
    return "the rule failed the inspection; its content is sensitive and not shown" if rule.sensitive else error.message


def _run(action: Mapping[str, Any], data: InspectionData, variables: Mapping[str, Any]) -> None:
    arguments = ACTIONS[action["op"]].bind(action["args"])
    for item in list_items(action["loop"]) if action.get("loop") else [None]:
        item_variables = variables if item is None else {**variables, "item": item}
        _ACTIONS[action["op"]](data, **interpolate_arguments(arguments, item_variables))


def _fail(data: InspectionData, msg: str) -> None:
    raise InvalidInput(str(msg))


def _log(data: InspectionData, msg: str, level: str = "info") -> None:
    LOG.log(logging.getLevelNamesMapping()[level.upper()], "node %s: %s", data.node["uuid"], msg)


def _set_capability(data: InspectionData, name: str, value: Any) -> None:
    _change_capabilities(data, {name: str(value)})


def _unset_capability(data: InspectionData, name: str) -> None:
    _change_capabilities(data, {name: None})


def _change_capabilities(data: InspectionData, changes: Mapping[str, str | None]) -> None:
    text = data.node["properties"].get("capabilities") or ""
    present = dict(pair.partition(":")[::2] for pair in text.split(",") if pair) if isinstance(text, str) else dict(text)
    capabilities = {name: value for name, value in {**present, **changes}.items() if value is not None}
    joined = ",".join(f"{name}:{value}" for name, value in capabilities.items())
    data.node["properties"] = {**data.node["properties"], "capabilities": joined}
    data.changed.add("properties")


def _add_trait(data: InspectionData, name: str) -> None:
    data.node["traits"] = sorted({*data.node["traits"], name})
    data.changed.add("traits")


def _remove_trait(data: InspectionData, name: str) -> None:
    data.node["traits"] = [trait for trait in data.node["traits"] if trait != name]
    data.changed.add("traits")


def _on_node(change: Callable[..., None]) -> Callable[..., None]:
    def run(data: InspectionData, path: str, **arguments: Any) -> None:
        change(data.node, _split_path(path, NODE_FIELDS), **arguments)
        data.changed.add(_split_path(path)[0])

    return run


def _on_plugin_data(change: Callable[..., None]) -> Callable[..., None]:
    def run(data: InspectionData, path: str, **arguments: Any) -> None:
        change(data.plugin_data, _split_path(path), **arguments)

    return run


def _on_port(change: Callable[..., None]) -> Callable[..., None]:
    def run(data: InspectionData, port_id: str, path: str, **arguments: Any) -> None:
        port = data.ports.get(str(port_id).lower())
        if port is None:
            raise InvalidInput(
                [Problem("port_id", f"the node has no port {str(port_id)[:64]!r}", "use the MAC address or the UUID of a port")]
            )
        change(port, _split_path(path, PORT_FIELDS), **arguments)
        data.changed_ports.setdefault(port["uuid"], set()).add(_split_path(path)[0])

    return run


def _split_path(path: str, roots: tuple[str, ...] | None = None) -> list[str]:
    """Return the parts of *path*, separated by slashes, or by dots if it has no slash.

    *roots* has the allowed first parts, or None if any is allowed. Raises ``InvalidInput`` for an empty path or another root.
    """
    text = str(path)
    parts = [part for part in (text.split("/") if "/" in text else text.split(".")) if part]
    if not parts or (roots is not None and parts[0] not in roots):
        allowed = "begin it with one of " + ", ".join(roots) if roots else "use the name of a value"
        raise InvalidInput([Problem("path", f"rules cannot write {text[:64]!r}", allowed)])
    return parts


def _set(document: dict[str, Any], path: list[str], value: Any) -> None:
    _open_parent(document, path)[path[-1]] = value


def _extend(document: dict[str, Any], path: list[str], value: Any, unique: bool = False) -> None:
    parent = _open_parent(document, path)
    present = parent.get(path[-1])
    if not isinstance(present, list | None):
        raise InvalidInput([Problem("path", f"the value at {'/'.join(path)} is not a list", "extend lists only")])
    if not (unique and any(is_equal(value, item) for item in present or [])):
        parent[path[-1]] = [*(present or []), value]


def _delete(document: dict[str, Any], path: list[str]) -> None:
    _open_parent(document, path).pop(path[-1], None)


def _unset(record: dict[str, Any], path: list[str]) -> None:
    """Delete the value at *path*. A field of the record itself becomes None or ``{}``, because it cannot be removed."""
    if len(path) > 1:
        _delete(record, path)
    elif record.get(path[0]) is not None:
        record[path[0]] = {} if isinstance(record[path[0]], Mapping) else None


def _open_parent(document: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """Return the object that contains the last part of *path*. Create missing objects on the way.

    The first field is copied before, so that the original value stays unchanged. Raises ``InvalidInput`` if a part is not an
    object.
    """
    if len(path) > 1:
        document[path[0]] = copy.deepcopy(document.get(path[0]) or {})
    parent: Any = document
    for part in path[:-1]:
        parent = parent.setdefault(part, {})
        if not isinstance(parent, dict):
            raise InvalidInput(
                [Problem("path", f"{part!r} in {'/'.join(path)} is not an object", "use a path through objects only")]
            )
    result: dict[str, Any] = parent
    return result


_ACTIONS: Mapping[str, Callable[..., None]] = {
    "fail": _fail,
    "log": _log,
    "set-attribute": _on_node(_set),
    "extend-attribute": _on_node(_extend),
    "del-attribute": _on_node(_unset),
    "set-capability": _set_capability,
    "unset-capability": _unset_capability,
    "add-trait": _add_trait,
    "remove-trait": _remove_trait,
    "set-plugin-data": _on_plugin_data(_set),
    "extend-plugin-data": _on_plugin_data(_extend),
    "unset-plugin-data": _on_plugin_data(_delete),
    "set-port-attribute": _on_port(_set),
    "extend-port-attribute": _on_port(_extend),
    "del-port-attribute": _on_port(_unset),
    "api-call": lambda data, **arguments: call_api(**arguments),
}
