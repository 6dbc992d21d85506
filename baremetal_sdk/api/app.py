"""The Bare Metal API, put together from its resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baremetal_sdk.api.access.policy import AllowAll, Policy
from baremetal_sdk.api.access.public_routes import OpenRoutes
from baremetal_sdk.api.access.roles import RolePolicy, personas
from baremetal_sdk.api.events.stream import EventStream
from baremetal_sdk.api.framework.backend import Backend
from baremetal_sdk.api.framework.openapi import OpenAPI
from baremetal_sdk.api.framework.request_observer import Observed
from baremetal_sdk.api.framework.routes import Registry
from baremetal_sdk.api.v1.agents import ContinueInspection, Heartbeats, Lookup
from baremetal_sdk.api.v1.allocations import Allocations, NodeAllocation
from baremetal_sdk.api.v1.bulk import Bulk
from baremetal_sdk.api.v1.chassis import Chassis
from baremetal_sdk.api.v1.conductors import Conductors
from baremetal_sdk.api.v1.deploy_templates import DeployTemplates
from baremetal_sdk.api.v1.discovery import Discovery, Health
from baremetal_sdk.api.v1.drivers import Drivers
from baremetal_sdk.api.v1.events import Events
from baremetal_sdk.api.v1.inspection_rules import InspectionRules
from baremetal_sdk.api.v1.metrics_path import Metrics, MetricsPath
from baremetal_sdk.api.v1.node_console import NodeConsole
from baremetal_sdk.api.v1.node_explanation import NodeExplanation
from baremetal_sdk.api.v1.node_findings import NodeBIOS, NodeFirmware, NodeInventory
from baremetal_sdk.api.v1.node_history import NodeChildren, NodeHistory
from baremetal_sdk.api.v1.node_indicators import NodeIndicators, NodeInterrupt
from baremetal_sdk.api.v1.node_list import NodeList
from baremetal_sdk.api.v1.node_states import NodeMaintenance, NodeManagement, NodeStates
from baremetal_sdk.api.v1.node_traits import NodeTraits
from baremetal_sdk.api.v1.node_vifs import NodeVIFs
from baremetal_sdk.api.v1.node_virtual_media import NodeVirtualMedia
from baremetal_sdk.api.v1.nodes import Nodes
from baremetal_sdk.api.v1.portgroups import Portgroups
from baremetal_sdk.api.v1.ports import Ports
from baremetal_sdk.api.v1.runbooks import Runbooks, RunbookTraits
from baremetal_sdk.api.v1.shards import Shards
from baremetal_sdk.api.v1.vendor_passthru import DriverVendorPassthru, NodeVendorPassthru
from baremetal_sdk.api.v1.volumes import VolumeConnectors, Volumes, VolumeTargets
from baremetal_sdk.api.wsgi import Application
from baremetal_sdk.auth import Granted, RolesFile, TokenAuth, authenticated
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.observability.telemetry import Telemetry

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_RESOURCES = (
    NodeList,
    Nodes,
    NodeStates,
    NodeMaintenance,
    NodeManagement,
    NodeConsole,
    NodeIndicators,
    NodeInterrupt,
    NodeVirtualMedia,
    NodeVIFs,
    NodeBIOS,
    NodeFirmware,
    NodeInventory,
    NodeHistory,
    NodeExplanation,
    NodeChildren,
    Lookup,
    Heartbeats,
    ContinueInspection,
    NodeVendorPassthru,
    Bulk,
    NodeTraits,
    NodeAllocation,
    Ports,
    Portgroups,
    Chassis,
    Volumes,
    VolumeConnectors,
    VolumeTargets,
    Allocations,
    DeployTemplates,
    Runbooks,
    RunbookTraits,
    InspectionRules,
    Shards,
    Events,
    EventStream,
    Drivers,
    DriverVendorPassthru,
    Conductors,
    Health,
    Metrics,
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
    served = known if config.auth_strategy == "noauth" else OpenRoutes(app, known, _registry())
    # A backend of somebody's own need not have observers.
    return Observed(served, getattr(backend, "telemetry", None) or Telemetry(), own.readings)


def unauthenticated_api(backend: Backend, policy: Policy) -> Application:
    """The API alone, for hosts that put authentication of their own in front of it: it believes what that says of the caller."""
    return Application(backend, _registry(), policy)


def role_policy(service_project: str | None = None) -> RolePolicy:
    """What roles may do, as it is declared beside the routes. Services of *service_project* may what system's members may."""
    return RolePolicy(personas(_registry()), service_project)


def routes() -> list[dict[str, Any]]:
    """All routes of the API as plain data, for documentation."""
    return [route.described() for route in _registry().routes()]


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


def _registry() -> Registry:
    registry = Registry()
    registry.add(Discovery(registry))
    registry.add(OpenAPI(registry))
    for resource in _RESOURCES:
        registry.add(resource())
    return registry
