"""Runs rules over what an inspection found, and says what is to be written thereof."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from baremetal_interfaces import DriverError, InvalidInput, Problem
from baremetal_sdk.inspection_rules.api_call import call_api
from baremetal_sdk.inspection_rules.conditions import arguments_of, hold, items_of
from baremetal_sdk.inspection_rules.language import ACTIONS
from baremetal_sdk.store.records.policy import InspectionRuleRecord

LOG = logging.getLogger(__name__)

NODE_FIELDS = (
    "automated_clean", "chassis_uuid", "conductor_group", "description", "driver_info", "extra", "instance_info",
    "lessee", "name", "network_data", "owner", "parent_node", "properties", "resource_class", "retired", "retired_reason",
    "shard",
)  # fmt: skip
"""The fields of a node that rules write."""
READABLE = (
    *NODE_FIELDS, "allocation_uuid", "driver", "instance_uuid", "maintenance", "power_state", "provision_state", "traits", "uuid",
)  # fmt: skip
"""The fields of a node that rules read. What is secret in them is masked."""
PORT_FIELDS = (
    "category", "description", "extra", "is_smartnic", "local_link_connection", "name", "physical_network", "pxe_enabled",
    "vendor",
)  # fmt: skip
"""The fields of a port that rules write."""


@dataclass
class Findings:
    """What an inspection found, as rules see it and change it. Everything in it is the engine's own."""

    node: dict[str, Any]
    inventory: Mapping[str, Any]
    plugin_data: dict[str, Any]
    ports: Mapping[str, dict[str, Any]]
    """Each port under its UUID and under its MAC address."""
    changed: set[str] = field(default_factory=set)
    """The fields of the node that were written."""
    changed_ports: dict[str, set[str]] = field(default_factory=dict)
    """UUID of a port -> its fields that were written."""

    def changes(self) -> dict[str, Any]:
        """The changes of the node."""
        return {name: tuple(self.node[name]) if name == "traits" else self.node[name] for name in sorted(self.changed)}


def apply(rules: Iterable[InspectionRuleRecord], findings: Findings) -> None:
    """Run *rules*, in their order. Raises ``DriverError`` where one says so or fails; the rule is named."""
    for rule in rules:
        variables = {"node": findings.node, "inventory": findings.inventory, "plugin_data": findings.plugin_data}
        try:
            if hold(rule.conditions, variables):
                for action in rule.actions:
                    _run(action, findings, variables)
        except InvalidInput as exc:
            raise DriverError(f"inspection rule {rule.description or rule.uuid!r}: {_told(rule, exc)}") from None


def _told(rule: InspectionRuleRecord, error: InvalidInput) -> str:
    """Why the rule ends the inspection; of one that is sensitive no content is told."""
    return "it ended the inspection; its content is sensitive, and is not shown" if rule.sensitive else error.message


def _run(action: Mapping[str, Any], findings: Findings, variables: Mapping[str, Any]) -> None:
    given = ACTIONS[action["op"]].bind(action["args"])
    for item in items_of(action["loop"]) if action.get("loop") else [None]:
        of_item = variables if item is None else {**variables, "item": item}
        _ACTIONS[action["op"]](findings, **arguments_of(given, of_item))


def _fail(findings: Findings, msg: str) -> None:
    raise InvalidInput(str(msg))


def _log(findings: Findings, msg: str, level: str = "info") -> None:
    LOG.log(logging.getLevelNamesMapping()[level.upper()], "node %s: %s", findings.node["uuid"], msg)


def _set_capability(findings: Findings, name: str, value: Any) -> None:
    _change_capabilities(findings, {name: str(value)})


def _unset_capability(findings: Findings, name: str) -> None:
    _change_capabilities(findings, {name: None})


def _change_capabilities(findings: Findings, changes: Mapping[str, str | None]) -> None:
    text = findings.node["properties"].get("capabilities") or ""
    present = dict(pair.partition(":")[::2] for pair in text.split(",") if pair) if isinstance(text, str) else dict(text)
    wanted = {name: value for name, value in {**present, **changes}.items() if value is not None}
    joined = ",".join(f"{name}:{value}" for name, value in wanted.items())
    findings.node["properties"] = {**findings.node["properties"], "capabilities": joined}
    findings.changed.add("properties")


def _add_trait(findings: Findings, name: str) -> None:
    findings.node["traits"] = sorted({*findings.node["traits"], name})
    findings.changed.add("traits")


def _remove_trait(findings: Findings, name: str) -> None:
    findings.node["traits"] = [trait for trait in findings.node["traits"] if trait != name]
    findings.changed.add("traits")


def _on_node(change: Callable[..., None]) -> Callable[..., None]:
    def run(findings: Findings, path: str, **arguments: Any) -> None:
        change(findings.node, _path(path, NODE_FIELDS), **arguments)
        findings.changed.add(_path(path)[0])

    return run


def _on_plugin_data(change: Callable[..., None]) -> Callable[..., None]:
    def run(findings: Findings, path: str, **arguments: Any) -> None:
        change(findings.plugin_data, _path(path), **arguments)

    return run


def _on_port(change: Callable[..., None]) -> Callable[..., None]:
    def run(findings: Findings, port_id: str, path: str, **arguments: Any) -> None:
        port = findings.ports.get(str(port_id).lower())
        if port is None:
            raise InvalidInput([Problem("port_id", f"the node has no port {str(port_id)[:64]!r}", "a MAC address or a UUID")])
        change(port, _path(path, PORT_FIELDS), **arguments)
        findings.changed_ports.setdefault(port["uuid"], set()).add(_path(path)[0])

    return run


def _path(path: str, known: tuple[str, ...] | None = None) -> list[str]:
    """The parts of a path, with slashes or dots between them."""
    text = str(path)
    parts = [part for part in (text.split("/") if "/" in text else text.split(".")) if part]
    if not parts or (known is not None and parts[0] not in known):
        allowed = "it begins with one of " + ", ".join(known) if known else "give the name of a value"
        raise InvalidInput([Problem("path", f"{text[:64]!r} cannot be written", allowed)])
    return parts


def _set(document: dict[str, Any], path: list[str], value: Any) -> None:
    _above(document, path)[path[-1]] = value


def _extend(document: dict[str, Any], path: list[str], value: Any, unique: bool = False) -> None:
    above = _above(document, path)
    present = above.get(path[-1])
    if not isinstance(present, list | None):
        raise InvalidInput([Problem("path", f"what is at {'/'.join(path)} is not a list", "only lists are extended")])
    if not (unique and value in (present or [])):
        above[path[-1]] = [*(present or []), value]


def _delete(document: dict[str, Any], path: list[str]) -> None:
    _above(document, path).pop(path[-1], None)


def _unset(record: dict[str, Any], path: list[str]) -> None:
    """Delete what is at a path; a field of a record stays, and is empty."""
    if len(path) > 1:
        _delete(record, path)
    elif record.get(path[0]) is not None:
        record[path[0]] = {} if isinstance(record[path[0]], Mapping) else None


def _above(document: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The object that the last part of a path is in; what is missing on the way is made."""
    if len(path) > 1:
        document[path[0]] = copy.deepcopy(document.get(path[0]) or {})
    above: Any = document
    for part in path[:-1]:
        above = above.setdefault(part, {})
        if not isinstance(above, dict):
            raise InvalidInput([Problem("path", f"{part!r} in {'/'.join(path)} is not an object", "nothing can be below it")])
    found: dict[str, Any] = above
    return found


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
    "api-call": lambda findings, **arguments: call_api(**arguments),
}
