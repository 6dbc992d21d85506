"""Effect ``mistype`` of a simulated Redfish BMC: it changes the types of the values in an answer, as faulty BMCs do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_fake.redfish.message import Answer


def change_types(answer: Answer) -> Answer:
    """Return a copy of *answer* whose values have wrong JSON types, for example strings in place of numbers.

    References and annotations (``@odata.id``) stay correct, so that a client can still follow them. An answer without a JSON
    body is returned unchanged.
    """
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
