"""Kinds of interface that a machine does not have, and those that are looked after elsewhere."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_interfaces import BootDevice, BootDeviceSetting, Interface, Kind, NetworkPurpose, NotSupported
from baremetal_sdk.drivers.builtin import absent, noop
from tests.drivers.builtin.machine import Machine

REFUSALS: dict[type[Interface], dict[str, tuple[Any, ...]]] = {
    absent.NoBIOS: {"validate": (), "get_settings": (), "apply_configuration": ([],), "factory_reset": ()},
    absent.NoRAID: {
        "validate": (),
        "validate_raid_config": ({},),
        "create_configuration": (),
        "delete_configuration": (),
    },
    absent.NoFirmware: {"validate": (), "get_components": (), "update": ([],)},
    absent.NoConsole: {"validate": (), "start_console": (), "stop_console": (), "get_console": ()},
    absent.NoRescue: {"validate": (), "rescue": (), "unrescue": ()},
    absent.NoInspect: {"validate": (), "inspect": (), "abort": ()},
    absent.NoVendor: {"validate": ()},
}


class TestAbsent(TestCase):
    """What a machine does not have refuses by name."""

    def test_every_method_says_which_interface_is_missing_and_what_to_set(self) -> None:
        """Each method raises NotSupported that names the node, the interface, its value and the field to set."""
        for cls, methods in REFUSALS.items():
            kind = cls.kind
            task = Machine().task(None, None, **{str(kind): cls()})
            for method, arguments in methods.items():
                error = self.assertRaises(NotSupported, task.call, kind, method, *arguments)
                for part in ("n1", f"'no-{kind}'", f"set {kind}_interface", "'acme'"):
                    self.assertIn(part, str(error), f"{cls.__name__}.{method}")

    def test_no_step_and_no_passthru_is_offered(self) -> None:
        """What refuses everything offers no steps and no vendor methods."""
        for cls in REFUSALS:
            self.assertEqual((), cls.steps, cls.__name__)
        self.assertEqual({}, absent.NoVendor.passthrus)

    def test_a_rescue_that_never_was_leaves_nothing_to_clean_up(self) -> None:
        """Cleaning up is not refused: it runs after failures of any sort."""
        task = Machine().task(rescue=absent.NoRescue())
        self.assertIsNone(task.call(Kind.RESCUE, "clean_up"))


class TestNoop(TestCase):
    """What is looked after elsewhere does nothing, and does not pretend."""

    def test_network_takes_every_request_and_keeps_no_vif(self) -> None:
        """Attaching and detaching succeed for every purpose, and the list of VIFs stays empty."""
        task = Machine().task(network=noop.NoopNetwork())
        for purpose in NetworkPurpose:
            task.call(Kind.NETWORK, "attach", purpose)
            task.call(Kind.NETWORK, "detach", purpose)
        task.call(Kind.NETWORK, "vif_attach", {"id": "a"})
        self.assertEqual([], list(task.call(Kind.NETWORK, "vif_list")))
        task.call(Kind.NETWORK, "vif_detach", "a")

    def test_storage_has_no_volumes_and_wants_images_written(self) -> None:
        """Without volumes an image goes to a local disk."""
        task = Machine().task(storage=noop.NoopStorage())
        task.call(Kind.STORAGE, "attach_volumes")
        task.call(Kind.STORAGE, "detach_volumes")
        self.assertTrue(task.call(Kind.STORAGE, "should_write_image"))

    def test_management_knows_no_boot_device_and_refuses_to_set_one(self) -> None:
        """A boot device is never said to be set when nobody was told."""
        task = Machine().task(management=noop.NoopManagement())
        self.assertEqual(BootDeviceSetting(None, None), task.call(Kind.MANAGEMENT, "get_boot_device"))
        self.assertEqual(frozenset(), task.call(Kind.MANAGEMENT, "get_supported_boot_devices"))
        error = self.assertRaises(NotSupported, task.call, Kind.MANAGEMENT, "set_boot_device", BootDevice.PXE)
        self.assertIn("management_interface is 'noop'", str(error))
