"""``/v1/portgroups`` and ``/v1/nodes/{node}/portgroups``: ports of a machine that act as one."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InvalidInput
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, shown
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.resource_fields import Writable
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, MAC, OBJECT, STRINGS, UUID, UUID_OR_NAME, text
from baremetal_sdk.api.framework.views import Shown, SubResource, View, ViewField
from baremetal_sdk.api.v1.ports import NAME
from baremetal_sdk.store.records.hardware import PortgroupRecord

_SINCE = 23
OF_NODE_SINCE = 24

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
_FIELDS = Writable(
    PortgroupRecord,
    optional("address", MAC, "The MAC address that the group has as one."),
    optional("category", text(80), "What kind of group it is.", 103),
    optional("extra", OBJECT, "Anything."),
    optional("mode", text(64, 1), "How the ports work together, as Linux' bonding driver calls it.", 26),
    optional("name", NAME, "A name that no other group has."),
    optional("physical_network", text(64, 1), "The physical network that it is on.", 102),
    optional("properties", OBJECT, "Properties of the mode, as Linux' bonding driver calls them.", 26),
    optional("standalone_ports_supported", BOOLEAN, "Whether its ports can be used one by one, too."),
    only_at_creation=(Parameter("node_uuid", UUID, "The UUID of the node that it belongs to."),),
    required=("node_uuid",),
    kept=("mode",),
)
_FILTERS = (
    Parameter("address", MAC, "The MAC address."),
    Parameter("conductor_groups", STRINGS, "The groups of conductors that may drive its node.", 99),
    Parameter("node", UUID_OR_NAME, "The UUID or name of the node that it belongs to."),
    Parameter("shard", STRINGS, "The shards that its node may belong to, with commas between them.", 106),
)


class Portgroups:
    """Port groups, one by one and page by page."""

    @route(
        "GET",
        "/v1/portgroups",
        policy="baremetal:portgroup:list",
        role="lister",
        since=_SINCE,
        query=(*_FILTERS, *PAGING, FIELDS, DETAIL),
        answer=Shown(PORTGROUP_VIEW, page=True),
    )
    def list(self, call: Call) -> dict[str, Any]:
        """List port groups."""
        return _listed(call)

    @route(
        "GET",
        "/v1/portgroups/detail",
        policy="baremetal:portgroup:list",
        role="lister",
        since=_SINCE,
        query=(*_FILTERS, *PAGING),
        answer=Shown(PORTGROUP_VIEW, page=True, whole=True),
    )
    def list_whole(self, call: Call) -> dict[str, Any]:
        """List port groups with all their fields."""
        return _listed(call, whole=True)

    @route(
        "GET",
        "/v1/nodes/{node}/portgroups",
        policy="baremetal:portgroup:list",
        role="lister",
        since=OF_NODE_SINCE,
        query=(*PAGING, FIELDS, DETAIL),
        answer=Shown(PORTGROUP_VIEW, page=True),
    )
    def list_of_node(self, call: Call) -> dict[str, Any]:
        """List the port groups of a node."""
        return crud.listed(call, PortgroupRecord, PORTGROUP_VIEW, {"node_uuid": call.node().uuid})

    @route(
        "GET",
        "/v1/nodes/{node}/portgroups/detail",
        policy="baremetal:portgroup:list",
        role="lister",
        since=OF_NODE_SINCE,
        query=PAGING,
        answer=Shown(PORTGROUP_VIEW, page=True, whole=True),
    )
    def list_whole_of_node(self, call: Call) -> dict[str, Any]:
        """List the port groups of a node with all their fields."""
        return crud.listed(call, PortgroupRecord, PORTGROUP_VIEW, {"node_uuid": call.node().uuid}, whole=True)

    @route(
        "GET",
        "/v1/portgroups/{portgroup}",
        policy="baremetal:portgroup:get",
        since=_SINCE,
        query=(FIELDS,),
        answer=Shown(PORTGROUP_VIEW),
    )
    def show(self, call: Call) -> dict[str, Any]:
        """Show a port group."""
        return shown(call, PORTGROUP_VIEW, crud.found(call, PortgroupRecord, "portgroup"))

    @route(
        "POST",
        "/v1/portgroups",
        policy="baremetal:portgroup:create",
        role="wirer",
        since=_SINCE,
        status=201,
        body=_FIELDS.creation,
        answer=Shown(PORTGROUP_VIEW, whole=True),
    )
    def create(self, call: Call) -> dict[str, Any]:
        """Create a port group of a node."""
        values = _FIELDS.new(call.body)
        crud.require_name(values.get("name"))
        values["node_uuid"] = crud.named_node(call, values["node_uuid"])
        return crud.create(call, PortgroupRecord, PORTGROUP_VIEW, values)

    @route(
        "PATCH",
        "/v1/portgroups/{portgroup}",
        policy="baremetal:portgroup:update",
        role="owner-manager",
        since=_SINCE,
        body=_FIELDS.patch,
        answer=Shown(PORTGROUP_VIEW, whole=True),
    )
    def update(self, call: Call) -> dict[str, Any]:
        """Change fields of a port group."""
        group = _own(call)
        changed = _FIELDS.changed(group, call.body, call.minor)
        crud.require_name(changed.get("name"))
        return crud.update(call, PortgroupRecord, PORTGROUP_VIEW, group, changed)

    @route("DELETE", "/v1/portgroups/{portgroup}", policy="baremetal:portgroup:delete", role="wirer", since=_SINCE, status=204)
    def delete(self, call: Call) -> None:
        """Delete a port group without ports."""
        crud.delete(call, PortgroupRecord, _own(call).uuid)


def _own(call: Call) -> PortgroupRecord:
    """The group that the path names, if the caller may do to its node what it is about to."""
    group = crud.found(call, PortgroupRecord, "portgroup")
    call.node(group.node_uuid)
    return group


def _listed(call: Call, *, whole: bool = False) -> dict[str, Any]:
    asked = [name for name in ("address", "conductor_groups", "node", "shard") if name in call.query]
    if len(asked) > 1:
        raise InvalidInput(f"{', '.join(asked)}: they cannot be given together; give one of them")
    where = {"node_uuid": crud.asked_node(call), "address": call.query.get("address")}
    of_node = {"shard": call.query.get("shard"), "conductor_group": call.query.get("conductor_groups")}
    return crud.listed(call, PortgroupRecord, PORTGROUP_VIEW, where, whole=whole, **of_node)
