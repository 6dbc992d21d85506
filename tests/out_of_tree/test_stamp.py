"""A third-party deploy interface that attaches to another vendor's hardware type, driven by metald."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from baremetal_fake import Account, Power
from baremetal_fake.redfish import BMCOptions, RedfishService
from tests.fixtures.metald_service import Service

SOURCE = Path(__file__).with_name("baremetal-stamp")
USERNAME, PASSWORD = "operator", "s3same/open"


class StampTest(TestCase):
    """The plugin, installed into a separate directory."""

    def setUp(self) -> None:
        super().setUp()
        directory = Path(self.useFixture(TempDir()).path)
        shutil.copytree(SOURCE, directory / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        subprocess.run([*install, "--target", directory / "site", directory / "source"], check=True, capture_output=True)
        path = ":".join([str(directory / "site"), *filter(None, sys.path)])
        self.redfish = RedfishService(1, options=BMCOptions(Account(USERNAME, PASSWORD)))
        self.redfish.start()
        self.addCleanup(self.redfish.stop)
        self.service = self.useFixture(Service(extra={"PYTHONPATH": path}))
        self.client = self.service.client

    def test_a_redfish_machine_is_deployed_by_the_third_party_interface(self) -> None:
        """The API lists the interface, its step runs and is polled, and the machine boots from disk until it is undeployed."""
        offered = self.client.request("GET", "/v1/drivers/redfish")
        self.assertIn("stamp", offered["enabled_deploy_interfaces"])
        self.client.create_node(
            {
                "name": "anvil",
                "driver": "redfish",
                "boot_interface": "ipxe",
                "deploy_interface": "stamp",
                "instance_info": {"stamp": "blue"},
                "driver_info": {
                    "redfish_address": self.redfish.url,
                    "redfish_system_id": self.redfish.system_path(0),
                    "redfish_username": USERNAME,
                    "redfish_password": PASSWORD,
                },
            }
        )
        for verb, state in (("manage", "manageable"), ("provide", "available"), ("active", "active")):
            self.client.set_provision_state("anvil", verb)
            self.assertEqual(state, self.wait_until_settled()["provision_state"])
            if verb == "provide":
                self.client.set_field("anvil", "instance_info", {"stamp": "blue"})
        machine = self.redfish.machine(0)
        self.assertIs(Power.ON, machine.power)
        self.assertEqual("disk", machine.boot_override[0])
        self.client.set_provision_state("anvil", "deleted")
        self.assertEqual("available", self.wait_until_settled()["provision_state"])
        self.assertIs(Power.OFF, machine.power)

    def wait_until_settled(self) -> dict[str, Any]:
        """Wait for the end of the state change and return the node."""
        pause = threading.Event()
        for _ in range(600):
            node = self.client.get_node("anvil")
            if not node["target_provision_state"] and not node["reservation"]:
                return node
            if str(node["provision_state"]).endswith("failed"):
                raise AssertionError(f"{node['provision_state']}: {node['last_error']}")
            pause.wait(0.1)
        raise AssertionError(f"the state change did not end: {node}")

    def test_the_plugin_imports_only_the_contract(self) -> None:
        """The plugin imports neither the runtime nor the plugin whose hardware type it extends."""
        tree = ast.parse((SOURCE / "baremetal_stamp.py").read_text(encoding="utf-8"))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        self.assertEqual({"baremetal_interfaces"}, {name for name in imported if str(name).startswith("baremetal")})
