"""Encoding of values as JSON for messages between processes.

Types that JSON does not have are marked objects. Decoding creates only registered types and never imports a module that a
message names.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from baremetal_interfaces.json_cost import MIN_VALUES, count_values
from baremetal_interfaces.json_values import clean_json, clean_texts
from baremetal_sdk.errors import MessageTooLarge
from baremetal_sdk.store.records.kinds import RECORD_KINDS
from baremetal_sdk.store.records.node import ConductorRecord, Lease, NodeRecord, PortRecord

RECORDS: tuple[type, ...] = (NodeRecord, PortRecord, ConductorRecord, Lease, *RECORD_KINDS)
"""Record classes that messages may contain, identified by the name of the class."""
_MARK = "$"
"""Member that marks a JSON object as an encoded value. It has the type, and the member ``v`` has the value."""
_MAX_JSON_INTEGER = 2**63 - 1
"""Largest integer that orjson can write. Larger ones are encoded as text."""
_BYTES_PER_VALUE = 8
_MAX_INTEGER_DIGITS = 1024
"""Limit for received integers, because parsing a longer text would cost much time."""


class NotEncodable(TypeError):
    """The value has a type that cannot be sent. The message names the type, never the value."""


class MalformedMessage(ValueError):
    """The received message does not have the format of this codec."""


@dataclass(frozen=True)
class MessageLimits:
    """Limits of a message: its size in bytes, and the depth of its nesting. The number of values follows from the size."""

    max_bytes: int = 16 * 1024 * 1024
    max_depth: int = 64

    @property
    def max_values(self) -> int:
        """Maximum number of JSON values. Records have many short values such as null, and at least eight bytes for each."""
        return max(MIN_VALUES, self.max_bytes // _BYTES_PER_VALUE)


class Codec:
    """Encoder and decoder of values. Thread-safe.

    Mappings, lists, tuples, sets, text, bytes, numbers, dates and *records* keep their types. A member of a text enumeration
    becomes its text.
    """

    def __init__(self, records: Iterable[type] = RECORDS, limits: MessageLimits | None = None) -> None:
        self.limits = limits or MessageLimits()
        self._records = {record.__name__: record for record in records}
        self._fields = {record: tuple(field.name for field in dataclasses.fields(record)) for record in self._records.values()}
        self._loaders: dict[str, Callable[[Any, int], Any]] = {
            "bytes": lambda value, _: base64.b64decode(value, validate=True),
            "datetime": lambda value, _: datetime.fromisoformat(value),
            "dict": lambda value, depth: {self._load(key, depth): self._load(item, depth) for key, item in value},
            "float": lambda value, _: float(value),
            "frozenset": lambda value, depth: frozenset(self._load(item, depth) for item in value),
            "int": lambda value, _: _parse_integer(value),
            "set": lambda value, depth: {self._load(item, depth) for item in value},
            "tuple": lambda value, depth: tuple(self._load(item, depth) for item in value),
        }

    def dump(self, value: Any) -> Any:
        """Return *value* encoded as a JSON value. Raises :class:`NotEncodable`, and ``MessageTooLarge`` for too deep nesting."""
        return self._dump(value, self.limits.max_depth)

    def load(self, value: Any) -> Any:
        """Return the value that :meth:`dump` encoded.

        Raises :class:`MalformedMessage`, and ``MessageTooLarge`` for too deep nesting.
        """
        try:
            return self._load(value, self.limits.max_depth)
        except (TypeError, ValueError, AttributeError, binascii.Error, OverflowError) as exc:
            if isinstance(exc, MalformedMessage):
                raise
            # The text of the exception may quote the value, which may be a secret.
            raise MalformedMessage(f"cannot decode a value ({type(exc).__name__})") from None

    def to_bytes(self, message: Any) -> bytes:
        """Return a message of JSON values as JSON text in bytes. Raises :class:`NotEncodable` and ``MessageTooLarge``."""
        try:
            data = orjson.dumps(message)
        except TypeError:
            # Text with half of a surrogate pair, from an old record or a driver. It must not make the whole record unreadable.
            try:
                data = orjson.dumps(clean_texts(message))
            except TypeError as exc:
                raise NotEncodable(f"cannot encode the message as JSON: {exc}") from None
        self._check_size(len(data))
        return data

    def from_bytes(self, data: bytes) -> Any:
        """Return the JSON values of a message, for :meth:`load`. Raises :class:`MalformedMessage` and ``MessageTooLarge``."""
        self._check_size(len(data))
        if count_values(data) > self.limits.max_values:
            raise MessageTooLarge(
                f"message too large: more than {self.limits.max_values} values; raise [DEFAULT] rpc_max_message_size"
            )
        try:
            return orjson.loads(data)
        except ValueError:
            raise MalformedMessage("the message is not JSON") from None

    def _check_size(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise MessageTooLarge(
                f"message too large: {size} bytes, and the limit is {self.limits.max_bytes}; raise [DEFAULT] rpc_max_message_size"
            )

    def _descend(self, depth: int) -> int:
        # Counting levels ends the recursion long before Python's stack overflows.
        if depth <= 0:
            raise MessageTooLarge(f"message nested too deeply: more than {self.limits.max_depth} levels")
        return depth - 1

    def _dump(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is str or kind is bool:
            return value
        if kind is dict:
            return self._dump_mapping(value, self._descend(depth))
        if kind is list:
            inner = self._descend(depth)
            return [self._dump(item, inner) for item in value]
        if kind in self._fields:
            inner = self._descend(depth)
            names = self._fields[kind]
            try:
                fields = {name: self._dump(getattr(value, name), inner) for name in names}
            except MessageTooLarge:
                # A value of an old record that is nested too deeply must not make the whole record unreadable.
                fields = {name: self._dump(clean_json(getattr(value, name), inner // 2), inner) for name in names}
            return {_MARK: "record", "name": kind.__name__, "v": fields}
        return self._dump_rare(value, depth)

    def _dump_mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        if _MARK in value or not all(type(key) is str for key in value):
            return {_MARK: "dict", "v": [[self._dump(key, depth), self._dump(item, depth)] for key, item in value.items()]}
        return {key: self._dump(item, depth) for key, item in value.items()}

    def _dump_rare(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return str(getattr(value, "value", value))
        if isinstance(value, int):
            plain = int(value)
            return plain if abs(plain) <= _MAX_JSON_INTEGER else {_MARK: "int", "v": hex(plain)}
        if isinstance(value, float):
            return value if math.isfinite(value) else {_MARK: "float", "v": repr(value)}
        if isinstance(value, datetime):
            return {_MARK: "datetime", "v": value.isoformat()}
        if isinstance(value, bytes | bytearray):
            return {_MARK: "bytes", "v": base64.b64encode(value).decode()}
        for name, sort in (("tuple", tuple), ("frozenset", frozenset), ("set", set)):
            if isinstance(value, sort):
                inner = self._descend(depth)
                return {_MARK: name, "v": [self._dump(item, inner) for item in value]}
        if isinstance(value, Mapping):
            return self._dump_mapping(value, self._descend(depth))
        raise NotEncodable(f"cannot send a value of type {type(value).__name__}")

    def _load(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is list:
            inner = self._descend(depth)
            return [self._load(item, inner) for item in value]
        if kind is not dict:
            return value
        inner = self._descend(depth)
        if _MARK not in value:
            return {key: self._load(item, inner) for key, item in value.items()}
        name = value[_MARK]
        if name == "record":
            return self._load_record(value, inner)
        if name not in self._loaders:
            raise MalformedMessage(f"unknown type mark {str(name)[:32]!r} in a value")
        return self._loaders[name](value.get("v"), inner)

    def _load_record(self, value: Mapping[str, Any], depth: int) -> Any:
        """Return a record. Fields that this release does not know are dropped, so that processes can be upgraded one by one."""
        record = self._records.get(value.get("name", ""))
        if record is None:
            raise MalformedMessage(f"unknown record class {str(value.get('name'))[:64]!r} in a value")
        known, given = self._fields[record], value["v"]
        return record(**{name: self._load(given[name], depth) for name in known if name in given})


def _parse_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:
        raise MalformedMessage(f"an integer has more than {_MAX_INTEGER_DIGITS} digits")
    return int(text, 16)
