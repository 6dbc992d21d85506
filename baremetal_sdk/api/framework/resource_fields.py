"""Writable fields of a resource: one declaration provides the bodies and the checks of creations and patches."""

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

UUID_FIELD = optional("uuid", UUID, "The UUID of the new record. By default the service generates one.")


class WritableFields:
    """The fields of a record class that clients write.

    *required* fields must be set at creation and cannot be removed. *not_removable* fields may be left out at creation,
    but cannot be removed. *only_at_creation* fields cannot be changed.
    """

    def __init__(
        self,
        record: type,
        *fields: Parameter,
        required: Collection[str] = (),
        not_removable: Collection[str] = (),
        only_at_creation: tuple[Parameter, ...] = (),
    ) -> None:
        self._required = frozenset(required)
        self._not_removable = self._required | frozenset(not_removable)
        declared = (*fields, *only_at_creation, UUID_FIELD)
        self.creation_fields = tuple(
            dataclasses.replace(field, required=True) if field.name in self._required else field for field in declared
        )
        """The fields of the body of a request that creates a record."""
        self.patch_fields = Parameters("changeable field", fields)
        self.patch_type = patch_type(self.patch_fields.by_name)
        """The type of the body of a patch, for the route."""
        self._defaults = _defaults(record)

    def new_values(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a new record: those in *body* without nulls, and a random UUID if *body* has none."""
        values = {name: value for name, value in body.items() if value is not None}
        values.setdefault("uuid", str(uuid.uuid4()))
        return values

    def compute_changes(self, record: Any, body: Any, minor: int) -> dict[str, Any]:
        """Return the changes of a patch of *record*: field -> whole new value. Raises ``InvalidInput`` and ``NotAcceptable``."""
        patch = parse_patch(body, minor)
        # A record of a node never moves to another node.
        if any(field.name == "node_uuid" for field in self.creation_fields):
            patch = drop_own_node(patch, record.node_uuid)
        for operation in patch:
            if operation.field not in self.patch_fields.by_name:
                names = sorted(field.name for field in self.patch_fields.declared if field.since <= minor)
                raise operation.error(
                    f"the field {operation.field[:64]!r} cannot be changed", "changeable are " + ", ".join(names)
                )
        check_versions((self.patch_fields.by_name[operation.field] for operation in patch), minor)
        document = {name: _to_list(getattr(record, name)) for name in self.patch_fields.by_name}
        touched = apply_patch(document, patch)
        for name in self._not_removable & touched.keys():
            if touched[name] is UNSET or touched[name] is None:
                raise InvalidInput([Problem(name, "cannot be removed", "replace its value")])
        # A client that changes one key of a field sends the mask back for the secrets in the other keys.
        touched = {name: restore_masked(value, document[name]) for name, value in touched.items()}
        return diff_fields(document, touched, self._parse, self._defaults)

    def _parse(self, name: str, value: Any) -> Any:
        try:
            parsed = self.patch_fields.by_name[name].type.parse(value)
        except InvalidValue as exc:
            raise InvalidInput([Problem(name, exc.wrong, exc.allowed)]) from None
        return self._defaults[name] if parsed is None else parsed


def _defaults(record: type) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = _to_list(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
    return defaults


def _to_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
