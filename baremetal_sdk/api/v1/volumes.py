"""``/v1/volume``: what machines connect to volumes with, and the volumes that they connect to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.masking import mask_secrets
from baremetal_sdk.api.framework.pagination import DETAIL as LATER_DETAIL
from baremetal_sdk.api.framework.pagination import FIELDS, PAGING, render_record
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, UUID, UUID_OR_NAME, integer, text
from baremetal_sdk.api.framework.views import Link, ResponseSpec, View, ViewField, links
from baremetal_sdk.store.records.hardware import VolumeConnectorRecord, VolumeTargetRecord

SINCE = 32
_READ, _LIST = "baremetal:volume:get", "baremetal:volume:list"
DETAIL = dataclasses.replace(LATER_DETAIL, since=SINCE)
"""Volumes had it before all other resources did."""
_NODE = Parameter("node_uuid", UUID, "The UUID of the node.")
_OF_NODE = Parameter("node", UUID_OR_NAME, "The UUID or name of the node.")
_QUERY = (_OF_NODE, *PAGING, FIELDS, DETAIL)

_SEES_PROPERTIES = "baremetal:volume:view_target_properties"


def _properties(request: APIRequest, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a volume is reached, for those who may know; secrets in it are masked for them, too."""
    if request.is_allowed(_SEES_PROPERTIES):
        return mask_secrets(properties)
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
_CONNECTOR = WritableFields(
    VolumeConnectorRecord,
    Parameter("type", text(64, 1), "What kind of identity it is: iqn, ip, mac, wwnn, wwpn, port, portgroup."),
    Parameter("connector_id", text(255, 1), "The identity itself."),
    optional("extra", OBJECT, "Anything."),
    only_at_creation=(_NODE,),
    required=("type", "connector_id", "node_uuid"),
)
_TARGET = WritableFields(
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


class VolumesResource:
    """What there is below ``/v1/volume``."""

    rules: ClassVar[Mapping[str, Persona]] = {_SEES_PROPERTIES: "secret-reader"}

    @route("GET", "/v1/volume", policy=_LIST, role="lister", since=SINCE)
    def show(self, request: APIRequest) -> Index:
        """Show what there is of volumes."""
        return _index(request, "volume")

    @route("GET", "/v1/nodes/{node}/volume", policy=_LIST, role="lister", since=SINCE)
    def show_of_node(self, request: APIRequest) -> Index:
        """Show what there is of a node's volumes."""
        return _index(request, f"nodes/{request.node().uuid}/volume")


def _index(request: APIRequest, path: str) -> Index:
    return {
        "links": links(request.base, path),
        "connectors": links(request.base, f"{path}/connectors"),
        "targets": links(request.base, f"{path}/targets"),
    }


class VolumeConnectorsResource:
    """Volume connectors, one by one and page by page."""

    @route(
        "GET",
        "/v1/volume/connectors",
        policy=_LIST,
        role="lister",
        since=SINCE,
        query=_QUERY,
        response=ResponseSpec(CONNECTOR_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List volume connectors."""
        where = {"node_uuid": crud.filter_node(request)}
        return crud.list_records(request, VolumeConnectorRecord, CONNECTOR_VIEW, where)

    @route(
        "GET",
        "/v1/nodes/{node}/volume/connectors",
        policy=_LIST,
        role="lister",
        since=SINCE,
        query=(*PAGING, FIELDS, DETAIL),
        response=ResponseSpec(CONNECTOR_VIEW, page=True),
    )
    def list_of_node(self, request: APIRequest) -> dict[str, Any]:
        """List the volume connectors of a node."""
        return crud.list_records(request, VolumeConnectorRecord, CONNECTOR_VIEW, {"node_uuid": request.node().uuid})

    @route(
        "GET",
        "/v1/volume/connectors/{connector}",
        policy=_READ,
        since=SINCE,
        query=(FIELDS,),
        response=ResponseSpec(CONNECTOR_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a volume connector."""
        return render_record(request, CONNECTOR_VIEW, crud.find(request, VolumeConnectorRecord, "connector"))

    @route(
        "POST",
        "/v1/volume/connectors",
        policy="baremetal:volume:create",
        role="leased-manager",
        since=SINCE,
        status=201,
        body=_CONNECTOR.creation_fields,
        response=ResponseSpec(CONNECTOR_VIEW, whole=True),
    )
    def create(self, request: APIRequest) -> dict[str, Any]:
        """Create a volume connector of a node."""
        values = _CONNECTOR.new_values(request.body)
        values["node_uuid"] = crud.body_node(request, values["node_uuid"])
        return crud.create(request, VolumeConnectorRecord, CONNECTOR_VIEW, values)

    @route(
        "PATCH",
        "/v1/volume/connectors/{connector}",
        policy="baremetal:volume:update",
        since=SINCE,
        body=_CONNECTOR.patch_type,
        response=ResponseSpec(CONNECTOR_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change fields of a volume connector while its node is off."""
        connector = crud.find(request, VolumeConnectorRecord, "connector")
        request.node(connector.node_uuid)
        changed = _CONNECTOR.compute_changes(connector, request.body, request.minor)
        return crud.update(request, VolumeConnectorRecord, CONNECTOR_VIEW, connector, changed)

    @route(
        "DELETE",
        "/v1/volume/connectors/{connector}",
        policy="baremetal:volume:delete",
        role="leased-manager",
        since=SINCE,
        status=204,
    )
    def delete(self, request: APIRequest) -> None:
        """Delete a volume connector while its node is off."""
        connector = crud.find(request, VolumeConnectorRecord, "connector")
        request.node(connector.node_uuid)
        crud.delete(request, VolumeConnectorRecord, connector.uuid)


class VolumeTargetsResource:
    """Volume targets, one by one and page by page."""

    @route(
        "GET",
        "/v1/volume/targets",
        policy=_LIST,
        role="lister",
        since=SINCE,
        query=_QUERY,
        response=ResponseSpec(TARGET_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List volume targets."""
        return crud.list_records(request, VolumeTargetRecord, TARGET_VIEW, {"node_uuid": crud.filter_node(request)})

    @route(
        "GET",
        "/v1/nodes/{node}/volume/targets",
        policy=_LIST,
        role="lister",
        since=SINCE,
        query=(*PAGING, FIELDS, DETAIL),
        response=ResponseSpec(TARGET_VIEW, page=True),
    )
    def list_of_node(self, request: APIRequest) -> dict[str, Any]:
        """List the volume targets of a node."""
        return crud.list_records(request, VolumeTargetRecord, TARGET_VIEW, {"node_uuid": request.node().uuid})

    @route(
        "GET",
        "/v1/volume/targets/{target}",
        policy=_READ,
        since=SINCE,
        query=(FIELDS,),
        response=ResponseSpec(TARGET_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a volume target."""
        return render_record(request, TARGET_VIEW, crud.find(request, VolumeTargetRecord, "target"))

    @route(
        "POST",
        "/v1/volume/targets",
        policy="baremetal:volume:create",
        role="leased-manager",
        since=SINCE,
        status=201,
        body=_TARGET.creation_fields,
        response=ResponseSpec(TARGET_VIEW, whole=True),
    )
    def create(self, request: APIRequest) -> dict[str, Any]:
        """Create a volume target of a node."""
        values = _TARGET.new_values(request.body)
        values["node_uuid"] = crud.body_node(request, values["node_uuid"])
        return crud.create(request, VolumeTargetRecord, TARGET_VIEW, values)

    @route(
        "PATCH",
        "/v1/volume/targets/{target}",
        policy="baremetal:volume:update",
        since=SINCE,
        body=_TARGET.patch_type,
        response=ResponseSpec(TARGET_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change fields of a volume target while its node is off."""
        target = crud.find(request, VolumeTargetRecord, "target")
        request.node(target.node_uuid)
        changed = _TARGET.compute_changes(target, request.body, request.minor)
        return crud.update(request, VolumeTargetRecord, TARGET_VIEW, target, changed)

    @route(
        "DELETE", "/v1/volume/targets/{target}", policy="baremetal:volume:delete", role="leased-manager", since=SINCE, status=204
    )
    def delete(self, request: APIRequest) -> None:
        """Delete a volume target while its node is off."""
        target = crud.find(request, VolumeTargetRecord, "target")
        request.node(target.node_uuid)
        crud.delete(request, VolumeTargetRecord, target.uuid)
