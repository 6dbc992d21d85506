"""Values between processes: JSON, with a mark on what JSON does not have. Nothing is imported because a message names it."""

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

from baremetal_sdk.errors import MessageTooLarge
from baremetal_sdk.store.records.kinds import RECORD_KINDS
from baremetal_sdk.store.records.node import ConductorRecord, Lease, NodeRecord, PortRecord

RECORDS: tuple[type, ...] = (NodeRecord, PortRecord, ConductorRecord, Lease, *RECORD_KINDS)
"""The records that cross, each under the name of its class."""
_MARK = "$"
_LARGEST_INTEGER = 2**63 - 1
_MOST_DIGITS = 1024


class NotEncodable(TypeError):
    """The value holds something that cannot be sent; the message says what, and never the value."""


class MalformedMessage(ValueError):
    """What came is not what this codec writes."""


@dataclass(frozen=True)
class MessageLimits:
    """How large a message may be, in bytes, and how deep."""

    max_bytes: int = 16 * 1024 * 1024
    max_depth: int = 64


class Codec:
    """Turns values into JSON and back.

    Mappings, lists, tuples, sets, text, bytes, numbers, dates and *records* cross as they are; an enumeration whose members
    are text crosses as that text.
    """

    def __init__(self, records: Iterable[type] = RECORDS, limits: MessageLimits | None = None) -> None:
        self.limits = limits or MessageLimits()
        self._records = {record.__name__: record for record in records}
        self._fields = {record: tuple(field.name for field in dataclasses.fields(record)) for record in self._records.values()}
        self._loaders: dict[str, Callable[[Any, int], Any]] = {
            "bytes": lambda value, _: base64.b64decode(value, validate=True),
            "datetime": lambda value, _: datetime.fromisoformat(value),
            "dict": lambda value, room: {self._load(key, room): self._load(one, room) for key, one in value},
            "float": lambda value, _: float(value),
            "frozenset": lambda value, room: frozenset(self._load(one, room) for one in value),
            "int": lambda value, _: _integer(value),
            "set": lambda value, room: {self._load(one, room) for one in value},
            "tuple": lambda value, room: tuple(self._load(one, room) for one in value),
        }

    def dump(self, value: Any) -> Any:
        """*value* as a JSON value. Raises :class:`NotEncodable` and ``MessageTooLarge``."""
        return self._dump(value, self.limits.max_depth)

    def load(self, value: Any) -> Any:
        """What :meth:`dump` was given. Raises :class:`MalformedMessage` and ``MessageTooLarge``."""
        try:
            return self._load(value, self.limits.max_depth)
        except (TypeError, ValueError, AttributeError, binascii.Error, OverflowError) as exc:
            raise (
                exc if isinstance(exc, MalformedMessage) else MalformedMessage(f"a value cannot be read ({type(exc).__name__})")
            ) from None

    def to_bytes(self, message: Any) -> bytes:
        """A message of JSON values as text. Raises :class:`NotEncodable` and ``MessageTooLarge``."""
        try:
            data = orjson.dumps(message)
        except TypeError as exc:
            raise NotEncodable(f"it is not JSON: {exc}") from None
        self._check_size(len(data))
        return data

    def from_bytes(self, data: bytes) -> Any:
        """The JSON values of a message. Raises :class:`MalformedMessage` and ``MessageTooLarge``."""
        self._check_size(len(data))
        try:
            return orjson.loads(data)
        except ValueError:
            raise MalformedMessage("the message is not JSON") from None

    def _check_size(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise MessageTooLarge(f"the message has {size} bytes, and {self.limits.max_bytes} are allowed")

    def _deeper(self, room: int) -> int:
        if room <= 0:
            raise MessageTooLarge(f"the message is nested deeper than the {self.limits.max_depth} levels that are allowed")
        return room - 1

    def _dump(self, value: Any, room: int) -> Any:
        kind = type(value)
        if value is None or kind is str or kind is bool:
            return value
        if kind is dict:
            return self._dump_mapping(value, self._deeper(room))
        if kind is list:
            inner = self._deeper(room)
            return [self._dump(one, inner) for one in value]
        if kind in self._fields:
            inner = self._deeper(room)
            fields = {name: self._dump(getattr(value, name), inner) for name in self._fields[kind]}
            return {_MARK: "record", "name": kind.__name__, "v": fields}
        return self._dump_rare(value, room)

    def _dump_mapping(self, value: Mapping[Any, Any], room: int) -> Any:
        if _MARK in value or not all(type(key) is str for key in value):
            return {_MARK: "dict", "v": [[self._dump(key, room), self._dump(one, room)] for key, one in value.items()]}
        return {key: self._dump(one, room) for key, one in value.items()}

    def _dump_rare(self, value: Any, room: int) -> Any:
        if isinstance(value, str):
            return str(getattr(value, "value", value))
        if isinstance(value, int):
            plain = int(value)
            return plain if abs(plain) <= _LARGEST_INTEGER else {_MARK: "int", "v": hex(plain)}
        if isinstance(value, float):
            return value if math.isfinite(value) else {_MARK: "float", "v": repr(value)}
        if isinstance(value, datetime):
            return {_MARK: "datetime", "v": value.isoformat()}
        if isinstance(value, bytes | bytearray):
            return {_MARK: "bytes", "v": base64.b64encode(value).decode()}
        for name, sort in (("tuple", tuple), ("frozenset", frozenset), ("set", set)):
            if isinstance(value, sort):
                inner = self._deeper(room)
                return {_MARK: name, "v": [self._dump(one, inner) for one in value]}
        if isinstance(value, Mapping):
            return self._dump_mapping(value, self._deeper(room))
        raise NotEncodable(f"a value of type {type(value).__name__} cannot be sent")

    def _load(self, value: Any, room: int) -> Any:
        kind = type(value)
        if kind is list:
            inner = self._deeper(room)
            return [self._load(one, inner) for one in value]
        if kind is not dict:
            return value
        inner = self._deeper(room)
        if _MARK not in value:
            return {key: self._load(one, inner) for key, one in value.items()}
        name = value[_MARK]
        if name == "record":
            return self._load_record(value, inner)
        if name not in self._loaders:
            raise MalformedMessage(f"a value has a mark {str(name)[:32]!r} that is not known here")
        return self._loaders[name](value.get("v"), inner)

    def _load_record(self, value: Mapping[str, Any], room: int) -> Any:
        """A record, without fields that a newer release has and this one does not."""
        record = self._records.get(value.get("name", ""))
        if record is None:
            raise MalformedMessage(f"there is no record {str(value.get('name'))[:64]!r} here")
        known, given = self._fields[record], value["v"]
        return record(**{name: self._load(given[name], room) for name in known if name in given})


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise MalformedMessage("a number has too many digits")
    return int(text, 16)
