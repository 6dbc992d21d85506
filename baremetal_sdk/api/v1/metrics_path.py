"""Metrics at ``/metrics`` on the port of the API, for callers that may see the whole system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from baremetal_interfaces import Forbidden
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.access.policy import Policy
from baremetal_sdk.api.framework import errors
from baremetal_sdk.api.framework.request_observer import ROUTE_KEY
from baremetal_sdk.api.wsgi import build_context
from baremetal_sdk.observability.metrics import MetricsEndpoint
from baremetal_sdk.observability.metrics.endpoint import PATH

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

RULE = "baremetal:metrics:get"
"""The policy rule for reading the metrics."""


class MetricsResource:
    """Declaration of the policy rule for metrics. :class:`MetricsPath` serves them, because they have no microversion."""

    rules: ClassVar[Mapping[str, Persona]] = {RULE: "system-reader"}


class MetricsPath:
    """WSGI application that serves the metrics of *registry* at ``/metrics``, and *app* at all other paths.

    Callers without the permission of *policy* get status 403 for the metrics.
    """

    def __init__(self, app: WSGIApplication, registry: Any, policy: Policy) -> None:
        self._app = app
        self._endpoint = MetricsEndpoint(registry)
        self._policy = policy

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one WSGI request: the metrics, or any other path from the application."""
        if environ.get("PATH_INFO", "").rstrip("/") != PATH:
            return self._app(environ, start_response)
        environ[ROUTE_KEY] = PATH
        try:
            self._policy.scope(RULE, build_context(environ))
        except Forbidden as exc:
            content = errors.build_body(exc)
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
            start_response(f"{exc.code} {HTTPStatus(exc.code).phrase}", headers)
            return [content]
        return self._endpoint(environ, start_response)
