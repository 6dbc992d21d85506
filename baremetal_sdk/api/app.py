"""The Bare Metal API, put together from its resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baremetal_sdk.api.access.policy import AllowAll, Policy
from baremetal_sdk.api.access.public_routes import PublicRoutes
from baremetal_sdk.api.access.roles import RolePolicy, personas
from baremetal_sdk.api.events.stream import EventStreamResource
from baremetal_sdk.api.framework.backend import Backend
from baremetal_sdk.api.framework.openapi import OpenAPI
from baremetal_sdk.api.framework.request_observer import RequestObserver
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
from baremetal_sdk.api.v1.metrics_path import MetricsPath, MetricsResource
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
from baremetal_sdk.api.wsgi import Application
from baremetal_sdk.auth import Granted, RolesFile, TokenAuth, authenticated
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.observability.telemetry import Telemetry

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_RESOURCES = (
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


def bare_metal_api(backend: Backend, *, policy: Policy | None = None, metrics: Any = None) -> WSGIApplication:
    """The Bare Metal API of *backend*, mostly a conductor, as a WSGI application. It may be made before *backend* starts.

    Who asks is found out as ``[DEFAULT] auth_strategy`` says; raises ``ConfigurationError`` where that cannot be. *policy*
    decides who may do what; by default roles do, and where nobody says who they are (noauth), everybody may do everything.
    *metrics*, a ``CollectorRegistry``, is served at ``/metrics`` to readers of the whole system.
    """
    config = backend.config
    if policy is None:
        policy = AllowAll() if config.auth_strategy == "noauth" else _configured_policy(config)
    own = unauthenticated_api(backend, policy)
    app: WSGIApplication = own
    if metrics is not None:
        app = MetricsPath(app, metrics, policy)
    if config.auth_strategy not in ("http_basic", "client_certificate"):
        known = authenticated(app, config)
    else:
        users = app if config.api.roles_file is None else Granted(app, RolesFile(config.api.roles_file))
        known = TokenAuth(app, authenticated(users, config), backend)
    served = known if config.auth_strategy == "noauth" else PublicRoutes(app, known, _registry())
    # A backend of somebody's own need not have observers.
    return RequestObserver(served, getattr(backend, "telemetry", None) or Telemetry(), own.readings)


def unauthenticated_api(backend: Backend, policy: Policy) -> Application:
    """The API alone, for hosts that put authentication of their own in front of it: it believes what that says of the caller."""
    return Application(backend, _registry(), policy)


def role_policy(service_project: str | None = None) -> RolePolicy:
    """What roles may do, as it is declared beside the routes. Services of *service_project* may what system's members may."""
    return RolePolicy(personas(_registry()), service_project)


def routes() -> list[dict[str, Any]]:
    """All routes of the API as plain data, for documentation."""
    return [route.describe() for route in _registry().routes()]


def _configured_policy(config: ConductorConfig) -> Policy:
    """What roles may do or, where a file changes it, what that says."""
    service_project = config.rbac_service_project_name if config.rbac_service_role_elevated_access else None
    policy, path = role_policy(service_project), config.plugins.get("oslo_policy", {}).get("policy_file")
    if not path:
        return policy
    try:
        from baremetal_sdk.api.access.oslo_policy import FilePolicy
    except ImportError as exc:
        wanted = "pip install 'baremetal-sdk[keystone]'"
        raise ConfigurationError(f"[oslo_policy] policy_file: it needs oslo.policy ({exc}); {wanted}") from exc
    return FilePolicy(policy.rules, path, service_project)


def _registry() -> RouteTable:
    registry = RouteTable()
    registry.add(DiscoveryResource(registry))
    registry.add(OpenAPI(registry))
    for resource in _RESOURCES:
        registry.add(resource())
    return registry
