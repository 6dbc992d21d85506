"""OpenTelemetry spans: their parents, and the data that they must not contain."""

from __future__ import annotations

import json
import threading
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from webob import Request

from baremetal_interfaces import BareMetalError
from baremetal_sdk import Conductor, bare_metal_api
from baremetal_sdk.testing import provision
from tests.fixtures.machines import MachinesCase

TRACE = "0af7651916cd43dd8448eb211c80319c"


class TestSpans(MachinesCase):
    """Test a conductor with a tracer provider of the host application."""

    def setUp(self) -> None:
        super().setUp()
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.addCleanup(self.provider.shutdown)

    def start_conductor(self, **options: Any) -> Conductor:
        """Start a conductor with the tracer provider."""
        return self.conductor(handed_in={"tracing": self.provider}, **options)

    def span(self, name: str) -> ReadableSpan:
        """Wait until the span with this name has ended, and return it."""
        never = threading.Event()
        for _ in range(200):
            for span in self.exporter.get_finished_spans():
                if span.name == name:
                    return span
            never.wait(0.05)
        raise AssertionError(f"no span {name!r} in {sorted({span.name for span in self.exporter.get_finished_spans()})}")

    def test_a_trace_goes_from_the_client_to_the_bmc(self) -> None:
        """Request, task and BMC call form one trace across threads, below the span of the client."""
        conductor = self.start_conductor()
        node = self.enroll(conductor, power_interface="fake-bmc", driver_info={"fake_password": "hunter2"})
        body = json.dumps({"target": "manage"}).encode()
        request = Request.blank(f"/v1/nodes/{node.uuid}/states/provision", method="PUT", body=body)
        parent = f"00-{TRACE}-b7ad6b7169203331-01"
        request.headers.update({"X-OpenStack-Ironic-API-Version": "1.80", "traceparent": parent})
        request.headers["Content-Type"] = "application/json"
        self.assertEqual(202, request.get_response(bare_metal_api(conductor)).status_int)
        request_span = self.span("PUT /v1/nodes/{node}/states/provision")
        task = self.span("task: provisioning: manage")
        call = self.span("power.get_power_state")
        self.assertEqual({int(TRACE, 16)}, {span.context.trace_id for span in (request_span, task, call)})
        self.assertEqual(request_span.context.span_id, task.parent.span_id)
        self.assertEqual(task.context.span_id, call.parent.span_id)
        self.assertEqual(202, request_span.attributes["http.response.status_code"])
        self.assertEqual(node.uuid, task.attributes["baremetal.node"])
        self.assertIn("baremetal.bmc", call.attributes)
        everything = "".join(span.to_json() for span in self.exporter.get_finished_spans())
        self.assertNotIn("environ", everything, "the headers of a request contain the token of its caller")
        self.assertNotIn("hunter2", everything)

    def test_a_step_is_the_parent_of_its_calls(self) -> None:
        """The driver calls of a step are children of its span, which is a child of the task's span."""
        conductor = self.start_conductor()
        provision(conductor, self.enroll(conductor).uuid, "manage", "provide")
        steps = [span for span in self.exporter.get_finished_spans() if span.name.startswith("clean step ")]
        self.assertNotEqual([], steps)
        self.assertEqual({self.span("task: provisioning: provide").context.span_id}, {span.parent.span_id for span in steps})
        below = {span.parent.span_id for span in self.exporter.get_finished_spans() if span.parent is not None}
        self.assertLessEqual({span.context.span_id for span in steps}, below)

    def test_a_failed_call_has_its_outcome_without_the_error_message(self) -> None:
        """The status of the span is the outcome. The error message, which may contain secrets, is not in it."""
        conductor = self.start_conductor()
        node = self.enroll(conductor, power_interface="fake-bmc", faults={"get_power": {"effect": "drop"}})
        self.assertRaises(BareMetalError, conductor.components.tasks.read_only(node.uuid).sample_power)
        call = self.span("power.sample_power")
        self.assertFalse(call.status.is_ok)
        self.assertEqual("unreachable", call.status.description)
        self.assertEqual((), call.events)
