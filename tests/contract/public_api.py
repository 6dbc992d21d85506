"""The public interface of the contract as data: what a plugin or a host may rely on.

``python -m tests.contract.public_api`` writes the snapshot of a version that has none yet.
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
    """Name -> what it is, for everything that the package exports."""
    return {name: described(getattr(baremetal_interfaces, name)) for name in sorted(baremetal_interfaces.__all__)}


def described(thing: Any) -> Any:
    """A class by its bases, members and fields; a function by its signature; anything else by its text."""
    if inspect.isclass(thing):
        return _class(thing)
    return _signature(thing) if callable(thing) else repr(thing)


def _class(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {"bases": [base.__name__ for base in cls.__bases__ if base is not object]}
    if issubclass(cls, enum.Enum):
        return {**found, "values": {member.name: str(member.value) for member in cls}}
    if dataclasses.is_dataclass(cls):
        found["fields"] = {one.name: f"{one.type}{'' if _is_required(one) else ' = ...'}" for one in dataclasses.fields(cls)}
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
    # What Python itself puts into a class, a dataclass or a protocol is not of the contract.
    if not inspect.isfunction(function) or function.__name__.startswith("_no_init"):
        return False
    return function.__code__.co_filename.endswith(".py")


def _signature(value: Any) -> str:
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return _ADDRESS.sub("", str(inspect.signature(function)))


def snapshot_of(version: tuple[int, int]) -> Path:
    """Where the interface of a version is kept."""
    return SNAPSHOTS / f"{version[0]}.{version[1]}.json"


def main() -> int:
    """Write the snapshot of this version; 1 where there is one, which is never written again."""
    path = snapshot_of(CONTRACT_VERSION)
    if path.exists():
        print(f"{path} is there: what was published does not change; raise CONTRACT_VERSION", file=sys.stderr)
        return 1
    path.write_text(json.dumps(public_api(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
