"""Indicator light of a system: ``IndicatorLED``, or its successor ``LocationIndicatorActive``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from baremetal_interfaces import IndicatorState, InvalidInput

_INDICATOR_LED_STATES = {"Lit": IndicatorState.ON, "Off": IndicatorState.OFF, "Blinking": IndicatorState.BLINKING}
_LOCATION_INDICATOR_STATES = {True: IndicatorState.ON, False: IndicatorState.OFF}


class SystemLight(NamedTuple):
    """A light: its Redfish property, the property's values, and its state."""

    name: str
    values: Mapping[Any, IndicatorState]
    state: IndicatorState

    @classmethod
    def find(cls, system: Mapping[str, Any]) -> Self | None:
        """Return the light in the system's document *system*, or None. ``IndicatorLED`` has precedence, because it can blink."""
        led, active = system.get("IndicatorLED"), system.get("LocationIndicatorActive")
        if isinstance(led, str):
            return cls("IndicatorLED", _INDICATOR_LED_STATES, _INDICATOR_LED_STATES.get(led, IndicatorState.UNKNOWN))
        if not isinstance(active, bool):
            return None
        return cls("LocationIndicatorActive", _LOCATION_INDICATOR_STATES, _LOCATION_INDICATOR_STATES[active])

    @property
    def states(self) -> tuple[IndicatorState, ...]:
        """States that the light can be set to."""
        return tuple(self.values.values())

    def build_change(self, state: IndicatorState) -> dict[str, Any]:
        """Return the properties to change in the system's document for *state*. Raises InvalidInput if the light lacks it."""
        for value, value_state in self.values.items():
            if value_state is state:
                return {self.name: value}
        allowed = ", ".join(sorted(allowed_state.value for allowed_state in self.states))
        raise InvalidInput(f"state: {state} cannot be set; allowed are {allowed}")
