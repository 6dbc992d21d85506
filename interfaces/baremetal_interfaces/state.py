"""What a plugin keeps about a node between calls: a typed, versioned dataclass of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self


@dataclasses.dataclass
class DriverState:
    """Subclass it as a dataclass whose fields are JSON values and have defaults.

    ``task.state(kind)`` gives the instance of the node; what a method changed on it is stored when the method returns.
    """

    version: ClassVar[int] = 1
    """To be counted up when the meaning of the fields changes; :meth:`upgrade` then reads what was stored before."""

    @classmethod
    def upgrade(cls, version: int, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """Turn what an older *version* *stored* into today's fields. By default it is taken as it is."""
        return stored

    @classmethod
    def load(cls, stored: Mapping[str, Any] | None) -> Self:
        """Make an instance of what :meth:`dump` gave; unknown fields are dropped."""
        if not stored:
            return cls()
        values: Mapping[str, Any] = stored.get("fields", {})
        if stored.get("version") != cls.version:
            values = cls.upgrade(int(stored.get("version", 0)), values)
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def dump(self) -> dict[str, Any]:
        """The JSON value that is stored."""
        return {"version": self.version, "fields": dataclasses.asdict(self)}
