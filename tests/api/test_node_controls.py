"""Console, indicators, interrupts, virtual media, VIFs and vendors' methods, down to the machine."""

from __future__ import annotations

from baremetal_interfaces import IndicatorState, VirtualMediaDevice
from tests.api.machines import N1, MachineAPITestCase

LIGHT = "management/indicators/led@system"


class TestConsole(MachineAPITestCase):
    def test_a_console_is_started_shown_and_stopped(self) -> None:
        """Starting and stopping are accepted, happen in the background, and are seen on the node."""
        self.assertEqual({"console_enabled": False, "console_info": None}, self.ask("GET", "states/console"))
        answer = self.request("PUT", f"{N1}/states/console", {"enabled": True})
        self.assertEqual((202, "http://localhost/v1/nodes/m1/states/console"), (answer.status, answer.headers["Location"]))
        self.assertTrue(self.record().console_enabled)
        shown = {"console_enabled": True, "console_info": {"type": "fake", "url": "fake://m1/console"}}
        self.assertEqual(shown, self.ask("GET", "states/console"))
        self.assertEqual(shown, self.get(f"/v1/nodes/states/console/{self.uuid}", version="1.1"))
        self.ask("PUT", "states/console", {"enabled": False}, status=202)
        self.assertEqual((False, False), (self.record().console_enabled, self.machine().console_enabled))

    def test_what_is_so_already_needs_no_work(self) -> None:
        """Starting a console twice sends one command."""
        for _ in range(2):
            self.ask("PUT", "states/console", {"enabled": True}, status=202)
            self.record()
        self.assertEqual(1, len(self.machine().commands("set_console")))

    def test_a_console_that_does_not_start_says_so_on_the_node(self) -> None:
        """The error is in last_error, and the console is not called started."""
        self.change(driver_info={**self.record().driver_info, "fake_faults": {"set_console": {"effect": "refuse"}}})
        self.ask("PUT", "states/console", {"enabled": True}, status=202)
        record = self.record()
        self.assertFalse(record.console_enabled)
        self.assertIn("starting the console failed", record.last_error or "")

    def test_a_node_without_a_console_says_what_to_set(self) -> None:
        """The refusal names the interface and the remedy."""
        self.change(console_interface="no-console")
        self.assert_refused(self.refused("GET", "states/console"), 400, "no-console", "set console_interface")
        self.assert_refused(self.refused("PUT", "states/console", {"enabled": True}), 400, "set console_interface")
        self.assert_refused(self.refused("PUT", "states/console", {}), 400, "enabled")


class TestIndicators(MachineAPITestCase):
    def test_lights_are_listed_read_and_set(self) -> None:
        """A light is named by itself and its component, and is what it was set to."""
        (light,) = self.ask("GET", "management/indicators", version="1.63")["indicators"]
        self.assertEqual(("led@system", "system", False), (light["name"], light["component"], light["readonly"]))
        self.assertIn("BLINKING", light["states"])
        self.assertEqual("self", light["links"][0]["rel"])
        self.ask("PUT", LIGHT, {"state": "BLINKING"}, status=204)
        self.assertEqual({"state": "BLINKING"}, self.ask("GET", LIGHT))
        self.assertEqual(IndicatorState.BLINKING, self.machine().indicator)

    def test_wrong_names_and_states_are_refused_with_the_right_ones(self) -> None:
        """A light that there is not is 404; a name or a state that cannot be is 400."""
        self.assert_refused(self.refused("GET", "management/indicators/x@system"), 404, "led@system")
        self.assert_refused(self.refused("GET", "management/indicators/led"), 400, "indicator@component")
        self.assert_refused(self.refused("PUT", LIGHT, {"state": "RED"}), 400, "BLINKING")

    def test_lights_are_there_in_every_version(self) -> None:
        """Clients ask for them with the lowest one, and write states in capitals or not."""
        self.ask("PUT", LIGHT, {"state": "on"}, status=204, version="1.1")
        self.assertEqual({"state": "ON"}, self.ask("GET", LIGHT, version="1.1"))

    def test_a_management_interface_without_lights_says_what_to_set(self) -> None:
        """The refusal names the interface and the remedy."""
        self.change(management_interface="noop")
        self.assert_refused(self.refused("GET", "management/indicators"), 400, "'noop'", "set management_interface")


class TestInterrupts(MachineAPITestCase):
    def test_an_interrupt_reaches_the_machine(self) -> None:
        """It is sent before the answer."""
        self.ask("PUT", "management/inject_nmi", {}, status=204, version="1.29")
        self.assertEqual(1, len(self.machine().commands("inject_nmi")))

    def test_it_came_with_1_29_and_needs_an_interface_that_sends_it(self) -> None:
        """404 before; 400 with the remedy where it is not offered."""
        self.assert_refused(self.refused("PUT", "management/inject_nmi", {}, version="1.28"), 404, "1.29")
        self.change(management_interface="noop")
        self.assert_refused(self.refused("PUT", "management/inject_nmi"), 400, "'noop'", "set management_interface")


class TestVirtualMedia(MachineAPITestCase):
    def test_images_are_attached_listed_and_detached(self) -> None:
        """What was attached is in the machine, and what was detached is not."""
        iso = "http://images.example/a.iso"
        self.ask("POST", "vmedia", {"device_type": "cdrom", "image_url": iso}, status=204, version="1.89")
        self.record()
        self.assertEqual({VirtualMediaDevice.CDROM: iso}, dict(self.machine().media))
        shown = [device for device in self.ask("GET", "vmedia", version="1.93") if device["inserted"]]
        self.assertEqual([{"media_types": ["cdrom"], "inserted": True, "image": iso}], shown)
        self.ask("DELETE", "vmedia?device_types=disk,floppy", status=204)
        self.record()
        self.assertEqual({VirtualMediaDevice.CDROM: iso}, dict(self.machine().media))
        self.ask("DELETE", "vmedia", status=204)
        self.record()
        self.assertEqual({}, dict(self.machine().media))

    def test_versions_and_methods(self) -> None:
        """Attaching came with 1.89 and listing with 1.93; PUT is not a method of it."""
        body = {"device_type": "cdrom", "image_url": "http://images.example/a.iso"}
        self.assert_refused(self.refused("POST", "vmedia", body, version="1.88"), 404, "1.89")
        self.assert_refused(self.refused("DELETE", "vmedia", version="1.88"), 404, "1.89")
        self.assert_refused(self.refused("GET", "vmedia", version="1.92"), 404, "1.93")
        self.assert_refused(self.refused("PUT", "vmedia", body, version="1.89"), 405, "POST")

    def test_what_cannot_be_attached_is_refused(self) -> None:
        """The refusal names the field, and does not repeat a URL, which may hold a password."""
        url = "http://images.example/a.iso"
        for body, words in (
            ({"device_type": "usb", "image_url": url}, ("device_type", "cdrom")),
            ({"device_type": "cdrom"}, ("image_url",)),
            ({"device_type": "cdrom", "image_url": "ftp://u:tiger@x/a.iso"}, ("image_url", "https")),
            ({"device_type": "cdrom", "image_url": url, "bogus": 1}, ("bogus",)),
        ):
            answer = self.refused("POST", "vmedia", body)
            self.assert_refused(answer, 400, *words)
            self.assertNotIn(b"tiger", answer.raw)
        self.assert_refused(self.refused("DELETE", "vmedia?device_types=usb"), 400, "device_types", "cdrom")

    def test_what_the_bmc_refuses_is_said_on_the_node(self) -> None:
        """Attaching goes on in the background: its error is in last_error."""
        self.change(driver_info={**self.record().driver_info, "fake_faults": {"insert_media": {"effect": "refuse"}}})
        self.ask("POST", "vmedia", {"device_type": "cdrom", "image_url": "http://x/a.iso"}, status=204)
        self.assertIn("attaching virtual media as cdrom failed", self.record().last_error or "")

    def test_a_management_interface_without_media_says_what_to_set(self) -> None:
        """The refusal names the interface and the remedy."""
        self.change(management_interface="noop")
        for method, body in (("GET", None), ("DELETE", None), ("POST", {"device_type": "cdrom", "image_url": "http://x/a.iso"})):
            self.assert_refused(self.refused(method, "vmedia", body), 400, "'noop'", "set management_interface")


class TestVIFs(MachineAPITestCase):
    VIF = "11111111-1111-4111-8111-111111111111"

    def test_vifs_are_taken_and_given_back(self) -> None:
        """The noop network takes every VIF, keeps none, and lets go of every one."""
        self.ask("POST", "vifs", {"id": self.VIF}, status=204, version="1.28")
        self.assertEqual({"vifs": []}, self.ask("GET", "vifs", version="1.28"))
        self.ask("DELETE", f"vifs/{self.VIF}", status=204, version="1.28")

    def test_they_came_with_1_28(self) -> None:
        """Before that there is no such path."""
        for method, path, body in (
            ("GET", "vifs", None),
            ("POST", "vifs", {"id": self.VIF}),
            ("DELETE", f"vifs/{self.VIF}", None),
        ):
            self.assert_refused(self.refused(method, path, body, version="1.27"), 404, "1.28")

    def test_a_vif_has_an_id_and_one_place(self) -> None:
        """Without an id, or for a port and a port group at once, it is refused."""
        self.assert_refused(self.refused("POST", "vifs", {}), 400, "id")
        self.assert_refused(self.refused("POST", "vifs", {"id": "not an id"}), 400, "id")
        both = {"id": self.VIF, "port_uuid": self.VIF, "portgroup_uuid": self.VIF}
        self.assert_refused(self.refused("POST", "vifs", both), 400, "portgroup_uuid")


class TestVendorPassthru(MachineAPITestCase):
    def test_what_is_declared_is_listed(self) -> None:
        """Clients learn how each method is called and whether they wait for it."""
        methods = self.ask("GET", "vendor_passthru/methods", version="1.1")
        self.assertEqual({"machine", "faults", "touch"}, set(methods))
        self.assertEqual((["POST"], True, False), tuple(methods["touch"][key] for key in ("http_methods", "async", "attach")))
        self.assertEqual((["GET"], False), tuple(methods["machine"][key] for key in ("http_methods", "async")))
        self.assertEqual((False, True), tuple(methods[name]["require_exclusive_lock"] for name in ("machine", "touch")))

    def test_a_method_is_called_by_its_name_in_the_query_or_in_the_path(self) -> None:
        """A result comes with 200, none with 204, and work in the background with 202."""
        for path in ("vendor_passthru?method=machine", "vendor_passthru/machine"):
            self.assertEqual("m1", self.ask("GET", path)["name"])
        self.ask("PUT", "vendor_passthru?method=faults", {"faults": []}, status=204)
        self.ask("POST", "vendor_passthru?method=touch", {"key": "value"}, status=202)
        self.record()
        self.assertEqual({"key": "value"}, self.machine().commands("touch")[0].arguments["arguments"])

    def test_what_is_not_declared_is_refused(self) -> None:
        """Unknown methods, HTTP methods and arguments are 400, and the answer says what there is."""
        self.assert_refused(self.refused("GET", "vendor_passthru?method=fly"), 400, "fly", "machine")
        self.assert_refused(self.refused("POST", "vendor_passthru?method=machine"), 400, "GET")
        self.assert_refused(self.refused("GET", "vendor_passthru"), 400, "method")
        self.assert_refused(self.refused("PUT", "vendor_passthru?method=faults", {"bogus": 1}), 400, "bogus", "faults")
        self.assert_refused(self.refused("PUT", "vendor_passthru?method=faults", {"task": 1}), 400, "task")
        self.assert_refused(self.refused("POST", "vendor_passthru?method=touch", [1]), 400, "body")

    def test_a_node_without_a_vendor_interface_says_what_to_set(self) -> None:
        """It lists no methods, and calling one names the remedy."""
        self.change(vendor_interface="no-vendor")
        self.assertEqual({}, self.ask("GET", "vendor_passthru/methods"))
        self.assert_refused(self.refused("POST", "vendor_passthru?method=touch"), 400, "set vendor_interface")

    def test_a_method_of_a_hardware_type_needs_no_node(self) -> None:
        """What a vendor interface offers for its hardware type is listed and called without a node; nothing else is."""
        methods = self.get("/v1/drivers/fake-hardware/vendor_passthru/methods")
        self.assertEqual(
            {"effects": (["GET"], False)}, {name: (one["http_methods"], one["async"]) for name, one in methods.items()}
        )
        for path in ("vendor_passthru?method=effects", "vendor_passthru/effects"):
            self.assertIn("lose", self.get(f"/v1/drivers/fake-hardware/{path}"))
        refused = self.request("POST", "/v1/drivers/fake-hardware/vendor_passthru?method=effects")
        self.assert_refused(refused, 400, "effects", "GET")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            refused = self.request(method, "/v1/drivers/fake-hardware/vendor_passthru?method=touch")
            self.assert_refused(refused, 400, "touch", "effects")
        self.assert_refused(self.request("GET", "/v1/drivers/nope/vendor_passthru/methods"), 404, "nope")

    def test_an_argument_may_be_called_timeout(self) -> None:
        """No name of an argument is taken by the way to the driver."""
        self.ask("POST", "vendor_passthru?method=touch", {"timeout": 5, "kind": "x", "method": "y"}, status=202)
        self.record()
        self.assertEqual(5, self.machine().commands("touch")[0].arguments["arguments"]["timeout"])
