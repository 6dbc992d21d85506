"""API resource ``/v1/chassis``: chassis, enclosures that contain the machines of nodes."""

from __future__ import annotations

from baremetal_sdk.api.framework.crud import CRUDResource, Operation
from baremetal_sdk.api.framework.parameters import optional
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.types import OBJECT, TEXT, UUID
from baremetal_sdk.api.framework.views import SubResource, View, ViewField
from baremetal_sdk.store.records.hardware import ChassisRecord

CHASSIS_VIEW = View(
    "chassis",
    ChassisRecord,
    (
        ViewField("uuid", type=UUID),
        ViewField("created_at"),
        ViewField("updated_at"),
        ViewField("description"),
        ViewField("extra", sortable=False),
    ),
    default=("uuid", "description"),
    subresources=(SubResource("nodes"),),
)
_FIELDS = WritableFields(
    ChassisRecord,
    optional("description", TEXT, "A description in free text."),
    optional("extra", OBJECT, "Arbitrary data of the client."),
)


class ChassisResource(CRUDResource):
    """Routes of chassis, which group the nodes of one enclosure. A chassis with nodes cannot be deleted."""

    view = CHASSIS_VIEW
    fields = _FIELDS
    argument, singular, plural = "chassis", "a chassis", "chassis"
    operations = (
        Operation(name="list", policy="baremetal:chassis:get", role="system-reader"),
        Operation(name="list_whole", policy="baremetal:chassis:get", role="system-reader"),
        Operation(name="show", policy="baremetal:chassis:get", role="system-reader"),
        Operation(name="create", policy="baremetal:chassis:create", role="system-admin"),
        Operation(name="update", policy="baremetal:chassis:update", role="system-member"),
        Operation(name="delete", policy="baremetal:chassis:delete", role="system-admin", note="without nodes"),
    )
