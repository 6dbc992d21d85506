"""API resource ``/v1/volume``: volume connectors, which identify a node to storage, and volume targets, which are its volumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

from baremetal_interfaces.secret_fields import mask_secrets
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.framework.crud import NodeResource, Operation
from baremetal_sdk.api.framework.pagination import DETAIL as LATER_DETAIL
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, UUID, UUID_OR_NAME, integer, text
from baremetal_sdk.api.framework.views import Link, View, ViewField, build_links
from baremetal_sdk.store.records.hardware import VolumeConnectorRecord, VolumeTargetRecord

SINCE = 32
_READ, _LIST = "baremetal:volume:get", "baremetal:volume:list"
DETAIL = dataclasses.replace(LATER_DETAIL, since=SINCE)
"""The query parameter ``detail``. Volumes have it in earlier microversions than other resources."""
_NODE = Parameter("node_uuid", UUID, "The UUID of the node that uses the connector or the volume.")
_NODE_FILTER = Parameter("node", UUID_OR_NAME, "The UUID or name of the node. By default the records of all nodes are listed.")

_VIEW_PROPERTIES = "baremetal:volume:view_target_properties"
"""The policy rule for seeing the properties of volume targets."""


def _render_properties(request: APIRequest, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the properties of a volume target with masked secrets, or a placeholder without permission.

    The text of the placeholder is Ironic's, because clients match it.
    """
    if request.is_allowed(_VIEW_PROPERTIES):
        return mask_secrets(properties)
    return {"redacted_contents": f"** Value redacted: Requires permission {_VIEW_PROPERTIES} access. Permission denied. **"}


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
        ViewField("properties", render=_render_properties, sortable=False),
        ViewField("volume_id"),
        ViewField("volume_type"),
    ),
    default=("uuid", "node_uuid", "volume_type", "boot_index", "volume_id"),
    path="volume/targets",
)
_CONNECTOR = WritableFields(
    VolumeConnectorRecord,
    Parameter("type", text(64, 1), "The type of the connector: iqn, ip, mac, wwnn, wwpn, port or portgroup."),
    Parameter("connector_id", text(255, 1), "The identity of the node for the storage, such as an iSCSI qualified name."),
    optional("extra", OBJECT, "Arbitrary data of the client."),
    only_at_creation=(_NODE,),
    required=("type", "connector_id", "node_uuid"),
)
_TARGET = WritableFields(
    VolumeTargetRecord,
    Parameter("volume_type", text(64, 1), "The type of the volume: iscsi or fibre_channel."),
    Parameter("volume_id", text(255, 1), "The identifier of the volume in the storage system."),
    Parameter("boot_index", integer(), "The position among the volumes of the node. The node boots from volume 0."),
    optional("properties", OBJECT, "The properties of the connection to the volume, such as the portal and the credentials."),
    optional("extra", OBJECT, "Arbitrary data of the client."),
    only_at_creation=(_NODE,),
    required=("volume_type", "volume_id", "boot_index", "node_uuid"),
)


class VolumeIndex(TypedDict):
    """A response with the links to the connectors and the targets."""

    links: list[Link]
    connectors: list[Link]
    targets: list[Link]


class VolumesResource:
    """Routes with links to volume connectors and volume targets."""

    rules: ClassVar[Mapping[str, Persona]] = {_VIEW_PROPERTIES: "secret-reader"}

    @route("GET", "/v1/volume", policy=_LIST, role="lister", since=SINCE)
    def show(self, request: APIRequest) -> VolumeIndex:
        """Show the links to volume connectors and volume targets."""
        return _build_index(request, "volume")

    @route("GET", "/v1/nodes/{node}/volume", policy=_LIST, role="lister", since=SINCE)
    def show_of_node(self, request: APIRequest) -> VolumeIndex:
        """Show the links to the volume connectors and volume targets of a node."""
        return _build_index(request, f"nodes/{request.node().uuid}/volume")


def _build_index(request: APIRequest, path: str) -> VolumeIndex:
    return {
        "links": build_links(request.base, path),
        "connectors": build_links(request.base, f"{path}/connectors"),
        "targets": build_links(request.base, f"{path}/targets"),
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
    """Routes of volume connectors. A conductor refuses changes and deletions while the node is on."""

    view = CONNECTOR_VIEW
    fields = _CONNECTOR
    argument, singular, plural = "connector", "a volume connector", "volume connectors"
    since = SINCE
    filters = (_NODE_FILTER,)
    detail = DETAIL
    operations = _OPERATIONS


class VolumeTargetsResource(NodeResource):
    """Routes of volume targets. A conductor refuses changes and deletions while the node is on."""

    view = TARGET_VIEW
    fields = _TARGET
    argument, singular, plural = "target", "a volume target", "volume targets"
    since = SINCE
    filters = (_NODE_FILTER,)
    detail = DETAIL
    operations = _OPERATIONS
