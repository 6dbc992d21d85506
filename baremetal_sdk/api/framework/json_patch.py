"""JSON Patch (RFC 6902) as the Bare Metal API takes it: ``add``, ``remove``, ``replace`` and ``test`` on named fields."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_sdk.api.framework.types import ValueType

OPERATIONS = ("add", "remove", "replace", "test")
ESCAPES_SINCE = 98
"""The minor number of the microversion in which ``~0`` and ``~1`` in paths came to mean ``~`` and ``/``."""
_WRONG_ESCAPE = re.compile(r"~(?![01])")


class Unset:
    """Marks a field that a patch removed: it goes back to its default."""


UNSET = Unset()


@dataclass(frozen=True)
class PatchOperation:
    """One operation of a patch. *position* is its place in the list; *path* has been split and unescaped."""

    position: int
    op: str
    path: tuple[str, ...]
    value: Any

    @property
    def field(self) -> str:
        """The field of the resource that it touches."""
        return self.path[0]

    def problem(self, wrong: str, allowed: str) -> InvalidInput:
        """The refusal of this operation."""
        return InvalidInput([Problem(f"patch[{self.position}] {self.op} /{'/'.join(self.path)}", wrong, allowed)])


def drop_own_node(patch: list[PatchOperation], node_uuid: str) -> list[PatchOperation]:
    """*patch* without what says that a record belongs to the node that it is of. Raises ``InvalidInput`` for another node."""
    kept = []
    for operation in patch:
        if operation.path != ("node_uuid",):
            kept.append(operation)
        elif operation.op == "remove" or operation.value != node_uuid:
            raise operation.problem("it stays with its node", f"{node_uuid}, or delete it and create it for the other node")
    return kept


def patch_type(fields: Iterable[str]) -> ValueType:
    """The body of a PATCH request for a resource of which *fields* can be changed; :func:`operations` reads it."""
    path = {"type": "string", "pattern": f"^/({'|'.join(sorted(fields))})(/.*)?$"}
    removal = {"type": "object", "required": ["op", "path"], "properties": {"op": {"const": "remove"}, "path": path}}
    others = [op for op in OPERATIONS if op != "remove"]
    setting = {
        "type": "object",
        "required": ["op", "path", "value"],
        "properties": {"op": {"enum": others}, "path": path, "value": {}},
    }
    return ValueType(lambda body: body, {"type": "array", "items": {"anyOf": [setting, removal]}})


def parse_patch(body: Any, minor: int) -> list[PatchOperation]:
    """Read the body of a PATCH request. Raises ``InvalidInput``, which names the operation that is wrong."""
    if not isinstance(body, list):
        raise InvalidInput([Problem("patch", "it is not a list", "give a JSON array of operations (RFC 6902)")])
    return [_operation(position, entry, minor) for position, entry in enumerate(body)]


def _operation(position: int, entry: Any, minor: int) -> PatchOperation:
    def refuse(wrong: str, allowed: str) -> InvalidInput:
        return InvalidInput([Problem(f"patch[{position}]", wrong, allowed)])

    if not isinstance(entry, dict):
        raise refuse("it is not an object", 'give {"op": ..., "path": ..., "value": ...}')
    op, path = entry.get("op"), entry.get("path")
    if op not in OPERATIONS:
        raise refuse(f"its op is {str(op)[:32]!r}", "one of " + ", ".join(OPERATIONS))
    if not isinstance(path, str) or not path.startswith("/") or path == "/":
        raise refuse(f"its path is {str(path)[:64]!r}", "give a slash and the name of a field, such as /extra/rack")
    if minor >= ESCAPES_SINCE and _WRONG_ESCAPE.search(path):
        raise refuse(f"its path is {path[:64]!r}", "~ is written ~0 in a path, and / in a name ~1")
    if op != "remove" and "value" not in entry:
        raise refuse("it has no value", f"{op} needs one")
    return PatchOperation(position, str(op), _split(path, minor), entry.get("value"))


def _split(path: str, minor: int) -> tuple[str, ...]:
    parts = path[1:].split("/")
    if minor >= ESCAPES_SINCE:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in parts]
    return tuple(parts)


def apply_patch(document: Mapping[str, Any], patch: list[PatchOperation]) -> dict[str, Any]:
    """The fields that *patch* touches, as they are afterwards; *document* stays as it is.

    A field that was removed is ``UNSET``. Raises ``InvalidInput``, which names the operation that cannot be done.
    """
    changed: dict[str, Any] = {}
    for operation in patch:
        name = operation.field
        if name not in changed:
            changed[name] = copy.deepcopy(document[name])
        if len(operation.path) == 1:
            changed[name] = _apply_to_field(operation, changed[name])
        else:
            _apply_inside(operation, changed[name])
    return changed


def _apply_to_field(operation: PatchOperation, value: Any) -> Any:
    if operation.op == "test":
        return _tested(operation, value)
    return UNSET if operation.op == "remove" else operation.value


def _apply_inside(operation: PatchOperation, container: Any) -> None:
    for part in operation.path[1:-1]:
        container = _member(operation, container, part)
    last = operation.path[-1]
    if isinstance(container, dict):
        _apply_to_object(operation, container, last)
    elif isinstance(container, list):
        _apply_to_list(operation, container, last)
    else:
        raise operation.problem("nothing can be below this path", "the path has to lead into an object or a list")


def _member(operation: PatchOperation, container: Any, part: str) -> Any:
    if isinstance(container, dict) and part in container:
        return container[part]
    if isinstance(container, list):
        return container[_index(operation, container, part)]
    raise operation.problem(f"there is no {part!r} on the way", "add what is above it first")


def _apply_to_object(operation: PatchOperation, container: dict[str, Any], name: str) -> None:
    if operation.op != "add" and name not in container:
        raise operation.problem(f"there is no {name!r}", "add takes names that are new")
    if operation.op == "test":
        _tested(operation, container[name])
    elif operation.op == "remove":
        del container[name]
    else:
        container[name] = operation.value


def _apply_to_list(operation: PatchOperation, container: list[Any], part: str) -> None:
    if operation.op == "add":
        container.insert(len(container) if part == "-" else _index(operation, container, part, len(container)), operation.value)
        return
    index = _index(operation, container, part)
    if operation.op == "test":
        _tested(operation, container[index])
    elif operation.op == "remove":
        del container[index]
    else:
        container[index] = operation.value


def _index(operation: PatchOperation, container: list[Any], part: str, highest: int | None = None) -> int:
    last = len(container) - 1 if highest is None else highest
    if not (part.isascii() and part.isdigit() and len(part) < 10 and int(part) <= last):
        raise operation.problem(f"{part!r} is no place in a list of {len(container)}", "give a number from 0, or - to append")
    return int(part)


def _tested(operation: PatchOperation, value: Any) -> Any:
    if value != operation.value:
        raise operation.problem("the value is another one", "read the resource again")
    return value


def diff_fields(
    document: Mapping[str, Any], touched: Mapping[str, Any], read: Callable[[str, Any], Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """What is different after a patch: field -> whole new value, checked by *read*; a removed field has its default."""
    new = {name: defaults[name] if value is UNSET else read(name, value) for name, value in touched.items()}
    return {name: value for name, value in new.items() if value != document[name]}
