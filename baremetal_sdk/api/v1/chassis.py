"""``/v1/chassis``: what nodes stand in."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, shown
from baremetal_sdk.api.framework.parameters import optional
from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.resource_fields import Writable
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, TEXT, UUID
from baremetal_sdk.api.framework.views import Shown, SubResource, View, ViewField
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
_FIELDS = Writable(
    ChassisRecord,
    optional("description", TEXT, "What people should know about it."),
    optional("extra", OBJECT, "Anything."),
)


class Chassis:
    """Chassis, one by one and page by page."""

    @route(
        "GET",
        "/v1/chassis",
        policy="baremetal:chassis:get",
        role="system-reader",
        query=(*PAGING, FIELDS, DETAIL),
        answer=Shown(CHASSIS_VIEW, page=True),
    )
    def list(self, call: Call) -> dict[str, Any]:
        """List chassis."""
        return crud.listed(call, ChassisRecord, CHASSIS_VIEW, {})

    @route(
        "GET",
        "/v1/chassis/detail",
        policy="baremetal:chassis:get",
        role="system-reader",
        query=PAGING,
        answer=Shown(CHASSIS_VIEW, page=True, whole=True),
    )
    def list_whole(self, call: Call) -> dict[str, Any]:
        """List chassis with all their fields."""
        return crud.listed(call, ChassisRecord, CHASSIS_VIEW, {}, whole=True)

    @route(
        "GET",
        "/v1/chassis/{chassis}",
        policy="baremetal:chassis:get",
        role="system-reader",
        query=(FIELDS,),
        answer=Shown(CHASSIS_VIEW),
    )
    def show(self, call: Call) -> dict[str, Any]:
        """Show a chassis."""
        return shown(call, CHASSIS_VIEW, crud.found(call, ChassisRecord, "chassis"))

    @route(
        "POST",
        "/v1/chassis",
        policy="baremetal:chassis:create",
        role="system-admin",
        status=201,
        body=_FIELDS.creation,
        answer=Shown(CHASSIS_VIEW, whole=True),
    )
    def create(self, call: Call) -> dict[str, Any]:
        """Create a chassis."""
        return crud.create(call, ChassisRecord, CHASSIS_VIEW, _FIELDS.new(call.body))

    @route(
        "PATCH",
        "/v1/chassis/{chassis}",
        policy="baremetal:chassis:update",
        role="system-member",
        body=_FIELDS.patch,
        answer=Shown(CHASSIS_VIEW, whole=True),
    )
    def update(self, call: Call) -> dict[str, Any]:
        """Change fields of a chassis."""
        chassis = crud.found(call, ChassisRecord, "chassis")
        changed = _FIELDS.changed(chassis, call.body, call.minor)
        return crud.update(call, ChassisRecord, CHASSIS_VIEW, chassis, changed)

    @route("DELETE", "/v1/chassis/{chassis}", policy="baremetal:chassis:delete", role="system-admin", status=204)
    def delete(self, call: Call) -> None:
        """Delete a chassis without nodes."""
        crud.delete(call, ChassisRecord, crud.found(call, ChassisRecord, "chassis").uuid)
