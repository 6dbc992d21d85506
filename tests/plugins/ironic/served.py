"""Test case with a real Ironic of bridged hardware types, and the ``baremetal`` command."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from fixtures import TempDir
from testtools import TestCase

from baremetal_fake import Account
from baremetal_fake.redfish import BMCOptions, RedfishService

BIN = Path(sys.executable).parent
START_SECONDS = 120.0
STOP_SECONDS = 30.0
NAMES = ("contract-fake", "contract-redfish")
USERNAME, PASSWORD = "operator", "s3same/open"

CONFIGURATION = """[DEFAULT]
auth_strategy = noauth
rpc_transport = none
host = bridge
my_ip = 127.0.0.1
tempdir = {directory}
state_path = {directory}
use_stderr = true
enabled_hardware_types = contract-fake, contract-redfish
enabled_power_interfaces = contract-fake, contract-redfish
enabled_management_interfaces = contract-fake, contract-redfish
enabled_boot_interfaces = contract-fake, contract-redfish
enabled_deploy_interfaces = contract-fake, ramdisk
enabled_bios_interfaces = contract-fake, contract-redfish, no-bios
enabled_console_interfaces = contract-fake, no-console
enabled_firmware_interfaces = contract-fake, contract-redfish, no-firmware
enabled_inspect_interfaces = contract-fake, contract-redfish, no-inspect
enabled_network_interfaces = noop
enabled_raid_interfaces = contract-fake, contract-redfish, no-raid
enabled_rescue_interfaces = contract-fake, no-rescue
enabled_storage_interfaces = contract-fake, noop
enabled_vendor_interfaces = contract-fake, contract-redfish, no-vendor
hash_ring_algorithm = sha256
[api]
host_ip = 127.0.0.1
port = {port}
[conductor]
automated_clean = false
sync_power_state_interval = 1
[database]
connection = sqlite:///{directory}/ironic.sqlite
[dhcp]
dhcp_provider = none
[oslo_messaging_notifications]
driver = noop
transport_url = fake://
[oslo_concurrency]
lock_path = {directory}
[contract]
poll_interval = 1
[contract-redfish]
bios_poll_interval = 1
firmware_poll_interval = 1
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class BridgeTest(TestCase):
    """Test case with one Ironic and one Redfish service for the whole class."""

    url: ClassVar[str]
    port: ClassVar[int]
    service: ClassVar[RedfishService]
    directory: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        directory = TempDir()
        directory.setUp()
        cls.addClassCleanup(directory.cleanUp)
        cls.directory = Path(directory.path)
        cls.service = RedfishService(1, tls=True, options=BMCOptions(Account(USERNAME, PASSWORD), fetch_images=False))
        cls.service.start()
        cls.addClassCleanup(cls.service.stop)
        cls.port = port = _free_port()
        cls.url = f"http://127.0.0.1:{port}"
        configuration = cls.directory / "ironic.conf"
        configuration.write_text(CONFIGURATION.format(directory=cls.directory, port=port))
        given = ["--config-file", str(configuration)]
        subprocess.run([BIN / "ironic-dbsync", *given, "create_schema"], check=True, capture_output=True)
        log = (cls.directory / "log").open("wb")
        cls.addClassCleanup(log.close)
        cls.ironic = subprocess.Popen([BIN / "ironic", *given], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        cls.addClassCleanup(cls._stop)
        cls._wait(port)

    @classmethod
    def _stop(cls) -> None:
        cls.ironic.terminate()
        try:
            cls.ironic.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            cls.ironic.kill()
            cls.ironic.wait()

    @classmethod
    def _wait(cls, port: int) -> None:
        patience, end = threading.Event(), time.monotonic() + START_SECONDS
        while time.monotonic() < end and cls.ironic.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/v1/drivers")
                answer = connection.getresponse()
                if answer.status == 200 and len(json.loads(answer.read())["drivers"]) == len(NAMES):
                    return
            except OSError:
                pass
            finally:
                connection.close()
            patience.wait(0.1)
        raise AssertionError(f"Ironic did not start: {(cls.directory / 'log').read_text()[-4000:]}")

    def baremetal(self, *arguments: str, code: int = 0) -> Any:
        """Run the command; return its JSON or text, or all of its output if it is expected to fail with *code*."""
        environment = {**os.environ, "OS_AUTH_TYPE": "none", "OS_ENDPOINT": self.url}
        command = [BIN / "baremetal", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr + (self.directory / "log").read_text()[-3000:])
        if code:
            return done.stdout + done.stderr
        return json.loads(done.stdout) if "json" in arguments else done.stdout

    def create(self, driver: str, name: str, fields: Mapping[str, Any] | None = None, **driver_info: str) -> None:
        """Enroll a node, which is removed after the test in whatever state it is."""
        node = {"driver": driver, "name": name, "driver_info": driver_info, **(fields or {})}
        self.api("POST", "/v1/nodes", node, code=201)
        self.addCleanup(self.remove, name)

    def remove(self, name: str) -> None:
        """Delete a node. Maintenance mode allows that in every state."""
        self.api("PUT", f"/v1/nodes/{name}/maintenance", {"reason": "the test is over"}, code=202)
        self.api("DELETE", f"/v1/nodes/{name}", code=204)

    def create_redfish(self, name: str, **fields: Any) -> None:
        """Enroll the machine of the Redfish service."""
        self.create(
            "contract-redfish",
            name,
            fields,
            redfish_address=self.service.url,
            redfish_system_id=self.service.system_path(0),
            redfish_username=USERNAME,
            redfish_password=PASSWORD,
            redfish_verify_ca=str(self.service.certificate),
        )

    def api(self, method: str, path: str, body: Any = None, code: int = 200) -> Any:
        """Send one request to Ironic and return the JSON of the response. This is faster than the ``baremetal`` command."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"X-OpenStack-Ironic-API-Version": "latest", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        self.assertEqual(code, answer.status, text)
        return json.loads(text) if text else None

    def bring(self, name: str, target: str, state: str, **given: Any) -> None:
        """Start a change of the provision state, and wait for *state*."""
        self.api("PUT", f"/v1/nodes/{name}/states/provision", {"target": target, **given}, code=202)
        self.wait_for(name, "provision_state", state)

    def wait_for(self, name: str, field: str, value: Any) -> None:
        """Wait until a field of the node has *value*. A failed state ends the wait with an error."""
        patience, end = threading.Event(), time.monotonic() + START_SECONDS
        while (node := self.api("GET", f"/v1/nodes/{name}"))[field] != value:
            failed = str(node["provision_state"]).endswith(("failed", "error"))
            if failed or time.monotonic() > end:
                fields = {name: node[name] for name in (field, "provision_state", "last_error")}
                raise AssertionError(f"{fields}\n{(self.directory / 'log').read_text()[-3000:]}")
            patience.wait(0.1)

    def read_fields(self, name: str, *fields: str) -> Any:
        """Return fields of a node; a single field is returned as its value."""
        node = self.api("GET", f"/v1/nodes/{name}")
        return node[fields[0]] if len(fields) == 1 else {field: node[field] for field in fields}

    def power(self, name: str, wanted: str, shown: str) -> None:
        """Change the power state, and wait until Ironic shows it."""
        self.baremetal("node", "power", *wanted.split(), name)
        self.wait_for(name, "target_power_state", None)
        self.wait_for(name, "power_state", shown)
