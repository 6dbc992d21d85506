"""Vendor methods, sensors, lights, boot quirks and related resources."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_fake import Power
from baremetal_fake.redfish import RedfishService
from baremetal_interfaces import BootDevice, BootMode, IndicatorState, InvalidInput, NotFound, PowerState, VirtualMediaDevice
from baremetal_interfaces.cassettes import Cassette, Replay
from baremetal_interfaces.local import LocalTask
from baremetal_redfish.quirks import QUIRK_RULES, Quirk, find_quirks
from baremetal_redfish.related_resources import find_managers
from baremetal_redfish.vendor import RedfishVendor
from tests.fixtures.redfish_emulator import build_interfaces
from tests.plugins.redfish import quirk_cassettes
from tests.plugins.redfish.test_connector import ServiceTestCase


class TestVendor(ServiceTestCase):
    def vendor_task(self, service: RedfishService) -> LocalTask:
        found: dict[str, Any] = {**build_interfaces(5.0), "vendor": RedfishVendor()}
        return LocalTask(found, self.raw(service), timeout=30.0, poll_interval=0.02)

    def test_subscriptions_come_and_go(self) -> None:
        """A created subscription is listed, shown and deleted; its headers are never shown."""
        task = self.vendor_task(self.serve())
        given = {
            "Destination": "https://listener.example/events",
            "Context": "mine",
            "HttpHeaders": [{"Authorization": "secret"}],
        }
        made = task.call("vendor", "create_subscription", **given)
        self.assertEqual("https://listener.example/events", made["Destination"])
        self.assertEqual("mine", made["Context"])
        self.assertEqual(["Alert"], made["EventTypes"])
        self.assertNotIn("secret", str(made))
        listed = task.call("vendor", "get_all_subscriptions")
        self.assertEqual([made], listed["Members"])
        self.assertEqual(1, listed["Members@odata.count"])
        self.assertEqual(made, task.call("vendor", "get_subscription", id=made["Id"]))
        task.call("vendor", "delete_subscription", id=made["Id"])
        self.assertEqual([], task.call("vendor", "get_all_subscriptions")["Members"])
        self.assertRaises(NotFound, task.call, "vendor", "delete_subscription", id=made["Id"])

    def test_invalid_subscription(self) -> None:
        """The error for an invalid subscription names all wrong arguments, and nothing is sent."""
        service = self.serve()
        task = self.vendor_task(service)
        wrong = {"Destination": "ftp://x", "EventTypes": "Alert", "Context": 1, "HttpHeaders": ["x"]}
        refused = self.assertRaises(InvalidInput, task.call, "vendor", "create_subscription", **wrong)
        fields = [problem.field for problem in refused.problems]
        self.assertEqual(["Destination", "EventTypes", "Context", "HttpHeaders"], fields)
        self.assertRaises(InvalidInput, task.call, "vendor", "create_subscription", Destination="https://x", Bogus=1)
        self.assertEqual([], service.machine().commands("create_subscription"))

    def test_virtual_media_are_ejected(self) -> None:
        """Drives of one kind, or all, are emptied; an unknown kind is refused."""
        service = self.serve()
        task, machine = self.vendor_task(service), service.machine()
        for device in (VirtualMediaDevice.CDROM, VirtualMediaDevice.FLOPPY):
            machine.insert_media(device, "http://images.example/one.iso")
        task.call("vendor", "eject_vmedia", boot_device="cdrom")
        self.assertEqual([VirtualMediaDevice.FLOPPY], list(machine.media))
        task.call("vendor", "eject_vmedia")
        self.assertEqual({}, machine.media)
        self.assertRaises(InvalidInput, task.call, "vendor", "eject_vmedia", boot_device="tape")

    def test_methods_that_clients_know(self) -> None:
        """The names and HTTP methods are those that Metal3 calls."""
        methods = {name: sorted(passthru.http_methods) for name, passthru in RedfishVendor.passthrus.items()}
        self.assertEqual(["POST"], methods["create_subscription"])
        self.assertEqual(["DELETE"], methods["delete_subscription"])
        self.assertEqual(["POST"], methods["eject_vmedia"])
        self.assertEqual(["GET"], methods["get_all_subscriptions"])


class TestSensors(ServiceTestCase):
    def test_readings_of_the_chassis(self) -> None:
        """Sensors that are off have no reading; readings come with their thresholds."""
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


class TestLight(ServiceTestCase):
    def test_both_names_of_the_light(self) -> None:
        """IndicatorLED can blink; LocationIndicatorActive is on or off."""
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


class TestQuirks(ServiceTestCase):
    def test_mode_is_sent_to_a_service_that_resets_it(self) -> None:
        """The boot mode survives a change of the boot device at vendors that are known to reset it."""
        for manufacturer, expected in (("Supermicro", BootMode.UEFI), ("Baremetal", BootMode.BIOS)):
            service = self.serve(bmc={"forgets_boot_mode": True})
            machine = service.machine()
            machine.inventory = machine.inventory.__class__(**{**vars(machine.inventory), "manufacturer": manufacturer})
            self.task(service).call("management", "set_boot_device", BootDevice.PXE, False)
            self.assertEqual(BootDevice.PXE, machine.boot_override[0])
            self.assertEqual(expected, machine.boot_mode)


class TestTable(TestCase):
    def test_each_rule_has_a_public_source(self) -> None:
        """Every rule of the table names the public report of the behavior."""
        self.assertEqual([], [rule for rule in QUIRK_RULES if not rule.source_url.startswith("https://")])

    def test_recorded_cases(self) -> None:
        """A quirk's cassette gives the right result in the driver with the quirk, and a wrong one without it."""
        for rule in QUIRK_RULES:
            if rule.cassette is None:
                continue
            cassette = Cassette.load(quirk_cassettes.HOME / f"{rule.cassette}.json")
            case = quirk_cassettes.CASES[rule.quirk]
            with Replay(cassette) as replay:
                self.assertEqual(case.wanted, quirk_cassettes.run_case(case, replay.url, cassette.driver_info))
                self.assertEqual([], replay.missing)
            with Replay(cassette) as replay:
                found = quirk_cassettes.run_case(case, replay.url, cassette.driver_info, without=rule.quirk)
                self.assertNotEqual(case.wanted, found)
                self.assertEqual([], replay.missing)

    def test_each_cassette_has_a_quirk(self) -> None:
        """Every cassette belongs to a rule of the table."""
        named = {f"{rule.cassette}.json" for rule in QUIRK_RULES if rule.cassette is not None}
        self.assertEqual(named, {path.name for path in quirk_cassettes.HOME.iterdir()})

    def test_vendor_model_and_firmware_decide(self) -> None:
        """A quirk applies if all three patterns match in any case of letters; missing values match only ``*``."""
        mode = Quirk.BOOT_MODE_WITH_TARGET
        self.assertIn(mode, find_quirks({"Manufacturer": "Super Micro Computer, Inc. Supermicro"}))
        self.assertIn(mode, find_quirks({"Manufacturer": "SUPERMICRO", "Model": "X11"}))
        self.assertEqual(set(), find_quirks({"Manufacturer": "Dell Inc."}))
        narrow = (QUIRK_RULES[0]._replace(model="X11*", firmware="3.*"),)
        self.assertEqual(set(), find_quirks({"Manufacturer": "Supermicro", "Model": "X11DPi", "BiosVersion": "4.0"}, narrow))
        self.assertEqual(set(), find_quirks({}))


class _Documents:
    """Session at a service that consists of the given documents."""

    root = "/redfish/v1/"

    def __init__(self, documents: dict[str, Any]) -> None:
        self.transport = self
        self._documents = {"/redfish/v1/": {"Managers": {"@odata.id": "/m"}}, **documents}

    def read_document(self, path: str, *, large: bool = False) -> Any:
        return self._documents[path]


class TestRelatedResources(TestCase):
    def managers(self, system: dict[str, Any], **servers: list[str]) -> list[str]:
        """Return the managers of *system* at a service whose managers link to the given systems."""
        found = {
            f"/m/{name}": {"Id": name, "Links": {"ManagerForServers": [{"@odata.id": path} for path in paths]}}
            for name, paths in servers.items()
        }
        service: Any = _Documents({"/m": {"Members": [{"@odata.id": path} for path in found]}, **found})
        return [manager["Id"] for manager in find_managers(service, system)]

    def test_manager_is_found_by_either_link(self) -> None:
        """The system's link has precedence over the manager's; a manager of another system is never used."""
        path = {"@odata.id": "/s/1"}
        linked = {**path, "Links": {"ManagedBy": [{"@odata.id": "/m/b"}]}}
        self.assertEqual(["b"], self.managers(linked, a=["/s/1"], b=[]))
        self.assertEqual(["a"], self.managers(path, a=["/s/1/"], b=["/s/2"]))
        self.assertEqual([], self.managers(path, a=["/s/2"]))
        self.assertEqual([], self.managers(path, a=[], b=[]))
        self.assertEqual(["a"], self.managers(path, a=[]))
