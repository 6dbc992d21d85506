"""Observing requests: each is begun before anybody asks who sent it, and ends with the status of its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.observability.telemetry import FAILED, REFUSED, SUCCEEDED, Telemetry, Work

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUTE_KEY = "baremetal_sdk.route"
"""Where the path of a request's route is kept in the WSGI environment, once it is known."""
_NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestObserver:
    """Serves *app* and tells the observers of each request. The answer of a stream is observed until it begins."""

    def __init__(self, app: WSGIApplication, telemetry: Telemetry, readings: Callable[[], Iterable[Reading]] = tuple) -> None:
        self._app = app
        self._telemetry = telemetry
        self.readings = readings
        """What a scrape of the metrics shows of it."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        if not self._telemetry.observes(Work.REQUEST):
            return self._app(environ, start_response)
        method = environ["REQUEST_METHOD"]
        labels = {"method": method if method in _METHODS else "other", "code": "500"}
        one = self._telemetry.begin(Work.REQUEST, labels, environ=environ)

        def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            labels["code"] = status[:3]
            return start_response(status, headers, *rest)

        one.enter()
        try:
            return self._app(environ, started)
        finally:
            one.leave()
            labels["route"] = environ.get(ROUTE_KEY, _NO_ROUTE)
            one.end(_outcome(labels["code"]))


def _outcome(code: str) -> str:
    if code < "400":
        return SUCCEEDED
    return REFUSED if code < "500" else FAILED
