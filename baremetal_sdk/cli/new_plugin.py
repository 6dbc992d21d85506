"""Creation of a new driver plugin from a template. The new plugin installs and passes the conformance tests unchanged."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from baremetal_interfaces import CONTRACT_VERSION, InvalidInput, Problem

_NAME = re.compile(r"[a-z][a-z0-9]*\Z")
_SUFFIX = ".template"


def write_plugin(name: str, directory: Path | None = None) -> Path:
    """Write the files of the distribution ``baremetal-NAME`` to *directory* (by default ``baremetal-NAME``), and return it.

    Raises ``InvalidInput`` for an invalid name, and for a directory that is not empty.
    """
    if not _NAME.match(name):
        raise InvalidInput([Problem("name", f"{name!r} is not valid", "use lower-case letters and digits, with a letter first")])
    target = directory or Path(f"baremetal-{name}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInput([Problem("directory", f"{target} exists and is not empty", "use a new or empty directory")])
    for template in sorted(_list_templates(), key=str):
        relative = str(template.relative_to(_template_root())).removesuffix(_SUFFIX)
        path = target / _fill(relative, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_fill(template.read_text(encoding="utf-8"), name), encoding="utf-8")
    return target


def _template_root() -> Path:
    return Path(str(files("baremetal_sdk.cli") / "template"))


def _list_templates() -> list[Path]:
    return [path for path in _template_root().rglob(f"*{_SUFFIX}") if path.is_file()]


def _fill(text: str, name: str) -> str:
    major, minor = CONTRACT_VERSION
    values = {"NAME": name, "CLASS": name[0].upper() + name[1:], "CONTRACT": f"({major}, {minor})"}
    for word, value in values.items():
        text = text.replace(f"@{word}@", value)
    return text
