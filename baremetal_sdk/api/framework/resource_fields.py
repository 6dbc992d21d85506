"""The fields of a resource that clients write: declared once, for its creation and for its patches."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.json_patch import UNSET, apply_patch, diff_fields, drop_own_node, parse_patch, patch_type
from baremetal_sdk.api.framework.masking import restore_masked
from baremetal_sdk.api.framework.parameters import Parameter, Parameters, check_versions, optional
from baremetal_sdk.api.framework.types import UUID, InvalidValue

UUID_FIELD = optional("uuid", UUID, "A UUID to take; by default one is made.")


class WritableFields:
    """What clients write of the records of one class.

    *required* fields have to be given, and cannot be removed; *kept* ones cannot be removed, either; *only_at_creation* stay
    as they are.
    """

    def __init__(
        self,
        record: type,
        *fields: Parameter,
        required: Collection[str] = (),
        kept: Collection[str] = (),
        only_at_creation: tuple[Parameter, ...] = (),
    ) -> None:
        self._required = frozenset(required)
        self._kept = self._required | frozenset(kept)
        declared = (*fields, *only_at_creation, UUID_FIELD)
        self.creation_fields = tuple(
            dataclasses.replace(field, required=True) if field.name in self._required else field for field in declared
        )
        """The body of a creation."""
        self.patch_fields = Parameters("field that can be changed", fields)
        self.patch_type = patch_type(self.patch_fields.by_name)
        """The body of a change."""
        self._defaults = _defaults(record)

    def new_values(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a new record, with a UUID; what is null has its default."""
        values = {name: value for name, value in body.items() if value is not None}
        values.setdefault("uuid", str(uuid.uuid4()))
        return values

    def compute_changes(self, record: Any, body: Any, minor: int) -> dict[str, Any]:
        """What a patch changes of *record*: field -> whole new value. Raises ``InvalidInput`` and ``NotAcceptable``."""
        patch = parse_patch(body, minor)
        if any(field.name == "node_uuid" for field in self.creation_fields):
            patch = drop_own_node(patch, record.node_uuid)
        for operation in patch:
            if operation.field not in self.patch_fields.by_name:
                names = sorted(field.name for field in self.patch_fields.declared if field.since <= minor)
                raise operation.problem(f"{operation.field[:64]!r} cannot be changed", "these can: " + ", ".join(names))
        check_versions((self.patch_fields.by_name[operation.field] for operation in patch), minor)
        document = {name: _listed(getattr(record, name)) for name in self.patch_fields.by_name}
        touched = apply_patch(document, patch)
        for name in self._kept & touched.keys():
            if touched[name] is UNSET or touched[name] is None:
                raise InvalidInput([Problem(name, "it cannot be removed", "it is needed; replace it")])
        # A client that was shown a mask sends it back where it changes something else.
        touched = {name: restore_masked(value, document[name]) for name, value in touched.items()}
        return diff_fields(document, touched, self._read, self._defaults)

    def _read(self, name: str, value: Any) -> Any:
        try:
            read = self.patch_fields.by_name[name].type.parse(value)
        except InvalidValue as exc:
            raise InvalidInput([Problem(name, exc.wrong, exc.allowed)]) from None
        return self._defaults[name] if read is None else read


def _defaults(record: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        if field.default is not dataclasses.MISSING:
            found[field.name] = _listed(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
    return found


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
