"""Ironic hardware types whose interfaces are plugins of the contract."""

from __future__ import annotations

import functools
from typing import Any

from ironic.drivers import generic
from ironic.drivers.modules import fake, noop_mgmt

from baremetal_interfaces import Kind
from baremetal_ironic_bridge.adapter import Adapter

_FALLBACKS: dict[Kind, type] = {Kind.MANAGEMENT: noop_mgmt.NoopManagement, Kind.BOOT: fake.FakeBoot, Kind.DEPLOY: fake.FakeDeploy}
"""Kind -> Ironic's interface without an effect, offered last for the kinds that need an implementation."""


class BridgedHardware(generic.GenericHardware):
    """Hardware type that lists the interfaces of a plugin first and Ironic's own after them.

    Ironic's interfaces reach the machine through those of the plugins.
    """

    bridged: tuple[type[Adapter], ...] = ()

    def list_classes(self, kind: Kind) -> list[Any]:
        """Return the interface classes of *kind*, in order of preference."""
        mine = [adapter for adapter in self.bridged if adapter.bridged.kind is kind]
        inherited = getattr(generic.GenericHardware, f"supported_{kind}_interfaces")
        # Ironic's generic hardware does not define power and management interfaces: those properties are abstract.
        theirs = [] if getattr(inherited.fget, "__isabstractmethod__", False) else inherited.fget(self)
        fallback = [_FALLBACKS[kind]] if kind in _FALLBACKS else []
        return [*mine, *theirs, *fallback]


def hardware_type(name: str, *bridged: type[Adapter]) -> type[BridgedHardware]:
    """Return a new class for the hardware type *name* with the interfaces *bridged*.

    An entry point of ``ironic.hardware.types`` names the class.
    """
    members: dict[str, Any] = {"bridged": bridged, "__doc__": f"Machines of the plugin {name}."}
    for kind in Kind:
        members[f"supported_{kind}_interfaces"] = property(functools.partial(BridgedHardware.list_classes, kind=kind))
    return type(f"Bridged{name.title().replace('-', '')}", (BridgedHardware,), members)
