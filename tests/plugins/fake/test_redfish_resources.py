"""The resources of a Redfish service over plain HTTP: their content, their actions and their errors."""

from __future__ import annotations

import socket

from baremetal_fake import Power, Rack, Timings
from baremetal_fake.lab import ManualClock
from baremetal_fake.redfish import BMCOptions
from baremetal_interfaces import BootDevice, BootMode, VirtualMediaDevice
from tests.plugins.fake.redfish_client import ImageServer, RedfishCase

SYSTEM = "/redfish/v1/Systems/0"
CD = "/redfish/v1/Managers/0/VirtualMedia/Cd"
INSERT, EJECT = f"{CD}/Actions/VirtualMedia.InsertMedia", f"{CD}/Actions/VirtualMedia.EjectMedia"


class ResourceCase(RedfishCase):
    """A service with one machine that takes 2 s for a power change."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.redfish = self.service(1, rack=Rack("redfish", clock=self.clock, timings=Timings(2.0, 2.0, 2.0)))
        self.redfish_client = self.client(self.redfish)
        self.machine = self.redfish.machine()


class TestPower(ResourceCase):
    """The reset action."""

    def power_state(self) -> str:
        return str(self.redfish_client.get(SYSTEM).body["PowerState"])

    def test_every_offered_reset_type_works(self) -> None:
        """Each allowable reset type is accepted and leads to the right power state."""
        expected = {"GracefulShutdown": "Off", "ForceOff": "Off"}
        action = self.redfish_client.get(SYSTEM).body["Actions"]["#ComputerSystem.Reset"]
        for kind in action["ResetType@Redfish.AllowableValues"]:
            self.redfish_client.reset(SYSTEM, "On")
            self.clock.turn(10.0)
            self.assertEqual(204, self.redfish_client.post(action["target"], {"ResetType": kind}).status, kind)
            self.clock.turn(10.0)
            self.assertEqual("Off" if kind == "PushPowerButton" else expected.get(kind, "On"), self.power_state(), kind)
        self.assertEqual(1, self.machine.nmi_count)

    def test_a_change_in_progress_is_shown(self) -> None:
        """The power state is PoweringOn or PoweringOff during a change."""
        self.redfish_client.reset(SYSTEM, "On")
        self.assertEqual("PoweringOn", self.power_state())
        self.clock.turn(2.0)
        self.assertEqual("On", self.power_state())
        self.redfish_client.reset(SYSTEM, "ForceOff")
        self.assertEqual("PoweringOff", self.power_state())
        self.clock.turn(2.0)
        self.assertEqual("Off", self.power_state())

    def test_wrong_reset_requests_are_refused(self) -> None:
        """An unknown reset type, a missing one and an unknown parameter each give their message of the Base registry."""
        target = f"{SYSTEM}/Actions/ComputerSystem.Reset"
        cases = [
            ({"ResetType": "Explode"}, "PropertyValueNotInList"),
            ({"ResetType": 1}, "PropertyValueNotInList"),
            ({}, "ActionParameterMissing"),
            ({"ResetType": "On", "When": "now"}, "ActionParameterUnknown"),
        ]
        for body, message in cases:
            reply = self.redfish_client.post(target, body)
            self.assertEqual(400, reply.status, str(body))
            self.assertEqual(message, reply.message_id, str(body))
        self.assertIs(Power.OFF, self.machine.power)

    def test_a_strict_bmc_refuses_a_command_without_effect(self) -> None:
        """A strict BMC answers 409 to a power command that would change nothing."""
        strict = self.client(self.service(1, options=BMCOptions(strict_power=True)))
        reply = strict.reset(SYSTEM, "ForceOff")
        self.assertEqual(409, reply.status)
        self.assertEqual("ActionNotSupported", reply.message_id)
        self.assertEqual(204, strict.reset(SYSTEM, "On").status)
        self.assertEqual(409, strict.reset(SYSTEM, "On").status)


class TestBoot(ResourceCase):
    """Boot device, boot mode, secure boot, BIOS and firmware."""

    def test_an_override_for_one_boot_ends_with_the_boot(self) -> None:
        """An override for one boot is disabled after that boot."""
        override = {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "Legacy"}
        self.assertEqual(204, self.redfish_client.patch(SYSTEM, {"Boot": override}).status)
        boot = self.redfish_client.get(SYSTEM).body["Boot"]
        self.assertEqual(override, {name: boot[name] for name in override})
        self.redfish_client.reset(SYSTEM, "On")
        self.clock.turn(2.0)
        boot = self.redfish_client.get(SYSTEM).body["Boot"]
        self.assertEqual("None", boot["BootSourceOverrideTarget"])
        self.assertEqual("Disabled", boot["BootSourceOverrideEnabled"])
        assert self.machine.last_boot is not None
        self.assertEqual(BootDevice.PXE, self.machine.last_boot.device)
        self.assertEqual(BootMode.BIOS, self.machine.last_boot.mode)

    def test_a_frequency_alone_keeps_the_target_and_disabled_removes_it(self) -> None:
        """A request changes only the properties that it names, and Disabled clears the target."""
        self.redfish_client.patch(SYSTEM, {"Boot": {"BootSourceOverrideTarget": "Cd"}})
        self.assertEqual((BootDevice.CDROM, False), self.machine.boot_override)
        self.redfish_client.patch(SYSTEM, {"Boot": {"BootSourceOverrideEnabled": "Continuous"}})
        self.assertEqual((BootDevice.CDROM, True), self.machine.boot_override)
        self.redfish_client.patch(SYSTEM, {"Boot": {"BootSourceOverrideEnabled": "Disabled"}})
        self.assertEqual((None, False), self.machine.boot_override)

    def test_wrong_properties_are_refused_by_name_and_change_nothing(self) -> None:
        """A request with a wrong property is refused as a whole."""
        cases = [
            ({"Boot": {"BootSourceOverrideTarget": "Cd", "BootSourceOverrideMode": "Quick"}}, "PropertyValueNotInList"),
            ({"Boot": {"BootSourceOverrideTarget": "Tape"}}, "PropertyValueNotInList"),
            ({"Boot": {"BootNext": "x"}}, "PropertyUnknown"),
            ({"Boot": "Cd"}, "PropertyValueTypeError"),
            ({"PowerState": "On"}, "PropertyNotWritable"),
            ({"Colour": "red"}, "PropertyUnknown"),
            ({"IndicatorLED": "Red"}, "PropertyValueNotInList"),
        ]
        for body, message in cases:
            reply = self.redfish_client.patch(SYSTEM, body)
            self.assertEqual(400, reply.status, str(body))
            self.assertEqual(message, reply.message_id, str(body))
        self.assertEqual((None, False), self.machine.boot_override)

    def test_secure_boot_is_current_after_the_next_boot(self) -> None:
        """Secure boot is enabled at once, and current after the next boot."""
        path = f"{SYSTEM}/SecureBoot"
        self.assertEqual(204, self.redfish_client.patch(path, {"SecureBootEnable": True}).status)
        shown = self.redfish_client.get(path).body
        self.assertIs(True, shown["SecureBootEnable"])
        self.assertEqual("Disabled", shown["SecureBootCurrentBoot"])
        self.redfish_client.reset(SYSTEM, "On")
        self.clock.turn(2.0)
        self.assertEqual("Enabled", self.redfish_client.get(path).body["SecureBootCurrentBoot"])
        self.assertEqual(400, self.redfish_client.patch(path, {"SecureBootEnable": "yes"}).status)
        self.assertEqual(400, self.redfish_client.patch(path, {"SecureBootMode": "UserMode"}).status)

    def test_bios_attributes_are_pending_until_the_next_boot(self) -> None:
        """The settings resource shows the pending attributes."""
        settings = self.redfish_client.get(f"{SYSTEM}/Bios").body["@Redfish.Settings"]["SettingsObject"]["@odata.id"]
        wanted = {"LogicalProc": "Disabled", "BootRetryDelay": 60}
        self.assertEqual(204, self.redfish_client.patch(settings, {"Attributes": wanted}).status)
        self.assertEqual(wanted, self.redfish_client.get(settings).body["Attributes"])
        self.assertEqual("Enabled", self.redfish_client.get(f"{SYSTEM}/Bios").body["Attributes"]["LogicalProc"])
        self.redfish_client.reset(SYSTEM, "On")
        self.clock.turn(2.0)
        self.assertEqual(60, self.redfish_client.get(f"{SYSTEM}/Bios").body["Attributes"]["BootRetryDelay"])
        for wrong in ({"LogicalProc": "Maybe"}, {"Nonsense": 1}):
            self.assertEqual(400, self.redfish_client.patch(settings, {"Attributes": wrong}).status)
        self.assertEqual(204, self.redfish_client.post(f"{SYSTEM}/Bios/Actions/Bios.ResetBios").status)
        self.assertEqual("Enabled", self.redfish_client.get(settings).body["Attributes"]["LogicalProc"])

    def test_firmware_is_updated_by_a_target_of_the_inventory(self) -> None:
        """SimpleUpdate updates the targeted component, and its task can be monitored."""
        target = "/redfish/v1/UpdateService/FirmwareInventory/0-bios"
        action = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate"
        body = {"ImageURI": "http://i/bios-2.4.1.bin", "Targets": [target]}
        accepted = self.redfish_client.post(action, body)
        self.assertEqual(202, accepted.status)
        monitor = self.redfish_client.get(accepted.headers["Location"])
        self.assertEqual(200, monitor.status)
        self.assertEqual("Completed", monitor.body["TaskState"])
        self.assertEqual("2.4.1", self.redfish_client.get(target).body["Version"])
        self.assertEqual("2.4.1", self.redfish_client.get(SYSTEM).body["BiosVersion"])
        self.assertEqual(404, self.redfish_client.post(action, {**body, "Targets": [f"{target}x"]}).status)


class TestVirtualMedia(ResourceCase):
    """A BMC checks that an image exists before it inserts the image."""

    def setUp(self) -> None:
        super().setUp()
        self.images = self.useFixture(ImageServer()).url

    def insert(self, image: object) -> tuple[int, str]:
        reply = self.redfish_client.post(INSERT, {"Image": image})
        return reply.status, "" if reply.status == 204 else reply.message_id

    def test_an_image_is_inserted_booted_and_ejected(self) -> None:
        """The machine boots an inserted image if its boot device is the virtual CD."""
        image = f"{self.images}/images/boot.iso"
        self.assertEqual((204, ""), self.insert(image))
        shown = self.redfish_client.get(CD).body
        expected = {"Image": image, "ImageName": "boot.iso", "Inserted": True, "ConnectedVia": "URI"}
        self.assertEqual(expected, {name: shown[name] for name in expected})
        self.redfish_client.patch(SYSTEM, {"Boot": {"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Once"}})
        self.redfish_client.reset(SYSTEM, "On")
        self.clock.turn(2.0)
        assert self.machine.last_boot is not None and self.machine.power is Power.ON
        self.assertEqual(image, self.machine.last_boot.image)
        for _ in range(2):
            self.assertEqual(204, self.redfish_client.post(EJECT).status)
        self.assertFalse(self.redfish_client.get(CD).body["Inserted"])

    def test_an_unavailable_image_is_refused(self) -> None:
        """A missing, forbidden or unreachable image and an invalid URL each give an error, and nothing is inserted."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            unreachable = f"http://127.0.0.1:{closed.getsockname()[1]}/boot.iso"
            self.assertEqual((400, "CouldNotEstablishConnection"), self.insert(unreachable))
        self.assertEqual((400, "ResourceMissingAtURI"), self.insert(f"{self.images}/none.iso"))
        self.assertEqual((400, "ResourceAtUriUnauthorized"), self.insert(f"{self.images}/secret.iso"))
        for image in ("boot.iso", "nfs://host/boot.iso", "http://", "http://[::1", "http://h:99999/x"):
            self.assertEqual((400, "PropertyValueNotInList"), self.insert(image), image)
        self.assertEqual((400, "ActionParameterMissing"), self.insert(None))
        self.assertEqual((400, "PropertyValueTypeError"), self.insert(7))
        self.assertEqual({}, self.machine.media)

    def test_a_server_without_head_is_asked_with_get(self) -> None:
        """If the image's server does not support HEAD, the BMC sends GET."""
        self.assertEqual((204, ""), self.insert(f"{self.images}/get-only.iso"))

    def test_a_full_drive_refuses_a_second_image(self) -> None:
        """An image must be ejected before another one is inserted."""
        self.insert(f"{self.images}/boot.iso")
        self.assertEqual((409, "ResourceInUse"), self.insert(f"{self.images}/get-only.iso"))
        self.assertEqual([f"{self.images}/boot.iso"], list(self.machine.media.values()))

    def test_the_image_check_can_be_disabled(self) -> None:
        """Without the image check, a test can insert an image that does not exist."""
        redfish = self.service(1, options=BMCOptions(fetch_images=False))
        self.assertEqual(204, self.client(redfish).post(INSERT, {"Image": "http://nowhere.invalid/x.iso"}).status)
        self.assertEqual({VirtualMediaDevice.CDROM: "http://nowhere.invalid/x.iso"}, redfish.machine().media)


class TestEveryResource(ResourceCase):
    """Rules for all resources."""

    def walk(self) -> dict[str, object]:
        """Return the replies of all resources that are linked from the root, by path."""
        found: dict[str, object] = {}
        todo = ["/redfish/v1"]
        while todo:
            path = todo.pop()
            if path not in found:
                found[path] = self.redfish_client.get(path)
                todo.extend(_links(found[path].body))  # type: ignore[attr-defined]
        return found

    def test_every_link_leads_to_a_resource_with_a_tag(self) -> None:
        """Every linked resource exists, and has a type, a name and an entity tag."""
        found = self.walk()
        self.assertGreater(len(found), 25)
        for path, reply in found.items():
            self.assertEqual(200, reply.status, path)  # type: ignore[attr-defined]
            body, headers = reply.body, reply.headers  # type: ignore[attr-defined]
            self.assertEqual(path, body["@odata.id"])
            self.assertEqual(headers["ETag"], body["@odata.etag"])
            self.assertTrue(body["@odata.type"].startswith("#") and body["Name"], path)

    def test_the_inventory_is_that_of_the_machine(self) -> None:
        """Processors, memory, network interfaces and disks agree with the machine."""
        parts = self.machine.inventory
        found = {path: reply.body for path, reply in self.walk().items()}  # type: ignore[attr-defined]
        macs = {body["MACAddress"].lower() for path, body in found.items() if "/EthernetInterfaces/" in path}
        self.assertEqual({nic.mac for nic in parts.nics}, macs)
        self.assertEqual(parts.memory_mb, found[SYSTEM]["MemorySummary"]["TotalSystemMemoryGiB"] * 1024)
        self.assertEqual(parts.cpus, found[f"{SYSTEM}/Processors/CPU1"]["TotalThreads"])
        self.assertEqual(parts.local_gb * 1024**3, found[f"{SYSTEM}/SimpleStorage/1"]["Devices"][0]["CapacityBytes"])

    def test_entity_tags_prevent_lost_updates(self) -> None:
        """A change based on an old version is refused, and an unchanged resource is not sent again."""
        tag = self.redfish_client.get(SYSTEM).headers["ETag"]
        self.assertEqual(304, self.redfish_client.get(SYSTEM, If_None_Match=tag).status)
        change = {"IndicatorLED": "Lit"}
        self.assertEqual(204, self.redfish_client.patch(SYSTEM, change, If_Match=tag).status)
        reply = self.redfish_client.patch(SYSTEM, {"IndicatorLED": "Off"}, If_Match=tag)
        self.assertEqual(412, reply.status)
        self.assertEqual("PreconditionFailed", reply.message_id)
        self.assertEqual("Lit", self.redfish_client.get(SYSTEM).body["IndicatorLED"])

    def test_unknown_paths_methods_and_bodies_are_refused(self) -> None:
        """Unknown paths give 404, unsupported methods give 405 with the supported ones, and invalid bodies give 400."""
        below = ("Bios/9", "Storage/9", "Processors/9", "EthernetInterfaces/9")
        for path in ("/", "/redfish/v2", "/redfish/v1x", f"{SYSTEM}9", f"{CD}x", *(f"{SYSTEM}/{part}" for part in below)):
            reply = self.redfish_client.get(path)
            self.assertEqual(404, reply.status, path)
            self.assertEqual("ResourceMissingAtURI", reply.message_id, path)
        reply = self.redfish_client("DELETE", SYSTEM)
        self.assertEqual(405, reply.status)
        self.assertEqual("HEAD, GET, PATCH", reply.headers["Allow"])
        for body in (b"{", b"[1]", b"\xff"):
            self.assertEqual(400, self.redfish_client.patch(SYSTEM, body).status)

    def test_head_is_get_without_the_body(self) -> None:
        """HEAD has the headers of GET and no body."""
        reply = self.redfish_client("HEAD", SYSTEM)
        self.assertEqual(200, reply.status)
        self.assertIsNone(reply.body)
        self.assertIsNotNone(reply.headers["ETag"])


def _links(value: object) -> list[str]:
    if isinstance(value, dict):
        here = [value["@odata.id"]] if "@odata.id" in value and "#" not in value["@odata.id"] else []
        return here + [link for member in value.values() for link in _links(member)]
    return [link for member in value for link in _links(member)] if isinstance(value, list) else []
