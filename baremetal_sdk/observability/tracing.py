"""Spans of OpenTelemetry for requests, tasks, steps and calls of BMCs. It needs ``opentelemetry-api`` (the extra ``tracing``).

The span of a task goes on when a worker does: what the worker does is a part of it, as the task is one of its request.
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

_WELL = frozenset({SUCCEEDED, WAITING})
_KINDS = {Work.REQUEST: SpanKind.SERVER, Work.BMC_CALL: SpanKind.CLIENT, Work.LOGIN: SpanKind.CLIENT}
_SHOWN = frozenset({Work.REQUEST, Work.TASK, Work.STEP, Work.BMC_CALL, Work.LOGIN, Work.POWER_OBSERVATION})


class Spans:
    """An observer that makes spans with a tracer of *provider*, and lets a trace go on in other processes."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("baremetal_sdk")

    def listener_for(self, work: Work) -> Spans | None:
        """It hears of what is shown as a span."""
        return self if work in _SHOWN else None

    def on_begin(self, one: Observation) -> Span:
        """Start a span, as a part of the work that goes on here or of what the client's ``traceparent`` names."""
        parent = None
        if one.work is Work.REQUEST:
            parent = propagate.extract(_headers(one.details["environ"]))
        return self._tracer.start_span(_name(one), parent, _KINDS.get(one.work, SpanKind.INTERNAL))

    def on_enter(self, one: Observation, kept: Span) -> Callable[[], None]:
        """Let spans that start here be parts of this one."""
        token = context.attach(trace.set_span_in_context(kept))
        return lambda: context.detach(token)

    def on_end(self, one: Observation, kept: Span) -> None:
        """End the span, with what is known by now."""
        if kept.is_recording():
            kept.update_name(_name(one))
            kept.set_attributes(_attributes(one))
            refused = one.work is Work.REQUEST and one.outcome == REFUSED
            if one.outcome not in _WELL and not refused:
                kept.set_status(Status(StatusCode.ERROR, one.outcome))
        kept.end()

    def current_trace(self) -> Mapping[str, str]:
        """The span that goes on here, in the headers that the process propagates: ``traceparent``, if nothing else is set up."""
        headers: dict[str, str] = {}
        propagate.inject(headers)
        return headers

    @contextmanager
    def continue_trace(self, carried: Mapping[str, str]) -> Iterator[None]:
        """Let spans that start in the block be parts of the one that *carried* names."""
        token = context.attach(propagate.extract(carried))
        try:
            yield
        finally:
            context.detach(token)


def current_span() -> Mapping[str, str]:
    """``trace_id`` and ``span_id`` of the span that goes on here, in hexadecimal; empty where there is none."""
    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(found.trace_id), "span_id": trace.format_span_id(found.span_id)}


def _name(one: Observation) -> str:
    labels = one.labels
    if one.work is Work.REQUEST:
        return f"{labels['method']} {labels['route']}" if "route" in labels else labels["method"]
    if one.work is Work.TASK:
        return f"task: {labels['purpose']}"
    if one.work is Work.STEP:
        return f"{labels['phase']} step {labels['interface']}.{labels['step']}"
    if one.work is Work.BMC_CALL:
        return f"{labels['interface']}.{labels['method']}"
    return str(one.work)


def _attributes(one: Observation) -> dict[str, Any]:
    details = {name: str(value) for name, value in one.details.items() if name != "environ"}
    found = {f"baremetal.{name}": value for name, value in {**one.labels, **details, "outcome": one.outcome}.items()}
    request = current_request.get()
    if request is not None:
        found["baremetal.request_id"] = request.request_id
    if one.work is not Work.REQUEST:
        return found
    environ = one.details["environ"]
    return {
        "http.request.method": one.labels["method"],
        "http.route": one.labels["route"],
        "http.response.status_code": int(one.labels["code"]),
        "url.path": environ.get("PATH_INFO", ""),
        "url.scheme": environ.get("wsgi.url_scheme", ""),
        "client.address": environ.get("REMOTE_ADDR", ""),
        "baremetal.request_id": environ.get(REQUEST_ID_KEY, ""),
    }


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    names = {name: name[5:].replace("_", "-").lower() for name in environ if name.startswith("HTTP_")}
    return {header: environ[name] for name, header in names.items()}
