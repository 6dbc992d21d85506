"""Checks of the results of inspections, which come from BMCs and agents, before they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from baremetal_interfaces import Inspection, InvalidInput, Problem, UnexpectedAnswer
from baremetal_interfaces.json_values import clean_texts, find_problem

MAX_PORTS = 512
"""Maximum number of ports that an inspection of one machine creates."""
MAX_INTERFACES = 1024
"""Maximum number of network interfaces in an agent's inventory. Virtual interfaces and bonds share addresses."""
_MAX_NUMBER = 2**31 - 1
_NUMBERS = ("cpus", "memory_mb", "local_gb")
_MAX_ARCHITECTURE_LENGTH = 64


def check_inspection(found: Inspection) -> Inspection:
    """Return the results of a driver with repaired texts. Raises ``UnexpectedAnswer`` for values that cannot be repaired.

    NUL and halves of surrogate pairs in texts become visible escapes. The error names the place of a wrong value.
    """
    properties, inventory = clean_texts(found.properties), clean_texts(found.inventory)
    problem = find_property_problem(properties)
    problem = problem or find_problem(properties, "properties") or find_problem(inventory, "inventory")
    if problem is None and len(found.ports) > MAX_PORTS:
        problem = Problem("ports", f"the machine has {len(found.ports)} network interfaces", f"allowed are {MAX_PORTS}")
    if problem is not None:
        raise UnexpectedAnswer(f"the inspection found a wrong value: {problem}")
    return replace(found, properties=properties, inventory=inventory)


def find_property_problem(properties: Mapping[str, Any], names: Mapping[str, str] | None = None) -> Problem | None:
    """Return the first wrong value of the properties that schedulers use, or None.

    *names* maps properties to the places of their values, for the message; by default they are below ``properties``.
    """
    for name, value in properties.items():
        field = (names or {}).get(name, f"properties/{name}")
        if name in _NUMBERS:
            if isinstance(value, bool) or not isinstance(value, int):
                return Problem(field, f"it is of type {type(value).__name__}", "allowed are integers")
            if not 0 <= value <= _MAX_NUMBER:
                return Problem(field, "it is out of range", f"allowed is 0 to {_MAX_NUMBER}")
        elif name == "cpu_arch" and not (isinstance(value, str) and 0 < len(value) <= _MAX_ARCHITECTURE_LENGTH):
            allowed = f"allowed is text of up to {_MAX_ARCHITECTURE_LENGTH} characters"
            return Problem(field, f"it is of type {type(value).__name__}, or has no valid length", allowed)
    return None


def require_json(value: Any, field: str) -> None:
    """Raise ``InvalidInput``, with the place below *field*, if *value* from an agent cannot be stored."""
    problem = find_problem(value, field)
    if problem is not None:
        raise InvalidInput([problem])
