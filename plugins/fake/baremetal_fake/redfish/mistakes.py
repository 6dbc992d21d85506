"""Answers as services with mistakes give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.redfish.message import Answer


def mistyped(answer: Answer) -> Answer:
    """The same answer with values of other types; references and annotations stay, so that it can be followed."""
    if not isinstance(answer.body, Mapping):
        return answer
    body = {name: value if name.startswith("@") else _other(value) for name, value in answer.body.items()}
    return Answer(answer.status, body, answer.headers)


def _other(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value if "@odata.id" in value else [dict(value)]
    if isinstance(value, list | tuple):
        return {"0": value[0]} if value else ""
    return [value] if isinstance(value, str) else str(value)
