"""A hardware type of Ironic's that is driven by plugins of the contract."""

from __future__ import annotations

import functools
from typing import Any

from ironic.drivers import generic
from ironic.drivers.modules import fake, noop_mgmt

from baremetal_interfaces import Kind
from baremetal_ironic_bridge.adapter import Adapter

_BESIDE: dict[Kind, type] = {Kind.MANAGEMENT: noop_mgmt.NoopManagement, Kind.BOOT: fake.FakeBoot, Kind.DEPLOY: fake.FakeDeploy}
"""What does nothing, where Ironic's generic hardware has no such thing."""


class BridgedHardware(generic.GenericHardware):
    """Bridged interfaces come first; Ironic's own are there, too, and reach the machine through the bridged ones."""

    bridged: tuple[type[Adapter], ...] = ()

    def supported(self, kind: Kind) -> list[Any]:
        """The classes of one kind, best first."""
        mine = [one for one in self.bridged if one.bridged.kind is kind]
        theirs = getattr(generic.GenericHardware, f"supported_{kind}_interfaces")
        # Power and management are not Ironic's to say.
        known = [] if getattr(theirs.fget, "__isabstractmethod__", False) else theirs.fget(self)
        return [*mine, *known, *([_BESIDE[kind]] if kind in _BESIDE else [])]


def hardware_type(name: str, *bridged: type[Adapter]) -> type[BridgedHardware]:
    """The class of the hardware type *name*: let an entry point of ``ironic.hardware.types`` name it."""
    members: dict[str, Any] = {"bridged": bridged, "__doc__": f"Machines of the plugin {name}."}
    for kind in Kind:
        members[f"supported_{kind}_interfaces"] = property(functools.partial(BridgedHardware.supported, kind=kind))
    return type(f"Bridged{name.title().replace('-', '')}", (BridgedHardware,), members)
