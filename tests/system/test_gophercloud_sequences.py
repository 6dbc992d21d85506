"""The requests of gophercloud's acceptance tests, without authentication and with HTTP Basic."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, ClassVar

import bcrypt
from fixtures import TempDir
from testtools import TestCase

from tests.fixtures.metald_service import Service
from tests.system.go_client import (
    TYPES_OF_ALLOCATION,
    TYPES_OF_BIOS_SETTING,
    TYPES_OF_CONDUCTOR,
    TYPES_OF_DRIVER,
    TYPES_OF_FIRMWARE,
    TYPES_OF_INVENTORY,
    TYPES_OF_METHODS,
    TYPES_OF_NODE,
    TYPES_OF_PORT,
    TYPES_OF_PORT_GROUP,
    TYPES_OF_VALIDATION,
    GoClient,
)

MAC = "e6:72:1f:52:00:f4"
ACCOUNT = ("tester", "a password: with a colon")
INFO = {
    "ipmi_port": "6230",
    "ipmi_username": "admin",
    "ipmi_password": "admin",
    "ipmi_address": "192.168.122.1",
    "deploy_kernel": "http://172.22.0.1/images/agent.vmlinuz",
    "deploy_ramdisk": "http://172.22.0.1/images/agent.gz",
}
IPMI = {"driver": "ipmi", "boot_interface": "ipxe", "raid_interface": "agent"}
FAKE = {"driver": "fake-hardware", "boot_interface": "fake", "deploy_interface": "fake"}
OF_SIZE = {"size": "> 100"}
RAID5 = {"size_gb": 100, "is_root_volume": True, "raid_level": "5"}
VIF = "1974dcfa-836f-41b2-b541-686c100900e5"


class GophercloudCase(TestCase):
    """One service for all tests, and a client of it with the version of each test."""

    account: ClassVar[tuple[str, str] | None] = None
    options: ClassVar[str] = ""
    service: ClassVar[Service]
    directory: ClassVar[TempDir]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.directory = TempDir()
        cls.directory.setUp()
        cls.addClassCleanup(cls.directory.cleanUp)
        config = Path(cls.directory.path) / "metald.conf"
        config.write_text(cls.build_options(Path(cls.directory.path)), encoding="utf-8")
        cls.service = Service("--config-file", str(config))
        cls.service.setUp()
        cls.addClassCleanup(cls.service.cleanUp)

    @classmethod
    def build_options(cls, directory: Path) -> str:
        """Return the configuration file of the service."""
        return ""

    def client(self, version: str) -> GoClient:
        """Return a client with the API *version*."""
        return GoClient(self.service.url, version, self.account)

    def create_node(self, client: GoClient, values: dict[str, Any], **more: Any) -> str:
        """Create a node that is deleted after the test, check the values of the answer, and return the UUID."""
        body = {"name": f"ACPTTEST{uuid.uuid4().hex}", "driver_info": INFO, **values, **more}
        node = client.expect(201, "POST", "nodes", body, types=TYPES_OF_NODE)
        for name in ("name", *values):
            self.assertEqual(body[name], node[name])
        self.addCleanup(client.delete_node, node["uuid"])
        return str(node["uuid"])

    def provide(self, client: GoClient, node: str) -> None:
        """Make a new node available."""
        client.change_state(node, "manage", "manageable")
        client.change_state(node, "provide", "available")


class TestWithoutAuthentication(GophercloudCase):
    def test_discovery(self) -> None:
        """The versioned document has one version with a range of microversions."""
        found = self.client("1.89").expect(200, "GET", "")["version"]
        self.assertEqual(("v1", "CURRENT"), (found["id"], found["status"]))
        self.assertEqual(("1.1", "1.115"), (found["min_version"], found["version"]))

    def test_nodes_create_destroy(self) -> None:
        """A new node is listed and becomes manageable."""
        client = self.client("1.38")
        node = self.create_node(client, FAKE)
        self.assertIn(node, [entry["uuid"] for entry in client.list_resources("nodes", "nodes", TYPES_OF_NODE)])
        self.assertEqual("enroll", client.get_node(node)["provision_state"])
        client.change_state(node, "manage", "manageable")

    def test_nodes_fields(self) -> None:
        """A listing has only the requested fields."""
        client = self.client("1.38")
        self.create_node(client, IPMI)
        for entry in client.list_resources("nodes?fields=uuid%2Cdeploy_interface", "nodes", TYPES_OF_NODE):
            self.assertTrue(entry["uuid"] and entry["deploy_interface"])
            self.assertNotIn("boot_interface", entry)

    def test_nodes_update(self) -> None:
        """A patch sets maintenance with a text."""
        client = self.client("1.50")
        node = self.create_node(client, IPMI)
        patch = [{"op": "replace", "path": "/maintenance", "value": "true"}]
        self.assertIs(True, client.expect(200, "PATCH", f"nodes/{node}", patch, types=TYPES_OF_NODE)["maintenance"])

    def test_nodes_maintenance(self) -> None:
        """Maintenance is set with a reason, and unset without."""
        client = self.client("1.38")
        node = self.create_node(client, IPMI)
        client.expect(202, "PUT", f"nodes/{node}/maintenance", {"reason": "I'm tired"})
        found = client.get_node(node)
        self.assertEqual((True, "I'm tired"), (found["maintenance"], found["maintenance_reason"]))
        client.expect(202, "DELETE", f"nodes/{node}/maintenance")
        found = client.get_node(node)
        self.assertEqual((False, None), (found["maintenance"], found["maintenance_reason"]))

    def test_nodes_raid_config(self) -> None:
        """Targets for software RAID, and for drives by type and number."""
        client = self.client("1.50")
        node = self.create_node(client, IPMI)
        for disk in (
            {**RAID5, "controller": "software", "physical_disks": [OF_SIZE, OF_SIZE]},
            {**RAID5, "disk_type": "hdd", "number_of_physical_disks": 5},
        ):
            client.expect(204, "PUT", f"nodes/{node}/states/raid", {"logical_disks": [disk]})
            self.assertEqual({"logical_disks": [disk]}, client.get_node(node)["target_raid_config"])

    def test_nodes_firmware_interface(self) -> None:
        """IPMI nodes have no firmware components."""
        client = self.client("1.86")
        node = self.create_node(client, IPMI)
        self.assertEqual("no-firmware", client.get_node(node)["firmware_interface"])
        self.assertEqual([], client.list_resources(f"nodes/{node}/firmware", "firmware", TYPES_OF_FIRMWARE))

    def test_nodes_servicing_hold(self) -> None:
        """A builtin step under the name of the deploy interface services an active node."""
        client = self.client("1.87")
        node = self.create_node(client, FAKE)
        self.provide(client, node)
        client.change_state(node, "active", "active")
        client.change_state(node, "service", "active", service_steps=[{"interface": "deploy", "step": "reboot"}])

    def test_nodes_virtual_interfaces(self) -> None:
        """VIFs are listed; after an attachment and its end there are none."""
        client = self.client("1.38")
        node = self.create_node(client, IPMI)
        self.assertEqual([], client.list_resources(f"nodes/{node}/vifs", "vifs", {"id": str}))
        client.expect(204, "POST", f"nodes/{node}/vifs", {"id": VIF})
        client.expect(204, "DELETE", f"nodes/{node}/vifs/{VIF}")
        self.assertEqual([], client.list_resources(f"nodes/{node}/vifs", "vifs", {"id": str}))

    def test_nodes_virtual_media(self) -> None:
        """Changes are accepted although IPMI nodes have no virtual media; last_error says so. The listing is refused."""
        client = self.client("1.93")
        node = self.create_node(client, IPMI)
        attach = {"device_type": "cdrom", "image_url": "http://127.0.0.1:17"}
        for method, path, body in (
            ("POST", "vmedia", attach),
            ("DELETE", "vmedia?device_types=cdrom", None),
            ("DELETE", "vmedia", None),
        ):
            client.expect(204, method, f"nodes/{node}/{path}", body)
            found = client.wait_for_node(node, lambda seen: seen["last_error"] is not None)
            self.assertIn("does not support virtual media", found["last_error"])
        client.expect(400, "GET", f"nodes/{node}/vmedia")

    def test_allocations_create_destroy(self) -> None:
        """A new allocation is listed, and deleted while the service searches a node."""
        client = self.client("1.52")
        body = {"name": f"ACPTTEST{uuid.uuid4().hex}", "resource_class": "baremetal"}
        created = client.expect(201, "POST", "allocations", body, types=TYPES_OF_ALLOCATION)
        self.assertEqual(body, {name: created[name] for name in body})
        found = client.list_resources("allocations", "allocations", TYPES_OF_ALLOCATION)
        self.assertIn(created["uuid"], [entry["uuid"] for entry in found])
        client.expect(204, "DELETE", f"allocations/{created['uuid']}")

    def test_allocations_without_a_node(self) -> None:
        """A failed allocation has the reason for which clients search."""
        client = self.client("1.52")
        found = client.expect(201, "POST", "allocations", {"resource_class": "none-such"})
        while found["state"] == "allocating":
            found = client.expect(200, "GET", f"allocations/{found['uuid']}", types=TYPES_OF_ALLOCATION)
        self.assertEqual("error", found["state"])
        self.assertIn("no available nodes match the resource class", found["last_error"])
        client.expect(204, "DELETE", f"allocations/{found['uuid']}")

    def test_allocations_get_delete_by_node(self) -> None:
        """The allocation of a node is read with all or with some fields, and deleted by its node."""
        client = self.client("1.52")
        node = self.create_node(client, FAKE, resource_class="one-of-a-kind")
        self.provide(client, node)
        found = client.expect(201, "POST", "allocations", {"resource_class": "one-of-a-kind"})
        while found["state"] == "allocating":
            found = client.expect(200, "GET", f"allocations/{found['uuid']}", types=TYPES_OF_ALLOCATION)
        self.assertEqual(("active", node), (found["state"], found["node_uuid"]))
        self.assertEqual(node, client.expect(200, "GET", f"nodes/{node}/allocation", types=TYPES_OF_ALLOCATION)["node_uuid"])
        some = client.expect(200, "GET", f"nodes/{node}/allocation?fields=uuid%2Cnode_uuid")
        self.assertEqual(node, some["node_uuid"])
        self.assertNotIn("state", some)
        client.expect(204, "DELETE", f"nodes/{node}/allocation")
        client.expect(404, "GET", f"nodes/{node}/allocation")

    def test_conductors_list_and_get(self) -> None:
        """A listed conductor is read by its host name."""
        client = self.client("1.49")
        found = client.list_resources("conductors", "conductors", TYPES_OF_CONDUCTOR)
        self.assertTrue(found)
        shown = client.expect(200, "GET", f"conductors/{found[0]['hostname']}", types=TYPES_OF_CONDUCTOR)
        self.assertIs(True, shown["alive"])
        self.assertIn("ipmi", shown["drivers"])
        client.list_resources("conductors?detail=true", "conductors", TYPES_OF_CONDUCTOR)

    def test_port_groups_create_destroy(self) -> None:
        """Port groups are listed by node, also with the parameter ``fields`` once for each field."""
        client = self.client("1.50")
        node = self.create_node(client, FAKE)
        name = f"ACPTTEST{uuid.uuid4().hex}"
        group = client.expect(201, "POST", "portgroups", {"name": name, "node_uuid": node}, types=TYPES_OF_PORT_GROUP)
        self.assertEqual((name, node), (group["name"], group["node_uuid"]))
        for query in (f"node={node}", f"node={node}&fields=uuid&fields=name"):
            (found,) = client.list_resources(f"portgroups?{query}", "portgroups", TYPES_OF_PORT_GROUP)
            self.assertEqual(group["uuid"], found["uuid"])
        client.expect(200, "GET", f"portgroups/{group['uuid']}", types=TYPES_OF_PORT_GROUP)
        client.expect(204, "DELETE", f"portgroups/{group['uuid']}")

    def test_ports(self) -> None:
        """A port is created, listed, changed and deleted."""
        client = self.client("1.53")
        node = self.create_node(client, FAKE)
        body = {"node_uuid": node, "address": MAC, "pxe_enabled": True}
        port = client.expect(201, "POST", "ports", body, types=TYPES_OF_PORT)
        self.assertEqual(body, {name: port[name] for name in body})
        self.assertIn(port["uuid"], [entry["uuid"] for entry in client.list_resources("ports", "ports", TYPES_OF_PORT)])
        client.list_resources("ports/detail", "ports", TYPES_OF_PORT)
        patch = [{"op": "replace", "path": "/address", "value": "aa:bb:cc:dd:ee:ff"}]
        changed = client.expect(200, "PATCH", f"ports/{port['uuid']}", patch, types=TYPES_OF_PORT)
        self.assertEqual("aa:bb:cc:dd:ee:ff", changed["address"])
        client.expect(204, "DELETE", f"ports/{port['uuid']}")

    def test_vendor_passthru_methods(self) -> None:
        """The methods of nodes and drivers are listed, and unknown ones are errors."""
        client = self.client("1.38")
        node = self.create_node(client, FAKE)
        drivers = client.list_resources("drivers", "drivers", {"name": str, "hosts": [str], "type": str})
        for path in (f"nodes/{node}", f"drivers/{drivers[0]['name']}"):
            methods = client.expect(200, "GET", f"{path}/vendor_passthru/methods")
            for method in methods.values():
                self.assertEqual(method.keys() & TYPES_OF_METHODS.keys(), TYPES_OF_METHODS.keys())
            call = client.send("POST", f"{path}/vendor_passthru?method=gophercloud_acceptance_missing_method", {"noop": True})
            self.assertEqual(400, call.status)

    def test_other_requests_of_the_library(self) -> None:
        """Drivers, boot devices, BIOS, inventory, NMI and validation are read with gophercloud's types."""
        client = self.client("1.90")
        node = self.create_node(client, FAKE)
        for driver in client.list_resources("drivers?detail=true", "drivers", TYPES_OF_DRIVER):
            client.expect(200, "GET", f"drivers/{driver['name']}", types=TYPES_OF_DRIVER)
            client.expect(200, "GET", f"drivers/{driver['name']}/properties")
        client.expect(200, "GET", "drivers/redfish/raid/logical_disk_properties")
        client.change_state(node, "manage", "manageable")
        path = f"nodes/{node}"
        client.expect(200, "GET", f"{path}/validate", types=TYPES_OF_VALIDATION)
        supported = client.expect(200, "GET", f"{path}/management/boot_device/supported")["supported_boot_devices"]
        device = {"boot_device": supported[0], "persistent": True}
        client.expect(204, "PUT", f"{path}/management/boot_device", device)
        self.assertEqual(device, client.expect(200, "GET", f"{path}/management/boot_device"))
        client.expect(204, "PUT", f"{path}/management/inject_nmi", {})
        for setting in client.list_resources(f"{path}/bios?detail=true", "bios", TYPES_OF_BIOS_SETTING):
            found = client.expect(200, "GET", f"{path}/bios/{setting['name']}", types={setting["name"]: TYPES_OF_BIOS_SETTING})
            self.assertEqual(setting["value"], found[setting["name"]]["value"])
        client.change_state(node, "inspect", "manageable")
        client.expect(200, "GET", f"{path}/inventory", types=TYPES_OF_INVENTORY)
        client.list_resources("nodes/detail", "nodes", TYPES_OF_NODE)


class TestWithHTTPBasic(TestWithoutAuthentication):
    """The same sequences with a user and a password."""

    account = ACCOUNT

    @classmethod
    def build_options(cls, directory: Path) -> str:
        users = directory / "users"
        users.write_text(f"{ACCOUNT[0]}:{bcrypt.hashpw(ACCOUNT[1].encode(), bcrypt.gensalt(4)).decode()}\n", encoding="ascii")
        users.chmod(0o600)
        return f"[DEFAULT]\nauth_strategy = http_basic\nhttp_basic_auth_user_file = {users}\n"

    def test_wrong_password(self) -> None:
        """A client without an account, or with a wrong password, gets 401. Discovery needs none."""
        for account in (None, (ACCOUNT[0], "wrong")):
            self.assertEqual(401, GoClient(self.service.url, "1.50", account).send("GET", "nodes").status)
        GoClient(self.service.url, "1.50").expect(200, "GET", "")
