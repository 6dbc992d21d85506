"""API resource ``/v1/ports``: the network ports of nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.crud import NodeResource, Operation
from baremetal_sdk.api.framework.pagination import build_page, parse_page_request
from baremetal_sdk.api.framework.parameters import Parameter, not_acceptable_before, optional
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
from baremetal_sdk.update_rules.table import PORT_UPDATE

NODE_NAME_SINCE = 94
"""The minor number of the first microversion that accepts the name of the node of a new port."""
NETWORK_TYPE_SINCE = 64
"""The minor number of the first microversion with the key ``network_type`` in ``local_link_connection``."""
NETWORK_OF_GROUPS_SINCE = 102
"""The minor number of the first microversion in which a port group has a physical network, which is that of its ports."""
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


def _parse_link(value: Any) -> dict[str, Any]:
    """Check a value of ``local_link_connection`` and return it with a normalized ``switch_id``.

    The link names a switch and its port, or for a smart NIC a port and its host. An empty link, or one with the network
    type ``unmanaged``, needs no names. Raises ``InvalidValue``.
    """
    link: dict[str, Any] = OBJECT.parse(value)
    unknown = [key for key in link if key not in _LINK_KEYS]
    if unknown:
        raise InvalidValue(f"{str(unknown[0])[:64]!r} is not a known key", "allowed are " + ", ".join(_LINK_KEYS))
    if any(not isinstance(item, str) for item in link.values()):
        raise InvalidValue("has a value that is not text", "use text for all values")
    if link.get("network_type", "managed") not in _NETWORK_TYPES:
        raise InvalidValue("has an unknown network_type", "use one of " + ", ".join(_NETWORK_TYPES))
    if link and link.get("network_type") != "unmanaged" and not _is_complete(link):
        raise InvalidValue("does not name a switch port", "use port_id and switch_id or, for a smart NIC, port_id and hostname")
    if "switch_id" in link:
        link = {**link, "switch_id": _parse_switch_id(link["switch_id"])}
    return link


def _is_complete(link: Mapping[str, Any]) -> bool:
    return "port_id" in link and ("switch_id" in link or "hostname" in link)


def _parse_switch_id(value: str) -> str:
    """Return *value* in lower case. Raises ``InvalidValue`` unless it is a MAC address or an OpenFlow datapath identifier."""
    lowered = value.lower()
    if _DATAPATH.fullmatch(lowered):
        return lowered
    try:
        return str(MAC.parse(lowered))
    except InvalidValue as exc:
        allowed = "use a MAC address or the 16 hexadecimal digits of an OpenFlow datapath"
        raise InvalidValue(f"has the invalid switch_id {value[:64]!r}", allowed) from exc


def _parse_name(value: Any) -> str:
    if not is_name(value):
        raise InvalidValue("is not a valid name", "use up to 255 letters, digits and -._~")
    return str(value)


_LINK = ValueType(_parse_link, {"type": "object", "properties": {key: {"type": "string"} for key in _LINK_KEYS}})
NAME = ValueType(_parse_name, {"type": "string", "pattern": NAME_PATTERN})

_WRITABLE = (
    Parameter("address", MAC, "The MAC address of the port."),
    optional("available_for_dynamic_portgroup", BOOLEAN, "True if the port may join a dynamic port group.", 111),
    optional("category", text(80), "The category of the port.", 101),
    optional("description", TEXT, "A description in free text.", 97),
    optional("extra", OBJECT, "Arbitrary data of the client."),
    optional("is_smartnic", BOOLEAN, "True if the port is on a smart NIC.", 53),
    optional("local_link_connection", _LINK, "The switch port or smart NIC to which the port is connected.", 19),
    optional("name", NAME, "The unique name of the port.", 88),
    optional("physical_network", text(64, 1), "The physical network of the port.", 34),
    optional("portgroup_uuid", UUID, "The UUID of the port group that contains the port.", PORTGROUPS_SINCE),
    optional("pxe_enabled", BOOLEAN, "True if the machine may boot over the network from the port.", 19),
    optional("vendor", text(32), "The vendor of the network adapter.", 100),
)
_FIELDS = WritableFields(
    PortRecord,
    *_WRITABLE,
    only_at_creation=(
        Parameter("node_uuid", UUID, "The UUID of the node. Either node_uuid or node_ident is required."),
        Parameter("node_ident", UUID_OR_NAME, "The UUID or name of the node, instead of node_uuid.", NODE_NAME_SINCE),
    ),
    not_removable=("address",),
)
_FILTERS = (
    Parameter("address", MAC, "The MAC address of the port."),
    Parameter("conductor_groups", STRINGS, "The conductor groups of the nodes, separated by commas.", 99),
    Parameter("description_contains", TEXT, "A text that is part of the description of the port.", 97),
    Parameter("node", UUID_OR_NAME, "The UUID or name of the node."),
    Parameter("node_uuid", UUID, "The UUID of the node."),
    Parameter("portgroup", UUID_OR_NAME, "The UUID or name of the port group.", PORTGROUPS_SINCE),
    Parameter("shard", STRINGS, "The shards of the nodes, separated by commas.", 82),
)


class PortsResource(NodeResource):
    """Routes of ports. Writes use the RPC methods for ports and not those for records."""

    view = PORT_VIEW
    fields = _FIELDS
    update_rules = PORT_UPDATE
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
        """Return a page of the ports of one port group with the fields that the query selects."""
        return self.list_page(request, {"portgroup_uuid": crud.find(request, PortgroupRecord, "portgroup").uuid})

    def list_whole_of_group(self, request: APIRequest) -> dict[str, Any]:
        """Return a page of the ports of one port group with all fields."""
        return self.list_page(request, {"portgroup_uuid": crud.find(request, PortgroupRecord, "portgroup").uuid}, whole=True)

    def delete(self, request: APIRequest) -> None:
        """Delete the port that the path names. As in Ironic, the path must contain its UUID and not its name."""
        try:
            UUID.parse(request.arguments["port"])
        except InvalidValue as exc:
            raise InvalidInput([Problem("port", exc.wrong, exc.allowed)]) from None
        super().delete(request)

    def find(self, request: APIRequest) -> PortRecord:
        """Return the port that the path names by UUID or name."""
        return request.port(request.arguments["port"])

    def where(self, request: APIRequest) -> Mapping[str, Any]:
        """Return the conditions for node, port group and address. Raises ``InvalidInput`` for filters that exclude each other."""
        filters = request.query
        exclusive = [name for name in ("node", "node_uuid", "portgroup", "shard", "conductor_groups") if name in filters]
        if len(exclusive) > 1 and exclusive != ["node", "node_uuid"]:
            raise InvalidInput(f"{', '.join(exclusive)}: cannot be used together; use one of them")
        group = None
        if "portgroup" in filters:
            group = request.backend.store.record(PortgroupRecord, filters["portgroup"], scope=request.scope).uuid
        node = filters.get("node_uuid") or crud.resolve_filter_node(request)
        return {"node_uuid": node, "portgroup_uuid": group, "address": filters.get("address")}

    def list_page(self, request: APIRequest, where: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
        """Return the response of a listing of ports with the conditions *where* and the other filters of the query."""
        page = parse_page_request(request, PORT_VIEW, whole=whole)
        node_where = {"shard": request.query.get("shard"), "conductor_group": request.query.get("conductor_groups")}
        query = Query(
            where={name: value for name, value in where.items() if value is not None},
            fields=page.selection.columns,
            limit=page.limit + 1,
            marker=page.marker,
            sort_key=page.sort_key,
            sort_dir=page.sort_dir,
            node_where={name: value for name, value in node_where.items() if value is not None},
            description_contains=request.query.get("description_contains"),
        )
        return build_page(request, page, request.backend.store.ports(query, scope=request.scope))

    def prepare(self, request: APIRequest, values: dict[str, Any]) -> None:
        """Replace the node in *values*, given by UUID or name, by its UUID, and check the values of the new port."""
        values["node_uuid"] = _find_node_of_new_port(request, values)
        if "address" not in values:
            raise InvalidInput([Problem("address", "is missing", "a port needs a MAC address")])
        _check_values(request, values, values)

    def check_changes(self, request: APIRequest, port: PortRecord, changes: dict[str, Any]) -> None:
        """Raise ``InvalidInput`` or ``NotAcceptable`` if the changed port is invalid."""
        _check_values(request, changes, {**vars(port), **changes})
        group = port.portgroup_uuid
        stays = group is not None and changes.get("portgroup_uuid", group) == group
        if stays and "physical_network" in changes and request.minor >= NETWORK_OF_GROUPS_SINCE:
            wrong = f"cannot be changed while the port belongs to port group {group}"
            raise InvalidInput([Problem("physical_network", wrong, "change the field of the port group")])

    def save_new(self, request: APIRequest, values: Mapping[str, Any]) -> PortRecord:
        """Create a port through a conductor."""
        port: PortRecord = request.rpc("create_port", values=values)
        return port

    def save_changes(self, request: APIRequest, port: PortRecord, changes: Mapping[str, Any]) -> PortRecord:
        """Change a port through a conductor, which checks whether the state of the node allows the change."""
        changed: PortRecord = request.rpc("update_port", port=port.uuid, changes=changes, revision=port.revision)
        return changed

    def remove(self, request: APIRequest, port: PortRecord) -> None:
        """Delete a port through a conductor."""
        request.rpc("delete_port", port=port.uuid)


def _find_node_of_new_port(request: APIRequest, values: dict[str, Any]) -> str:
    """Return the UUID of the node that *values* name, and remove ``node_ident`` from *values*. Raises ``InvalidInput``."""
    by_ident, by_uuid = values.pop("node_ident", None), values.get("node_uuid")
    if (by_ident is None) == (by_uuid is None):
        raise InvalidInput(
            [Problem("node_uuid", "the node of the port is missing or given twice", "use node_uuid or node_ident, not both")]
        )
    return crud.resolve_body_node(request, by_ident or values["node_uuid"], "node_ident" if by_ident else "node_uuid")


def _check_values(request: APIRequest, changed: Mapping[str, Any], port: Mapping[str, Any]) -> None:
    """Check the values *changed*, and those of the resulting *port*. Raises ``InvalidInput`` and ``NotAcceptable``."""
    link = changed.get("local_link_connection") or {}
    if "network_type" in link and request.minor < NETWORK_TYPE_SINCE:
        raise not_acceptable_before("local_link_connection.network_type", NETWORK_TYPE_SINCE)
    final_link = port.get("local_link_connection") or {}
    if final_link and port.get("is_smartnic") and not {"port_id", "hostname"} <= set(final_link):
        problem = Problem("local_link_connection", "has no port_id or no hostname", "give both for a port on a smart NIC")
        raise InvalidInput([problem])
