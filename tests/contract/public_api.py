"""The public API of the contract as data.

``python -m tests.contract.public_api`` writes the snapshot of the current version, if it has none.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import baremetal_interfaces
from baremetal_interfaces import CONTRACT_VERSION

_ADDRESS = re.compile(r" object at 0x[0-9a-f]+")
SNAPSHOTS = Path(__file__).with_name("api")


def public_api() -> dict[str, Any]:
    """Return all names that the package exports: name -> description."""
    return {name: describe(getattr(baremetal_interfaces, name)) for name in sorted(baremetal_interfaces.__all__)}


def describe(thing: Any) -> Any:
    """Return the bases, members and fields of a class, the signature of a function, or the repr of anything else."""
    if inspect.isclass(thing):
        return _describe_class(thing)
    return _signature(thing) if callable(thing) else repr(thing)


def _describe_class(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {"bases": [base.__name__ for base in cls.__bases__ if base is not object]}
    if issubclass(cls, enum.Enum):
        return {**found, "values": {member.name: str(member.value) for member in cls}}
    if dataclasses.is_dataclass(cls):
        found["fields"] = {
            field.name: f"{field.type}{'' if _is_required(field) else ' = ...'}" for field in dataclasses.fields(cls)
        }
    members = {name: value for name, value in vars(cls).items() if _is_public(name)}
    found["methods"] = {name: _signature(value) for name, value in members.items() if _is_method(value)}
    fields = found.get("fields", {})
    found["attributes"] = sorted(name for name, value in members.items() if not _is_method(value) and name not in fields)
    found["abstract"] = sorted(getattr(cls, "__abstractmethods__", ()))
    return found


def _is_required(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _is_public(name: str) -> bool:
    return name == "__init__" or not name.startswith("_")


def _is_method(value: Any) -> bool:
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    # Members that Python generates for classes, dataclasses and protocols are not part of the contract.
    if not inspect.isfunction(function) or function.__name__.startswith("_no_init"):
        return False
    return function.__code__.co_filename.endswith(".py")


def _signature(value: Any) -> str:
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return _ADDRESS.sub("", str(inspect.signature(function)))


def snapshot_of(version: tuple[int, int]) -> Path:
    """Return the path of the snapshot of a version."""
    return SNAPSHOTS / f"{version[0]}.{version[1]}.json"


def main() -> int:
    """Write the snapshot of the current version. Return 1 if it exists: a snapshot is never overwritten."""
    path = snapshot_of(CONTRACT_VERSION)
    if path.exists():
        print(f"{path} exists: a published version does not change; raise CONTRACT_VERSION", file=sys.stderr)
        return 1
    path.write_text(json.dumps(public_api(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
