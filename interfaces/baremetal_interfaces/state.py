"""State that a plugin keeps for a node between calls: a typed and versioned dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self


@dataclasses.dataclass
class DriverState:
    """Base class of a plugin's state for a node. A subclass is a dataclass whose fields are JSON values with defaults.

    ``task.state(kind)`` returns the instance for the node. The runtime stores changes when the driver method returns.
    """

    version: ClassVar[int] = 1
    """The version of the fields. Increase it when their meaning changes, and convert older values in :meth:`upgrade`."""

    @classmethod
    def upgrade(cls, version: int, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """Convert the fields that an older *version* *stored* to the current version; by default they are unchanged."""
        return stored

    @classmethod
    def load(cls, stored: Mapping[str, Any] | None) -> Self:
        """Return the instance for a value of :meth:`dump`, or a new one for None. Unknown fields are ignored."""
        if not stored:
            return cls()
        values: Mapping[str, Any] = stored.get("fields", {})
        if stored.get("version") != cls.version:
            values = cls.upgrade(int(stored.get("version", 0)), values)
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def dump(self) -> dict[str, Any]:
        """Return the JSON value to store: version and fields."""
        return {"version": self.version, "fields": dataclasses.asdict(self)}
