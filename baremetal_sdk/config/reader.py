"""Reader of configuration files in the format of oslo.config, which returns plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg

from baremetal_interfaces import Kind
from baremetal_sdk.config.options import build_options
from baremetal_sdk.errors import ConfigurationError

KINDS = tuple(str(kind) for kind in Kind)
"""Names of the interface kinds, as they appear in the names of options."""


class ConfigReader:
    """Reader of configuration files.

    *top* declares the options of ``[DEFAULT]``, *sections* those of the other sections. *overrides* (section, then option,
    then value) take precedence over the files. The constructor raises ``ConfigurationError`` for files that it cannot read.
    """

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
        self._conf.register_opts(build_options(top) + build_interface_options())
        for name, section in self._sections.items():
            self._conf.register_opts(build_options(section), group=name)
        self._files = [str(file) for file in files]
        try:
            self._conf(args=[], project="", default_config_files=self._files, default_config_dirs=[])
        except (cfg.ConfigFilesNotFoundError, cfg.ConfigFilesPermissionDeniedError, cfg.ConfigFileParseError) as exc:
            raise ConfigurationError(f"the configuration cannot be read: {exc}; correct the file or its path") from exc

    def values(self) -> dict[str, Any]:
        """Return the keyword arguments for the constructor of the dataclass *top*: options, sections, interfaces and plugins.

        Raises ``ConfigurationError`` with file, section and option for a value of a wrong type or outside its bounds.
        """
        values = self._read_section("DEFAULT", self._top)
        values.update({name: section(**self._read_section(name, section)) for name, section in self._sections.items()})
        values["enabled_interfaces"] = {
            kind: tuple(names) for kind in KINDS if (names := self._read_option("DEFAULT", f"enabled_{kind}_interfaces"))
        }
        values["default_interfaces"] = {
            kind: name for kind in KINDS if (name := self._read_option("DEFAULT", f"default_{kind}_interface"))
        }
        own_sections = {"DEFAULT", *self._sections}
        values["plugins"] = {name: section for name, section in read_sections(self._files).items() if name not in own_sections}
        return values

    def _read_section(self, name: str, section: type) -> dict[str, Any]:
        return {option.dest: self._read_option(name, option.dest) for option in build_options(section)}

    def _read_option(self, section: str, option: str) -> Any:
        if option in self._overrides.get(section, {}):
            return self._overrides[section][option]
        try:
            value = self._conf[option] if section == "DEFAULT" else self._conf[section][option]
        except (cfg.ConfigFileValueError, cfg.NoSuchOptError, ValueError) as exc:
            raise ConfigurationError(f"{', '.join(self._files)}: [{section}] {option}: {exc}") from exc
        return tuple(value) if isinstance(value, list) else value


def read_sections(files: Iterable[str | Path]) -> dict[str, dict[str, str]]:
    """Return the unparsed text of each option in *files*, by section and option. The last occurrence of an option wins."""
    sections: dict[str, dict[str, str]] = {}
    for file in files:
        parsed: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(file), parsed).parse()
        for section, options in parsed.items():
            sections.setdefault(section, {}).update({name: values[-1] for name, values in options.items()})
    return sections


def build_interface_options() -> list[cfg.Opt]:
    """Return the options ``enabled_<kind>_interfaces`` and ``default_<kind>_interface`` of every kind."""
    options: list[cfg.Opt] = []
    for kind in KINDS:
        enabled = f"Implementations of {kind} to offer. Empty: all that are installed."
        default = f"Implementation of {kind} for nodes that do not name one. Empty: the first in the driver's list."
        options.append(cfg.ListOpt(f"enabled_{kind}_interfaces", default=[], help=enabled))
        options.append(cfg.StrOpt(f"default_{kind}_interface", help=default))
    return options
