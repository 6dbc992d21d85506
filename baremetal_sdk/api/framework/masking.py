"""Restoration of secrets if a client sends back the masks that it got in a response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import MASK
from baremetal_interfaces.json_comparison import is_same
from baremetal_interfaces.secret_fields import is_secret_name, mask_urls


def restore_masked(new: Any, stored: Any) -> Any:
    """Return the value *new* from a client, with the *stored* secret in place of each mask that the client sent back.

    A mask stays in the result if *stored* has no secret at the same place.
    """
    if is_same(new, stored):
        return stored
    if isinstance(new, Mapping) and isinstance(stored, Mapping):
        return {name: _restore_value(name, value, stored) for name, value in new.items()}
    # Items are matched by position. In a list of another length a mask cannot be assigned to an item.
    if isinstance(new, list) and isinstance(stored, list | tuple) and len(new) == len(stored):
        return [restore_masked(item, before) for item, before in zip(new, stored, strict=True)]
    if isinstance(new, str) and isinstance(stored, str) and new == mask_urls(stored):
        return stored
    return new


def _restore_value(name: str, value: Any, stored: Mapping[str, Any]) -> Any:
    if name not in stored:
        return value
    if value == MASK and is_secret_name(name):
        return stored[name]
    return restore_masked(value, stored[name])
