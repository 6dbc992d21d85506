"""What the fields of records are: their kinds and bounds, how they are stored, and which of them a caller may write."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from types import UnionType
from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.store.records.node import ConductorRecord, NodeRecord, PortRecord
from baremetal_sdk.store.records.query import Row

R = TypeVar("R")
StoredRecord = Mapping[str, Any]
"""Field -> value of one record, encoded as the database keeps it."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LARGEST_INTEGER = 2**31 - 1


class FieldKind(Enum):
    """The kinds of values that records have."""

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
        """Whether values are stored as JSON text."""
        return self in (FieldKind.MAP, FieldKind.LIST)

    @property
    def is_sortable(self) -> bool:
        """Whether values are compared by listings: they can be sorted by and filtered for."""
        return self not in (FieldKind.MAP, FieldKind.LIST, FieldKind.BYTES)


class Field(NamedTuple):
    """One field of a record."""

    name: str
    kind: FieldKind
    optional: bool
    """Whether it may be None."""
    length: int | None
    """Characters in a string, at most."""
    writable: bool
    """Whether an update may name it; the others are counted and set by the store alone."""
    folded: bool = False
    """Whether letters are kept in lower case, because case means nothing in it."""

    @property
    def allowed(self) -> str:
        """What values there are, in words."""
        length = f" of at most {self.length} characters" if self.length else ""
        return self.kind.value + length + (" or null" if self.optional else "")

    def encode(self, value: Any) -> Any:
        """*value* as it is stored: times in UTC, JSON as text. Raises ``InvalidInput``, which names the field."""
        if value is None:
            if self.optional:
                return None
            raise self._wrong("it is null")
        if not isinstance(value, _TYPES[self.kind]) or (self.kind is FieldKind.INTEGER and isinstance(value, bool)):
            raise self._wrong(f"it is of type {type(value).__name__}")
        return self._convert(value)

    def _convert(self, value: Any) -> Any:
        # By identity: this is asked for some seventy fields of each node that is made.
        kind = self.kind
        if kind is FieldKind.STRING or kind is FieldKind.TEXT:
            return self._string(value)
        if kind is FieldKind.MAP or kind is FieldKind.LIST:
            return self._json(value)
        if kind is FieldKind.TIME:
            if value.tzinfo is None:
                raise self._wrong("it has no time zone")
            return value.astimezone(UTC)
        if kind is FieldKind.INTEGER and abs(value) > _LARGEST_INTEGER:
            raise self._wrong(f"it is {value}", f"at most {_LARGEST_INTEGER}")
        return value

    def _string(self, value: str) -> str:
        if self.length is not None and len(value) > self.length:
            raise self._wrong(f"it has {len(value)} characters")
        if "\0" in value:
            raise self._wrong("it has a character NUL")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as exc:
                raise self._wrong(f"character {exc.start} is half of a surrogate pair") from None
        return value.lower() if self.folded else value

    def _json(self, value: Any) -> str:
        if not value:
            return "{}" if self.kind is FieldKind.MAP else "[]"
        if isinstance(value, str | bytes):
            raise self._wrong(f"it is of type {type(value).__name__}")
        try:
            return json.dumps(value, allow_nan=False, default=_plain, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as exc:
            # The text of a TypeError names a type, never a value.
            raise self._wrong(f"it is no JSON ({exc})", "JSON values") from None

    def decode(self, stored: Any) -> Any:
        """The value that was stored as *stored*; JSON gives objects that are the caller's own."""
        if self.kind is FieldKind.MAP:
            return {} if stored == "{}" else json.loads(stored)
        if self.kind is FieldKind.LIST:
            return () if stored == "[]" else tuple(json.loads(stored))
        return stored

    def _wrong(self, wrong: str, allowed: str | None = None) -> InvalidInput:
        return InvalidInput([Problem(self.name, wrong, allowed or f"allowed is {self.allowed}")])


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


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value is of type {type(value).__name__}")


class RecordFields(Generic[R]):
    """The fields of one kind of record, derived from its dataclass: what is stored and checked is what is declared.

    *managed* are the fields that only the store writes, *lengths* the bounds of strings (a text has none), *texts*
    the strings without a bound.
    """

    def __init__(
        self, record: type[R], label: str, *, managed: frozenset[str], lengths: Mapping[str, int], texts: frozenset[str]
    ) -> None:
        self.label = label
        self.record_type = record
        hints = get_type_hints(record)
        self.by_name: Mapping[str, Field] = {
            field.name: _field(field.name, hints[field.name], managed, lengths, texts)
            for field in dataclasses.fields(record)  # type: ignore[arg-type]
        }
        self.names: tuple[str, ...] = tuple(self.by_name)
        self._json = tuple(field for field in self.by_name.values() if field.kind.is_json)

    def encode_record(self, record: R) -> dict[str, Any]:
        """All fields of a record as they are stored. Raises ``InvalidInput``."""
        values = vars(record)
        return {
            name: None if (value := values[name]) is None and field.optional else field.encode(value)
            for name, field in self.by_name.items()
        }

    def encode_changes(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The changes of an update as they are stored. Raises ``InvalidInput`` that names all fields that cannot be written."""
        problems = [self._refusal(name) for name in changes if name not in self.by_name or not self.by_name[name].writable]
        if problems:
            raise InvalidInput(problems)
        return {name: self.by_name[name].encode(value) for name, value in changes.items()}

    def _refusal(self, name: str) -> Problem:
        if name in self.by_name:
            return Problem(name, f"an update of a {self.label} cannot change it")
        return Problem(name, f"a {self.label} has no such field")

    def decode_record(self, stored: Mapping[str, Any]) -> R:
        """The record that was stored. Its JSON values belong to the caller."""
        values = dict(stored)
        for field in self._json:
            values[field.name] = field.decode(values[field.name])
        return self.record_type(**values)

    def decode_row(self, stored: Mapping[str, Any], names: Sequence[str]) -> Row:
        """A row of a listing with the fields *names*."""
        return Row({name: self.by_name[name].decode(stored[name]) for name in names})

    def select_fields(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """The fields that a listing asks for. Raises ``InvalidInput`` for one that there is not."""
        if names is None:
            return self.names
        unknown = [name for name in names if name not in self.by_name]
        if unknown:
            raise InvalidInput([Problem("fields", f"a {self.label} has no field {name!r}") for name in unknown])
        return tuple(dict.fromkeys(names))

    def sort_field(self, name: str) -> Field:
        """The field to sort by. Raises ``InvalidInput``."""
        field = self.by_name.get(name)
        if field is None or not field.kind.is_sortable:
            wrong = f"a {self.label} has no field {name!r}" if field is None else f"{name!r} is {field.kind.value}"
            raise InvalidInput([Problem("sort_key", wrong, "allowed is a field with a simple value")])
        return field

    def encode_filters(self, where: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        """What a listing filters for, as field -> the stored values of which one has to match. Raises ``InvalidInput``."""
        return {name: self._encode_filter(name, value) for name, value in where.items()}

    def _encode_filter(self, name: str, value: Any) -> tuple[Any, ...]:
        field = self.by_name.get(name)
        if field is None or not field.kind.is_sortable:
            raise InvalidInput([Problem(name, f"{self.label}s cannot be filtered by it")])
        field = field._replace(optional=True)
        return tuple(field.encode(each) for each in (value if isinstance(value, tuple) else (value,)))


def _field(name: str, hint: Any, managed: frozenset[str], lengths: Mapping[str, int], texts: frozenset[str]) -> Field:
    optional = isinstance(hint, UnionType)
    plain = next(arg for arg in get_args(hint) if arg is not type(None)) if optional else hint
    kind = FieldKind.TEXT if name in texts else _KINDS[get_origin(plain) or plain]
    length = lengths.get(name, 255) if kind is FieldKind.STRING else None
    return Field(name, kind, optional, length, name not in managed, folded=name == "address")


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
_WORD_LENGTH = 64
"""Characters in the name of a state, a kind, an interface."""

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
            _WORD_LENGTH,
        ),
        **dict.fromkeys(("boot_mode", "health"), _WORD_LENGTH),
        **{field.name: _WORD_LENGTH for field in dataclasses.fields(NodeRecord) if field.name.endswith("_interface")},
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
    ConductorRecord, "conductor", managed=frozenset(), lengths={"incarnation": _WORD_LENGTH}, texts=frozenset()
)


def is_uuid(ident: str) -> bool:
    """Whether this is a UUID in its canonical form: lower case, with dashes."""
    return _UUID.fullmatch(ident) is not None


def require_uuid(name: str, value: str) -> None:
    """Raises ``InvalidInput`` unless *value* is a canonical UUID: any other could not be told from a name."""
    if not is_uuid(value):
        raise InvalidInput([Problem(name, f"{value!r} is no UUID", "allowed is a UUID in lower case, with dashes")])
