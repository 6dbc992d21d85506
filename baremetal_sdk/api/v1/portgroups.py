"""``/v1/portgroups`` and ``/v1/nodes/{node}/portgroups``: ports of a machine that act as one."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import InvalidInput
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, render_record
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, MAC, OBJECT, STRINGS, UUID, UUID_OR_NAME, text
from baremetal_sdk.api.framework.views import ResponseSpec, SubResource, View, ViewField
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
_FIELDS = WritableFields(
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


class PortgroupsResource:
    """Port groups, one by one and page by page."""

    @route(
        "GET",
        "/v1/portgroups",
        policy="baremetal:portgroup:list",
        role="lister",
        since=_SINCE,
        query=(*_FILTERS, *PAGING, FIELDS, DETAIL),
        response=ResponseSpec(PORTGROUP_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List port groups."""
        return _listed(request)

    @route(
        "GET",
        "/v1/portgroups/detail",
        policy="baremetal:portgroup:list",
        role="lister",
        since=_SINCE,
        query=(*_FILTERS, *PAGING),
        response=ResponseSpec(PORTGROUP_VIEW, page=True, whole=True),
    )
    def list_whole(self, request: APIRequest) -> dict[str, Any]:
        """List port groups with all their fields."""
        return _listed(request, whole=True)

    @route(
        "GET",
        "/v1/nodes/{node}/portgroups",
        policy="baremetal:portgroup:list",
        role="lister",
        since=OF_NODE_SINCE,
        query=(*PAGING, FIELDS, DETAIL),
        response=ResponseSpec(PORTGROUP_VIEW, page=True),
    )
    def list_of_node(self, request: APIRequest) -> dict[str, Any]:
        """List the port groups of a node."""
        return crud.list_records(request, PortgroupRecord, PORTGROUP_VIEW, {"node_uuid": request.node().uuid})

    @route(
        "GET",
        "/v1/nodes/{node}/portgroups/detail",
        policy="baremetal:portgroup:list",
        role="lister",
        since=OF_NODE_SINCE,
        query=PAGING,
        response=ResponseSpec(PORTGROUP_VIEW, page=True, whole=True),
    )
    def list_whole_of_node(self, request: APIRequest) -> dict[str, Any]:
        """List the port groups of a node with all their fields."""
        return crud.list_records(request, PortgroupRecord, PORTGROUP_VIEW, {"node_uuid": request.node().uuid}, whole=True)

    @route(
        "GET",
        "/v1/portgroups/{portgroup}",
        policy="baremetal:portgroup:get",
        since=_SINCE,
        query=(FIELDS,),
        response=ResponseSpec(PORTGROUP_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a port group."""
        return render_record(request, PORTGROUP_VIEW, crud.find(request, PortgroupRecord, "portgroup"))

    @route(
        "POST",
        "/v1/portgroups",
        policy="baremetal:portgroup:create",
        role="wirer",
        since=_SINCE,
        status=201,
        body=_FIELDS.creation_fields,
        response=ResponseSpec(PORTGROUP_VIEW, whole=True),
    )
    def create(self, request: APIRequest) -> dict[str, Any]:
        """Create a port group of a node."""
        values = _FIELDS.new_values(request.body)
        crud.require_name(values.get("name"))
        values["node_uuid"] = crud.body_node(request, values["node_uuid"])
        return crud.create(request, PortgroupRecord, PORTGROUP_VIEW, values)

    @route(
        "PATCH",
        "/v1/portgroups/{portgroup}",
        policy="baremetal:portgroup:update",
        role="owner-manager",
        since=_SINCE,
        body=_FIELDS.patch_type,
        response=ResponseSpec(PORTGROUP_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change fields of a port group."""
        group = _own(request)
        changed = _FIELDS.compute_changes(group, request.body, request.minor)
        crud.require_name(changed.get("name"))
        return crud.update(request, PortgroupRecord, PORTGROUP_VIEW, group, changed)

    @route("DELETE", "/v1/portgroups/{portgroup}", policy="baremetal:portgroup:delete", role="wirer", since=_SINCE, status=204)
    def delete(self, request: APIRequest) -> None:
        """Delete a port group without ports."""
        crud.delete(request, PortgroupRecord, _own(request).uuid)


def _own(request: APIRequest) -> PortgroupRecord:
    """The group that the path names, if the caller may do to its node what it is about to."""
    group = crud.find(request, PortgroupRecord, "portgroup")
    request.node(group.node_uuid)
    return group


def _listed(request: APIRequest, *, whole: bool = False) -> dict[str, Any]:
    asked = [name for name in ("address", "conductor_groups", "node", "shard") if name in request.query]
    if len(asked) > 1:
        raise InvalidInput(f"{', '.join(asked)}: they cannot be given together; give one of them")
    where = {"node_uuid": crud.filter_node(request), "address": request.query.get("address")}
    of_node = {"shard": request.query.get("shard"), "conductor_group": request.query.get("conductor_groups")}
    return crud.list_records(request, PortgroupRecord, PORTGROUP_VIEW, where, whole=whole, **of_node)
