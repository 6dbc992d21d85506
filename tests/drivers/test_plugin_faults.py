"""Malformed plugins: the discovery names the mistake, and other plugins are not affected."""

from __future__ import annotations

import textwrap

from baremetal_interfaces.plugins import find_plugins
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.errors import DriverNotFound
from tests.drivers.test_loader import InstalledCase

ENTRY_POINTS = """
[baremetal.hardware_types]
zed = MODULE:Hardware
[baremetal.interfaces.power]
zed = MODULE:Power
"""
CODE = textwrap.dedent(
    """
    from baremetal_interfaces import HardwareType, PowerInterface

    class Hardware(HardwareType):
        power = ("zed",)

    class Power(PowerInterface):
        supported_states = frozenset()
        def get_power_state(self, task): ...
        def set_power_state(self, task, state): ...

    power = Power()
    """
)
ENTRY_POINT_MISTAKES = {
    "MODULE:Pow": ("MODULE:Power", "did you mean 'Power'?"),
    "MODULE:power": ("MODULE:Power", "an instance of Power is not a subclass of Interface"),
    "MODULE": ("MODULE:Power", "names a module, not a class"),
    "nowhere.MODULE:Power": ("MODULE:Power", "No module named 'nowhere'"),
    "[baremetal.interface.power]": ("[baremetal.interfaces.power]", "did you mean 'baremetal.interfaces.power'?"),
    "[baremetal.interfaces.power]\nzde": ("[baremetal.interfaces.power]\nzed", "did you mean 'zde'?"),
    "[baremetal.interfaces.boot]": ("[baremetal.interfaces.power]", "is not an interface of this kind"),
}
"""The mistake -> the text that it replaces, and what the reason says."""
CODE_MISTAKES = {
    'power = ("zed")': ('power = ("zed",)', "write a tuple: ('zed',)"),
    "power = ()": ('power = ("zed",)', "lists no power implementation"),
    "powr = ('zed',)": ('power = ("zed",)', "Hardware.powr is not a kind of interface; did you mean 'power'?"),
    'power = ("zed",); deploy = ("ramdsik",)': ('power = ("zed",)', "did you mean 'ramdisk'?"),
    "contract_version = 1.0": ("supported_states = frozenset()", "must be a tuple of two integers"),
    "contract_version = (1,)": ("supported_states = frozenset()", "must be a tuple of two integers"),
    "def get_power_state(self)": ("def get_power_state(self, task)", "Power.get_power_state has a wrong signature"),
    "def power_state(self, task)": ("def get_power_state(self, task)", "abstract method get_power_state"),
    "def x(:": ("power = Power()", "SyntaxError"),
    "raise SystemExit(3)": ("power = Power()", "SystemExit: 3"),
}
"""The mistake -> the text that it replaces, and what the reason says."""


class TestMistakes(InstalledCase):
    def refuse(self, entry_points: str, code: str) -> str:
        """Install the plugin, and return the reason of the refusal of a node, after a check that another type is offered."""
        self.install("baremetal-zed", entry_points, code)
        drivers = DriverCatalog(find_plugins(), ConductorConfig())
        self.assertIn("fake-hardware", drivers.list_hardware_types())
        return str(self.assertRaises(DriverNotFound, drivers.get_hardware_type, "zed"))

    def test_sound_plugin_is_offered_without_failures(self) -> None:
        """The plugin of these tests has no fault before a mistake is put in."""
        self.install("baremetal-zed", ENTRY_POINTS, CODE)
        drivers = DriverCatalog(find_plugins(), ConductorConfig())
        self.assertIn("zed", drivers.list_hardware_types())
        self.assertEqual([], [failure for failure in drivers.failures if failure.distribution == "baremetal-zed"])

    def test_constructor_that_exits_is_named(self) -> None:
        """An interface whose constructor raises SystemExit is left out, and the refusal of a node has the reason."""
        constructor = "def __init__(self, options=None): raise SystemExit('no licence')"
        code = CODE.replace("supported_states = frozenset()", constructor).replace("power = Power()", "")
        self.assertIn("SystemExit: no licence", self.refuse(ENTRY_POINTS, code))

    def test_name_of_the_runtime_stays_with_the_runtime(self) -> None:
        """A plugin that claims a name of the runtime is refused, and the runtime's own is offered."""
        self.install("baremetal-zed", "[baremetal.interfaces.deploy]\nramdisk = MODULE:Power\n", CODE)
        found = find_plugins()
        self.assertIn("ramdisk is claimed by baremetal-sdk", self.reasons(found, "ramdisk")[0].replace("'", ""))
        drivers = DriverCatalog(found, ConductorConfig())
        self.assertIn("fake-hardware", drivers.list_hardware_types())


def _add_test(number: int, mistake: str, replaced: str, reason: str, is_code: bool) -> None:
    def test(self: TestMistakes) -> None:
        entry_points = ENTRY_POINTS if is_code else ENTRY_POINTS.replace(replaced, mistake)
        code = CODE.replace(replaced, mistake) if is_code else CODE
        self.assertIn(reason, self.refuse(entry_points, code))

    test.__doc__ = f"The refusal of a node names this mistake: {mistake.splitlines()[-1]}."
    setattr(TestMistakes, f"test_mistake_{number:02}_is_named", test)


for _number, (_mistake, (_replaced, _reason)) in enumerate([*ENTRY_POINT_MISTAKES.items(), *CODE_MISTAKES.items()]):
    _add_test(_number, _mistake, _replaced, _reason, is_code=_mistake in CODE_MISTAKES)
