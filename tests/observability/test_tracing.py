"""Spans of OpenTelemetry: what belongs to what, and what is kept out of them."""

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
    """A conductor with a tracer that was handed in."""

    def setUp(self) -> None:
        super().setUp()
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.addCleanup(self.provider.shutdown)

    def traced(self, **options: Any) -> Conductor:
        """Start a conductor that makes spans."""
        return self.conductor(handed_in={"tracing": self.provider}, **options)

    def span(self, name: str) -> ReadableSpan:
        """The span of this name, once it has ended."""
        patience = threading.Event()
        for _ in range(200):
            for span in self.exporter.get_finished_spans():
                if span.name == name:
                    return span
            patience.wait(0.05)
        raise AssertionError(f"there is no span {name!r} in {sorted({one.name for one in self.exporter.get_finished_spans()})}")

    def test_a_trace_goes_from_the_client_to_the_bmc(self) -> None:
        """Request, task and call of the BMC hang together, across threads, below the span that the client named."""
        conductor = self.traced()
        node = self.enrol(conductor, power_interface="fake-bmc", driver_info={"fake_password": "hunter2"})
        body = json.dumps({"target": "manage"}).encode()
        request = Request.blank(f"/v1/nodes/{node.uuid}/states/provision", method="PUT", body=body)
        parent = f"00-{TRACE}-b7ad6b7169203331-01"
        request.headers.update({"X-OpenStack-Ironic-API-Version": "1.80", "traceparent": parent})
        request.headers["Content-Type"] = "application/json"
        self.assertEqual(202, request.get_response(bare_metal_api(conductor)).status_int)
        answered = self.span("PUT /v1/nodes/{node}/states/provision")
        task = self.span("task: provisioning: manage")
        call = self.span("power.get_power_state")
        self.assertEqual({int(TRACE, 16)}, {span.context.trace_id for span in (answered, task, call)})
        self.assertEqual(answered.context.span_id, task.parent.span_id)
        self.assertEqual(task.context.span_id, call.parent.span_id)
        self.assertEqual((202, node.uuid), (answered.attributes["http.response.status_code"], task.attributes["baremetal.node"]))
        self.assertIn("baremetal.bmc", call.attributes)
        everything = "".join(span.to_json() for span in self.exporter.get_finished_spans())
        self.assertNotIn("environ", everything, "a request's headers have its caller's token")
        self.assertNotIn("hunter2", everything)

    def test_a_step_holds_the_calls_that_it_makes(self) -> None:
        """What a step asks of drivers is a part of the step's span, which is a part of the task's."""
        conductor = self.traced()
        provision(conductor, self.enrol(conductor).uuid, "manage", "provide")
        steps = [span for span in self.exporter.get_finished_spans() if span.name.startswith("clean step ")]
        self.assertNotEqual([], steps)
        self.assertEqual({self.span("task: provisioning: provide").context.span_id}, {span.parent.span_id for span in steps})
        below = {span.parent.span_id for span in self.exporter.get_finished_spans() if span.parent is not None}
        self.assertLessEqual({span.context.span_id for span in steps}, below)

    def test_a_call_that_fails_is_marked_without_the_text_of_its_error(self) -> None:
        """The span says in one word what went wrong."""
        conductor = self.traced()
        node = self.enrol(conductor, power_interface="fake-bmc", faults={"get_power": {"effect": "drop"}})
        self.assertRaises(BareMetalError, conductor.components.tasks.read_only(node.uuid).sample_power)
        call = self.span("power.sample_power")
        self.assertEqual((False, "unreachable"), (call.status.is_ok, call.status.description))
        self.assertEqual((), call.events)
