"""Hostile JSON values and texts, and mutations of valid ones."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import Any

TEXTS = (
    "", " ", "\0", "a\0b", "x" * 300, "x" * 70_000, "\n2026-01-01 forged line", "\x1b[31m", "\u202e", "é" * 200, "None", "null",
    "true", " false", "0", "-1", "1e999", "../../etc/passwd", "/dev/zero", "http://[::1", "file:///etc/passwd", "%00", "%s%n",
    "';--", "{{7*7}}", "\ud800", "\uffff", "a/b?c#d", "127.0.0.1\r\nX: y", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 2**70, 10**400, 1.5, -0.0, 1e308, float("inf"), float("nan"))
SHAPES: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": ""}, {"a": {"b": {"c": [1, 2, 3]}}}, [{}] * 50)
MAX_DEPTH = 5


def choose_value(chance: random.Random) -> Any:
    """Return a hostile JSON value."""
    kind = chance.random()
    if kind < 0.4:
        return chance.choice(TEXTS)
    if kind < 0.65:
        return chance.choice(NUMBERS)
    if kind < 0.95:
        return copy.deepcopy(chance.choice(SHAPES))
    return {choose_name(chance): choose_value(chance) for _ in range(chance.randrange(4))}


def choose_name(chance: random.Random) -> str:
    """Return a hostile name of a field."""
    return chance.choice((*TEXTS, "uuid", "name", "extra", "driver_info", "$", "__class__", "id", "node_uuid", "links"))


def build_value(schema: Mapping[str, Any], chance: random.Random, depth: int = 0) -> Any:
    """Return a value that the JSON *schema* allows, as far as the types, names and enumerations in it say."""
    if "enum" in schema:
        return chance.choice(list(schema["enum"]))
    for members in (schema.get("anyOf"), schema.get("oneOf")):
        if members:
            return build_value(chance.choice(members), chance, depth)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = chance.choice(kind)
    if kind == "object":
        return _build_object(schema, chance, depth)
    if kind == "array":
        count = chance.randrange(schema.get("minItems", 0), schema.get("minItems", 0) + 3) if depth < MAX_DEPTH else 0
        return [build_value(schema.get("items", {}), chance, depth + 1) for _ in range(count)]
    if kind == "string":
        return _build_text(schema, chance)
    if kind == "boolean":
        return chance.random() < 0.5
    if kind in ("integer", "number"):
        return chance.randrange(max(0, schema.get("minimum", 0)), 100 + max(0, schema.get("minimum", 0)))
    return None if kind == "null" else chance.choice(("text", 1, None, [], {}))


def _build_object(schema: Mapping[str, Any], chance: random.Random, depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = set(schema.get("required", ()))
    if depth >= MAX_DEPTH:
        return {}
    return {
        name: build_value(inner, chance, depth + 1)
        for name, inner in properties.items()
        if name in required or chance.random() < 0.3
    }


def _build_text(schema: Mapping[str, Any], chance: random.Random) -> str:
    if schema.get("format") == "uuid":
        return f"{chance.getrandbits(32):08x}-1111-4111-8111-111111111111"
    if schema.get("format") in ("uri", "url"):
        return "http://192.0.2.1/image"
    pattern = str(schema.get("pattern", ""))
    if pattern.startswith("^/("):  # the path of a patch operation
        name = chance.choice(pattern[3 : pattern.index(")")].split("|"))
        return f"/{name}" + chance.choice(("", "", "", "/a", "/-", "/0", "/~", "/a/b", "/" + "x" * 300))
    if "[0-9A-Fa-f]{2}" in pattern or ":" in pattern:
        return f"52:54:00:{chance.randrange(256):02x}:{chance.randrange(256):02x}:{chance.randrange(256):02x}"
    return chance.choice(("a", "CUSTOM_TEXT", "name-1", "fake-hardware", "power on", "manage"))


def mutate(value: Any, chance: random.Random) -> Any:
    """Return a copy of *value* with one hostile change at a random place: a value, a name, a missing or an added member."""
    value = copy.deepcopy(value)
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return choose_value(chance)
    holder = value
    while True:
        key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.3:
            break
        holder = inner
    action = chance.random()
    if action < 0.65:
        holder[key] = choose_value(chance)
    elif action < 0.8:
        del holder[key]
    elif isinstance(holder, dict):
        holder[choose_name(chance)] = choose_value(chance)
    else:
        holder.extend(holder * 3)
    return value
