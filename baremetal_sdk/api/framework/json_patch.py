"""JSON Patch (RFC 6902) with the operations of Ironic: ``add``, ``remove``, ``replace`` and ``test`` on named fields.

The store writes whole fields only. Therefore :func:`apply_patch` copies each field that a patch touches and changes the copy,
and :func:`diff_fields` compares the result with the stored value.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import InvalidInput, Problem
from baremetal_interfaces.json_comparison import is_equal, is_same
from baremetal_sdk.api.framework.types import ValueType, canonical_uuid

OPERATIONS = ("add", "remove", "replace", "test")
ESCAPES_SINCE = 98
"""The minor number of the first microversion in which ``~0`` and ``~1`` in paths mean ``~`` and ``/``."""
_INVALID_ESCAPE = re.compile(r"~(?![01])")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
"""The form of an index of a list (RFC 6901, section 4): it has no leading zeros."""


class Unset:
    """Type of :data:`UNSET`, the marker for a field that a patch removes. The caller gives such a field its default."""


UNSET = Unset()


@dataclass(frozen=True)
class PatchOperation:
    """One operation of a patch.

    *position* is its index in the patch, from 0. *path* has the segments of its path without escapes: the field, then keys or
    list indexes inside the field. *value* is None for ``remove``.
    """

    position: int
    op: str
    path: tuple[str, ...]
    value: Any

    @property
    def field(self) -> str:
        """The field of the resource that the operation touches."""
        return self.path[0]

    def error(self, wrong: str, allowed: str) -> InvalidInput:
        """Return the error that names this operation. *wrong* is the reason, *allowed* describes the remedy."""
        return InvalidInput([Problem(f"patch[{self.position}] {self.op} /{'/'.join(self.path)}", wrong, allowed)])


def drop_own_node(patch: list[PatchOperation], node_uuid: str) -> list[PatchOperation]:
    """Return *patch* without operations that set ``node_uuid`` to its present value.

    Raises ``InvalidInput`` for another node, because a record never moves between nodes.
    """
    remaining = []
    for operation in patch:
        if operation.path != ("node_uuid",):
            remaining.append(operation)
        elif operation.op == "remove" or canonical_uuid(operation.value) != node_uuid:
            raise operation.error(
                "the node of a record cannot change", f"keep {node_uuid}, or create a new record for the other node"
            )
    return remaining


def patch_type(fields: Iterable[str]) -> ValueType:
    """Return the type of a PATCH body for a resource with the changeable *fields*.

    The type only provides the schema. It accepts any body, because :func:`parse_patch` needs the microversion to check it.
    """
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
    """Parse the body of a PATCH request. Raises ``InvalidInput``, which names the invalid operation."""
    if not isinstance(body, list):
        raise InvalidInput([Problem("patch", "is not a list", "send a JSON array of operations (RFC 6902)")])
    return [_parse_operation(position, entry, minor) for position, entry in enumerate(body)]


def _parse_operation(position: int, entry: Any, minor: int) -> PatchOperation:
    def refuse(wrong: str, allowed: str) -> InvalidInput:
        return InvalidInput([Problem(f"patch[{position}]", wrong, allowed)])

    if not isinstance(entry, dict):
        raise refuse("is not an object", 'send {"op": ..., "path": ..., "value": ...}')
    op, path = entry.get("op"), entry.get("path")
    if op not in OPERATIONS:
        raise refuse(f"its op {str(op)[:32]!r} is not supported", "use one of " + ", ".join(OPERATIONS))
    if not isinstance(path, str) or not path.startswith("/") or path == "/":
        raise refuse(
            f"its path {str(path)[:64]!r} does not name a field",
            "start with a slash and the name of a field, such as /extra/rack",
        )
    if minor >= ESCAPES_SINCE and _INVALID_ESCAPE.search(path):
        raise refuse(f"its path {path[:64]!r} contains an invalid ~", "write ~ as ~0, and a / inside a name as ~1")
    if op != "remove" and "value" not in entry:
        raise refuse("has no value", f"add the key value, which the operation {op} needs")
    return PatchOperation(position, str(op), _split(path, minor), entry.get("value"))


def _split(path: str, minor: int) -> tuple[str, ...]:
    parts = path[1:].split("/")
    if minor >= ESCAPES_SINCE:
        # In this order: "~01" means "~1" and not "/" (RFC 6901, section 4).
        parts = [part.replace("~1", "/").replace("~0", "~") for part in parts]
    return tuple(parts)


def apply_patch(document: Mapping[str, Any], patch: list[PatchOperation]) -> dict[str, Any]:
    """Return each field that *patch* touches with its whole new value. *document*, the stored fields, does not change.

    A removed field has the value ``UNSET``. Raises ``InvalidInput``, which names the operation that fails.
    """
    changed: dict[str, Any] = {}
    for operation in patch:
        name = operation.field
        # Later operations on the same field see the effect of earlier ones.
        if name not in changed:
            changed[name] = copy.deepcopy(document[name])
        if len(operation.path) == 1:
            changed[name] = _apply_to_field(operation, changed[name])
        else:
            _apply_inside(operation, changed[name])
    return changed


def _apply_to_field(operation: PatchOperation, value: Any) -> Any:
    if operation.op == "test":
        return _check_test(operation, value)
    return UNSET if operation.op == "remove" else _copy_value(operation)


def _apply_inside(operation: PatchOperation, container: Any) -> None:
    for part in operation.path[1:-1]:
        container = _member(operation, container, part)
    last = operation.path[-1]
    if isinstance(container, dict):
        _apply_to_object(operation, container, last)
    elif isinstance(container, list):
        _apply_to_list(operation, container, last)
    else:
        raise operation.error("the parent of its last segment is neither an object nor a list", "correct the path")


def _member(operation: PatchOperation, container: Any, part: str) -> Any:
    if isinstance(container, dict) and part in container:
        return container[part]
    if isinstance(container, list):
        return container[_index(operation, container, part)]
    raise operation.error(f"the segment {part!r} of its path does not exist", "add the parent first")


def _apply_to_object(operation: PatchOperation, container: dict[str, Any], name: str) -> None:
    if operation.op != "add" and name not in container:
        raise operation.error(f"the key {name!r} does not exist", "correct the path, or use the operation add for a new key")
    if operation.op == "test":
        _check_test(operation, container[name])
    elif operation.op == "remove":
        del container[name]
    else:
        container[name] = _copy_value(operation)


def _apply_to_list(operation: PatchOperation, container: list[Any], part: str) -> None:
    if operation.op == "add":
        index = len(container) if part == "-" else _index(operation, container, part, len(container))
        container.insert(index, _copy_value(operation))
        return
    index = _index(operation, container, part)
    if operation.op == "test":
        _check_test(operation, container[index])
    elif operation.op == "remove":
        del container[index]
    else:
        container[index] = _copy_value(operation)


def _copy_value(operation: PatchOperation) -> Any:
    # Later operations change the value in place, and a patch is applied again if the record has changed meanwhile.
    return copy.deepcopy(operation.value)


def _index(operation: PatchOperation, container: list[Any], part: str, highest: int | None = None) -> int:
    last = len(container) - 1 if highest is None else highest
    if not (_INDEX.fullmatch(part) and int(part) <= last):
        raise operation.error(
            f"{part!r} is not an index of the list, which has {len(container)} items", "use an index from 0, or add to -"
        )
    return int(part)


def _check_test(operation: PatchOperation, value: Any) -> Any:
    if not is_equal(value, operation.value):
        raise operation.error("the test failed because the current value is different", "read the resource again")
    return value


def diff_fields(
    document: Mapping[str, Any], touched: Mapping[str, Any], read: Callable[[str, Any], Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields that a patch really changes: field -> whole new value. Fields whose value stays the same are left out.

    A value of another JSON type is another value: 1, 1.0 and true are different. For the arguments see :func:`parse_touched`.
    """
    return select_changed(document, parse_touched(touched, read, defaults))


def parse_touched(touched: Mapping[str, Any], read: Callable[[str, Any], Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the new value of each field that a patch touches, in the form in which it is stored.

    *touched* is the result of :func:`apply_patch`. *read* takes a field and its new value, checks the value and returns it
    converted. A removed field gets its value in *defaults*.
    """
    return {name: defaults[name] if value is UNSET else read(name, value) for name, value in touched.items()}


def select_changed(document: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of *new* that differ from those of the stored fields *document*."""
    return {name: value for name, value in new.items() if not is_same(value, document[name])}
