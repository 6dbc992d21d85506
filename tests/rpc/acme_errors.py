"""Errors of a plugin that may be loaded on one side only."""

from __future__ import annotations

from baremetal_interfaces import BMCUnreachable


class RackOnFire(BMCUnreachable):
    """An error with its own constructor parameters."""

    code = 507

    def __init__(self, rack: str) -> None:
        super().__init__(f"rack {rack} is on fire", retry_after=90.0, rack=rack)
        self.rack = rack
