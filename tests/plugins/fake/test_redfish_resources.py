"""The resources of a Redfish service, over plain HTTP: what they show, what they take and how they refuse."""

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
    """One machine that takes 2 s to change its power."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock()
        self.redfish = self.service(1, rack=Rack("redfish", clock=self.clock, timings=Timings(2.0, 2.0, 2.0)))
        self.redfish_client = self.client(self.redfish)
        self.machine = self.redfish.machine()


class TestPower(ResourceCase):
    """Reset commands."""

    def state(self) -> str:
        return str(self.redfish_client.get(SYSTEM).body["PowerState"])

    def test_every_reset_type_that_is_offered_is_taken(self) -> None:
        """What is in the list of allowable values works, and ends where it should."""
        expected = {"GracefulShutdown": "Off", "ForceOff": "Off"}
        action = self.redfish_client.get(SYSTEM).body["Actions"]["#ComputerSystem.Reset"]
        for kind in action["ResetType@Redfish.AllowableValues"]:
            self.redfish_client.reset(SYSTEM, "On")
            self.clock.turn(10.0)
            self.assertEqual(204, self.redfish_client.post(action["target"], {"ResetType": kind}).status, kind)
            self.clock.turn(10.0)
            self.assertEqual("Off" if kind == "PushPowerButton" else expected.get(kind, "On"), self.state(), kind)
        self.assertEqual(1, self.machine.nmi_count)

    def test_a_change_shows_while_it_takes_place(self) -> None:
        """The state goes by PoweringOn and PoweringOff."""
        self.redfish_client.reset(SYSTEM, "On")
        self.assertEqual("PoweringOn", self.state())
        self.clock.turn(2.0)
        self.assertEqual("On", self.state())
        self.redfish_client.reset(SYSTEM, "ForceOff")
        self.assertEqual("PoweringOff", self.state())
        self.clock.turn(2.0)
        self.assertEqual("Off", self.state())

    def test_wrong_commands_say_what_is_wrong(self) -> None:
        """An unknown type, no type, another parameter."""
        target = f"{SYSTEM}/Actions/ComputerSystem.Reset"
        cases = [
            ({"ResetType": "Explode"}, "PropertyValueNotInList"),
            ({"ResetType": 1}, "PropertyValueNotInList"),
            ({}, "ActionParameterMissing"),
            ({"ResetType": "On", "When": "now"}, "ActionParameterUnknown"),
        ]
        for body, message in cases:
            reply = self.redfish_client.post(target, body)
            self.assertEqual((400, message), (reply.status, reply.message_id), str(body))
        self.assertIs(Power.OFF, self.machine.power)

    def test_a_strict_bmc_refuses_what_has_nothing_to_do(self) -> None:
        """Some BMCs answer with a conflict where the machine is already there."""
        strict = self.client(self.service(1, options=BMCOptions(strict_power=True)))
        reply = strict.reset(SYSTEM, "ForceOff")
        self.assertEqual((409, "ActionNotSupported"), (reply.status, reply.message_id))
        self.assertEqual(204, strict.reset(SYSTEM, "On").status)
        self.assertEqual(409, strict.reset(SYSTEM, "On").status)


class TestBoot(ResourceCase):
    """Boot device, boot mode, secure boot, BIOS."""

    def test_a_target_for_once_is_used_up(self) -> None:
        """After the boot the override is disabled."""
        override = {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "Legacy"}
        self.assertEqual(204, self.redfish_client.patch(SYSTEM, {"Boot": override}).status)
        boot = self.redfish_client.get(SYSTEM).body["Boot"]
        self.assertEqual(override, {name: boot[name] for name in override})
        self.redfish_client.reset(SYSTEM, "On")
        self.clock.turn(2.0)
        boot = self.redfish_client.get(SYSTEM).body["Boot"]
        self.assertEqual(("None", "Disabled"), (boot["BootSourceOverrideTarget"], boot["BootSourceOverrideEnabled"]))
        assert self.machine.last_boot is not None
        self.assertEqual((BootDevice.PXE, BootMode.BIOS), (self.machine.last_boot.device, self.machine.last_boot.mode))

    def test_a_frequency_alone_keeps_the_target_and_disabled_removes_it(self) -> None:
        """Properties that are not named stay as they are."""
        self.redfish_client.patch(SYSTEM, {"Boot": {"BootSourceOverrideTarget": "Cd"}})
        self.assertEqual((BootDevice.CDROM, False), self.machine.boot_override)
        self.redfish_client.patch(SYSTEM, {"Boot": {"BootSourceOverrideEnabled": "Continuous"}})
        self.assertEqual((BootDevice.CDROM, True), self.machine.boot_override)
        self.redfish_client.patch(SYSTEM, {"Boot": {"BootSourceOverrideEnabled": "Disabled"}})
        self.assertEqual((None, False), self.machine.boot_override)

    def test_wrong_properties_are_refused_by_name_and_change_nothing(self) -> None:
        """A request is carried out as a whole or not at all."""
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
            self.assertEqual((400, message), (reply.status, reply.message_id), str(body))
        self.assertEqual((None, False), self.machine.boot_override)

    def test_secure_boot_is_current_after_the_next_boot(self) -> None:
        """What is enabled and what the machine runs with are two properties."""
        path = f"{SYSTEM}/SecureBoot"
        self.assertEqual(204, self.redfish_client.patch(path, {"SecureBootEnable": True}).status)
        shown = self.redfish_client.get(path).body
        self.assertEqual((True, "Disabled"), (shown["SecureBootEnable"], shown["SecureBootCurrentBoot"]))
        self.redfish_client.reset(SYSTEM, "On")
        self.clock.turn(2.0)
        self.assertEqual("Enabled", self.redfish_client.get(path).body["SecureBootCurrentBoot"])
        self.assertEqual(400, self.redfish_client.patch(path, {"SecureBootEnable": "yes"}).status)
        self.assertEqual(400, self.redfish_client.patch(path, {"SecureBootMode": "UserMode"}).status)

    def test_bios_attributes_wait_for_the_next_boot(self) -> None:
        """The settings resource shows what is pending."""
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

    def test_firmware_is_updated_by_its_inventory(self) -> None:
        """A simple update flashes the component that it targets."""
        target = "/redfish/v1/UpdateService/FirmwareInventory/0-bios"
        action = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate"
        body = {"ImageURI": "http://i/bios-2.4.1.bin", "Targets": [target]}
        accepted = self.redfish_client.post(action, body)
        self.assertEqual(202, accepted.status)
        monitor = self.redfish_client.get(accepted.headers["Location"])
        self.assertEqual((200, "Completed"), (monitor.status, monitor.body["TaskState"]))
        self.assertEqual("2.4.1", self.redfish_client.get(target).body["Version"])
        self.assertEqual("2.4.1", self.redfish_client.get(SYSTEM).body["BiosVersion"])
        self.assertEqual(404, self.redfish_client.post(action, {**body, "Targets": [f"{target}x"]}).status)


class TestVirtualMedia(ResourceCase):
    """A BMC looks whether the image is there before it inserts it."""

    def setUp(self) -> None:
        super().setUp()
        self.images = self.useFixture(ImageServer()).url

    def insert(self, image: object) -> tuple[int, str]:
        reply = self.redfish_client.post(INSERT, {"Image": image})
        return reply.status, "" if reply.status == 204 else reply.message_id

    def test_an_image_is_inserted_booted_and_ejected(self) -> None:
        """The machine boots the virtual CD when it is told to."""
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

    def test_an_image_that_cannot_be_had_is_an_error(self) -> None:
        """Missing, forbidden, unreachable, or no URL at all: each is said, and nothing is inserted."""
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
        """Not every server of images answers HEAD."""
        self.assertEqual((204, ""), self.insert(f"{self.images}/get-only.iso"))

    def test_a_full_drive_takes_no_second_image(self) -> None:
        """What is inserted has to be ejected first."""
        self.insert(f"{self.images}/boot.iso")
        self.assertEqual((409, "ResourceInUse"), self.insert(f"{self.images}/get-only.iso"))
        self.assertEqual([f"{self.images}/boot.iso"], list(self.machine.media.values()))

    def test_the_look_at_the_image_can_be_left_out(self) -> None:
        """A test without a server of images inserts a name."""
        redfish = self.service(1, options=BMCOptions(fetch_images=False))
        self.assertEqual(204, self.client(redfish).post(INSERT, {"Image": "http://nowhere.invalid/x.iso"}).status)
        self.assertEqual({VirtualMediaDevice.CDROM: "http://nowhere.invalid/x.iso"}, redfish.machine().media)


class TestEveryResource(ResourceCase):
    """What holds for all of them."""

    def walk(self) -> dict[str, object]:
        """All resources that can be reached from the root, by their paths."""
        found: dict[str, object] = {}
        todo = ["/redfish/v1"]
        while todo:
            path = todo.pop()
            if path not in found:
                found[path] = self.redfish_client.get(path)
                todo.extend(_links(found[path].body))  # type: ignore[attr-defined]
        return found

    def test_every_link_leads_to_a_resource_with_a_tag(self) -> None:
        """Nothing is linked that is not there; each resource has a type, a name and an entity tag."""
        found = self.walk()
        self.assertGreater(len(found), 25)
        for path, reply in found.items():
            self.assertEqual(200, reply.status, path)  # type: ignore[attr-defined]
            body, headers = reply.body, reply.headers  # type: ignore[attr-defined]
            self.assertEqual((path, headers["ETag"]), (body["@odata.id"], body["@odata.etag"]))
            self.assertTrue(body["@odata.type"].startswith("#") and body["Name"], path)

    def test_the_inventory_is_that_of_the_machine(self) -> None:
        """Processors, memory, network interfaces and disks agree with it."""
        parts = self.machine.inventory
        found = {path: reply.body for path, reply in self.walk().items()}  # type: ignore[attr-defined]
        macs = {body["MACAddress"].lower() for path, body in found.items() if "/EthernetInterfaces/" in path}
        self.assertEqual({nic.mac for nic in parts.nics}, macs)
        self.assertEqual(parts.memory_mb, found[SYSTEM]["MemorySummary"]["TotalSystemMemoryGiB"] * 1024)
        self.assertEqual(parts.cpus, found[f"{SYSTEM}/Processors/CPU1"]["TotalThreads"])
        self.assertEqual(parts.local_gb * 1024**3, found[f"{SYSTEM}/SimpleStorage/1"]["Devices"][0]["CapacityBytes"])

    def test_tags_guard_against_what_was_changed_in_between(self) -> None:
        """A change on the base of an old version is refused, and an unchanged resource is not sent again."""
        tag = self.redfish_client.get(SYSTEM).headers["ETag"]
        self.assertEqual(304, self.redfish_client.get(SYSTEM, If_None_Match=tag).status)
        change = {"IndicatorLED": "Lit"}
        self.assertEqual(204, self.redfish_client.patch(SYSTEM, change, If_Match=tag).status)
        reply = self.redfish_client.patch(SYSTEM, {"IndicatorLED": "Off"}, If_Match=tag)
        self.assertEqual((412, "PreconditionFailed"), (reply.status, reply.message_id))
        self.assertEqual("Lit", self.redfish_client.get(SYSTEM).body["IndicatorLED"])

    def test_unknown_paths_methods_and_bodies_are_refused(self) -> None:
        """404, 405 with the methods that are taken, 400."""
        below = ("Bios/9", "Storage/9", "Processors/9", "EthernetInterfaces/9")
        for path in ("/", "/redfish/v2", "/redfish/v1x", f"{SYSTEM}9", f"{CD}x", *(f"{SYSTEM}/{one}" for one in below)):
            reply = self.redfish_client.get(path)
            self.assertEqual((404, "ResourceMissingAtURI"), (reply.status, reply.message_id), path)
        reply = self.redfish_client("DELETE", SYSTEM)
        self.assertEqual((405, "HEAD, GET, PATCH"), (reply.status, reply.headers["Allow"]))
        for body in (b"{", b"[1]", b"\xff"):
            self.assertEqual(400, self.redfish_client.patch(SYSTEM, body).status)

    def test_head_is_get_without_the_body(self) -> None:
        """The headers are those of GET."""
        reply = self.redfish_client("HEAD", SYSTEM)
        self.assertEqual((200, None), (reply.status, reply.body))
        self.assertIsNotNone(reply.headers["ETag"])


def _links(value: object) -> list[str]:
    if isinstance(value, dict):
        here = [value["@odata.id"]] if "@odata.id" in value and "#" not in value["@odata.id"] else []
        return here + [link for one in value.values() for link in _links(one)]
    return [link for one in value for link in _links(one)] if isinstance(value, list) else []
