"""What clients ask for by a vendor method, sensors, and the quirks of the boot override."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_fake import Power
from baremetal_fake.redfish import RedfishService
from baremetal_interfaces import BootDevice, BootMode, IndicatorState, InvalidInput, NotFound, PowerState, VirtualMediaDevice
from baremetal_interfaces.cassettes import Cassette, Replay
from baremetal_interfaces.local import LocalTask
from baremetal_redfish.boot_quirks import BOOT_QUIRKS, BootFlag, find_boot_flags
from baremetal_redfish.related_resources import find_managers
from baremetal_redfish.vendor import RedfishVendor
from tests.redfish import quirk_cassettes
from tests.redfish.emulated import interfaces
from tests.redfish.test_connector import Served


class TestVendor(Served):
    def vendor_task(self, service: RedfishService) -> LocalTask:
        found: dict[str, Any] = {**interfaces(5.0), "vendor": RedfishVendor()}
        return LocalTask(found, self.raw(service), timeout=30.0, poll_interval=0.02)

    def test_subscriptions_come_and_go(self) -> None:
        """One that was made is listed, shown and removed; its headers are never shown."""
        task = self.vendor_task(self.serve())
        given = {
            "Destination": "https://listener.example/events",
            "Context": "mine",
            "HttpHeaders": [{"Authorization": "secret"}],
        }
        made = task.call("vendor", "create_subscription", **given)
        self.assertEqual(
            ("https://listener.example/events", "mine", ["Alert"]), (made["Destination"], made["Context"], made["EventTypes"])
        )
        self.assertNotIn("secret", str(made))
        listed = task.call("vendor", "get_all_subscriptions")
        self.assertEqual(([made], 1), (listed["Members"], listed["Members@odata.count"]))
        self.assertEqual(made, task.call("vendor", "get_subscription", id=made["Id"]))
        task.call("vendor", "delete_subscription", id=made["Id"])
        self.assertEqual([], task.call("vendor", "get_all_subscriptions")["Members"])
        self.assertRaises(NotFound, task.call, "vendor", "delete_subscription", id=made["Id"])

    def test_what_is_wrong_with_a_subscription_is_said_at_once(self) -> None:
        """Each argument by its name; nothing is sent."""
        service = self.serve()
        task = self.vendor_task(service)
        wrong = {"Destination": "ftp://x", "EventTypes": "Alert", "Context": 1, "HttpHeaders": ["x"]}
        refused = self.assertRaises(InvalidInput, task.call, "vendor", "create_subscription", **wrong)
        self.assertEqual(["Destination", "EventTypes", "Context", "HttpHeaders"], [one.field for one in refused.problems])
        self.assertRaises(InvalidInput, task.call, "vendor", "create_subscription", Destination="https://x", Bogus=1)
        self.assertEqual([], service.machine().commands("create_subscription"))

    def test_drives_are_emptied(self) -> None:
        """Those of one kind, or all; a kind that is not known is refused."""
        service = self.serve()
        task, machine = self.vendor_task(service), service.machine()
        for device in (VirtualMediaDevice.CDROM, VirtualMediaDevice.FLOPPY):
            machine.insert_media(device, "http://images.example/one.iso")
        task.call("vendor", "eject_vmedia", boot_device="cdrom")
        self.assertEqual([VirtualMediaDevice.FLOPPY], list(machine.media))
        task.call("vendor", "eject_vmedia")
        self.assertEqual({}, machine.media)
        self.assertRaises(InvalidInput, task.call, "vendor", "eject_vmedia", boot_device="tape")

    def test_the_methods_that_clients_know(self) -> None:
        """Their names and HTTP methods are those that Metal3 calls."""
        methods = {name: sorted(one.http_methods) for name, one in RedfishVendor.passthrus.items()}
        self.assertEqual(["POST"], methods["create_subscription"])
        self.assertEqual(["DELETE"], methods["delete_subscription"])
        self.assertEqual(["POST"], methods["eject_vmedia"])
        self.assertEqual(["GET"], methods["get_all_subscriptions"])


class TestSensors(Served):
    def test_readings_of_the_chassis(self) -> None:
        """What is off has no reading; what has one is told with its limits."""
        service = self.serve()
        task = self.task(service)
        found = task.call("management", "get_sensors_data")
        self.assertEqual({"Temperature", "Fan", "Power"}, set(found))
        self.assertEqual(
            (24, 47), tuple(found["Temperature"]["Inlet Temp"][name] for name in ("reading_celsius", "upper_threshold_critical"))
        )
        self.assertNotIn("reading", found["Fan"]["Fan 1"])
        service.machine().command_power(PowerState.ON)
        self.assertEqual(Power.ON, service.machine().power)
        self.assertEqual(8400, task.call("management", "get_sensors_data")["Fan"]["Fan 1"]["reading"])


class TestLight(Served):
    def test_the_light_under_either_name(self) -> None:
        """Older services have one that blinks, newer ones one that is on or off."""
        for newer, states in ((False, ["BLINKING", "OFF", "ON"]), (True, ["OFF", "ON"])):
            service = self.serve(bmc={"location_light": newer})
            task = self.task(service)
            self.assertEqual(states, task.call("management", "get_supported_indicators")["system"]["led"]["states"])
            for state in map(IndicatorState, states):
                task.call("management", "set_indicator_state", "system", "led", state)
                self.assertEqual(state, service.machine().indicator)
                self.assertEqual(state, task.call("management", "get_indicator_state", "system", "led"))
        refused = self.assertRaises(
            InvalidInput, task.call, "management", "set_indicator_state", "system", "led", IndicatorState.BLINKING
        )
        self.assertIn("OFF, ON", str(refused))


class TestQuirks(Served):
    def test_a_service_that_forgets_the_mode_is_told_it_each_time(self) -> None:
        """Setting the device leaves the mode as it was, because the vendor is known for it."""
        for manufacturer, expected in (("Supermicro", BootMode.UEFI), ("Baremetal", BootMode.BIOS)):
            service = self.serve(bmc={"forgets_boot_mode": True})
            machine = service.machine()
            machine.inventory = machine.inventory.__class__(**{**vars(machine.inventory), "manufacturer": manufacturer})
            self.task(service).call("management", "set_boot_device", BootDevice.PXE, False)
            self.assertEqual((BootDevice.PXE, expected), (machine.boot_override[0], machine.boot_mode))


class TestTable(TestCase):
    def test_each_quirk_is_tied_to_a_recorded_case(self) -> None:
        """Its cassette comes out right with the quirk, and wrong in a driver that does not have it."""
        for quirk in BOOT_QUIRKS:
            self.assertTrue(quirk.reference_url.startswith("https://"), quirk)
            cassette = Cassette.load(quirk_cassettes.HOME / f"{quirk.cassette}.json")
            case = quirk_cassettes.CASES[quirk.flag]
            with Replay(cassette) as replay:
                self.assertEqual(case.wanted, quirk_cassettes.outcome(case, replay.url, cassette.driver_info))
                self.assertEqual([], replay.missing)
            with Replay(cassette) as replay, quirk_cassettes.without(quirk):
                self.assertNotEqual(case.wanted, quirk_cassettes.outcome(case, replay.url, cassette.driver_info))
                self.assertEqual([], replay.missing)

    def test_no_cassette_is_left_over(self) -> None:
        """A case that no quirk names is one of a quirk that has gone."""
        named = {f"{quirk.cassette}.json" for quirk in BOOT_QUIRKS}
        self.assertEqual(named, {path.name for path in quirk_cassettes.HOME.iterdir()})

    def test_vendor_model_and_firmware_decide(self) -> None:
        """All three patterns have to fit, in any case; what a service leaves out fits only what asks for nothing."""
        self.assertEqual({BootFlag.MODE_WITH_TARGET}, find_boot_flags({"Manufacturer": "Super Micro Computer, Inc. Supermicro"}))
        self.assertEqual({BootFlag.MODE_WITH_TARGET}, find_boot_flags({"Manufacturer": "SUPERMICRO", "Model": "X11"}))
        self.assertEqual(set(), find_boot_flags({"Manufacturer": "Dell Inc."}))
        narrow = (BOOT_QUIRKS[0]._replace(model="X11*", firmware="3.*"),)
        self.assertEqual(set(), find_boot_flags({"Manufacturer": "Supermicro", "Model": "X11DPi", "BiosVersion": "4.0"}, narrow))
        self.assertEqual(set(), find_boot_flags({}))


class _Documents:
    """A session at a service that has nothing but these documents."""

    root = "/redfish/v1/"

    def __init__(self, documents: dict[str, Any]) -> None:
        self.transport = self
        self._documents = {"/redfish/v1/": {"Managers": {"@odata.id": "/m"}}, **documents}

    def read_document(self, path: str) -> Any:
        return self._documents[path]


class TestNeighbours(TestCase):
    def managers(self, system: dict[str, Any], **servers: list[str]) -> list[str]:
        """The managers found for *system* where each of *servers* links to those systems."""
        found = {
            f"/m/{name}": {"Id": name, "Links": {"ManagerForServers": [{"@odata.id": path} for path in paths]}}
            for name, paths in servers.items()
        }
        service: Any = _Documents({"/m": {"Members": [{"@odata.id": path} for path in found]}, **found})
        return [one["Id"] for one in find_managers(service, system)]

    def test_a_manager_of_several_is_found_by_either_link(self) -> None:
        """The system's link counts first, then the manager's; what is somebody else's is never taken."""
        path = {"@odata.id": "/s/1"}
        linked = {**path, "Links": {"ManagedBy": [{"@odata.id": "/m/b"}]}}
        self.assertEqual(["b"], self.managers(linked, a=["/s/1"], b=[]))
        self.assertEqual(["a"], self.managers(path, a=["/s/1/"], b=["/s/2"]))
        self.assertEqual([], self.managers(path, a=["/s/2"]))
        self.assertEqual([], self.managers(path, a=[], b=[]))
        self.assertEqual(["a"], self.managers(path, a=[]))
