"""``/v1/chassis``: what nodes stand in."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.api.framework import crud
from baremetal_sdk.api.framework.pagination import DETAIL, FIELDS, PAGING, render_record
from baremetal_sdk.api.framework.parameters import optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.resource_fields import WritableFields
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import OBJECT, TEXT, UUID
from baremetal_sdk.api.framework.views import ResponseSpec, SubResource, View, ViewField
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
    optional("description", TEXT, "What people should know about it."),
    optional("extra", OBJECT, "Anything."),
)


class ChassisResource:
    """Chassis, one by one and page by page."""

    @route(
        "GET",
        "/v1/chassis",
        policy="baremetal:chassis:get",
        role="system-reader",
        query=(*PAGING, FIELDS, DETAIL),
        response=ResponseSpec(CHASSIS_VIEW, page=True),
    )
    def list(self, request: APIRequest) -> dict[str, Any]:
        """List chassis."""
        return crud.list_records(request, ChassisRecord, CHASSIS_VIEW, {})

    @route(
        "GET",
        "/v1/chassis/detail",
        policy="baremetal:chassis:get",
        role="system-reader",
        query=PAGING,
        response=ResponseSpec(CHASSIS_VIEW, page=True, whole=True),
    )
    def list_whole(self, request: APIRequest) -> dict[str, Any]:
        """List chassis with all their fields."""
        return crud.list_records(request, ChassisRecord, CHASSIS_VIEW, {}, whole=True)

    @route(
        "GET",
        "/v1/chassis/{chassis}",
        policy="baremetal:chassis:get",
        role="system-reader",
        query=(FIELDS,),
        response=ResponseSpec(CHASSIS_VIEW),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show a chassis."""
        return render_record(request, CHASSIS_VIEW, crud.find(request, ChassisRecord, "chassis"))

    @route(
        "POST",
        "/v1/chassis",
        policy="baremetal:chassis:create",
        role="system-admin",
        status=201,
        body=_FIELDS.creation_fields,
        response=ResponseSpec(CHASSIS_VIEW, whole=True),
    )
    def create(self, request: APIRequest) -> dict[str, Any]:
        """Create a chassis."""
        return crud.create(request, ChassisRecord, CHASSIS_VIEW, _FIELDS.new_values(request.body))

    @route(
        "PATCH",
        "/v1/chassis/{chassis}",
        policy="baremetal:chassis:update",
        role="system-member",
        body=_FIELDS.patch_type,
        response=ResponseSpec(CHASSIS_VIEW, whole=True),
    )
    def update(self, request: APIRequest) -> dict[str, Any]:
        """Change fields of a chassis."""
        chassis = crud.find(request, ChassisRecord, "chassis")
        changed = _FIELDS.compute_changes(chassis, request.body, request.minor)
        return crud.update(request, ChassisRecord, CHASSIS_VIEW, chassis, changed)

    @route("DELETE", "/v1/chassis/{chassis}", policy="baremetal:chassis:delete", role="system-admin", status=204)
    def delete(self, request: APIRequest) -> None:
        """Delete a chassis without nodes."""
        crud.delete(request, ChassisRecord, crud.find(request, ChassisRecord, "chassis").uuid)
