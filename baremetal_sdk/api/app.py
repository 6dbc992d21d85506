"""Assembly of the Bare Metal API: the WSGI application behind authentication, public routes, metrics and telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baremetal_sdk.api.access.policy import AllowAll, Policy
from baremetal_sdk.api.access.public_routes import PublicRoutes
from baremetal_sdk.api.framework.backend import Backend, TelemetrySource
from baremetal_sdk.api.framework.request_observer import RequestObserver
from baremetal_sdk.api.v1.catalog import build_route_table, role_policy
from baremetal_sdk.api.v1.metrics_path import MetricsPath
from baremetal_sdk.api.wsgi import Application
from baremetal_sdk.auth import RolesFile, RolesMiddleware, TokenAuth, add_authentication
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.observability.telemetry import Telemetry

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def bare_metal_api(backend: Backend, *, policy: Policy | None = None, metrics: Any = None) -> WSGIApplication:
    """Return the Bare Metal API of *backend* as a WSGI application. *backend*, usually a conductor, may start later.

    ``[DEFAULT] auth_strategy`` selects the authentication. *policy* decides which requests are allowed. By default the
    roles of the client decide, and with ``noauth`` all requests are allowed.

    *metrics*, a ``CollectorRegistry`` of prometheus-client, is served at ``/metrics`` to clients with a role in the whole
    system. Raises ``ConfigurationError`` if the authentication or the policy file is not usable.
    """
    config = backend.config
    if policy is None:
        policy = AllowAll() if config.auth_strategy == "noauth" else _configured_policy(config)
    api = unauthenticated_api(backend, policy)
    app: WSGIApplication = api
    if metrics is not None:
        app = MetricsPath(app, metrics, policy)
    if config.auth_strategy not in ("http_basic", "client_certificate"):
        protected = add_authentication(app, config)
    else:
        # Only users get roles from the file. The identity of a token already has the roles of the token.
        users = app if config.api.roles_file is None else RolesMiddleware(app, RolesFile(config.api.roles_file))
        protected = TokenAuth(app, add_authentication(users, config), backend)
    # Without authentication there are no protected routes to tell from public ones.
    served = protected if config.auth_strategy == "noauth" else PublicRoutes(app, protected, build_route_table())
    # The observer is outermost, so that it also sees requests that authentication refuses.
    telemetry = backend.telemetry if isinstance(backend, TelemetrySource) else Telemetry()
    return RequestObserver(served, telemetry, api.readings)


def unauthenticated_api(backend: Backend, policy: Policy) -> Application:
    """Return the API without authentication, for hosts that put their own authentication in front of it.

    The application trusts the identity that the host's middleware leaves in the WSGI environment.
    """
    return Application(backend, build_route_table(), policy)


def _configured_policy(config: ConductorConfig) -> Policy:
    """Return the policy of the configured policy file or, without one, the policy by roles."""
    service_project = config.rbac_service_project_name if config.rbac_service_role_elevated_access else None
    policy, path = role_policy(service_project), config.plugins.get("oslo_policy", {}).get("policy_file")
    if not path:
        return policy
    try:
        from baremetal_sdk.api.access.oslo_policy import FilePolicy
    except ImportError as exc:
        remedy = "pip install 'baremetal-sdk[keystone]'"
        raise ConfigurationError(f"[oslo_policy] policy_file: oslo.policy is not installed ({exc}); run {remedy}") from exc
    return FilePolicy(policy.rules, path, service_project)
