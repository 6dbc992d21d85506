"""Console, indicators, interrupts, virtual media, VIFs and vendor methods, with effects on a simulated machine."""

from __future__ import annotations

from baremetal_interfaces import IndicatorState, VirtualMediaDevice
from tests.api.machines import N1, MachineAPITestCase

INDICATOR_PATH = "management/indicators/led@system"


class TestConsole(MachineAPITestCase):
    def test_deletion_of_a_node_stops_its_console(self) -> None:
        """No console of a deleted node stays open."""
        self.call_node("PUT", "states/console", {"enabled": True}, status=202)
        self.assertTrue(self.record().console_enabled)
        self.assertEqual(204, self.request("DELETE", N1).status)
        self.assertFalse(self.machine().console_enabled)

    def test_console_is_started_shown_and_stopped(self) -> None:
        """The requests are accepted, run in the background, and their results appear on the node."""
        self.assertEqual({"console_enabled": False, "console_info": None}, self.call_node("GET", "states/console"))
        response = self.request("PUT", f"{N1}/states/console", {"enabled": True})
        self.assertEqual(202, response.status)
        self.assertEqual("http://localhost/v1/nodes/m1/states/console", response.headers["Location"])
        self.assertTrue(self.record().console_enabled)
        shown = {"console_enabled": True, "console_info": {"type": "fake", "url": "fake://m1/console"}}
        self.assertEqual(shown, self.call_node("GET", "states/console"))
        self.assertEqual(shown, self.get(f"/v1/nodes/states/console/{self.uuid}", version="1.1"))
        self.call_node("PUT", "states/console", {"enabled": False}, status=202)
        self.assertIs(False, self.record().console_enabled)
        self.assertIs(False, self.machine().console_enabled)

    def test_start_of_a_started_console_does_nothing(self) -> None:
        """Two requests to start a console send one command."""
        for _ in range(2):
            self.call_node("PUT", "states/console", {"enabled": True}, status=202)
            self.record()
        self.assertEqual(1, len(self.machine().commands("set_console")))

    def test_failed_start_of_a_console_is_in_last_error(self) -> None:
        """The node does not show the console as started."""
        self.change(driver_info={**self.record().driver_info, "fake_faults": {"set_console": {"effect": "refuse"}}})
        self.call_node("PUT", "states/console", {"enabled": True}, status=202)
        record = self.record()
        self.assertFalse(record.console_enabled)
        self.assertIn("starting the console failed", record.last_error or "")

    def test_node_without_console_interface(self) -> None:
        """The error names the interface and the remedy."""
        self.change(console_interface="no-console")
        self.assert_refused(self.request_node("GET", "states/console"), 400, "no-console", "set console_interface")
        self.assert_refused(self.request_node("PUT", "states/console", {"enabled": True}), 400, "set console_interface")
        self.assert_refused(self.request_node("PUT", "states/console", {}), 400, "enabled")


class TestIndicators(MachineAPITestCase):
    def test_indicators_are_listed_read_and_set(self) -> None:
        """The name of an indicator contains its component, and it has the state that was set."""
        (light,) = self.call_node("GET", "management/indicators", version="1.63")["indicators"]
        self.assertEqual("led@system", light["name"])
        self.assertEqual("system", light["component"])
        self.assertIs(False, light["readonly"])
        self.assertIn("BLINKING", light["states"])
        self.assertEqual("self", light["links"][0]["rel"])
        self.call_node("PUT", INDICATOR_PATH, {"state": "BLINKING"}, status=204)
        self.assertEqual({"state": "BLINKING"}, self.call_node("GET", INDICATOR_PATH))
        self.assertEqual(IndicatorState.BLINKING, self.machine().indicator)

    def test_unknown_indicators_and_states_are_refused(self) -> None:
        """An unknown indicator gets 404, and an invalid name or state gets 400; the errors list the valid ones."""
        self.assert_refused(self.request_node("GET", "management/indicators/x@system"), 404, "led@system")
        self.assert_refused(self.request_node("GET", "management/indicators/led"), 400, "indicator@component")
        self.assert_refused(self.request_node("PUT", INDICATOR_PATH, {"state": "RED"}), 400, "BLINKING")

    def test_indicators_need_no_later_version(self) -> None:
        """Version 1.1 has indicators, and states are accepted in upper and lower case."""
        self.call_node("PUT", INDICATOR_PATH, {"state": "on"}, status=204, version="1.1")
        self.assertEqual({"state": "ON"}, self.call_node("GET", INDICATOR_PATH, version="1.1"))

    def test_management_interface_without_indicators(self) -> None:
        """The error names the interface and the remedy."""
        self.change(management_interface="noop")
        self.assert_refused(self.request_node("GET", "management/indicators"), 400, "'noop'", "set management_interface")


class TestInterrupts(MachineAPITestCase):
    def test_interrupt_reaches_the_machine(self) -> None:
        """The interrupt is sent before the response."""
        self.call_node("PUT", "management/inject_nmi", {}, status=204, version="1.29")
        self.assertEqual(1, len(self.machine().commands("inject_nmi")))

    def test_interrupt_needs_1_29_and_an_interface_with_nmi(self) -> None:
        """Earlier versions get 404; without support the error names the remedy."""
        self.assert_refused(self.request_node("PUT", "management/inject_nmi", {}, version="1.28"), 404, "1.29")
        self.change(management_interface="noop")
        self.assert_refused(self.request_node("PUT", "management/inject_nmi"), 400, "'noop'", "set management_interface")


class TestVirtualMedia(MachineAPITestCase):
    def test_images_are_attached_listed_and_detached(self) -> None:
        """The machine has an image until it is detached, and detaching other devices does not affect it."""
        iso = "http://images.example/a.iso"
        self.call_node("POST", "vmedia", {"device_type": "cdrom", "image_url": iso}, status=204, version="1.89")
        self.record()
        self.assertEqual({VirtualMediaDevice.CDROM: iso}, dict(self.machine().media))
        shown = [device for device in self.call_node("GET", "vmedia", version="1.93") if device["inserted"]]
        self.assertEqual([{"media_types": ["cdrom"], "inserted": True, "image": iso}], shown)
        self.call_node("DELETE", "vmedia?device_types=disk,floppy", status=204)
        self.record()
        self.assertEqual({VirtualMediaDevice.CDROM: iso}, dict(self.machine().media))
        self.call_node("DELETE", "vmedia", status=204)
        self.record()
        self.assertEqual({}, dict(self.machine().media))

    def test_first_versions_and_methods_of_virtual_media(self) -> None:
        """Attaching needs 1.89 and listing needs 1.93; the path has no PUT."""
        body = {"device_type": "cdrom", "image_url": "http://images.example/a.iso"}
        self.assert_refused(self.request_node("POST", "vmedia", body, version="1.88"), 404, "1.89")
        self.assert_refused(self.request_node("DELETE", "vmedia", version="1.88"), 404, "1.89")
        self.assert_refused(self.request_node("GET", "vmedia", version="1.92"), 404, "1.93")
        self.assert_refused(self.request_node("PUT", "vmedia", body, version="1.89"), 405, "POST")

    def test_invalid_image_is_refused(self) -> None:
        """The error names the field and does not repeat the URL, which may contain a password."""
        url = "http://images.example/a.iso"
        for body, words in (
            ({"device_type": "usb", "image_url": url}, ("device_type", "cdrom")),
            ({"device_type": "cdrom"}, ("image_url",)),
            ({"device_type": "cdrom", "image_url": "ftp://u:tiger@x/a.iso"}, ("image_url", "https")),
            ({"device_type": "cdrom", "image_url": url, "bogus": 1}, ("bogus",)),
        ):
            response = self.request_node("POST", "vmedia", body)
            self.assert_refused(response, 400, *words)
            self.assertNotIn(b"tiger", response.raw)
        self.assert_refused(self.request_node("DELETE", "vmedia?device_types=usb"), 400, "device_types", "cdrom")

    def test_refusal_of_an_image_is_in_last_error(self) -> None:
        """Attaching runs in the background, so its error appears on the node."""
        self.change(driver_info={**self.record().driver_info, "fake_faults": {"insert_media": {"effect": "refuse"}}})
        self.call_node("POST", "vmedia", {"device_type": "cdrom", "image_url": "http://x/a.iso"}, status=204)
        self.assertIn("attaching virtual media as cdrom failed", self.record().last_error or "")

    def test_management_interface_without_virtual_media(self) -> None:
        """The error names the interface and the remedy. Changes are accepted, as in Ironic, and fail in the background."""
        self.change(management_interface="noop")
        self.assert_refused(self.request_node("GET", "vmedia"), 400, "'noop'", "set management_interface")
        for method, body in (("DELETE", None), ("POST", {"device_type": "cdrom", "image_url": "http://x/a.iso"})):
            self.call_node(method, "vmedia", body, status=204)
            self.assertIn("'noop' of node", self.record().last_error or "")
            self.change(last_error=None)


class TestVIFs(MachineAPITestCase):
    VIF = "11111111-1111-4111-8111-111111111111"

    def test_vifs_are_attached_and_detached(self) -> None:
        """The noop network interface accepts every VIF and stores none."""
        self.call_node("POST", "vifs", {"id": self.VIF}, status=204, version="1.28")
        self.assertEqual({"vifs": []}, self.call_node("GET", "vifs", version="1.28"))
        self.call_node("DELETE", f"vifs/{self.VIF}", status=204, version="1.28")

    def test_vifs_need_1_28(self) -> None:
        """Earlier versions get 404."""
        for method, path, body in (
            ("GET", "vifs", None),
            ("POST", "vifs", {"id": self.VIF}),
            ("DELETE", f"vifs/{self.VIF}", None),
        ):
            self.assert_refused(self.request_node(method, path, body, version="1.27"), 404, "1.28")

    def test_vif_needs_an_id_and_one_port(self) -> None:
        """A VIF without a valid id, or with a port and a port group, is refused."""
        self.assert_refused(self.request_node("POST", "vifs", {}), 400, "id")
        self.assert_refused(self.request_node("POST", "vifs", {"id": "not an id"}), 400, "id")
        both = {"id": self.VIF, "port_uuid": self.VIF, "portgroup_uuid": self.VIF}
        self.assert_refused(self.request_node("POST", "vifs", both), 400, "portgroup_uuid")


class TestVendorPassthru(MachineAPITestCase):
    def test_vendor_methods_are_listed(self) -> None:
        """The list shows the HTTP methods of each vendor method and whether it runs in the background."""
        methods = self.call_node("GET", "vendor_passthru/methods", version="1.1")
        self.assertEqual({"machine", "faults", "touch"}, set(methods))
        self.assertEqual(["POST"], methods["touch"]["http_methods"])
        self.assertIs(True, methods["touch"]["async"])
        self.assertIs(False, methods["touch"]["attach"])
        self.assertEqual(["GET"], methods["machine"]["http_methods"])
        self.assertIs(False, methods["machine"]["async"])
        self.assertEqual((False, True), tuple(methods[name]["require_exclusive_lock"] for name in ("machine", "touch")))

    def test_vendor_method_is_named_in_the_query_or_the_path(self) -> None:
        """The status is 200 with a result, 204 without one, and 202 for work in the background."""
        for path in ("vendor_passthru?method=machine", "vendor_passthru/machine"):
            self.assertEqual("m1", self.call_node("GET", path)["name"])
        self.call_node("PUT", "vendor_passthru?method=faults", {"faults": []}, status=204)
        self.call_node("POST", "vendor_passthru?method=touch", {"key": "value"}, status=202)
        self.record()
        self.assertEqual({"key": "value"}, self.machine().commands("touch")[0].arguments["arguments"])

    def test_undeclared_vendor_method_is_refused(self) -> None:
        """Unknown methods, HTTP methods and arguments get 400, and the error lists the valid ones."""
        self.assert_refused(self.request_node("GET", "vendor_passthru?method=fly"), 400, "fly", "machine")
        self.assert_refused(self.request_node("POST", "vendor_passthru?method=machine"), 400, "GET")
        self.assert_refused(self.request_node("GET", "vendor_passthru"), 400, "method")
        self.assert_refused(self.request_node("PUT", "vendor_passthru?method=faults", {"bogus": 1}), 400, "bogus", "faults")
        self.assert_refused(self.request_node("PUT", "vendor_passthru?method=faults", {"task": 1}), 400, "task")
        self.assert_refused(self.request_node("POST", "vendor_passthru?method=touch", [1]), 400, "body")

    def test_node_without_vendor_interface(self) -> None:
        """The list is empty, and the error of a call names the remedy."""
        self.change(vendor_interface="no-vendor")
        self.assertEqual({}, self.call_node("GET", "vendor_passthru/methods"))
        self.assert_refused(self.request_node("POST", "vendor_passthru?method=touch"), 400, "set vendor_interface")

    def test_vendor_method_of_a_hardware_type_needs_no_node(self) -> None:
        """Only methods that the vendor interface declares for its hardware type are listed and can be called."""
        methods = self.get("/v1/drivers/fake-hardware/vendor_passthru/methods")
        self.assertEqual(
            {"effects": (["GET"], False)}, {name: (entry["http_methods"], entry["async"]) for name, entry in methods.items()}
        )
        for path in ("vendor_passthru?method=effects", "vendor_passthru/effects"):
            self.assertIn("lose", self.get(f"/v1/drivers/fake-hardware/{path}"))
        refused = self.request("POST", "/v1/drivers/fake-hardware/vendor_passthru?method=effects")
        self.assert_refused(refused, 400, "effects", "GET")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            refused = self.request(method, "/v1/drivers/fake-hardware/vendor_passthru?method=touch")
            self.assert_refused(refused, 400, "touch", "effects")
        self.assert_refused(self.request("GET", "/v1/drivers/nope/vendor_passthru/methods"), 404, "nope")

    def test_argument_of_a_vendor_method_may_be_named_timeout(self) -> None:
        """Parameters of the runtime do not collide with names of arguments."""
        self.call_node("POST", "vendor_passthru?method=touch", {"timeout": 5, "kind": "x", "method": "y"}, status=202)
        self.record()
        self.assertEqual(5, self.machine().commands("touch")[0].arguments["arguments"]["timeout"])
