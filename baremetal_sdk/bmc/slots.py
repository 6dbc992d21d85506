"""How many requests may be under way at one BMC, whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from baremetal_interfaces import BMCBusy, Deadline, DriverInfo, Endpoint, option
from baremetal_sdk.errors import ConfigurationError

_PORTS = {"http": 80, "https": 443}

PER_ADDRESS, PER_SYSTEM = "address", "system"
"""Whose requests wait for each other: all that go to one address and port, or those for one system there."""


class SlotTaken(BMCBusy):
    """Others are served, and one's turn did not come in time. The BMC itself was not asked."""


def slot_taken(endpoint: Endpoint) -> SlotTaken:
    """What is said to somebody whose turn at a BMC did not come."""
    return SlotTaken(f"the BMC at {endpoint} serves other requests, and the time to wait for it is over", retry_after=5.0)


@dataclass(frozen=True)
class SlotsInfo(DriverInfo):
    """What a node says of the requests that its BMC bears, whatever its driver."""

    bmc_max_in_flight: int | None = option(
        "Requests that the BMC is sent at a time, at most; by default what [conductor] bmc_max_in_flight says.",
        default=None,
        minimum=1,
    )
    bmc_concurrency_scope: str | None = option(
        "What that counts for: address, where a BMC is behind it; or system, where many independent ones are: an emulator, a "
        "chassis manager. By default what [conductor] bmc_concurrency_scope says.",
        default=None,
        choices=(PER_ADDRESS, PER_SYSTEM),
    )

    @classmethod
    def is_given(cls, raw: Mapping[str, Any]) -> bool:
        """Whether a node's ``driver_info`` says anything about it."""
        return any(option.name in raw for option in cls.options())


def address_of(endpoint: Endpoint) -> tuple[str, int | None]:
    """What makes two endpoints the same BMC, whoever speaks to it: accounts, certificates and schemes do not count."""
    return endpoint.host.lower(), endpoint.port or _PORTS.get(endpoint.scheme)


class RequestSemaphore:
    """Counts the requests at one BMC. Who waits is let in by turn; thread-safe."""

    __slots__ = ("_lock", "_taken", "endpoint", "waiting")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._lock = threading.Lock()
        self._taken = 0
        self.waiting: list[tuple[threading.Lock, int]] = []
        """Who waits, and how many may be under way when it is let in."""

    def take(self, most: int, deadline: Deadline) -> None:
        """Wait until less than *most* requests are under way; raise ``SlotTaken`` where that is not so by *deadline*."""
        with self._lock:
            if self._taken < most and not self.waiting:
                self._taken += 1
                return
            mine = (threading.Lock(), most)
            mine[0].acquire()
            self.waiting.append(mine)
        if mine[0].acquire(timeout=deadline.remaining()):
            return
        with self._lock:
            if mine in self.waiting:
                self.waiting.remove(mine)
                raise slot_taken(self.endpoint)
        # It came at the very moment.

    def give(self) -> None:
        """End a request; the turn goes to who has waited longest."""
        with self._lock:
            self._taken -= 1
            while self.waiting and self._taken < self.waiting[0][1]:
                self._taken += 1
                self.waiting.pop(0)[0].release()

    @property
    def under_way(self) -> int:
        """Requests that are under way."""
        return self._taken


class RequestLimiter:
    """The turns of one borrower at a gate: as many requests at a time as its node allows."""

    __slots__ = ("gate", "most")

    def __init__(self, gate: RequestSemaphore, most: int) -> None:
        self.gate = gate
        self.most = most

    def take(self, deadline: Deadline) -> None:
        """Wait for a turn; raise ``SlotTaken`` where it does not come."""
        self.gate.take(self.most, deadline)

    def give(self) -> None:
        """Give it back."""
        self.gate.give()


class HeldSlot:
    """The turns of who has one already: all that it sends is in that one turn. The *owner* may borrow again within it."""

    __slots__ = ("gate", "owner")

    def __init__(self, gate: RequestSemaphore, owner: object) -> None:
        self.gate = gate
        self.owner = owner

    def take(self, deadline: Deadline) -> None:
        """Nothing is waited for."""

    def give(self) -> None:
        """Nothing is given back before the borrower does."""


@dataclass(frozen=True)
class SlotRules:
    """What a conductor's configuration says of all BMCs, and of those of some hardware types."""

    most: Mapping[str, int]
    per: Mapping[str, str]
    """Hardware type -> value; under the empty name for all others."""

    def of(self, hardware_type: str, info: SlotsInfo | None, usual: int) -> tuple[int, str]:
        """How many for a node, and per what; *usual* is what its plugin says."""
        most = info.bmc_max_in_flight if info is not None else None
        per = info.bmc_concurrency_scope if info is not None else None
        return (
            most or self.most.get(hardware_type) or self.most.get("") or usual,
            per or self.per.get(hardware_type) or self.per.get("") or PER_ADDRESS,
        )


@lru_cache(maxsize=8)
def parse_slot_rules(most: tuple[str, ...], per: tuple[str, ...]) -> SlotRules:
    """The rules in ``[conductor] bmc_max_in_flight`` and ``bmc_concurrency_scope``: ``value`` or ``hardware-type:value`` each.

    Raises ``ConfigurationError``, which names the option and what is wrong.
    """
    for name, value in _by_type(most):
        if not (value.isascii() and value.isdecimal() and int(value) > 0):
            raise _wrong("bmc_max_in_flight", name, value, "a number from 1 on")
    for name, value in _by_type(per):
        if value not in (PER_ADDRESS, PER_SYSTEM):
            raise _wrong("bmc_concurrency_scope", name, value, f"{PER_ADDRESS} or {PER_SYSTEM}")
    return SlotRules({name: int(value) for name, value in _by_type(most)}, dict(_by_type(per)))


def _by_type(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    parts = (text.rpartition(":") for text in texts)
    return [(name.strip(), value.strip()) for name, _, value in parts]


def _wrong(option: str, name: str, value: str, allowed: str) -> ConfigurationError:
    what = f"{value!r} for {name!r}" if name else f"{value!r}"
    return ConfigurationError(f"[conductor] {option}: {what} is not allowed; it has to be {allowed}")
