"""The light of a system, under the name that older services give it and under the one of newer services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from baremetal_interfaces import IndicatorState, InvalidInput

_OLDER = {"Lit": IndicatorState.ON, "Off": IndicatorState.OFF, "Blinking": IndicatorState.BLINKING}
_NEWER = {True: IndicatorState.ON, False: IndicatorState.OFF}


class SystemLight(NamedTuple):
    """A light: its property, what the property can be, and what it is."""

    name: str
    values: Mapping[Any, IndicatorState]
    state: IndicatorState

    @classmethod
    def of(cls, system: Mapping[str, Any]) -> Self | None:
        """The light of *system*, or None. The older property counts where a service has both: it can blink."""
        led, active = system.get("IndicatorLED"), system.get("LocationIndicatorActive")
        if isinstance(led, str):
            return cls("IndicatorLED", _OLDER, _OLDER.get(led, IndicatorState.UNKNOWN))
        return cls("LocationIndicatorActive", _NEWER, _NEWER[active]) if isinstance(active, bool) else None

    @property
    def states(self) -> tuple[IndicatorState, ...]:
        """What it can be told to be."""
        return tuple(self.values.values())

    def change(self, state: IndicatorState) -> dict[str, Any]:
        """What to send for *state*. Raises InvalidInput."""
        for value, known in self.values.items():
            if known is state:
                return {self.name: value}
        raise InvalidInput(f"state: {state} cannot be set; allowed are " + ", ".join(sorted(one.value for one in self.states)))
