"""Monitoring of ``metald serve``: metrics, sensors and the JSON log."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from tests.fixtures.metald_service import Service, metald


class MonitoringTest(TestCase):
    """A running service."""

    def start_service(self, *lines: str) -> Service:
        """Start a service with these configuration lines."""
        config = Path(self.useFixture(TempDir()).path) / "metald.conf"
        config.write_text("\n".join(lines), encoding="utf-8")
        return self.useFixture(Service("--config-file", str(config)))

    def test_metrics_are_served_beside_the_api(self) -> None:
        """Without configuration, the API serves metrics of the service and of its process."""
        service = self.start_service()
        service.client.request("GET", "/v1/nodes")
        with urllib.request.urlopen(f"{service.url}/metrics", timeout=10.0) as answer:
            text = answer.read().decode()
        labels = r'code="200",conductor="[^"]+",method="GET",route="/v1/nodes"'
        self.assertRegex(text, rf"baremetal_http_requests_total\{{{labels}\}} 1\.0")
        self.assertRegex(text, r"(?m)^process_resident_memory_bytes \d")
        self.assertRegex(text, r'baremetal_database_transactions_total\{[^}]*kind="read"')

    def test_metrics_have_a_separate_address_on_request(self) -> None:
        """With a separate address the API serves no metrics. A start on a used address names the option."""
        service = self.start_service("[metrics]", "endpoint = separate", "port = 0")
        refusal = self.assertRaises(urllib.error.HTTPError, urllib.request.urlopen, f"{service.url}/metrics", timeout=10.0)
        self.assertEqual(404, refusal.code)
        config = Path(self.useFixture(TempDir()).path) / "used-port.conf"
        config.write_text(f"[metrics]\nendpoint = separate\nport = {service.url.rpartition(':')[2]}\n", encoding="utf-8")
        ended = metald("serve", "--port", "0", "--state-dir", str(config.parent / "state"), "--config-file", str(config))
        self.assertIn("[metrics]", ended.stderr)
        self.assertNotEqual(0, ended.returncode)

    def test_sensor_data_is_in_metrics_and_notifications(self) -> None:
        """``/metrics`` has the sensor readings of a machine, and the notification driver ``log`` logs them."""
        sensors = ("[sensor_data]", "send_sensor_data = true", "interval = 1", "enable_for_undeployed_nodes = true")
        service = self.start_service(*sensors, "[oslo_messaging_notifications]", "driver = log")
        service.client.create_node({"driver": "fake-hardware", "name": "m1"})
        service.client.set_provision_state("m1", "manage")
        service.wait_for_log("hardware.fake-hardware.metrics.update")
        with urllib.request.urlopen(f"{service.url}/metrics", timeout=10.0) as answer:
            text = answer.read().decode()
        self.assertRegex(
            text,
            r'baremetal_sensor_reading\{[^}]*node_name="m1",sensor="CPU 1",sensor_type="Temperature",unit="degrees C"\} 22\.0',
        )

    def test_the_log_can_be_json(self) -> None:
        """With ``use_json`` each log line after the configuration was read is a JSON object."""
        service = self.start_service("[DEFAULT]", "use_json = true")
        service.client.create_node({"driver": "fake-hardware", "name": "m1"})
        service.client.set_provision_state("m1", "manage")
        service.wait_for_log("provision state: manageable")
        lines = [line for line in service.log.splitlines() if not line.startswith("metald ready")]
        logged = [json.loads(line) for line in lines]
        record = next(record for record in logged if "provision state: manageable" in record["message"])
        self.assertEqual("baremetal_sdk.node", record["logger"])
        self.assertTrue(record["request_id"].startswith("req-"))
        self.assertIn("node", record)
