"""Limits on the requests in flight at a BMC, from options of the conductor for hardware types and from single nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from baremetal_interfaces import DriverInfo, option
from baremetal_sdk.bmc.slots import SCOPE_ADDRESS, SCOPE_SYSTEM
from baremetal_sdk.errors import ConfigurationError


@dataclass(frozen=True)
class SlotsInfo(DriverInfo):
    """Options in a node's ``driver_info`` that limit the requests to its BMC, whatever its driver."""

    bmc_max_in_flight: int | None = option(
        "Maximum number of requests in flight at the BMC. The default is set by [conductor] bmc_max_in_flight.",
        default=None,
        minimum=1,
    )
    bmc_concurrency_scope: str | None = option(
        "Scope of the limit: address, for an address with one BMC; or system, for an address with many independent BMCs, "
        "such as an emulator or a chassis manager. The default is set by [conductor] bmc_concurrency_scope.",
        default=None,
        choices=(SCOPE_ADDRESS, SCOPE_SYSTEM),
    )

    @classmethod
    def is_given(cls, raw: Mapping[str, Any]) -> bool:
        """Return whether the ``driver_info`` *raw* contains one of these options."""
        return any(option.name in raw for option in cls.options())


@dataclass(frozen=True)
class SlotRules:
    """Limits on requests in flight and their scopes from the configuration, by hardware type. The key "" is for other types."""

    max_in_flight: Mapping[str, int]
    scope: Mapping[str, str]

    def resolve(self, hardware_type: str, info: SlotsInfo | None, default: int) -> tuple[int, str]:
        """Return the limit on requests in flight and its scope for a node.

        An option of the node in *info* wins over a value for its hardware type, which wins over the value for other types.
        Without any of them, the limit is *default*, the limit of the driver, and the scope is ``address``.
        """
        max_in_flight = info.bmc_max_in_flight if info is not None else None
        scope = info.bmc_concurrency_scope if info is not None else None
        return (
            max_in_flight or self.max_in_flight.get(hardware_type) or self.max_in_flight.get("") or default,
            scope or self.scope.get(hardware_type) or self.scope.get("") or SCOPE_ADDRESS,
        )


@lru_cache(maxsize=8)
def parse_slot_rules(limits: tuple[str, ...], scopes: tuple[str, ...]) -> SlotRules:
    """Parse ``[conductor] bmc_max_in_flight`` and ``bmc_concurrency_scope``: each item is ``value`` or ``hardware-type:value``.

    Raises ``ConfigurationError``, which names the option, the value and the allowed values.
    """
    for name, value in _split_by_type(limits):
        if not (value.isascii() and value.isdecimal() and int(value) > 0):
            raise _refuse_value("bmc_max_in_flight", name, value, "a number from 1 on")
    for name, value in _split_by_type(scopes):
        if value not in (SCOPE_ADDRESS, SCOPE_SYSTEM):
            raise _refuse_value("bmc_concurrency_scope", name, value, f"{SCOPE_ADDRESS} or {SCOPE_SYSTEM}")
    return SlotRules({name: int(value) for name, value in _split_by_type(limits)}, dict(_split_by_type(scopes)))


def _split_by_type(items: tuple[str, ...]) -> list[tuple[str, str]]:
    parts = (item.rpartition(":") for item in items)
    return [(name.strip(), value.strip()) for name, _, value in parts]


def _refuse_value(option: str, name: str, value: str, allowed: str) -> ConfigurationError:
    shown = f"{value!r} for {name!r}" if name else f"{value!r}"
    return ConfigurationError(f"[conductor] {option}: {shown} is not allowed; it has to be {allowed}")
