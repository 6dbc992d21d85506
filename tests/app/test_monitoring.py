"""``metald serve`` as those meet it who watch it: /metrics, and a log for programs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from tests.app.service import Service, metald


class MonitoringTest(TestCase):
    """A service that runs."""

    def service(self, *lines: str) -> Service:
        """Serve with these lines of configuration."""
        config = Path(self.useFixture(TempDir()).path) / "metald.conf"
        config.write_text("\n".join(lines), encoding="utf-8")
        return self.useFixture(Service("--config-file", str(config)))

    def test_metrics_are_served_beside_the_api(self) -> None:
        """Without any configuration a scrape of the API's address shows the service and its process."""
        service = self.service()
        service.client.request("GET", "/v1/nodes")
        with urllib.request.urlopen(f"{service.url}/metrics", timeout=10.0) as answer:
            text = answer.read().decode()
        labels = r'code="200",conductor="[^"]+",method="GET",route="/v1/nodes"'
        self.assertRegex(text, rf"baremetal_http_requests_total\{{{labels}\}} 1\.0")
        self.assertRegex(text, r"(?m)^process_resident_memory_bytes \d")
        self.assertRegex(text, r'baremetal_database_transactions_total\{[^}]*kind="read"')

    def test_metrics_can_have_an_address_of_their_own_or_none(self) -> None:
        """With an address of their own they are not on that of the API; it is named where it cannot be had."""
        service = self.service("[metrics]", "endpoint = own", "port = 0")
        refusal = self.assertRaises(urllib.error.HTTPError, urllib.request.urlopen, f"{service.url}/metrics", timeout=10.0)
        self.assertEqual(404, refusal.code)
        taken = Path(self.useFixture(TempDir()).path) / "taken.conf"
        taken.write_text(f"[metrics]\nendpoint = own\nport = {service.url.rpartition(':')[2]}\n", encoding="utf-8")
        ended = metald("serve", "--port", "0", "--state-dir", str(taken.parent / "state"), "--config-file", str(taken))
        self.assertIn("[metrics]", ended.stderr)
        self.assertNotEqual(0, ended.returncode)

    def test_sensors_are_read_shown_and_sent(self) -> None:
        """What a machine's sensors say is at /metrics, and with the driver log in the log as a notification."""
        sensors = ("[sensor_data]", "send_sensor_data = true", "interval = 1", "enable_for_undeployed_nodes = true")
        service = self.service(*sensors, "[oslo_messaging_notifications]", "driver = log")
        service.client.create_node({"driver": "fake-hardware", "name": "m1"})
        service.client.provision("m1", "manage")
        service.wait_for_log("hardware.fake-hardware.metrics.update")
        with urllib.request.urlopen(f"{service.url}/metrics", timeout=10.0) as answer:
            text = answer.read().decode()
        self.assertRegex(
            text,
            r'baremetal_sensor_reading\{[^}]*node_name="m1",sensor="CPU 1",sensor_type="Temperature",unit="degrees C"\} 22\.0',
        )

    def test_each_line_of_the_log_can_be_an_object(self) -> None:
        """With use_json every line that is written once the configuration is read is JSON."""
        service = self.service("[DEFAULT]", "use_json = true")
        service.client.create_node({"driver": "fake-hardware", "name": "m1"})
        service.client.provision("m1", "manage")
        service.wait_for_log("provision state: manageable")
        lines = [line for line in service.log.splitlines() if not line.startswith("metald ready")]
        logged = [json.loads(line) for line in lines]
        found = next(one for one in logged if "provision state: manageable" in one["message"])
        self.assertEqual("baremetal_sdk.node", found["logger"])
        self.assertTrue(found["request_id"].startswith("req-"))
        self.assertIn("node", found)
