"""The conformance kit as a test case for plugins."""

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
    """Base class for the conformance test of a plugin. A subclass sets :attr:`hardware_type` and :attr:`driver_info`.

    Each rule becomes a test of the subclass; this class itself has no tests. A rule about a capability that the plugin does not
    have is skipped with the reason "not offered: ...". Set values that are known only at run time, such as the port of a
    simulator, in ``setUp``.
    """

    hardware_type: ClassVar[str | type[HardwareType] | None] = None
    """Name of an installed hardware type, or the class itself together with :attr:`interfaces`."""

    interfaces: Mapping[str, Offered] = {}
    """Kind -> class or instance of the interfaces to check; by default the ones that the hardware type prefers."""

    driver_info: Mapping[str, Any] = {}
    """The ``driver_info`` that reaches the machine."""

    unreachable: Mapping[str, Any] | None = None
    """Changes to :attr:`driver_info` that lead to an address where nothing answers; by default a closed port of this host."""

    misbehaving: Mapping[str, Mapping[str, Any]] = {}
    """Behavior of a BMC (``slow``, ``silent``, ``wrong``, ``away``, ``lies``) -> changes to :attr:`driver_info` that reach such a
    BMC. By default a relay in front of the BMC simulates the behavior, except ``lies``."""

    destructive: bool = False
    """Whether to check operations that cannot be undone: interrupts, RAID, rescue."""

    require: ClassVar[tuple[str, ...]] = ()
    """Names of rules whose tests fail, instead of being skipped, if the plugin does not offer the subject of the rule."""

    node: Node | None = None
    """The node, if the interfaces use more of it than ``driver_info``."""

    power_timeout: float = 60.0
    """Time limit of a power change in seconds."""

    rules: ClassVar[tuple[Rule, ...]] = RULES
    """The rules to check."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for rule in cls.rules:
            if cls.hardware_type is not None or cls.interfaces:
                setattr(cls, f"test_{rule.__name__}", _test(rule))

    def subject(self) -> Subject:
        """Return the interfaces and the machine to check."""
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
