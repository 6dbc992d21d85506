"""``/v1/ports`` and ``/v1/nodes/{node}/ports``: the network ports of machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.crud import NodeResource, Operation
from baremetal_sdk.api.framework.json_patch import (
    UNSET,
    apply_patch,
    diff_fields,
    drop_own_node,
    parse_patch,
)
from baremetal_sdk.api.framework.pagination import build_page, parse_page_request
from baremetal_sdk.api.framework.parameters import Parameter, check_versions, not_acceptable_before, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.types import (
    BOOLEAN,
    MAC,
    NAME_PATTERN,
    OBJECT,
    STRINGS,
    TEXT,
    UUID,
    UUID_OR_NAME,
    InvalidValue,
    ValueType,
    is_name,
    text,
)
from baremetal_sdk.api.framework.views import View, ViewField
from baremetal_sdk.store.records.hardware import PortgroupRecord
from baremetal_sdk.store.records.node import PortRecord
from baremetal_sdk.store.records.query import Query

NODE_NAME_SINCE = 94
"""Ports could be made for a node by its name since this microversion."""
NETWORK_TYPE_SINCE = 64
PORTGROUPS_SINCE = 24
_LINK_KEYS = ("port_id", "switch_id", "hostname", "switch_info", "network_type")
_NETWORK_TYPES = ("managed", "unmanaged")
_DATAPATH = re.compile(r"[0-9a-f]{16}", re.ASCII)

PORT_VIEW = View(
    "ports",
    PortRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("address", type=MAC),
        ViewField("available_for_dynamic_portgroup", 111),
        ViewField("category", 101),
        ViewField("description", 97),
        ViewField("extra", sortable=False),
        ViewField("internal_info", 18, sortable=False),
        ViewField("is_smartnic", 53),
        ViewField("local_link_connection", 19, sortable=False),
        ViewField("name", 88),
        ViewField("node_uuid", type=UUID),
        ViewField("physical_network", 34),
        ViewField("portgroup_uuid", PORTGROUPS_SINCE, type=UUID),
        ViewField("pxe_enabled", 19),
        ViewField("vendor", 100),
    ),
    default=("uuid", "address"),
)


def _link(value: Any) -> dict[str, Any]:
    """Read where a port is plugged in: a switch and its port, a smart NIC and its host, or nothing known."""
    link: dict[str, Any] = OBJECT.parse(value)
    unknown = [key for key in link if key not in _LINK_KEYS]
    if unknown:
        raise InvalidValue(f"there is no key {str(unknown[0])[:64]!r}", "known are " + ", ".join(_LINK_KEYS))
    if any(not isinstance(item, str) for item in link.values()):
        raise InvalidValue("not all its values are text", "give strings")
    if link.get("network_type", "managed") not in _NETWORK_TYPES:
        raise InvalidValue("its network_type is not known", "one of " + ", ".join(_NETWORK_TYPES))
    if link and link.get("network_type") != "unmanaged" and not _is_complete(link):
        raise InvalidValue("it is not complete", "port_id and switch_id belong together, or port_id and hostname for a smart NIC")
    if "switch_id" in link:
        link = {**link, "switch_id": _switch_id(link["switch_id"])}
    return link


def _is_complete(link: Mapping[str, Any]) -> bool:
    return "port_id" in link and ("switch_id" in link or "hostname" in link)


def _switch_id(value: str) -> str:
    lowered = value.lower()
    if _DATAPATH.fullmatch(lowered):
        return lowered
    try:
        return str(MAC.parse(lowered))
    except InvalidValue as exc:
        allowed = "give a MAC address or the 16 hexadecimal digits of an OpenFlow datapath"
        raise InvalidValue(f"its switch_id is {value[:64]!r}", allowed) from exc


def _name(value: Any) -> str:
    if not is_name(value):
        raise InvalidValue("it cannot be a name", "letters, digits and -._~ are allowed, 255 at most")
    return str(value)


_LINK = ValueType(_link, {"type": "object", "properties": {key: {"type": "string"} for key in _LINK_KEYS}})
NAME = ValueType(_name, {"type": "string", "pattern": NAME_PATTERN})

_WRITABLE = (
    Parameter("address", MAC, "The MAC address."),
    optional("available_for_dynamic_portgroup", BOOLEAN, "Whether it may join a group that is made as needed.", 111),
    optional("category", text(80), "What kind of port it is.", 101),
    optional("description", TEXT, "What people should know about it.", 97),
    optional("extra", OBJECT, "Anything."),
    optional("is_smartnic", BOOLEAN, "Whether the port is on a smart NIC.", 53),
    optional("local_link_connection", _LINK, "Where the port is plugged in.", 19),
    optional("name", NAME, "A name that no other port has.", 88),
    optional("physical_network", text(64, 1), "The physical network that it is on.", 34),
    optional("portgroup_uuid", UUID, "The UUID of the port group that it is in.", PORTGROUPS_SINCE),
    optional("pxe_enabled", BOOLEAN, "Whether the machine boots from it.", 19),
    optional("vendor", text(32), "Who made it.", 100),
)
_FIELDS = WritableFields(
    PortRecord,
    *_WRITABLE,
    only_at_creation=(
        Parameter("node_uuid", UUID, "The UUID of the node that it belongs to."),
        Parameter("node_ident", UUID_OR_NAME, "The UUID or name of the node that it belongs to.", NODE_NAME_SINCE),
    ),
)
_PATCHED = _FIELDS.patch_fields
_REQUIRED = ("address",)
_DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(("category", "description", "name", "physical_network", "portgroup_uuid", "vendor")),
    "available_for_dynamic_portgroup": True,
    "extra": {},
    "local_link_connection": {},
    "is_smartnic": False,
    "pxe_enabled": True,
}
_FILTERS = (
    Parameter("address", MAC, "The MAC address."),
    Parameter("conductor_groups", STRINGS, "The groups of conductors that may drive its node.", 99),
    Parameter("description_contains", TEXT, "A part of its description.", 97),
    Parameter("node", UUID_OR_NAME, "The UUID or name of the node that it belongs to."),
    Parameter("node_uuid", UUID, "The UUID of the node that it belongs to."),
    Parameter("portgroup", UUID_OR_NAME, "The UUID or name of the port group that it is in.", PORTGROUPS_SINCE),
    Parameter("shard", STRINGS, "The shards that its node may belong to, with commas between them.", 82),
)


class PortsResource(NodeResource):
    """The ports of nodes. Conductors have RPC methods of their own for them."""

    view = PORT_VIEW
    fields = _FIELDS
    argument, singular, plural = "port", "a port", "ports"
    filters = _FILTERS
    operations = (
        Operation(name="list", policy="baremetal:port:list", role="lister"),
        Operation(name="list_whole", policy="baremetal:port:list", role="lister"),
        Operation(name="list_of_node", policy="baremetal:port:list", role="lister"),
        Operation(name="list_whole_of_node", policy="baremetal:port:list", role="lister"),
        Operation(
            name="list_of_group",
            like="list_of_node",
            policy="baremetal:port:list",
            role="lister",
            since=PORTGROUPS_SINCE,
            path="/v1/portgroups/{portgroup}/ports",
            summary="List the ports of a port group.",
        ),
        Operation(
            name="list_whole_of_group",
            like="list_whole_of_node",
            policy="baremetal:port:list",
            role="lister",
            since=PORTGROUPS_SINCE,
            path="/v1/portgroups/{portgroup}/ports/detail",
            summary="List the ports of a port group with all their fields.",
        ),
        Operation(name="show", policy="baremetal:port:get"),
        Operation(name="create", policy="baremetal:port:create", role="wirer", note="of a node"),
        Operation(name="update", policy="baremetal:port:update", role="owner-manager"),
        Operation(name="delete", policy="baremetal:port:delete", role="wirer"),
    )

    def list_of_group(self, request: APIRequest) -> dict[str, Any]:
        """Handle the listing for one port group with selectable fields."""
        return self.list_page(request, {"portgroup_uuid": crud.find(request, PortgroupRecord, "portgroup").uuid})

    def list_whole_of_group(self, request: APIRequest) -> dict[str, Any]:
        """Handle the listing for one port group with all fields."""
        return self.list_page(request, {"portgroup_uuid": crud.find(request, PortgroupRecord, "portgroup").uuid}, whole=True)

    def delete(self, request: APIRequest) -> None:
        """Handle the deletion of a port. Unlike the other operations it takes a UUID only, as in Ironic."""
        try:
            UUID.parse(request.arguments["port"])
        except InvalidValue as exc:
            raise InvalidInput([Problem("port", exc.wrong, exc.allowed)]) from None
        super().delete(request)

    def find(self, request: APIRequest) -> PortRecord:
        """Return the port that the path names."""
        return request.port(request.arguments["port"])

    def where(self, request: APIRequest) -> Mapping[str, Any]:
        """Select by node, port group or address. Raises ``InvalidInput`` for filters that exclude each other."""
        asked = request.query
        given = [name for name in ("node", "node_uuid", "portgroup", "shard", "conductor_groups") if name in asked]
        if len(given) > 1 and given != ["node", "node_uuid"]:
            raise InvalidInput(f"{', '.join(given)}: they cannot be given together; give one of them")
        group = None
        if "portgroup" in asked:
            group = request.backend.store.record(PortgroupRecord, asked["portgroup"], scope=request.scope).uuid
        node = asked.get("node_uuid") or crud.filter_node(request)
        return {"node_uuid": node, "portgroup_uuid": group, "address": asked.get("address")}

    def list_page(self, request: APIRequest, where: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
        """Return the response of a listing. The store has a method of its own for ports."""
        asked = parse_page_request(request, PORT_VIEW, whole=whole)
        node_where = {"shard": request.query.get("shard"), "conductor_group": request.query.get("conductor_groups")}
        query = Query(
            where={name: value for name, value in where.items() if value is not None},
            fields=asked.selection.columns,
            limit=asked.limit + 1,
            marker=asked.marker,
            sort_key=asked.sort_key,
            sort_dir=asked.sort_dir,
            node_where={name: value for name, value in node_where.items() if value is not None},
            description_contains=request.query.get("description_contains"),
        )
        return build_page(request, asked, request.backend.store.ports(query, scope=request.scope))

    def prepare(self, request: APIRequest, values: dict[str, Any]) -> None:
        """Resolve the node, which may be given by UUID or by name, and check the new port."""
        values["node_uuid"] = _node_of_new_port(request, values)
        if "address" not in values:
            raise InvalidInput([Problem("address", "it is missing", "it must be given")])
        _check_values(request, values, values)

    def compute_changes(self, request: APIRequest, port: PortRecord) -> dict[str, Any]:
        """Return the changes that the patch makes: field -> whole new value."""
        patch = drop_own_node(parse_patch(request.body, request.minor), port.node_uuid)
        for operation in patch:
            if operation.field not in _PATCHED.by_name:
                allowed = "these can: " + ", ".join(sorted(_PATCHED.by_name))
                raise operation.error(f"{operation.field[:64]!r} cannot be changed", allowed)
        check_versions((_PATCHED.by_name[operation.field] for operation in patch), request.minor)
        document = {name: getattr(port, name) for name in _PATCHED.by_name}
        touched = apply_patch(document, patch)
        for name in _REQUIRED:
            if name in touched and touched[name] in (UNSET, None):
                raise InvalidInput([Problem(name, "it cannot be removed", "a port needs one; replace it")])
        return diff_fields(document, touched, _read, _DEFAULTS)

    def check_changes(self, request: APIRequest, port: PortRecord, changes: dict[str, Any]) -> None:
        """Check the changed port."""
        document = {name: getattr(port, name) for name in _PATCHED.by_name}
        _check_values(request, changes, {**document, **changes})

    def save_new(self, request: APIRequest, values: Mapping[str, Any]) -> PortRecord:
        """Create a port through a conductor."""
        port: PortRecord = request.rpc("create_port", values=values)
        return port

    def save_changes(self, request: APIRequest, port: PortRecord, changes: Mapping[str, Any]) -> PortRecord:
        """Change a port through a conductor, which checks whether the state of the node allows the change."""
        changed: PortRecord = request.rpc("update_port", port=port.uuid, changes=changes)
        return changed

    def remove(self, request: APIRequest, port: PortRecord) -> None:
        """Delete a port through a conductor."""
        request.rpc("delete_port", port=port.uuid)


def _node_of_new_port(request: APIRequest, values: dict[str, Any]) -> str:
    by_ident, by_uuid = values.pop("node_ident", None), values.get("node_uuid")
    if (by_ident is None) == (by_uuid is None):
        raise InvalidInput([Problem("node_uuid", "the node has to be given once", "give node_uuid or node_ident, not both")])
    return crud.body_node(request, by_ident or values["node_uuid"], "node_ident" if by_ident else "node_uuid")


def _check_values(request: APIRequest, changed: Mapping[str, Any], port: Mapping[str, Any]) -> None:
    """Refuse values that do not go together, or came with a later microversion."""
    link = changed.get("local_link_connection") or {}
    if "network_type" in link and request.minor < NETWORK_TYPE_SINCE:
        raise not_acceptable_before("local_link_connection.network_type", NETWORK_TYPE_SINCE)
    whole = port.get("local_link_connection") or {}
    if whole and port.get("is_smartnic") and not {"port_id", "hostname"} <= set(whole):
        wrong = Problem("local_link_connection", "a smart NIC needs port_id and hostname", "give both")
        raise InvalidInput([wrong])


def _read(name: str, value: Any) -> Any:
    try:
        read = _PATCHED.by_name[name].type.parse(value)
    except InvalidValue as exc:
        raise InvalidInput([Problem(name, exc.wrong, exc.allowed)]) from None
    return _DEFAULTS[name] if read is None else read
