"""API resource ``/v1/portgroups``: port groups, which bond several ports of a node into one network link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.crud import NodeResource, Operation
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.types import BOOLEAN, MAC, OBJECT, STRINGS, UUID, UUID_OR_NAME, text
from baremetal_sdk.api.framework.views import SubResource, View, ViewField
from baremetal_sdk.api.v1.ports import NAME
from baremetal_sdk.store.records.hardware import PortgroupRecord
from baremetal_sdk.update_rules.table import PORTGROUP_UPDATE

_SINCE = 23
OF_NODE_SINCE = 24
"""The minor number of the first microversion that lists the port groups of a node."""

PORTGROUP_VIEW = View(
    "portgroups",
    PortgroupRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("address", type=MAC),
        ViewField("category", 103),
        ViewField("dynamic_portgroup", 111),
        ViewField("extra", sortable=False),
        ViewField("internal_info", sortable=False),
        ViewField("mode", 26),
        ViewField("name"),
        ViewField("node_uuid", type=UUID),
        ViewField("physical_network", 102),
        ViewField("properties", 26, sortable=False),
        ViewField("standalone_ports_supported"),
    ),
    default=("uuid", "address", "name"),
    subresources=(SubResource("ports"),),
)
_FIELDS = WritableFields(
    PortgroupRecord,
    optional("address", MAC, "The MAC address of the port group."),
    optional("category", text(80), "The category of the port group.", 103),
    optional("extra", OBJECT, "Arbitrary data of the client."),
    optional("mode", text(64, 1), "The bonding mode, with a name of the Linux bonding driver.", 26),
    optional("name", NAME, "The unique name of the port group."),
    optional("physical_network", text(64, 1), "The physical network of the port group.", 102),
    optional("properties", OBJECT, "The bonding options, with names of the Linux bonding driver.", 26),
    optional("standalone_ports_supported", BOOLEAN, "True if the ports of the group can also be used alone."),
    only_at_creation=(Parameter("node_uuid", UUID, "The UUID of the node."),),
    required=("node_uuid",),
    not_removable=("mode",),
)
_FILTERS = (
    Parameter("address", MAC, "The MAC address of the port group."),
    Parameter("conductor_groups", STRINGS, "The conductor groups of the nodes, separated by commas.", 99),
    Parameter("node", UUID_OR_NAME, "The UUID or name of the node."),
    Parameter("shard", STRINGS, "The shards of the nodes, separated by commas.", 106),
)


class PortgroupsResource(NodeResource):
    """Routes of port groups. A port group with ports cannot be deleted."""

    view = PORTGROUP_VIEW
    fields = _FIELDS
    update_rules = PORTGROUP_UPDATE
    argument, singular, plural = "portgroup", "a port group", "port groups"
    since = _SINCE
    filters = _FILTERS
    operations = (
        Operation(name="list", policy="baremetal:portgroup:list", role="lister"),
        Operation(name="list_whole", policy="baremetal:portgroup:list", role="lister"),
        Operation(name="list_of_node", policy="baremetal:portgroup:list", role="lister", since=OF_NODE_SINCE),
        Operation(name="list_whole_of_node", policy="baremetal:portgroup:list", role="lister", since=OF_NODE_SINCE),
        Operation(name="show", policy="baremetal:portgroup:get"),
        Operation(name="create", policy="baremetal:portgroup:create", role="wirer", note="of a node"),
        Operation(name="update", policy="baremetal:portgroup:update", role="owner-manager"),
        Operation(name="delete", policy="baremetal:portgroup:delete", role="wirer", note="without ports"),
    )

    def where(self, request: APIRequest) -> Mapping[str, Any]:
        """Return the conditions for the filters ``node`` and ``address``. Raises ``InvalidInput`` for more than one filter."""
        given = [name for name in ("address", "conductor_groups", "node", "shard") if name in request.query]
        if len(given) > 1:
            raise InvalidInput(f"{', '.join(given)}: cannot be used together; use one of them")
        return {"node_uuid": crud.resolve_filter_node(request), "address": request.query.get("address")}

    def node_where(self, request: APIRequest) -> Mapping[str, Any]:
        """Return the conditions for the shard and the conductor group of the node."""
        return {"shard": request.query.get("shard"), "conductor_group": request.query.get("conductor_groups")}

    def prepare(self, request: APIRequest, values: dict[str, Any]) -> None:
        """Check the name of the new port group, and replace its node by the UUID of the node."""
        crud.check_name(values.get("name"))
        super().prepare(request, values)

    def check_changes(self, request: APIRequest, group: PortgroupRecord, changes: dict[str, Any]) -> None:
        """Raise ``InvalidInput`` if the new name is invalid."""
        crud.check_name(changes.get("name"))
