"""WSGI middleware for telemetry: it reports the method, route, status and duration of each request of the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.telemetry import FAILED, REFUSED, SUCCEEDED, Telemetry, Work

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUTE_KEY = "baremetal_sdk.route"
"""Key of the WSGI environment. The application stores the path template of the route there."""
_NO_ROUTE = "none"
"""Value of the label ``route`` for requests that were refused before their route was known."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestObserver:
    """WSGI middleware that reports each request to the observers. A streaming response is reported when it begins."""

    def __init__(self, app: WSGIApplication, telemetry: Telemetry, readings: Callable[[], Iterable[Reading]] = tuple) -> None:
        self._app = app
        self._telemetry = telemetry
        self.readings = readings
        """Function that returns the current metric values of the application, for one scrape."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, and report it if observers exist."""
        # Without observers a request costs nothing here.
        if not self._telemetry.observes(Work.REQUEST):
            return self._app(environ, start_response)
        method = environ["REQUEST_METHOD"]
        # Other methods share a label, so that clients cannot create any number of time series.
        labels = {"method": method if method in _METHODS else "other", "code": "500"}
        observation = self._telemetry.begin(Work.REQUEST, labels, environ=environ)

        def observe_start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            labels["code"] = status[:3]
            return start_response(status, headers, *rest)

        observation.enter()
        try:
            return self._app(environ, observe_start)
        finally:
            observation.leave()
            labels["route"] = environ.get(ROUTE_KEY, _NO_ROUTE)
            observation.end(_outcome(labels["code"]))


def _outcome(code: str) -> str:
    if code < "400":
        return SUCCEEDED
    return REFUSED if code < "500" else FAILED
