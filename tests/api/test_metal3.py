"""The requests of Metal3's Bare Metal Operator, in each of the API versions that it selects."""

from __future__ import annotations

import base64
import gzip
from typing import Any

from baremetal_fake.interfaces.power import FakePower
from baremetal_fake.interfaces.vendor import FakeVendor
from baremetal_interfaces import PowerState, Task, passthru
from baremetal_sdk import Conductor, ConductorConfig, bare_metal_api
from baremetal_sdk.drivers.loader import Plugins, discover
from baremetal_sdk.testing import quick_options, running_conductor, settle
from tests.api.machines import MachineAPITestCase
from tests.fixtures.api import APIResponse

INSTANCE_UUID = "11111111-1111-4111-8111-111111111111"
MAC = "52:54:00:ab:cd:ef"
CONFIG_DRIVE = base64.b64encode(gzip.compress(b"an image")).decode()
ERASE_STEP = {"interface": "deploy", "step": "erase_devices_metadata"}


class SubscriptionVendor(FakeVendor):
    """A vendor interface with the vendor methods that the operator calls."""

    @passthru(["POST"], background=False)
    def create_subscription(self, task: Task, **arguments: Any) -> dict[str, Any]:
        """Create a subscription."""
        return {"Id": "1", **arguments}

    @passthru(["DELETE"], background=False)
    def delete_subscription(self, task: Task, id: str) -> None:
        """Delete a subscription."""


class HardPowerOnly(FakePower):
    """A power interface without soft power off."""

    supported_states = frozenset({PowerState.ON, PowerState.OFF})


def _discover_plugins() -> Plugins:
    found = discover()
    for kind, named in found.interfaces.items():
        if str(kind) == "vendor":
            named["fake"] = SubscriptionVendor
        if str(kind) == "power":
            named["fake-bmc"] = HardPowerOnly
    return found


class OperatorAt189(MachineAPITestCase):
    """All requests, in the lowest version that the operator uses."""

    VERSION = "1.89"

    def setUp(self) -> None:
        super().setUp()
        context = running_conductor(ConductorConfig(host="test", conductor=quick_options()), plugins=_discover_plugins())
        self.runtime: Conductor = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.app = bare_metal_api(self.runtime)
        self.uuid = str(self.expect(201, "POST", "/v1/nodes", self.build_node()).json["uuid"])
        self.path = f"/v1/nodes/{self.uuid}"

    @property
    def minor(self) -> int:
        """The minor number of the version."""
        return int(self.VERSION.split(".")[1])

    def build_node(self) -> dict[str, Any]:
        """Return the body of the request that creates the node."""
        kinds = ("bios", "boot", "deploy", "firmware", "inspect", "management", "power", "raid", "vendor")
        values = {
            "driver": "fake-hardware",
            "name": "metal3~host-0",
            "driver_info": {"fake_machine": "m9", "fake_rack": self.rack.name},
            "automated_clean": False,
            "properties": {"capabilities": "boot_mode:uefi"},
            **{f"{kind}_interface": "fake" for kind in kinds},
        }
        return {**values, "disable_power_off": False} if self.minor >= 95 else values

    def expect(self, status: int, method: str, path: str, body: Any = None) -> APIResponse:
        """Send a request and assert the status of its response."""
        response = self.request(method, path, body, version=self.VERSION)
        self.assertEqual(status, response.status, (self.VERSION, method, path, response.raw))
        return response

    def change_to(self, target: str, **arguments: Any) -> dict[str, Any]:
        """Request a change of the provision state, wait for its end, and return the node."""
        self.expect(202, "PUT", f"{self.path}/states/provision", {"target": target, **arguments})
        settle(self.runtime)
        return dict(self.expect(200, "GET", self.path).json)

    def test_discovery(self) -> None:
        """The version document has a range of microversions, and the list of drivers is not empty."""
        root = self.expect(200, "GET", "/v1/").json
        self.assertEqual("1.1", root["version"]["min_version"])
        self.assertGreaterEqual(root["version"]["version"], "1.110")
        self.assertTrue(self.expect(200, "GET", "/v1/drivers").json["drivers"])

    def test_nodes_are_found_changed_and_deleted(self) -> None:
        """Nodes are found by fields, name and UUID; after the deletion the node is 404."""
        fields = "uuid,name,driver,driver_info,provision_state,last_error,instance_uuid,power_state,maintenance"
        listed = self.expect(200, "GET", f"/v1/nodes?fields={fields}").json["nodes"]
        self.assertIn(self.uuid, [entry["uuid"] for entry in listed])
        self.assertEqual(self.uuid, self.expect(200, "GET", "/v1/nodes/metal3~host-0").json["uuid"])
        patch = [
            {"op": "add", "path": "/instance_uuid", "value": INSTANCE_UUID},
            {"op": "add", "path": "/instance_info/image_source", "value": "http://images.example/a.qcow2"},
            {"op": "add", "path": "/instance_info/boot_iso", "value": "http://images.example/a.iso"},
            {"op": "add", "path": "/instance_info/root_device", "value": {"name": "s== /dev/sda"}},
            {"op": "add", "path": "/instance_info/capabilities", "value": {"boot_mode": "uefi"}},
            {"op": "replace", "path": "/automated_clean", "value": True},
            {"op": "add", "path": "/network_data", "value": {"links": [], "networks": [], "services": []}},
            {"op": "replace", "path": "/deploy_interface", "value": "ramdisk"},
            {"op": "replace", "path": "/driver_info", "value": self.build_node()["driver_info"]},
            {"op": "add", "path": "/properties/cpu_arch", "value": "x86_64"},
        ]
        changed = self.expect(200, "PATCH", self.path, patch).json
        self.assertEqual(INSTANCE_UUID, changed["instance_uuid"])
        self.assertEqual("ramdisk", changed["deploy_interface"])
        with self.runtime.acquire(self.uuid, purpose="test"):
            self.expect(409, "PATCH", self.path, [{"op": "add", "path": "/extra/a", "value": 1}])
        self.expect(202, "PUT", f"{self.path}/maintenance", {"reason": "deletion"})
        self.expect(204, "DELETE", self.path)
        self.expect(404, "DELETE", self.path)
        self.expect(404, "GET", self.path)

    def test_lifecycle_of_a_host(self) -> None:
        """The operator registers, inspects, prepares, provisions, services, deprovisions and adopts a host."""
        self.assertEqual("manageable", self.change_to("manage")["provision_state"])
        self.expect(404, "GET", f"{self.path}/inventory")
        self.assertEqual("manageable", self.change_to("inspect")["provision_state"])
        self.assertIn("interfaces", self.expect(200, "GET", f"{self.path}/inventory").json["inventory"])
        steps = [
            {"interface": "raid", "step": "delete_configuration"},
            {"interface": "raid", "step": "create_configuration"},
            {"interface": "bios", "step": "apply_configuration", "args": {"settings": [self.find_bios_setting()]}},
            {"interface": "firmware", "step": "update", "args": {"settings": [self.build_firmware_update()]}},
            ERASE_STEP,
        ]
        self.expect(204, "PUT", f"{self.path}/states/raid", {"logical_disks": [{"size_gb": 10, "raid_level": "1"}]})
        node = self.change_to("clean", clean_steps=steps)
        self.assertEqual("manageable", node["provision_state"])
        self.assertIsNone(node["last_error"])
        self.assertTrue(node["raid_config"]["logical_disks"])
        self.assertEqual("available", self.change_to("provide")["provision_state"])
        self.assertEqual("active", self.change_to("active", configdrive=CONFIG_DRIVE)["provision_state"])
        service = [{"interface": "bios", "step": "apply_configuration", "args": {"settings": [self.find_bios_setting()]}}]
        self.assertEqual("active", self.change_to("service", service_steps=service)["provision_state"])
        self.assertEqual("available", self.change_to("deleted")["provision_state"])
        self.change_to("manage")
        self.assertEqual("active", self.change_to("adopt")["provision_state"])

    def test_config_drives_of_all_forms(self) -> None:
        """Text and objects are accepted, and responses mask them."""
        self.change_to("manage")
        self.change_to("provide")
        for drive in (CONFIG_DRIVE, "http://images.example/drive", {"meta_data": {"a": "tiger"}, "user_data": "tiger"}):
            node = self.change_to("active", configdrive=drive)
            self.assertEqual("active", node["provision_state"])
            self.assertEqual("******", node["instance_info"]["configdrive"])
            stored = self.runtime.store.node(self.uuid).instance_info["configdrive"]
            self.assertEqual(drive, stored)
            self.change_to("deleted")

    def test_waiting_operation_is_aborted(self) -> None:
        """Cleaning can be aborted in all versions, and deployment since 1.110."""
        self.change_to("manage")
        node = self.change_to("clean", clean_steps=[{"interface": "deploy", "step": "wait_for_event"}])
        self.assertEqual("clean wait", node["provision_state"])
        self.assertEqual("clean failed", self.change_to("abort")["provision_state"])
        record = self.runtime.store.node(self.uuid)
        self.runtime.store.update_node(self.uuid, {"provision_state": "wait call-back"}, fence=None, revision=record.revision)
        self.expect(202 if self.minor >= 110 else 406, "PUT", f"{self.path}/states/provision", {"target": "abort"})

    def test_power(self) -> None:
        """A soft power off that the driver does not support gets 400, so the operator requests a hard one."""
        self.change_to("manage")
        for target, state in (
            ("power on", "power on"),
            ("rebooting", "power on"),
            ("soft power off", "power off"),
            ("power off", "power off"),
        ):
            self.expect(202, "PUT", f"{self.path}/states/power", {"target": target})
            settle(self.runtime)
            self.assertEqual(state, self.expect(200, "GET", self.path).json["power_state"])
        self.expect(200, "PATCH", self.path, [{"op": "replace", "path": "/power_interface", "value": "fake-bmc"}])
        self.expect(400, "PUT", f"{self.path}/states/power", {"target": "soft power off", "timeout": 10})

    def test_facts_about_the_host(self) -> None:
        """Validation, BIOS settings with allowed values, and firmware; health since 1.109."""
        self.assertTrue(self.expect(200, "GET", f"{self.path}/validate").json["power"]["result"])
        self.change_to("manage")
        self.assertIn("allowable_values", self.expect(200, "GET", f"{self.path}/bios?detail=true").json["bios"][0])
        self.assertTrue(self.expect(200, "GET", f"{self.path}/firmware").json["firmware"])
        node = self.expect(200, "GET", self.path).json
        self.assertEqual("OK" if self.minor >= 109 else None, node.get("health"))

    def test_maintenance(self) -> None:
        """Maintenance is set with a reason and cleared."""
        self.expect(202, "PUT", f"{self.path}/maintenance", {"reason": "detached"})
        self.assertTrue(self.expect(200, "GET", self.path).json["maintenance"])
        self.expect(202, "DELETE", f"{self.path}/maintenance")

    def test_virtual_media(self) -> None:
        """Images are attached and detached, and since 1.93 they are listed."""
        body = {"device_type": "cdrom", "image_url": "http://images.example/a.iso"}
        self.expect(204, "POST", f"{self.path}/vmedia", body)
        settle(self.runtime)
        self.expect(200 if self.minor >= 93 else 404, "GET", f"{self.path}/vmedia")
        self.expect(204, "DELETE", f"{self.path}/vmedia?device_types=cdrom")
        settle(self.runtime)

    def test_subscriptions(self) -> None:
        """Subscriptions are vendor methods; a vendor interface without them refuses the requests."""
        create = {"Destination": "https://events.example", "Context": "c", "Protocol": "Redfish"}
        subscription = self.expect(200, "POST", f"{self.path}/vendor_passthru?method=create_subscription", create).json
        self.expect(204, "DELETE", f"{self.path}/vendor_passthru?method=delete_subscription", {"id": subscription["Id"]})
        self.expect(200, "PATCH", self.path, [{"op": "replace", "path": "/vendor_interface", "value": "no-vendor"}])
        self.expect(400, "POST", f"{self.path}/vendor_passthru?method=create_subscription", create)

    def test_ports(self) -> None:
        """Ports are created, and found by node and by address."""
        body = {"address": MAC, "node_uuid": self.uuid, "pxe_enabled": True}
        self.expect(201, "POST", "/v1/ports", body)
        for query in (f"node_uuid={self.uuid}", f"address={MAC}"):
            (port,) = self.expect(200, "GET", f"/v1/ports?{query}&fields=node_uuid,address,pxe_enabled").json["ports"]
            self.assertEqual(self.uuid, port["node_uuid"])
            self.assertEqual(MAC, port["address"])

    def find_bios_setting(self) -> dict[str, str]:
        """Return a BIOS setting that the machine accepts."""
        settings = self.expect(200, "GET", f"{self.path}/bios?detail=true").json["bios"]
        name, values = next((entry["name"], entry["allowable_values"]) for entry in settings if entry["allowable_values"])
        return {"name": name, "value": values[-1]}

    def build_firmware_update(self) -> dict[str, str]:
        """Return a firmware update that the machine accepts."""
        return {"component": "bios", "url": "http://images.example/bios-9.9.9.bin"}


class OperatorAt193(OperatorAt189):
    """The same requests, in a version that lists virtual media."""

    VERSION = "1.93"


class OperatorAt195(OperatorAt189):
    """The same requests, in a version that can disable power off."""

    VERSION = "1.95"


class OperatorAt1109(OperatorAt189):
    """The same requests, in a version that shows the health."""

    VERSION = "1.109"


class OperatorAt1110(OperatorAt189):
    """The same requests, in a version that aborts waiting deployments."""

    VERSION = "1.110"
