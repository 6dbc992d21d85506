"""``/v1/volume``: what machines connect to volumes with, and the volumes that they connect to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework.crud import NodeResource, Operation
from baremetal_sdk.api.framework.masking import mask_secrets
from baremetal_sdk.api.framework.pagination import DETAIL as LATER_DETAIL
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, UUID, UUID_OR_NAME, integer, text
from baremetal_sdk.api.framework.views import Link, View, ViewField, links
from baremetal_sdk.store.records.hardware import VolumeConnectorRecord, VolumeTargetRecord

SINCE = 32
_READ, _LIST = "baremetal:volume:get", "baremetal:volume:list"
DETAIL = dataclasses.replace(LATER_DETAIL, since=SINCE)
"""Volumes had it before all other resources did."""
_NODE = Parameter("node_uuid", UUID, "The UUID of the node.")
_OF_NODE = Parameter("node", UUID_OR_NAME, "The UUID or name of the node.")

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


_OPERATIONS = (
    Operation(name="list", policy=_LIST, role="lister"),
    Operation(name="list_of_node", policy=_LIST, role="lister"),
    Operation(name="show", policy=_READ),
    Operation(name="create", policy="baremetal:volume:create", role="leased-manager", note="of a node"),
    Operation(name="update", policy="baremetal:volume:update", note="while its node is off"),
    Operation(name="delete", policy="baremetal:volume:delete", role="leased-manager", note="while its node is off"),
)


class VolumeConnectorsResource(NodeResource):
    """The volume connectors of nodes. A conductor refuses changes while the node is on."""

    view = CONNECTOR_VIEW
    fields = _CONNECTOR
    argument, singular, plural = "connector", "a volume connector", "volume connectors"
    since = SINCE
    filters = (_OF_NODE,)
    detail = DETAIL
    operations = _OPERATIONS


class VolumeTargetsResource(NodeResource):
    """The volume targets of nodes. A conductor refuses changes while the node is on."""

    view = TARGET_VIEW
    fields = _TARGET
    argument, singular, plural = "target", "a volume target", "volume targets"
    since = SINCE
    filters = (_OF_NODE,)
    detail = DETAIL
    operations = _OPERATIONS
