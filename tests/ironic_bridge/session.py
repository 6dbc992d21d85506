"""A session with a real Ironic whose power and management are plugins of the contract, by the ``baremetal`` command."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from fixtures import TempDir
from testtools import TestCase

from baremetal_fake import Account, Power
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
enabled_boot_interfaces = fake
enabled_deploy_interfaces = fake
enabled_bios_interfaces = no-bios
enabled_console_interfaces = no-console
enabled_firmware_interfaces = no-firmware
enabled_inspect_interfaces = no-inspect
enabled_network_interfaces = noop
enabled_raid_interfaces = no-raid
enabled_rescue_interfaces = no-rescue
enabled_storage_interfaces = noop
enabled_vendor_interfaces = no-vendor
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
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class BridgeTest(TestCase):
    """One Ironic for all, and a Redfish service beside it."""

    url: ClassVar[str]
    service: ClassVar[RedfishService]
    directory: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        directory = TempDir()
        directory.setUp()
        cls.addClassCleanup(directory.cleanUp)
        cls.directory = Path(directory.path)
        cls.service = RedfishService(1, tls=True, options=BMCOptions(Account(USERNAME, PASSWORD)))
        cls.service.start()
        cls.addClassCleanup(cls.service.stop)
        port = _free_port()
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
        """Run the command; the JSON that it prints, or what it says when it is to fail."""
        environment = {**os.environ, "OS_AUTH_TYPE": "none", "OS_ENDPOINT": self.url}
        command = [BIN / "baremetal", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr + (self.directory / "log").read_text()[-3000:])
        if code:
            return done.stdout + done.stderr
        return json.loads(done.stdout) if "json" in arguments else done.stdout

    def create(self, driver: str, name: str, **driver_info: str) -> None:
        """Enrol a node; it is removed with the test."""
        given = [one for key, value in driver_info.items() for one in ("--driver-info", f"{key}={value}")]
        self.baremetal("node", "create", "--driver", driver, "--name", name, *given)
        self.addCleanup(self.baremetal, "node", "delete", name)

    def power(self, name: str, wanted: str, shown: str) -> None:
        """Change the power and wait until Ironic shows it."""
        self.baremetal("node", "power", *wanted.split(), name)
        patience, end = threading.Event(), time.monotonic() + START_SECONDS
        fields = ("power_state", "target_power_state", "last_error")
        while True:
            node = self.baremetal("node", "show", name, "-f", "json", "--fields", *fields)
            if node["power_state"] == shown and not node["target_power_state"]:
                return
            if time.monotonic() > end:
                raise AssertionError(str(node))
            patience.wait(0.2)

    def drive(self, name: str) -> None:
        """Validate, power and boot device, as an operator does it."""
        validation = {row["Interface"]: row["Result"] for row in self.baremetal("node", "validate", name, "-f", "json")}
        self.assertEqual((True, True), (validation["power"], validation["management"]))
        self.power(name, "on", "power on")
        self.power(name, "off", "power off")
        supported = self.baremetal("node", "boot", "device", "show", "--supported", name, "-f", "json")
        self.assertIn("pxe", json.dumps(supported))
        self.baremetal("node", "boot", "device", "set", name, "pxe", "--persistent")
        found = self.baremetal("node", "boot", "device", "show", name, "-f", "json")
        self.assertEqual({"boot_device": "pxe", "persistent": True}, found)

    def test_fake_plugin_is_driven(self) -> None:
        """Its machines live in Ironic's process, and keep a state of their own."""
        self.create("contract-fake", "bridged-fake", fake_machine="m1")
        self.drive("bridged-fake")

    def test_redfish_plugin_is_driven(self) -> None:
        """Its machine, behind a BMC with TLS, does what Ironic is told."""
        self.create(
            "contract-redfish",
            "bridged-redfish",
            redfish_address=self.service.url,
            redfish_system_id=self.service.system_path(0),
            redfish_username=USERNAME,
            redfish_password=PASSWORD,
            redfish_verify_ca=str(self.service.certificate),
        )
        self.drive("bridged-redfish")
        self.power("bridged-redfish", "on", "power on")
        self.assertIs(Power.ON, self.service.machine(0).power)
        self.power("bridged-redfish", "off", "power off")

    def test_what_is_wrong_is_said_at_once(self) -> None:
        """A node that lacks what the plugin needs is not valid, and the reason names the options."""
        self.create("contract-redfish", "bridged-wrong", redfish_auth_type="perhaps")
        rows = {row["Interface"]: row for row in self.baremetal("node", "validate", "bridged-wrong", "-f", "json")}
        self.assertIs(False, rows["power"]["Result"])
        for name in ("redfish_address", "redfish_auth_type"):
            self.assertIn(name, rows["power"]["Reason"])

    def test_device_that_is_not_supported_is_refused(self) -> None:
        """The client is told, and nothing is set."""
        self.create("contract-fake", "bridged-device", fake_machine="m2")
        self.assertIn("wanboot", self.baremetal("node", "boot", "device", "set", "bridged-device", "wanboot", code=1))

    def test_options_of_the_plugin_are_the_properties_of_the_driver(self) -> None:
        """An operator reads their meaning by the client."""
        found = self.baremetal("driver", "property", "list", "contract-redfish", "-f", "json")
        self.assertIn("redfish_address", json.dumps(found))
