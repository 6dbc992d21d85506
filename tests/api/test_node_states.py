"""States of nodes, and the requests that change them."""

from __future__ import annotations

import base64
import gzip
import os
from typing import Any

from fixtures import MonkeyPatch

from tests.fixtures.api import APIResponse, APITestCase

N1 = "/v1/nodes/n1"


def encode(image: bytes) -> str:
    """Return an image as a config drive in base 64."""
    return base64.b64encode(image).decode()


class StatesTestCase(APITestCase):
    def setUp(self) -> None:
        super().setUp()
        self.uuid = self.create_node(name="n1")

    def put(self, path: str, body: Any = None, version: str = "1.115") -> APIResponse:
        """Send a PUT request below the node."""
        return self.request("PUT", f"{N1}/{path}", body, version=version)

    def assert_accepted(self, response: APIResponse, method: str, **arguments: Any) -> None:
        """Assert status 202 without a body, and that the conductor got the work."""
        self.assertEqual(202, response.status)
        self.assertEqual(b"", response.raw)
        self.assertEqual((method, {"node": self.uuid, **arguments}), self.conductor.accepted[-1])


class TestStates(StatesTestCase):
    def test_first_versions_of_states(self) -> None:
        """RAID needs 1.12, and the boot mode needs 1.75."""
        first = {
            "console_enabled", "last_error", "power_state", "provision_state", "provision_updated_at", "target_power_state",
            "target_provision_state",
        }  # fmt: skip
        self.assertEqual(first, set(self.get(f"{N1}/states", version="1.5")))
        self.assertEqual(first | {"raid_config", "target_raid_config"}, set(self.get(f"{N1}/states", version="1.12")))
        self.assertEqual(
            {"boot_mode", "secure_boot"}, set(self.get(f"{N1}/states")) - set(self.get(f"{N1}/states", version="1.74"))
        )


class TestPower(StatesTestCase):
    def test_power_state_is_requested(self) -> None:
        """The response locates the states of the node."""
        response = self.put("states/power", {"target": "power on"})
        self.assert_accepted(response, "change_power_state", target="power on", timeout=None)
        self.assertEqual("http://localhost/v1/nodes/n1/states", response.headers["Location"])
        self.assert_accepted(
            self.put("states/power", {"target": "soft rebooting", "timeout": 30}),
            "change_power_state", target="soft rebooting", timeout=30.0,
        )  # fmt: skip

    def test_soft_power_and_timeouts_need_1_27(self) -> None:
        """Earlier versions get 406."""
        self.assert_refused(self.put("states/power", {"target": "soft power off"}, "1.26"), 406, "1.27")
        self.assert_refused(self.put("states/power", {"target": "power on", "timeout": 5}, "1.26"), 406, "timeout", "1.27")

    def test_invalid_power_request_is_refused(self) -> None:
        """The error names the field and the allowed values."""
        for body, word in (
            ({}, "target: is missing"), ({"target": "on"}, "power on"), ({"target": "unknown"}, "target"),
            ({"target": None}, "target"),
            ({"target": "power on", "timeout": 0}, "timeout"), ({"target": "power on", "timeout": "x"}, "timeout"),
            ({"target": "power on", "timeout": True}, "timeout"), ({"target": "power on", "bogus": 1}, "bogus"),
        ):  # fmt: skip
            self.assert_refused(self.put("states/power", body), 400, word)
        self.assertEqual([], self.conductor.accepted)

    def test_power_request_for_a_missing_node(self) -> None:
        """A valid request for a node that does not exist gets 404."""
        self.assert_refused(self.request("PUT", "/v1/nodes/nope/states/power", {"target": "power on"}), 404)


class TestProvision(StatesTestCase):
    def test_first_version_of_each_verb(self) -> None:
        """A verb gets 406 in the version before its first one."""
        step = {"interface": "bios", "step": "factory_reset"}
        bodies: dict[str, Any] = {
            "clean": {"clean_steps": [step]},
            "service": {"service_steps": [step]},
            "rescue": {"rescue_password": "x"},
        }
        since = {
            "manage": 4, "provide": 4, "inspect": 6, "abort": 13, "clean": 15, "adopt": 17, "rescue": 38, "unrescue": 38,
            "deploy": 73,
            "undeploy": 73, "unhold": 85, "service": 87,
        }  # fmt: skip
        path = f"/v1/nodes/{self.uuid}/states/provision"
        for verb, minor in since.items():
            body = {"target": verb, **bodies.get(verb, {})}
            self.assert_refused(self.request("PUT", path, body, version=f"1.{minor - 1}"), 406)
            self.assertEqual(202, self.request("PUT", path, body, version=f"1.{minor}").status, verb)
        for verb in ("active", "deleted", "rebuild"):
            self.assertEqual(202, self.request("PUT", path, {"target": verb}, version="1.1").status, verb)

    def test_arguments_are_passed_to_the_conductor(self) -> None:
        """Arguments that are null or empty are left out."""
        steps = [{"interface": "deploy", "step": "erase_devices", "args": {"x": 1}}]
        response = self.put(
            "states/provision", {"target": "clean", "clean_steps": steps, "disable_ramdisk": "true", "configdrive": None}
        )
        arguments = {"clean_steps": steps, "disable_ramdisk": True}
        self.assert_accepted(response, "change_provision_state", verb="clean", arguments=arguments)
        self.assertEqual("http://localhost/v1/nodes/n1/states", response.headers["Location"])
        self.assert_accepted(
            self.put("states/provision", {"target": "manage"}), "change_provision_state", verb="manage", arguments={}
        )

    def test_unknown_verb_is_refused(self) -> None:
        """The error lists the known verbs."""
        self.assert_refused(self.put("states/provision", {"target": "mange"}), 400, "mange", "manage")
        self.assert_refused(self.put("states/provision", {}), 400, "target")

    def test_argument_of_another_verb_is_refused(self) -> None:
        """The error lists the verbs that take the argument."""
        step = [{"interface": "bios", "step": "x"}]
        for body, word in (
            ({"target": "provide", "clean_steps": step}, "clean"), ({"target": "clean", "service_steps": step}, "service"),
            ({"target": "manage", "configdrive": "abc"}, "rebuild"), ({"target": "active", "rescue_password": "x"}, "rescue"),
            ({"target": "active", "disable_ramdisk": True}, "service"), ({"target": "clean", "deploy_steps": step}, "active"),
        ):  # fmt: skip
            self.assert_refused(self.put("states/provision", body), 400, "does not accept this field", word)

    def test_required_arguments_of_verbs(self) -> None:
        """Manual cleaning and service need steps, and rescue needs a password."""
        for verb, argument in (("clean", "clean_steps"), ("service", "service_steps"), ("rescue", "rescue_password")):
            self.assert_refused(self.put("states/provision", {"target": verb}), 400, argument)
        self.assert_refused(self.put("states/provision", {"target": "clean", "clean_steps": []}), 400, "clean_steps")

    def test_all_problems_of_steps_are_reported(self) -> None:
        """The error names the position of each wrong step."""
        steps = [
            {"interface": "boots", "step": "x"},
            {"interface": "bios"},
            5,
            {"interface": "bios", "step": "x", "argz": {}, "args": []},
        ]
        response = self.put("states/provision", {"target": "clean", "clean_steps": steps})
        self.assert_refused(
            response,
            400,
            "clean_steps[0].interface",
            "clean_steps[1].step",
            "clean_steps[2]",
            "clean_steps[3].argz",
            "clean_steps[3].args",
        )
        deploy = {"target": "active", "deploy_steps": [{"interface": "bios", "step": "x", "args": {}}]}
        self.assert_refused(self.put("states/provision", deploy), 400, "deploy_steps[0].priority")

    def test_first_versions_of_config_drives(self) -> None:
        """Rebuild accepts a config drive since 1.35; objects need 1.56, and vendor data needs 1.59."""
        path = f"/v1/nodes/{self.uuid}/states/provision"
        for verb, drive, minor, status in (
            ("rebuild", "YWJj", 34, 406), ("rebuild", "YWJj", 35, 202), ("active", "http://x/y", 1, 202),
            ("active", {"meta_data": {}}, 55, 400),
            ("active", {"meta_data": {}}, 56, 202), ("active", {"vendor_data": {}}, 58, 400),
            ("active", {"vendor_data": {}}, 59, 202),
            ("active", {"bogus": 1}, 115, 400), ("active", "{not base 64}", 115, 400), ("active", 5, 115, 400),
            ("active", {"meta_data": 1}, 115, 400),
        ):  # fmt: skip
            response = self.request("PUT", path, {"target": verb, "configdrive": drive}, version=f"1.{minor}")
            self.assertEqual(status, response.status, (verb, drive, minor, response.raw))

    def test_malformed_config_drives_are_refused(self) -> None:
        """Incomplete base 64, incomplete or damaged gzip data, too large images and values of wrong types get status 400."""
        whole = gzip.compress(bytes(100_000)) + gzip.compress(b"a second member")
        damaged = bytearray(gzip.compress(os.urandom(1000)))
        damaged[-6] ^= 1
        path = f"/v1/nodes/{self.uuid}/states/provision"
        for drive in (
            "abcde", "YWJ\u00e9", "-_-_", "H4sI", encode(whole[:-3]), encode(bytes(damaged)), encode(b"\x1f\x8bnothing"),
            {"user_data": 5}, {"user_data": True}, {"meta_data": []}, {"network_data": "x"}, {"vendor_data": 1}, ["x"],
        ):  # fmt: skip
            response = self.request("PUT", path, {"target": "active", "configdrive": drive})
            self.assert_refused(response, 400, "configdrive")
        for drive in (encode(whole), encode(b"not compressed"), "YWJj\nYWJj\n", {"user_data": []}, {"user_data": None}):
            response = self.request("PUT", path, {"target": "active", "configdrive": drive})
            self.assertEqual(202, response.status, (drive, response.raw))
        self.useFixture(MonkeyPatch("baremetal_sdk.api.v1.config_drives.MAX_IMAGE_BYTES", 99_999))
        self.assert_refused(self.request("PUT", path, {"target": "active", "configdrive": encode(whole)}), 400, "configdrive")

    def test_first_versions_of_arguments(self) -> None:
        """Disabling the ramdisk needs 1.70 for cleaning and 1.108 for service."""
        clean = {"target": "clean", "clean_steps": [{"interface": "bios", "step": "x"}], "disable_ramdisk": True}
        service = {"target": "service", "service_steps": clean["clean_steps"], "disable_ramdisk": True}
        self.assert_refused(self.put("states/provision", clean, "1.69"), 406, "1.70")
        self.assert_refused(self.put("states/provision", service, "1.107"), 406, "1.108")
        self.assertEqual(202, self.put("states/provision", service, "1.108").status)

    def test_first_versions_of_abort(self) -> None:
        """Inspection can be aborted since 1.41, and deployment since 1.110."""
        for state, minor in (("inspect wait", 41), ("wait call-back", 110)):
            self.conductor.store.update_node(self.uuid, {"provision_state": state}, fence=None)
            self.assert_refused(self.put("states/provision", {"target": "abort"}, f"1.{minor - 1}"), 406, f"1.{minor}")
            self.assertEqual(202, self.put("states/provision", {"target": "abort"}, f"1.{minor}").status)


class TestBootAndRAID(StatesTestCase):
    def test_boot_mode_and_secure_boot_need_1_76(self) -> None:
        """Earlier versions get 404."""
        self.assert_accepted(self.put("states/boot_mode", {"target": "uefi"}), "set_boot_mode", mode="uefi")
        self.assert_accepted(self.put("states/secure_boot", {"target": "True"}), "set_secure_boot", enabled=True)
        for name, target in (("boot_mode", "uefi"), ("secure_boot", True)):
            self.assert_refused(self.put(f"states/{name}", {"target": target}, "1.75"), 404, "1.76")
            self.assert_refused(self.put(f"states/{name}", {"target": "x"}), 400, "target")

    def test_target_raid_configuration_needs_1_12(self) -> None:
        """Earlier versions get 406."""
        config = {"logical_disks": [{"size_gb": 100, "raid_level": "1"}]}
        response = self.put("states/raid", config)
        self.assertEqual(204, response.status)
        self.assertEqual(b"", response.raw)
        self.assertEqual(config, self.get(f"{N1}/states")["target_raid_config"])
        self.assert_refused(self.put("states/raid", config, "1.11"), 406, "1.12")
        self.assert_refused(self.put("states/raid", [1]), 400, "body")

    def test_boot_device_is_read_and_set(self) -> None:
        """The response shows the boot device that was set."""
        self.assertEqual({"boot_device": "disk", "persistent": True}, self.get(f"{N1}/management/boot_device"))
        response = self.put("management/boot_device", {"boot_device": "pxe"})
        self.assertEqual(204, response.status)
        self.assertEqual(b"", response.raw)
        self.assertEqual({"boot_device": "pxe", "persistent": False}, self.get(f"{N1}/management/boot_device"))
        self.assertEqual({"supported_boot_devices": ["pxe", "disk"]}, self.get(f"{N1}/management/boot_device/supported"))

    def test_invalid_boot_device_is_refused(self) -> None:
        """The error lists the valid boot devices."""
        self.assert_refused(self.put("management/boot_device", {"boot_device": "usb"}), 400, "boot_device", "cdrom")
        self.assert_refused(self.put("management/boot_device", {"persistent": True}), 400, "boot_device")


class TestMaintenance(StatesTestCase):
    def test_maintenance_is_set_with_a_reason_and_cleared(self) -> None:
        """Both requests are accepted and have no response body."""
        response = self.put("maintenance", {"reason": "broken fan"})
        self.assertEqual(202, response.status)
        self.assertEqual(b"", response.raw)
        node = self.get(N1)
        self.assertIs(True, node["maintenance"])
        self.assertEqual("broken fan", node["maintenance_reason"])
        self.assertEqual(202, self.request("DELETE", f"{N1}/maintenance").status)
        self.assertFalse(self.get(N1)["maintenance"])

    def test_maintenance_needs_no_reason(self) -> None:
        """The request may have no body."""
        self.assertEqual(202, self.put("maintenance").status)
        self.assert_refused(self.put("maintenance", {"bogus": 1}), 400, "bogus")
