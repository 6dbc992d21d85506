"""Ironic hardware type and interfaces of the fake plugin, which Ironic's entry points name."""

from __future__ import annotations

from baremetal_fake.interfaces import (
    bios,
    boot,
    console,
    deploy,
    firmware,
    inspect,
    management,
    power,
    raid,
    rescue,
    storage,
    vendor,
)
from baremetal_ironic_bridge.hardware import hardware_type
from baremetal_ironic_bridge.interfaces import ironic_interface

FakePower = ironic_interface(power.FakePower)
FakeManagement = ironic_interface(management.FakeManagement)
FakeBoot = ironic_interface(boot.FakeBoot)
FakeDeploy = ironic_interface(deploy.FakeDeploy)
FakeInspect = ironic_interface(inspect.FakeInspect)
FakeBIOS = ironic_interface(bios.FakeBIOS)
FakeRAID = ironic_interface(raid.FakeRAID)
FakeFirmware = ironic_interface(firmware.FakeFirmware)
FakeConsole = ironic_interface(console.FakeConsole)
FakeRescue = ironic_interface(rescue.FakeRescue)
FakeStorage = ironic_interface(storage.FakeStorage)
FakeVendor = ironic_interface(vendor.FakeVendor)

FakeHardware = hardware_type(
    "contract-fake",
    FakePower,
    FakeManagement,
    FakeBoot,
    FakeDeploy,
    FakeInspect,
    FakeBIOS,
    FakeRAID,
    FakeFirmware,
    FakeConsole,
    FakeRescue,
    FakeStorage,
    FakeVendor,
)
"""Hardware type of the fake plugin."""
