"""Errors of a plugin that one side has and the other may not."""

from __future__ import annotations

from baremetal_interfaces import BMCUnreachable


class RackOnFire(BMCUnreachable):
    """A plugin's own error, which wants more to be made than a message."""

    code = 507

    def __init__(self, rack: str) -> None:
        super().__init__(f"rack {rack} is on fire", retry_after=90.0, rack=rack)
        self.rack = rack
