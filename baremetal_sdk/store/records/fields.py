"""Descriptions of the fields of record classes: type, bounds, stored form, and whether updates may change them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from baremetal_interfaces import InvalidInput, Problem
from baremetal_interfaces.json_values import JSONValueError, encode_json
from baremetal_interfaces.text import clean_text
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.records.node import INTERFACE_FIELDS, ConductorRecord, NodeRecord, PortRecord
from baremetal_sdk.store.records.query import Row

LOG = get_logger(__name__)
R = TypeVar("R")
T = TypeVar("T")
StoredRecord = Mapping[str, Any]
"""Type of a record in its stored form: field -> value, encoded as a database stores it."""

FAILURE_FIELDS = frozenset({"last_error", "event"})
"""Text fields that describe failures. Only conductors write them."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_INTEGER = 2**31 - 1


class FieldKind(Enum):
    """Types of field values. The value of a member describes the type in error messages."""

    STRING = "a string"
    TEXT = "a text"
    INTEGER = "an integer"
    FLAG = "true or false"
    TIME = "a time with a time zone"
    MAP = "a JSON object"
    LIST = "a JSON array"
    BYTES = "bytes"

    @property
    def is_json(self) -> bool:
        """True if values of this type are stored as JSON text."""
        return self in (FieldKind.MAP, FieldKind.LIST)

    @property
    def is_sortable(self) -> bool:
        """True if listings can sort and filter by values of this type."""
        return self not in (FieldKind.MAP, FieldKind.LIST, FieldKind.BYTES)


class Field(NamedTuple):
    """Description of one field of a record class."""

    name: str
    kind: FieldKind
    optional: bool
    """True if the value may be None."""
    length: int | None
    """Maximum number of characters in a string; None for no limit."""
    writable: bool
    """True if an update may change the field. Only the store sets the other fields."""
    folded: bool = False
    """True if values are stored in lower case, because their case has no meaning."""
    cleaned: bool = False
    """True if text is cleaned and shortened, and never refused: the text of a failure must not be lost by its content."""

    @property
    def allowed(self) -> str:
        """Text that describes the allowed values, for error messages."""
        length = f" of at most {self.length} characters" if self.length else ""
        return self.kind.value + length + (" or null" if self.optional else "")

    def encode(self, value: Any) -> Any:
        """Return the stored form of *value*: times in UTC, JSON as text.

        Raises ``InvalidInput`` with the field's name for a value of another type and for a value beyond the bounds.
        """
        if value is None:
            if self.optional:
                return None
            raise self._invalid("it is null")
        if not isinstance(value, _TYPES[self.kind]) or (self.kind is FieldKind.INTEGER and isinstance(value, bool)):
            raise self._invalid(f"it is of type {type(value).__name__}")
        return self._convert(value)

    def _convert(self, value: Any) -> Any:
        # Compared by identity, which is faster: a new node has some seventy fields.
        kind = self.kind
        if kind is FieldKind.STRING or kind is FieldKind.TEXT:
            return self._string(value)
        if kind is FieldKind.MAP or kind is FieldKind.LIST:
            return self._json(value)
        if kind is FieldKind.TIME:
            if value.tzinfo is None:
                raise self._invalid("it has no time zone")
            return value.astimezone(UTC)
        if kind is FieldKind.INTEGER and abs(value) > _MAX_INTEGER:
            raise self._invalid(f"it is {value}", f"allowed is at most {_MAX_INTEGER}")
        return value

    def _string(self, value: str) -> str:
        if self.cleaned:
            return clean_text(value)
        if self.length is not None and len(value) > self.length:
            raise self._invalid(f"it has {len(value)} characters")
        if "\0" in value:
            raise self._invalid("it contains a NUL character")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as exc:
                raise self._invalid(f"its character {exc.start} is half of a surrogate pair, which is no valid text") from None
        return value.lower() if self.folded else value

    def _json(self, value: Any) -> str:
        if not value:
            return "{}" if self.kind is FieldKind.MAP else "[]"
        if isinstance(value, str | bytes):
            raise self._invalid(f"it is of type {type(value).__name__}")
        try:
            return encode_json(value, self.name)
        except JSONValueError as exc:
            raise InvalidInput([exc.problem]) from None

    def decode(self, stored: Any) -> Any:
        """Return the value of the stored form *stored*. For JSON, each call returns new objects, which the caller may change."""
        if self.kind is FieldKind.MAP:
            return {} if stored == "{}" else self._load(stored, dict) or {"error": "the stored value is not a JSON object"}
        if self.kind is FieldKind.LIST:
            return () if stored == "[]" else tuple(self._load(stored, list) or ())
        return stored

    def _load(self, stored: Any, kind: type[T]) -> T | None:
        """Return the JSON value of a stored text, or None if another program has written a text that is not of this *kind*.

        The rest of the record stays readable, and so do the other records of a listing.
        """
        try:
            value = json.loads(stored)
        except (TypeError, ValueError, RecursionError):
            value = None
        if isinstance(value, kind):
            return value
        _report_unreadable(self.name, hash(stored))
        return None

    def _invalid(self, wrong: str, allowed: str | None = None) -> InvalidInput:
        return InvalidInput([Problem(self.name, wrong, allowed or f"allowed is {self.allowed}")])


@lru_cache(maxsize=1024)
def _report_unreadable(field: str, text_hash: int) -> None:
    """Log that a field has no valid JSON, once for each text: listings read such a record again and again."""
    LOG.error("field %s of a record in the database is not valid JSON; write the field again", field)


_TYPES: dict[FieldKind, Any] = {
    FieldKind.STRING: str,
    FieldKind.TEXT: str,
    FieldKind.INTEGER: int,
    FieldKind.FLAG: bool,
    FieldKind.TIME: datetime,
    FieldKind.MAP: Mapping,
    FieldKind.LIST: Sequence,
    FieldKind.BYTES: bytes,
}


class RecordFields(Generic[R]):
    """Descriptions of all fields of one record class, derived from its annotations, with conversion of records.

    *label* names one record in messages. *managed* are the fields that only the store sets. *lengths* are the maximum lengths
    of strings; the default is 255. *texts* are the string fields without a maximum length.
    """

    def __init__(
        self, record: type[R], label: str, *, managed: frozenset[str], lengths: Mapping[str, int], texts: frozenset[str]
    ) -> None:
        self.label = label
        self.record_type = record
        hints = get_type_hints(record)
        self.by_name: Mapping[str, Field] = {
            field.name: _build_field(field.name, hints[field.name], managed, lengths, texts)
            for field in dataclasses.fields(record)  # type: ignore[arg-type]
        }
        self.names: tuple[str, ...] = tuple(self.by_name)
        self._json = tuple(field for field in self.by_name.values() if field.kind.is_json)

    def encode_record(self, record: R) -> dict[str, Any]:
        """Return the stored form of a whole record (field -> value). Raises ``InvalidInput`` for an invalid field."""
        values = vars(record)
        return {
            name: None if (value := values[name]) is None and field.optional else field.encode(value)
            for name, field in self.by_name.items()
        }

    def encode_changes(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the stored form of the *changes* of an update. Raises ``InvalidInput`` for fields that updates cannot change."""
        problems = [self._write_problem(name) for name in changes if name not in self.by_name or not self.by_name[name].writable]
        if problems:
            raise InvalidInput(problems)
        return {name: self.by_name[name].encode(value) for name, value in changes.items()}

    def _write_problem(self, name: str) -> Problem:
        if name in self.by_name:
            return Problem(name, f"an update of a {self.label} cannot change it")
        return Problem(name, f"a {self.label} has no such field")

    def decode_record(self, stored: Mapping[str, Any]) -> R:
        """Return the record for its stored form. Its JSON values are new objects, which the caller may change."""
        values = dict(stored)
        for field in self._json:
            values[field.name] = field.decode(values[field.name])
        return self.record_type(**values)

    def decode_row(self, stored: Mapping[str, Any], names: Sequence[str]) -> Row:
        """Return a listing's row with the fields *names* of a stored record."""
        return Row({name: self.by_name[name].decode(stored[name]) for name in names})

    def select_fields(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """Return the requested field names of a listing without duplicates; all for None. Raises ``InvalidInput`` if unknown."""
        if names is None:
            return self.names
        unknown = [name for name in names if name not in self.by_name]
        if unknown:
            raise InvalidInput([Problem("fields", f"a {self.label} has no field {name!r}") for name in unknown])
        return tuple(dict.fromkeys(names))

    def get_sort_field(self, name: str) -> Field:
        """Return the field *name*, by which a listing is sorted. Raises ``InvalidInput`` if it is unknown or not sortable."""
        field = self.by_name.get(name)
        if field is None or not field.kind.is_sortable:
            wrong = f"a {self.label} has no field {name!r}" if field is None else f"{name!r} is {field.kind.value}"
            raise InvalidInput([Problem("sort_key", wrong, "allowed is a field with a simple value")])
        return field

    def encode_filters(self, where: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        """Return the filters *where* of a listing in stored form: field -> tuple of alternative values.

        Raises ``InvalidInput`` for unknown fields, and for fields and values by which a listing cannot be filtered.
        """
        return {name: self._encode_filter(name, value) for name, value in where.items()}

    def _encode_filter(self, name: str, value: Any) -> tuple[Any, ...]:
        field = self.by_name.get(name)
        if field is None or not field.kind.is_sortable:
            raise InvalidInput([Problem(name, f"a listing of {self.label}s cannot be filtered by this field")])
        # A filter may ask for "not set" in any field.
        field = field._replace(optional=True)
        values = value if isinstance(value, tuple) else (value,)
        return tuple(field.encode(alternative) for alternative in values)


def _build_field(name: str, hint: Any, managed: frozenset[str], lengths: Mapping[str, int], texts: frozenset[str]) -> Field:
    optional = isinstance(hint, UnionType)
    value_type = next(arg for arg in get_args(hint) if arg is not type(None)) if optional else hint
    kind = FieldKind.TEXT if name in texts else _KINDS[get_origin(value_type) or value_type]
    length = lengths.get(name, 255) if kind is FieldKind.STRING else None
    is_failure = name in FAILURE_FIELDS and kind is FieldKind.TEXT
    return Field(name, kind, optional, length, name not in managed, folded=name == "address", cleaned=is_failure)


_KINDS: dict[Any, FieldKind] = {
    str: FieldKind.STRING,
    int: FieldKind.INTEGER,
    bool: FieldKind.FLAG,
    datetime: FieldKind.TIME,
    bytes: FieldKind.BYTES,
    tuple: FieldKind.LIST,
    Mapping: FieldKind.MAP,
}

_UUID_LENGTH = 36
_KEYWORD_LENGTH = 64
"""Maximum number of characters in the name of a state, a kind or an interface."""

LEASE_FIELDS = ("lease_holder", "lease_purpose", "lease_since", "lease_expires_at")

NODE_FIELDS = RecordFields(
    NodeRecord,
    "node",
    managed=frozenset({"uuid", "created_at", "updated_at", "epoch", "revision", *LEASE_FIELDS}),
    lengths={
        **dict.fromkeys(("uuid", "instance_uuid", "chassis_uuid", "parent_node", "allocation_uuid", "run_id"), _UUID_LENGTH),
        **dict.fromkeys(("resource_class", "driver"), 80),
        **dict.fromkeys(
            ("power_state", "target_power_state", "power_source", "provision_state", "target_provision_state", "fault"),
            _KEYWORD_LENGTH,
        ),
        **dict.fromkeys(("boot_mode", "health"), _KEYWORD_LENGTH),
        **dict.fromkeys(INTERFACE_FIELDS.values(), _KEYWORD_LENGTH),
        "lease_holder": 320,
    },
    texts=frozenset({"description", "last_error", "maintenance_reason", "protected_reason", "retired_reason"}),
)
PORT_FIELDS = RecordFields(
    PortRecord,
    "port",
    managed=frozenset({"uuid", "node_uuid", "created_at", "updated_at", "revision"}),
    lengths={
        **dict.fromkeys(("uuid", "node_uuid", "portgroup_uuid"), _UUID_LENGTH),
        **dict.fromkeys(("address", "category", "vendor"), 80),
    },
    texts=frozenset({"description"}),
)
CONDUCTOR_FIELDS = RecordFields(
    ConductorRecord, "conductor", managed=frozenset(), lengths={"incarnation": _KEYWORD_LENGTH}, texts=frozenset()
)


def is_uuid(ident: str) -> bool:
    """Return whether *ident* is a UUID in canonical form: lower case, with dashes."""
    return _UUID.fullmatch(ident) is not None


def require_uuid(name: str, value: str) -> None:
    """Raise ``InvalidInput`` unless *value* is a canonical UUID. Another form could not be distinguished from a name."""
    if not is_uuid(value):
        raise InvalidInput([Problem(name, f"{value!r} is not a UUID", "allowed is a UUID in lower case, with dashes")])
