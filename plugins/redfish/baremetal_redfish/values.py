"""Parsing of single values in Redfish documents. Services omit many values and send some with the wrong type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from baremetal_redfish.links import get_nested


def drop_none(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def parse_count(value: Any) -> int | None:
    """Return a number above 0, or None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def parse_number(value: Any) -> float | None:
    """Return a finite number above 0, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        return None
    return value


def is_present(document: Mapping[str, Any]) -> bool:
    """Return whether a resource is installed; some services list empty slots too."""
    return bool(get_nested(document.get("Status"), "State") != "Absent")
