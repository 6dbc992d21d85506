"""Answers with the mistakes of faulty services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.redfish.message import Answer


def change_types(answer: Answer) -> Answer:
    """Return *answer* with values of wrong types. References and annotations stay, so that a client can still follow them."""
    if not isinstance(answer.body, Mapping):
        return answer
    body = {name: value if name.startswith("@") else _change_type(value) for name, value in answer.body.items()}
    return Answer(answer.status, body, answer.headers)


def _change_type(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value if "@odata.id" in value else [dict(value)]
    if isinstance(value, list | tuple):
        return {"0": value[0]} if value else ""
    return [value] if isinstance(value, str) else str(value)
