"""Interfaces for kinds that a machine does not have, and interfaces without an effect."""

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
    """Interfaces for kinds that a machine does not have."""

    def test_every_method_names_the_missing_interface_and_the_remedy(self) -> None:
        """Each method raises NotSupported with the node, the interface kind, its value and the field to set."""
        for cls, methods in REFUSALS.items():
            kind = cls.kind
            task = Machine().task(None, None, **{str(kind): cls()})
            for method, arguments in methods.items():
                error = self.assertRaises(NotSupported, task.call, kind, method, *arguments)
                for part in ("n1", f"'no-{kind}'", f"set {kind}_interface", "'acme'"):
                    self.assertIn(part, str(error), f"{cls.__name__}.{method}")

    def test_no_steps_and_vendor_methods(self) -> None:
        """Interfaces that refuse everything have no steps and no vendor methods."""
        for cls in REFUSALS:
            self.assertEqual((), cls.steps, cls.__name__)
        self.assertEqual({}, absent.NoVendor.passthrus)

    def test_clean_up_without_a_rescue(self) -> None:
        """Cleaning up a rescue is allowed, because it runs after any failure."""
        task = Machine().task(rescue=absent.NoRescue())
        self.assertIsNone(task.call(Kind.RESCUE, "clean_up"))


class TestNoop(TestCase):
    """Interfaces without an effect."""

    def test_network_accepts_every_request_and_stores_no_vif(self) -> None:
        """Attaching and detaching succeed for every purpose, and the list of VIFs stays empty."""
        task = Machine().task(network=noop.NoopNetwork())
        for purpose in NetworkPurpose:
            task.call(Kind.NETWORK, "attach", purpose)
            task.call(Kind.NETWORK, "detach", purpose)
        task.call(Kind.NETWORK, "vif_attach", {"id": "a"})
        self.assertEqual([], list(task.call(Kind.NETWORK, "vif_list")))
        task.call(Kind.NETWORK, "vif_detach", "a")

    def test_storage_without_volumes_writes_images(self) -> None:
        """Without volumes a deployment writes its image to a local disk."""
        task = Machine().task(storage=noop.NoopStorage())
        task.call(Kind.STORAGE, "attach_volumes")
        task.call(Kind.STORAGE, "detach_volumes")
        self.assertTrue(task.call(Kind.STORAGE, "should_write_image"))

    def test_management_refuses_to_set_a_boot_device(self) -> None:
        """The boot device is unknown, none is supported, and setting one is refused."""
        task = Machine().task(management=noop.NoopManagement())
        self.assertEqual(BootDeviceSetting(None, None), task.call(Kind.MANAGEMENT, "get_boot_device"))
        self.assertEqual(frozenset(), task.call(Kind.MANAGEMENT, "get_supported_boot_devices"))
        error = self.assertRaises(NotSupported, task.call, Kind.MANAGEMENT, "set_boot_device", BootDevice.PXE)
        self.assertIn("management_interface is 'noop'", str(error))
