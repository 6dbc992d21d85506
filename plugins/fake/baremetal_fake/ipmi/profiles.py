"""Profiles of simulated IPMI BMCs: deviations from the specification that owners of machines of one make have reported.

A profile is a TOML file with a ``title`` and a table for each deviation::

    title = "Example BMC"

    [[deviations]]
    option = "sensor_read_bytes"
    value = 8
    text = "One request reads 8 bytes of a sensor record at most."
    source = "https://example.org/issues/1"

``option`` is a field of :class:`~baremetal_fake.ipmi.options.IPMIOptions`, or ``access.`` and a field of its ``access``. The
option ``sensors`` adds sensors to those of the machine. A command is written as its network function and number, such as
``"06/02"``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from baremetal_fake.ipmi.options import IPMIOptions
from baremetal_fake.ipmi.sensors import Sensor
from baremetal_fake.ipmi.sessions import AccessOptions

_FOLDER = "profile_data"
_KEYS = ("option", "value", "text", "source")
_ACCESS = "access."


@dataclass(frozen=True)
class Deviation:
    """One deviation: the *option* with its *value*, a sentence about the behavior, and the *source* of the report."""

    option: str
    value: Any
    text: str
    source: str


@dataclass(frozen=True)
class Profile:
    """Behavior of the BMCs of one make."""

    title: str
    deviations: tuple[Deviation, ...]

    def build_options(self, base: IPMIOptions | None = None) -> IPMIOptions:
        """Return the options *base*, by default those of a BMC without deviations, with the deviations of the profile.

        Raises ValueError if a deviation is not valid.
        """
        options = IPMIOptions() if base is None else base
        for deviation in self.deviations:
            options = _apply(options, deviation)
        return options


def profile_names() -> list[str]:
    """Return the names of the profiles that this distribution contains."""
    return sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def load_profile(name: str | Path) -> Profile:
    """Return the profile *name* of this distribution, or the one in the TOML file *name*.

    Raises ValueError if there is no such profile or if it is not valid, and OSError if the file is unreadable.
    """
    if str(name).endswith(".toml"):
        return _parse(str(name), Path(name).read_text("utf-8"))
    if name not in profile_names():
        known = ", ".join(profile_names())
        raise ValueError(f"there is no IPMI profile {str(name)!r}; profiles are {known}, or the path of a file .toml")
    return _parse(str(name), _folder().joinpath(f"{name}.toml").read_text("utf-8"))


def _folder() -> Any:
    return resources.files("baremetal_fake.ipmi").joinpath(_FOLDER)


def _parse(name: str, text: str) -> Profile:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ValueError(f"the IPMI profile {name} is not valid: {exc}") from None
    tables = content.get("deviations", [])
    for number, table in enumerate(tables, 1):
        if set(table) != set(_KEYS):
            raise ValueError(
                f"the IPMI profile {name} is not valid: deviation {number} needs exactly the keys {', '.join(_KEYS)}"
            )
    profile = Profile(str(content.get("title", name)), tuple(Deviation(**table) for table in tables))
    profile.build_options()
    return profile


def _apply(options: IPMIOptions, deviation: Deviation) -> IPMIOptions:
    name, value = deviation.option, deviation.value
    if name == "sensors":
        return replace(options, sensors=(*options.sensors, *(Sensor(**sensor) for sensor in value)))
    if name.startswith(_ACCESS):
        field = name.removeprefix(_ACCESS)
        _require_field(AccessOptions, field, name)
        return replace(options, access=replace(options.access, **{field: _convert(value)}))
    _require_field(IPMIOptions, name, name)
    if name == "refused_commands":
        value = {**options.refused_commands, **{_parse_command(command): code for command, code in value.items()}}
    elif name == "ignored_commands":
        value = (*options.ignored_commands, *(_parse_command(command) for command in value))
    return replace(options, **{name: _convert(value)})


def _require_field(kind: type[IPMIOptions | AccessOptions], field: str, option: str) -> None:
    if field not in {known.name for known in fields(kind)}:
        raise ValueError(f"an IPMI profile is not valid: {option!r} is not an option of a simulated IPMI BMC")


def _parse_command(text: str) -> tuple[int, int]:
    netfn, _, command = text.partition("/")
    return int(netfn, 16), int(command, 16)


def _convert(value: Any) -> Any:
    """Return a list of TOML as a tuple, and another value unchanged."""
    return value if isinstance(value, Mapping) or not isinstance(value, list) else tuple(value)
