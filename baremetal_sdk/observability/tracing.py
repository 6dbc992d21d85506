"""OpenTelemetry spans for requests, tasks, steps and BMC calls. Needs ``opentelemetry-api`` (the extra ``tracing``).

A span continues in the worker thread that continues its work, so the spans of a task are children of its request's span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from baremetal_sdk.context import current_request
from baremetal_sdk.http.request_id import REQUEST_ID_KEY
from baremetal_sdk.observability.telemetry import REFUSED, SUCCEEDED, WAITING, Observation, Work

_GOOD_OUTCOMES = frozenset({SUCCEEDED, WAITING})
_SPAN_KINDS = {Work.REQUEST: SpanKind.SERVER, Work.BMC_CALL: SpanKind.CLIENT, Work.LOGIN: SpanKind.CLIENT}
_TRACED_WORK = frozenset({Work.REQUEST, Work.TASK, Work.STEP, Work.BMC_CALL, Work.LOGIN, Work.POWER_OBSERVATION})


class Spans:
    """Telemetry observer that makes spans with *provider*, and propagator that continues traces in other processes."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("baremetal_sdk")

    def listener_for(self, work: Work) -> Spans | None:
        """Return itself for the kinds of work that have spans, and None for all others."""
        return self if work in _TRACED_WORK else None

    def on_begin(self, observation: Observation) -> Span:
        """Start a span. Its parent is the current span, or for a request the span in the client's ``traceparent``."""
        parent = None
        if observation.work is Work.REQUEST:
            parent = propagate.extract(_http_headers(observation.details["environ"]))
        return self._tracer.start_span(_span_name(observation), parent, _SPAN_KINDS.get(observation.work, SpanKind.INTERNAL))

    def on_enter(self, observation: Observation, state: Span) -> Callable[[], None]:
        """Make the span the current span of this context."""
        token = context.attach(trace.set_span_in_context(state))
        return lambda: context.detach(token)

    def on_end(self, observation: Observation, state: Span) -> None:
        """End the span with its final name, attributes and status."""
        if state.is_recording():
            # The route of a request and the BMC of a call are known only at the end.
            state.update_name(_span_name(observation))
            state.set_attributes(_attributes(observation))
            # A rejected request is an error of the client, not of the server, so the server span is not marked as failed.
            is_client_error = observation.work is Work.REQUEST and observation.outcome == REFUSED
            if observation.outcome not in _GOOD_OUTCOMES and not is_client_error:
                state.set_status(Status(StatusCode.ERROR, observation.outcome))
        state.end()

    def current_trace(self) -> Mapping[str, str]:
        """Return the headers of the current span. OpenTelemetry's configuration selects them; the default is ``traceparent``."""
        headers: dict[str, str] = {}
        propagate.inject(headers)
        return headers

    @contextmanager
    def continue_trace(self, headers: Mapping[str, str]) -> Iterator[None]:
        """Make spans within the block children of the span that *headers* identify."""
        token = context.attach(propagate.extract(headers))
        try:
            yield
        finally:
            context.detach(token)


def current_span() -> Mapping[str, str]:
    """Return ``trace_id`` and ``span_id`` of the current span in hexadecimal, or nothing without a span."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(span.trace_id), "span_id": trace.format_span_id(span.span_id)}


def _span_name(observation: Observation) -> str:
    labels = observation.labels
    if observation.work is Work.REQUEST:
        return f"{labels['method']} {labels['route']}" if "route" in labels else labels["method"]
    if observation.work is Work.TASK:
        return f"task: {labels['purpose']}"
    if observation.work is Work.STEP:
        return f"{labels['phase']} step {labels['interface']}.{labels['step']}"
    if observation.work is Work.BMC_CALL:
        return f"{labels['interface']}.{labels['method']}"
    return str(observation.work)


def _attributes(observation: Observation) -> dict[str, Any]:
    # The WSGI environment contains the caller's token, so it never becomes an attribute.
    details = {name: str(value) for name, value in observation.details.items() if name != "environ"}
    values = {**observation.labels, **details, "outcome": observation.outcome}
    attributes = {f"baremetal.{name}": value for name, value in values.items()}
    request = current_request.get()
    if request is not None:
        attributes["baremetal.request_id"] = request.request_id
    if observation.work is not Work.REQUEST:
        return attributes
    environ = observation.details["environ"]
    return {
        "http.request.method": observation.labels["method"],
        "http.route": observation.labels["route"],
        "http.response.status_code": int(observation.labels["code"]),
        "url.path": environ.get("PATH_INFO", ""),
        "url.scheme": environ.get("wsgi.url_scheme", ""),
        "client.address": environ.get("REMOTE_ADDR", ""),
        "baremetal.request_id": environ.get(REQUEST_ID_KEY, ""),
    }


def _http_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    names = {name: name[5:].replace("_", "-").lower() for name in environ if name.startswith("HTTP_")}
    return {header: environ[name] for name, header in names.items()}
