"""Catalog of the API: the list of all resource classes, their route table, and the default policy from their routes."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.api.access.roles import RolePolicy, collect_personas
from baremetal_sdk.api.events.stream import EventStreamResource
from baremetal_sdk.api.framework.openapi import OpenAPI
from baremetal_sdk.api.framework.routes import RouteTable
from baremetal_sdk.api.v1.agents import ContinueInspectionResource, HeartbeatsResource, LookupResource
from baremetal_sdk.api.v1.allocations import AllocationsResource, NodeAllocationResource
from baremetal_sdk.api.v1.bulk import BulkResource
from baremetal_sdk.api.v1.chassis import ChassisResource
from baremetal_sdk.api.v1.conductors import ConductorsResource
from baremetal_sdk.api.v1.deploy_templates import DeployTemplatesResource
from baremetal_sdk.api.v1.discovery import DiscoveryResource, HealthResource
from baremetal_sdk.api.v1.drivers import DriversResource
from baremetal_sdk.api.v1.events import EventsResource
from baremetal_sdk.api.v1.inspection_rules import InspectionRulesResource
from baremetal_sdk.api.v1.metrics_path import MetricsResource
from baremetal_sdk.api.v1.node_console import NodeConsoleResource
from baremetal_sdk.api.v1.node_explanation import NodeExplanationResource
from baremetal_sdk.api.v1.node_findings import NodeBIOSResource, NodeFirmwareResource, NodeInventoryResource
from baremetal_sdk.api.v1.node_history import NodeChildrenResource, NodeHistoryResource
from baremetal_sdk.api.v1.node_indicators import NodeIndicatorsResource, NodeInterruptResource
from baremetal_sdk.api.v1.node_list import NodeListResource
from baremetal_sdk.api.v1.node_states import NodeMaintenanceResource, NodeManagementResource, NodeStatesResource
from baremetal_sdk.api.v1.node_traits import NodeTraitsResource
from baremetal_sdk.api.v1.node_vifs import NodeVIFsResource
from baremetal_sdk.api.v1.node_virtual_media import NodeVirtualMediaResource
from baremetal_sdk.api.v1.nodes import NodesResource
from baremetal_sdk.api.v1.portgroups import PortgroupsResource
from baremetal_sdk.api.v1.ports import PortsResource
from baremetal_sdk.api.v1.runbooks import RunbooksResource, RunbookTraitsResource
from baremetal_sdk.api.v1.shards import ShardsResource
from baremetal_sdk.api.v1.vendor_passthru import DriverVendorPassthruResource, NodeVendorPassthruResource
from baremetal_sdk.api.v1.volumes import VolumeConnectorsResource, VolumesResource, VolumeTargetsResource

RESOURCES = (
    NodeListResource,
    NodesResource,
    NodeStatesResource,
    NodeMaintenanceResource,
    NodeManagementResource,
    NodeConsoleResource,
    NodeIndicatorsResource,
    NodeInterruptResource,
    NodeVirtualMediaResource,
    NodeVIFsResource,
    NodeBIOSResource,
    NodeFirmwareResource,
    NodeInventoryResource,
    NodeHistoryResource,
    NodeExplanationResource,
    NodeChildrenResource,
    LookupResource,
    HeartbeatsResource,
    ContinueInspectionResource,
    NodeVendorPassthruResource,
    BulkResource,
    NodeTraitsResource,
    NodeAllocationResource,
    PortsResource,
    PortgroupsResource,
    ChassisResource,
    VolumesResource,
    VolumeConnectorsResource,
    VolumeTargetsResource,
    AllocationsResource,
    DeployTemplatesResource,
    RunbooksResource,
    RunbookTraitsResource,
    InspectionRulesResource,
    ShardsResource,
    EventsResource,
    EventStreamResource,
    DriversResource,
    DriverVendorPassthruResource,
    ConductorsResource,
    HealthResource,
    MetricsResource,
)
"""The resource classes, in the order in which the documentation lists their routes."""


def build_route_table() -> RouteTable:
    """Return a new table with the routes of all resources."""
    table = RouteTable()
    # These two describe the table itself, so they read it when they answer a request.
    table.add(DiscoveryResource(table))
    table.add(OpenAPI(table))
    for resource in RESOURCES:
        table.add(resource())
    return table


def role_policy(service_project: str | None = None) -> RolePolicy:
    """Return the default policy, which decides by the personas that the routes declare.

    The ``service`` role in the project named *service_project* gets the rights of system readers and members.
    With None, no project gets them.
    """
    return RolePolicy(collect_personas(build_route_table()), service_project)


def routes() -> list[dict[str, Any]]:
    """Return a description of each route of the API as plain data, for documentation: see :meth:`Route.describe`."""
    return [route.describe() for route in build_route_table().routes()]
