"""The kit as a test case: a plugin's whole test file is a subclass of three lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from testtools import TestCase

from baremetal_interfaces.conformance.outcome import NotOffered
from baremetal_interfaces.conformance.rules import RULES, Rule, sentence
from baremetal_interfaces.conformance.subject import Offered, Subject
from baremetal_interfaces.hardware_type import HardwareType
from baremetal_interfaces.node import Node


class HardwareTypeConformance(TestCase):
    """Subclass it and set :attr:`driver_info` and, for an installed plugin, :attr:`hardware_type`.

    Each rule becomes a test of the subclass; this class has none. A rule about something that the plugin does not have is
    reported as skipped with the reason "not offered: ...". What is known only at run time, such as the port of a
    simulator, is set in ``setUp``.
    """

    hardware_type: ClassVar[str | type[HardwareType] | None] = None
    """The name of an installed hardware type, or the class itself together with :attr:`interfaces`."""

    interfaces: Mapping[str, Offered] = {}
    """Kind -> class or instance, for interfaces that are not installed; by default what the hardware type likes best."""

    driver_info: Mapping[str, Any] = {}
    """What reaches the machine."""

    unreachable: Mapping[str, Any] | None = None
    """What to change in :attr:`driver_info` so that nothing answers; by default a closed port of this host."""

    misbehaving: Mapping[str, Mapping[str, Any]] = {}
    """How a BMC behaves (``slow``, ``silent``, ``wrong``, ``away``, ``lies``) -> what to change in :attr:`driver_info` to reach
    one that does. By default a relay in front of the BMC makes it behave so; only a lie cannot be told by a relay."""

    destructive: bool = False
    """Whether what cannot be put back may be tried: interrupts, RAID, rescue."""

    require: ClassVar[tuple[str, ...]] = ()
    """What has to be offered: names of rules that must not be skipped."""

    node: Node | None = None
    """The node, where the interfaces look at more than ``driver_info``."""

    power_timeout: float = 60.0
    """Seconds that a change of power may take."""

    rules: ClassVar[tuple[Rule, ...]] = RULES
    """The rules to be checked."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for rule in cls.rules:
            if cls.hardware_type is not None or cls.interfaces:
                setattr(cls, f"test_{rule.__name__}", _test(rule))

    def subject(self) -> Subject:
        """What is examined."""
        settings: dict[str, Any] = {"node": self.node, "timeout": self.power_timeout, "unreachable": self.unreachable}
        settings |= {"misbehaving": self.misbehaving, "destructive": self.destructive}
        if isinstance(self.hardware_type, str) and not self.interfaces:
            return Subject.of_installed(self.hardware_type, self.driver_info, **settings)
        declared = None if isinstance(self.hardware_type, str) else self.hardware_type
        return Subject(self.interfaces, self.driver_info, hardware_type=declared, **settings)


def _test(rule: Rule) -> Callable[[HardwareTypeConformance], None]:
    def test(self: HardwareTypeConformance) -> None:
        try:
            rule(self.subject())
        except NotOffered as exc:
            if rule.__name__ in self.require:
                self.fail(f"required, and not offered: {exc}")
            self.skipTest(f"not offered: {exc}")

    test.__name__ = f"test_{rule.__name__}"
    test.__doc__ = sentence(rule)
    return test
