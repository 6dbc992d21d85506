"""Writes the beginning of a plugin: a distribution that installs, keeps the contract and drives a machine, as it is."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from baremetal_interfaces import CONTRACT_VERSION, InvalidInput, Problem

_NAME = re.compile(r"[a-z][a-z0-9]*\Z")
_SUFFIX = ".template"


def write_plugin(name: str, directory: Path | None = None) -> Path:
    """Write the distribution ``baremetal-NAME`` and give back its directory, ``baremetal-NAME`` unless it is given.

    Raises ``InvalidInput`` for a name that cannot be one of a plugin, and for a directory that holds something.
    """
    if not _NAME.match(name):
        raise InvalidInput([Problem("name", f"{name!r} is not valid", "lower-case letters and digits, a letter first")])
    target = directory or Path(f"baremetal-{name}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInput([Problem("directory", f"{target} is there already", "it has to be new, or empty")])
    for template in sorted(_templates(), key=str):
        relative = str(template.relative_to(_root())).removesuffix(_SUFFIX)
        path = target / _filled(relative, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(template.read_text(encoding="utf-8"), name), encoding="utf-8")
    return target


def _root() -> Path:
    return Path(str(files("baremetal_sdk.cli") / "template"))


def _templates() -> list[Path]:
    return [path for path in _root().rglob(f"*{_SUFFIX}") if path.is_file()]


def _filled(text: str, name: str) -> str:
    major, minor = CONTRACT_VERSION
    values = {"NAME": name, "CLASS": name[0].upper() + name[1:], "CONTRACT": f"({major}, {minor})"}
    for word, value in values.items():
        text = text.replace(f"@{word}@", value)
    return text
