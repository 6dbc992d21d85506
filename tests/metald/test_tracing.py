"""Trace export of ``metald serve``: the spans that a collector receives, and an unavailable collector."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from pathlib import Path

from fixtures import TempDir
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from testtools import TestCase

from tests.fixtures.metald_service import Service
from tests.fixtures.otlp_collector import Receiver, attributes

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


class TracingTest(TestCase):
    """A service that exports spans."""

    def start_service(self, endpoint: str) -> Service:
        """Start a service that exports spans to *endpoint* soon after they end."""
        config = Path(self.useFixture(TempDir()).path) / "metald.conf"
        config.write_text("[DEFAULT]\nuse_tracing = true\n", encoding="utf-8")
        extra = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        return self.useFixture(Service("--config-file", str(config), extra=extra))

    def request_cleaning(self, url: str) -> None:
        """Request one clean step with a trace context."""
        body = json.dumps({"target": "clean", "clean_steps": [_STEP]}).encode()
        headers = {
            "traceparent": f"00-{TRACE}-{CALLER}-01",
            "X-OpenStack-Ironic-API-Version": "1.80",
            "Content-Type": "application/json",
        }
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=10.0) as answer:
            self.assertEqual(202, answer.status)

    def test_a_trace_goes_from_the_request_to_the_bmc(self) -> None:
        """Before the end of the stop, the collector has request, task, step and BMC call as one tree without secrets."""
        receiver = self.useFixture(Receiver())
        service = self.start_service(receiver.url)
        secrets = {"fake_machine": "m1", "fake_password": "hunter2"}
        interfaces = {"power_interface": "fake-bmc", "management_interface": "fake-bmc"}
        node = service.client.create_node({"driver": "fake-hardware", "driver_info": secrets, **interfaces})["uuid"]
        service.client.set_provision_state(node, "manage")
        service.wait_for_log("provision state: manageable")
        path = f"/v1/nodes/{node}/states/provision"
        self.request_cleaning(service.url + path)
        receiver.find_span("clean step power.power_on")
        self.assertEqual(0, service.child.stop())

        task = receiver.find_span("task: provisioning: clean")
        step = receiver.find_span("clean step power.power_on")
        ours = [span for span in receiver.spans if span.trace_id.hex() == TRACE]
        request = next(span for span in ours if span.name == "PUT /v1/nodes/{node}/states/provision")
        self.assertEqual((CALLER, Span.SPAN_KIND_SERVER), (request.parent_span_id.hex(), request.kind))
        self.assertEqual(request.span_id, task.parent_span_id)
        self.assertEqual(task.span_id, step.parent_span_id)
        calls = [span for span in ours if span.parent_span_id == step.span_id]
        self.assertEqual([Span.SPAN_KIND_CLIENT], sorted({span.kind for span in calls}))
        self.assertIn("power.set_power_state", [span.name for span in calls])
        self.assertEqual(len(receiver.spans), len({span.span_id for span in receiver.spans}))

        span_attributes = attributes(request)
        self.assertEqual((202, path), (span_attributes["http.response.status_code"], span_attributes["url.path"]))
        self.assertEqual({node}, {attributes(span)["baremetal.node"] for span in (task, step)})
        self.assertIn("baremetal.bmc", attributes(calls[0]))
        self.assertEqual(
            {span_attributes["baremetal.request_id"]}, {attributes(span)["baremetal.request_id"] for span in (task, step)}
        )
        named = {(resource["service.name"], resource["deployment.environment.name"]) for resource in receiver.resources}
        self.assertEqual({("metald", "test")}, named)
        self.assertNotIn(b"hunter2", b"".join(receiver.bodies))

    def test_an_unresponsive_collector_delays_nothing(self) -> None:
        """The service answers, works and stops in time while the collector accepts spans but does not answer."""
        receiver = self.useFixture(Receiver(silent=True))
        service = self.start_service(receiver.url)
        node = service.client.create_node({"driver": "fake-hardware"})["uuid"]
        receiver.wait_until_asked()
        for _ in range(50):
            service.client.request("GET", f"/v1/nodes/{node}")
        service.client.set_provision_state(node, "manage")
        service.wait_for_log("provision state: manageable")
        began = time.monotonic()
        self.assertEqual(0, service.child.stop(25.0))
        self.assertLess(time.monotonic() - began, 15.0)
        self.assertIn("spans are lost", service.log)

    def test_an_unreachable_collector_delays_nothing(self) -> None:
        """The service works and stops in time without a collector."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        service = self.start_service(f"http://127.0.0.1:{port}")
        service.client.create_node({"driver": "fake-hardware", "name": "m1"})
        service.client.set_provision_state("m1", "manage")
        service.wait_for_log("provision state: manageable")
        began = time.monotonic()
        self.assertEqual(0, service.child.stop(25.0))
        self.assertLess(time.monotonic() - began, 15.0)


_STEP = {"interface": "power", "step": "power_on"}
