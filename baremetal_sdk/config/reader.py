"""Reads configuration files in oslo.config's format into plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg

from baremetal_interfaces import Kind
from baremetal_sdk.config.options import options_of
from baremetal_sdk.errors import ConfigurationError

KINDS = tuple(str(kind) for kind in Kind)
"""The kinds of interfaces, as they appear in the names of options."""


class ConfigReader:
    """Reads files with oslo.config and gives back plain values."""

    def __init__(
        self,
        files: Sequence[str | Path],
        overrides: Mapping[str, Mapping[str, Any]],
        top: type,
        sections: Mapping[str, type],
    ) -> None:
        self._overrides = overrides
        self._top = top
        self._sections = sections
        self._conf = cfg.ConfigOpts()
        self._conf.register_opts(options_of(top) + interface_options())
        for name, section in self._sections.items():
            self._conf.register_opts(options_of(section), group=name)
        self._files = [str(file) for file in files]
        try:
            self._conf(args=[], project="", default_config_files=self._files, default_config_dirs=[])
        except (cfg.ConfigFilesNotFoundError, cfg.ConfigFilesPermissionDeniedError, cfg.ConfigFileParseError) as exc:
            raise ConfigurationError(f"the configuration cannot be read: {exc}") from exc

    def values(self) -> dict[str, Any]:
        """Return the arguments of the top dataclass."""
        values = self._section("DEFAULT", self._top)
        values.update({name: section(**self._section(name, section)) for name, section in self._sections.items()})
        values["enabled_interfaces"] = {
            kind: tuple(names) for kind in KINDS if (names := self._get("DEFAULT", f"enabled_{kind}_interfaces"))
        }
        values["default_interfaces"] = {
            kind: name for kind in KINDS if (name := self._get("DEFAULT", f"default_{kind}_interface"))
        }
        known = {"DEFAULT", *self._sections}
        values["plugins"] = {name: section for name, section in read_sections(self._files).items() if name not in known}
        return values

    def _section(self, name: str, section: type) -> dict[str, Any]:
        return {option.dest: self._get(name, option.dest) for option in options_of(section)}

    def _get(self, section: str, option: str) -> Any:
        if option in self._overrides.get(section, {}):
            return self._overrides[section][option]
        try:
            value = self._conf[option] if section == "DEFAULT" else self._conf[section][option]
        except (cfg.ConfigFileValueError, cfg.NoSuchOptError, ValueError) as exc:
            raise ConfigurationError(f"{', '.join(self._files)}: [{section}] {option}: {exc}") from exc
        return tuple(value) if isinstance(value, list) else value


def read_sections(files: Iterable[str | Path]) -> dict[str, dict[str, str]]:
    """Section -> option -> the last text given for it, of files in oslo.config's format."""
    found: dict[str, dict[str, str]] = {}
    for file in files:
        parsed: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(file), parsed).parse()
        for section, options in parsed.items():
            found.setdefault(section, {}).update({name: values[-1] for name, values in options.items()})
    return found


def interface_options() -> list[cfg.Opt]:
    """Return the options ``enabled_<kind>_interfaces`` and ``default_<kind>_interface`` of every kind."""
    options: list[cfg.Opt] = []
    for kind in KINDS:
        options.append(
            cfg.ListOpt(f"enabled_{kind}_interfaces", default=[], help=f"Implementations of {kind} to offer; all, if empty.")
        )
        options.append(cfg.StrOpt(f"default_{kind}_interface", help=f"Implementation of {kind} for nodes that name none."))
    return options
