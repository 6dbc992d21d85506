"""Boot devices and boot modes at services that accept only some forms of a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testtools import TestCase

from baremetal_interfaces import BootDevice, BootDeviceSetting, BootMode, NotSupported, PowerState, UnexpectedAnswer
from baremetal_interfaces.local import LocalTask
from tests.fixtures.scripted_redfish import SYSTEM, Answer, ScriptedRedfish, Write, build_documents, error

_ENABLED = "BootSourceOverrideEnabled"
_ALL = {"BootSourceOverrideEnabled", "BootSourceOverrideMode", "BootSourceOverrideTarget"}


class TestBootOverride(TestCase):
    def serve(
        self, accepts: Callable[[dict[str, Any]], bool], boot: dict[str, Any] | None = None, **system: Any
    ) -> ScriptedRedfish:
        """Start a service that refuses the changes of its override that *accepts* does not. None removes a property of *boot*."""
        documents = build_documents(**system)
        override = documents[SYSTEM]["Boot"]
        override.update(boot or {})
        documents[SYSTEM]["Boot"] = {name: value for name, value in override.items() if value is not None}

        def answer(service: ScriptedRedfish, write: Write) -> Answer:
            if write.method == "PATCH":
                if not accepts(write.body["Boot"]):
                    return 400, error("Base.1.8.GeneralError", "not like this")
                service.documents[SYSTEM]["Boot"].update(write.body["Boot"])
            else:
                states = {"On": "On", "ForceOff": "Off", "ForceRestart": "On"}
                service.documents[SYSTEM]["PowerState"] = states[write.body["ResetType"]]
            return 204, None

        service = ScriptedRedfish(documents, answer)
        service.__enter__()
        self.addCleanup(service.__exit__)
        return service

    def read_boot(self, service: ScriptedRedfish) -> dict[str, Any]:
        boot: dict[str, Any] = service.documents[SYSTEM]["Boot"]
        return boot

    def use_up_override(self, service: ScriptedRedfish) -> None:
        """Do what a machine does at its start."""
        self.read_boot(service).update({_ENABLED: "Disabled", "BootSourceOverrideTarget": "None"})

    def set_pxe(self, task: LocalTask, persistent: bool = False) -> None:
        task.call("management", "set_boot_device", BootDevice.PXE, persistent)

    def test_makes_that_want_all_properties_get_them_at_once(self) -> None:
        """Target, duration and mode go together to the makes of the table, for a device and for a mode."""
        for maker in ("ASRockRack", "AMI", "American Megatrends International LLC."):
            service = self.serve(lambda boot: set(boot) == _ALL, Manufacturer=maker)
            task = service.task()
            self.set_pxe(task)
            task.call("management", "set_boot_mode", BootMode.BIOS)
            self.assertEqual(2, len(service.writes), maker)
            self.assertEqual("Pxe", self.read_boot(service)["BootSourceOverrideTarget"])
            self.assertEqual("Legacy", self.read_boot(service)["BootSourceOverrideMode"])

    def test_unknown_make_that_wants_all_properties(self) -> None:
        """If the short form of a change is refused, the driver sends all properties."""
        service = self.serve(lambda boot: set(boot) == _ALL)
        self.set_pxe(service.task())
        self.assertEqual("Once", self.read_boot(service)[_ENABLED])
        self.assertEqual("UEFI", self.read_boot(service)["BootSourceOverrideMode"])

    def test_mode_that_is_refused_is_left_out(self) -> None:
        """A make that is sent the mode with each device, but refuses it, gets the device alone."""
        service = self.serve(lambda boot: "BootSourceOverrideMode" not in boot, Manufacturer="Supermicro")
        self.set_pxe(service.task())
        self.assertEqual("Pxe", self.read_boot(service)["BootSourceOverrideTarget"])

    def test_duration_that_is_set_already_may_be_refused(self) -> None:
        """A service that refuses the present duration gets the target alone."""
        service = self.serve(lambda boot: set(boot) == {"BootSourceOverrideTarget"}, boot={_ENABLED: "Once"})
        self.set_pxe(service.task())
        self.assertEqual("Pxe", self.read_boot(service)["BootSourceOverrideTarget"])

    def test_system_without_a_mode(self) -> None:
        """A system without a boot mode takes devices, and its mode is reported as not supported."""
        service = self.serve(lambda boot: "BootSourceOverrideMode" not in boot, boot={"BootSourceOverrideMode": None})
        task = service.task()
        self.set_pxe(task)
        self.assertEqual("Pxe", self.read_boot(service)["BootSourceOverrideTarget"])
        self.assertRaises(NotSupported, task.call, "management", "get_boot_mode")

    def test_only_allowed_mode_is_the_mode(self) -> None:
        """A system without a value of its mode has the only mode that it allows, and refuses others without a request."""
        allowed = {"BootSourceOverrideMode@Redfish.AllowableValues": ["UEFI"]}
        service = self.serve(lambda boot: True, boot={"BootSourceOverrideMode": None, **allowed})
        task = service.task()
        self.assertEqual(BootMode.UEFI, task.call("management", "get_boot_mode"))
        self.assertRaises(NotSupported, task.call, "management", "set_boot_mode", BootMode.BIOS)
        self.assertEqual([], service.writes)

    def test_properties_of_the_pending_settings_are_changed_there(self) -> None:
        """Properties that the pending settings of a system contain are sent there, the others to the system."""
        service = self.serve(lambda boot: True, **{"@Redfish.Settings": {"SettingsObject": {"@odata.id": f"{SYSTEM}/SD"}}})
        service.documents[f"{SYSTEM}/SD"] = {"Boot": {"BootSourceOverrideTarget": "None"}}
        self.set_pxe(service.task())
        self.assertEqual(
            [
                ("PATCH", f"{SYSTEM}/SD", {"Boot": {"BootSourceOverrideTarget": "Pxe"}}),
                ("PATCH", SYSTEM, {"Boot": {_ENABLED: "Once"}}),
            ],
            service.writes,
        )

    def test_persistent_device_where_the_service_lists_none(self) -> None:
        """Without Continuous among the allowed durations, a persistent device is set once and never asked for otherwise."""
        boot = {f"{_ENABLED}@Redfish.AllowableValues": ["Once", "Disabled"]}
        service = self.serve(lambda boot: boot.get(_ENABLED) != "Continuous", boot=boot)
        task = service.task()
        self.set_pxe(task, persistent=True)
        self.assertEqual(["Once"], [write.body["Boot"][_ENABLED] for write in service.writes])
        self.assertEqual(BootDeviceSetting(BootDevice.PXE, True), task.call("management", "get_boot_device"))

    def test_refused_persistent_device_is_renewed_before_each_power_on(self) -> None:
        """A device that the BMC keeps for one boot is set again before a power-on and a reboot."""
        service = self.serve(lambda boot: boot.get(_ENABLED) != "Continuous")
        task = service.task()
        self.set_pxe(task, persistent=True)
        for state in (PowerState.REBOOT, PowerState.OFF, PowerState.ON):
            self.use_up_override(service)
            task.call("power", "set_power_state", state)
            expected = "None" if state is PowerState.OFF else "Pxe"
            self.assertEqual(expected, self.read_boot(service)["BootSourceOverrideTarget"], state)

    def test_persistent_device_that_the_service_shortens(self) -> None:
        """A service that accepts a persistent device and reports it for one boot has its device renewed."""
        service = self.serve(lambda boot: boot.update({_ENABLED: "Once"}) is None)
        task = service.task()
        self.set_pxe(task, persistent=True)
        self.use_up_override(service)
        task.call("power", "set_power_state", PowerState.REBOOT)
        self.assertEqual("Pxe", self.read_boot(service)["BootSourceOverrideTarget"])

    def test_pending_device_is_not_replaced_by_a_renewed_one(self) -> None:
        """A device for the next boot has precedence over the device that is renewed; afterwards that one is renewed again."""
        service = self.serve(lambda boot: boot.get(_ENABLED) != "Continuous")
        task = service.task()
        self.set_pxe(task, persistent=True)
        task.call("management", "set_boot_device", BootDevice.CDROM, False)
        for expected in ("Cd", "Pxe"):
            task.call("power", "set_power_state", PowerState.REBOOT)
            self.assertEqual(expected, self.read_boot(service)["BootSourceOverrideTarget"])
            self.use_up_override(service)

    def test_device_that_the_bmc_keeps_ends_the_renewal(self) -> None:
        """After a persistent device that the BMC keeps, nothing is renewed."""
        accepts_all = [False]
        service = self.serve(lambda boot: accepts_all[0] or boot.get(_ENABLED) != "Continuous")
        task = service.task()
        self.set_pxe(task, persistent=True)
        accepts_all[0] = True
        self.set_pxe(task, persistent=True)
        self.use_up_override(service)
        task.call("power", "set_power_state", PowerState.REBOOT)
        self.assertEqual("None", self.read_boot(service)["BootSourceOverrideTarget"])

    def test_failed_renewal_does_not_stop_a_power_on(self) -> None:
        """A machine is powered on although its boot device could not be set again."""
        accepts = [True]
        service = self.serve(lambda boot: accepts[0] and boot.get(_ENABLED) != "Continuous", PowerState="Off")
        task = service.task()
        self.set_pxe(task, persistent=True)
        self.use_up_override(service)
        accepts[0] = False
        task.call("power", "set_power_state", PowerState.ON)
        self.assertEqual(PowerState.ON, task.call("power", "get_power_state"))

    def test_first_refusal_is_reported_if_all_forms_are_refused(self) -> None:
        """The error for a device that is refused in every form has the words of the BMC."""
        service = self.serve(lambda boot: False)
        failure = self.assertRaises(UnexpectedAnswer, self.set_pxe, service.task(), True)
        self.assertIn("boot_device: the BMC refuses pxe: ", str(failure))
        self.assertIn("not like this", str(failure))

    def test_quirks_of_a_node(self) -> None:
        """The quirks in driver_info are added to those of the machine's make, or removed from them."""
        for maker, quirks, expected in (
            ("Acme", None, _ALL - {"BootSourceOverrideMode"}),
            ("Acme", "boot-full-override", _ALL),
            ("Supermicro", None, _ALL),
            ("Supermicro", "-boot-mode-with-target", _ALL - {"BootSourceOverrideMode"}),
            ("Supermicro", "none", _ALL - {"BootSourceOverrideMode"}),
            ("Supermicro", "boot-without-mode", _ALL - {"BootSourceOverrideMode"}),
        ):
            service = self.serve(lambda boot: True, Manufacturer=maker)
            self.set_pxe(service.task(redfish_quirks=quirks))
            self.assertEqual(expected, set(service.writes[0].body["Boot"]), (maker, quirks))

    def test_node_whose_bmc_forgets_persistent_devices(self) -> None:
        """With the quirk boot-once-only a persistent device is set once, although the service offers Continuous."""
        service = self.serve(lambda boot: True)
        self.set_pxe(service.task(redfish_quirks="boot-once-only"), persistent=True)
        self.assertEqual("Once", self.read_boot(service)[_ENABLED])

    def test_cd_of_a_make_that_boots_usb_only(self) -> None:
        """Virtual media of a Supermicro machine boot as UsbCd if the system allows that, elsewhere as Cd."""
        allowed = {"BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Cd", "UsbCd"]}
        for maker, expected in (("Supermicro", "UsbCd"), ("Acme", "Cd")):
            service = self.serve(lambda boot: True, boot=allowed, Manufacturer=maker)
            service.task().call("management", "set_boot_device", BootDevice.CDROM, False)
            self.assertEqual(expected, self.read_boot(service)["BootSourceOverrideTarget"])
