"""``/v1/volume``: what machines connect to volumes with, and the volumes that they connect to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.masking import masked
from baremetal_sdk.api.framework.pagination import DETAIL as LATER_DETAIL
from baremetal_sdk.api.framework.pagination import FIELDS, PAGING, shown
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.resource_fields import Writable
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, UUID, UUID_OR_NAME, integer, text
from baremetal_sdk.api.framework.views import Link, Shown, View, ViewField, links
from baremetal_sdk.store.records.hardware import VolumeConnectorRecord, VolumeTargetRecord

SINCE = 32
_READ, _LIST = "baremetal:volume:get", "baremetal:volume:list"
DETAIL = dataclasses.replace(LATER_DETAIL, since=SINCE)
"""Volumes had it before all other resources did."""
_NODE = Parameter("node_uuid", UUID, "The UUID of the node.")
_OF_NODE = Parameter("node", UUID_OR_NAME, "The UUID or name of the node.")
_QUERY = (_OF_NODE, *PAGING, FIELDS, DETAIL)

_SEES_PROPERTIES = "baremetal:volume:view_target_properties"


def _properties(call: Call, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a volume is reached, for those who may know; secrets in it are masked for them, too."""
    if call.may(_SEES_PROPERTIES):
        return masked(properties)
    return {"redacted_contents": f"** Value redacted: Requires permission {_SEES_PROPERTIES} access. Permission denied. **"}


CONNECTOR_VIEW = View(
    "connectors",
    VolumeConnectorRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("connector_id"),
        ViewField("extra", sortable=False),
        ViewField("node_uuid", type=UUID),
        ViewField("type"),
    ),
    default=("uuid", "node_uuid", "type", "connector_id"),
    path="volume/connectors",
)
TARGET_VIEW = View(
    "targets",
    VolumeTargetRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("boot_index"),
        ViewField("extra", sortable=False),
        ViewField("node_uuid", type=UUID),
        ViewField("properties", render=_properties, sortable=False),
        ViewField("volume_id"),
        ViewField("volume_type"),
    ),
    default=("uuid", "node_uuid", "volume_type", "boot_index", "volume_id"),
    path="volume/targets",
)
_CONNECTOR = Writable(
    VolumeConnectorRecord,
    Parameter("type", text(64, 1), "What kind of identity it is: iqn, ip, mac, wwnn, wwpn, port, portgroup."),
    Parameter("connector_id", text(255, 1), "The identity itself."),
    optional("extra", OBJECT, "Anything."),
    only_at_creation=(_NODE,),
    required=("type", "connector_id", "node_uuid"),
)
_TARGET = Writable(
    VolumeTargetRecord,
    Parameter("volume_type", text(64, 1), "How it is reached: iscsi, fibre_channel."),
    Parameter("volume_id", text(255, 1), "What the storage calls the volume."),
    Parameter("boot_index", integer(), "Its place among the volumes of the node; 0 is booted from."),
    optional("properties", OBJECT, "What is needed to reach it."),
    optional("extra", OBJECT, "Anything."),
    only_at_creation=(_NODE,),
    required=("volume_type", "volume_id", "boot_index", "node_uuid"),
)


class Index(TypedDict):
    """What there is of volumes."""

    links: list[Link]
    connectors: list[Link]
    targets: list[Link]


class Volumes:
    """What there is below ``/v1/volume``."""

    rules: ClassVar[Mapping[str, Persona]] = {_SEES_PROPERTIES: "secret-reader"}

    @route("GET", "/v1/volume", policy=_LIST, role="lister", since=SINCE)
    def show(self, call: Call) -> Index:
        """Show what there is of volumes."""
        return _index(call, "volume")

    @route("GET", "/v1/nodes/{node}/volume", policy=_LIST, role="lister", since=SINCE)
    def show_of_node(self, call: Call) -> Index:
        """Show what there is of a node's volumes."""
        return _index(call, f"nodes/{call.node().uuid}/volume")


def _index(call: Call, path: str) -> Index:
    return {
        "links": links(call.base, path),
        "connectors": links(call.base, f"{path}/connectors"),
        "targets": links(call.base, f"{path}/targets"),
    }


class VolumeConnectors:
    """Volume connectors, one by one and page by page."""

    @route(
        "GET",
        "/v1/volume/connectors",
        policy=_LIST,
        role="lister",
        since=SINCE,
        query=_QUERY,
        answer=Shown(CONNECTOR_VIEW, page=True),
    )
    def list(self, call: Call) -> dict[str, Any]:
        """List volume connectors."""
        where = {"node_uuid": crud.asked_node(call)}
        return crud.listed(call, VolumeConnectorRecord, CONNECTOR_VIEW, where)

    @route(
        "GET",
        "/v1/nodes/{node}/volume/connectors",
        policy=_LIST,
        role="lister",
        since=SINCE,
        query=(*PAGING, FIELDS, DETAIL),
        answer=Shown(CONNECTOR_VIEW, page=True),
    )
    def list_of_node(self, call: Call) -> dict[str, Any]:
        """List the volume connectors of a node."""
        return crud.listed(call, VolumeConnectorRecord, CONNECTOR_VIEW, {"node_uuid": call.node().uuid})

    @route(
        "GET",
        "/v1/volume/connectors/{connector}",
        policy=_READ,
        since=SINCE,
        query=(FIELDS,),
        answer=Shown(CONNECTOR_VIEW),
    )
    def show(self, call: Call) -> dict[str, Any]:
        """Show a volume connector."""
        return shown(call, CONNECTOR_VIEW, crud.found(call, VolumeConnectorRecord, "connector"))

    @route(
        "POST",
        "/v1/volume/connectors",
        policy="baremetal:volume:create",
        role="leased-manager",
        since=SINCE,
        status=201,
        body=_CONNECTOR.creation,
        answer=Shown(CONNECTOR_VIEW, whole=True),
    )
    def create(self, call: Call) -> dict[str, Any]:
        """Create a volume connector of a node."""
        values = _CONNECTOR.new(call.body)
        values["node_uuid"] = crud.named_node(call, values["node_uuid"])
        return crud.create(call, VolumeConnectorRecord, CONNECTOR_VIEW, values)

    @route(
        "PATCH",
        "/v1/volume/connectors/{connector}",
        policy="baremetal:volume:update",
        since=SINCE,
        body=_CONNECTOR.patch,
        answer=Shown(CONNECTOR_VIEW, whole=True),
    )
    def update(self, call: Call) -> dict[str, Any]:
        """Change fields of a volume connector while its node is off."""
        connector = crud.found(call, VolumeConnectorRecord, "connector")
        call.node(connector.node_uuid)
        changed = _CONNECTOR.changed(connector, call.body, call.minor)
        return crud.update(call, VolumeConnectorRecord, CONNECTOR_VIEW, connector, changed)

    @route(
        "DELETE",
        "/v1/volume/connectors/{connector}",
        policy="baremetal:volume:delete",
        role="leased-manager",
        since=SINCE,
        status=204,
    )
    def delete(self, call: Call) -> None:
        """Delete a volume connector while its node is off."""
        connector = crud.found(call, VolumeConnectorRecord, "connector")
        call.node(connector.node_uuid)
        crud.delete(call, VolumeConnectorRecord, connector.uuid)


class VolumeTargets:
    """Volume targets, one by one and page by page."""

    @route(
        "GET",
        "/v1/volume/targets",
        policy=_LIST,
        role="lister",
        since=SINCE,
        query=_QUERY,
        answer=Shown(TARGET_VIEW, page=True),
    )
    def list(self, call: Call) -> dict[str, Any]:
        """List volume targets."""
        return crud.listed(call, VolumeTargetRecord, TARGET_VIEW, {"node_uuid": crud.asked_node(call)})

    @route(
        "GET",
        "/v1/nodes/{node}/volume/targets",
        policy=_LIST,
        role="lister",
        since=SINCE,
        query=(*PAGING, FIELDS, DETAIL),
        answer=Shown(TARGET_VIEW, page=True),
    )
    def list_of_node(self, call: Call) -> dict[str, Any]:
        """List the volume targets of a node."""
        return crud.listed(call, VolumeTargetRecord, TARGET_VIEW, {"node_uuid": call.node().uuid})

    @route(
        "GET",
        "/v1/volume/targets/{target}",
        policy=_READ,
        since=SINCE,
        query=(FIELDS,),
        answer=Shown(TARGET_VIEW),
    )
    def show(self, call: Call) -> dict[str, Any]:
        """Show a volume target."""
        return shown(call, TARGET_VIEW, crud.found(call, VolumeTargetRecord, "target"))

    @route(
        "POST",
        "/v1/volume/targets",
        policy="baremetal:volume:create",
        role="leased-manager",
        since=SINCE,
        status=201,
        body=_TARGET.creation,
        answer=Shown(TARGET_VIEW, whole=True),
    )
    def create(self, call: Call) -> dict[str, Any]:
        """Create a volume target of a node."""
        values = _TARGET.new(call.body)
        values["node_uuid"] = crud.named_node(call, values["node_uuid"])
        return crud.create(call, VolumeTargetRecord, TARGET_VIEW, values)

    @route(
        "PATCH",
        "/v1/volume/targets/{target}",
        policy="baremetal:volume:update",
        since=SINCE,
        body=_TARGET.patch,
        answer=Shown(TARGET_VIEW, whole=True),
    )
    def update(self, call: Call) -> dict[str, Any]:
        """Change fields of a volume target while its node is off."""
        target = crud.found(call, VolumeTargetRecord, "target")
        call.node(target.node_uuid)
        changed = _TARGET.changed(target, call.body, call.minor)
        return crud.update(call, VolumeTargetRecord, TARGET_VIEW, target, changed)

    @route(
        "DELETE", "/v1/volume/targets/{target}", policy="baremetal:volume:delete", role="leased-manager", since=SINCE, status=204
    )
    def delete(self, call: Call) -> None:
        """Delete a volume target while its node is off."""
        target = crud.found(call, VolumeTargetRecord, "target")
        call.node(target.node_uuid)
        crud.delete(call, VolumeTargetRecord, target.uuid)
