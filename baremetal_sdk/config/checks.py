"""Finds options in configuration files that have no meaning for the runtime."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from baremetal_sdk.config.config import SECTIONS, ConductorConfig
from baremetal_sdk.config.options import options_of
from baremetal_sdk.config.reader import interface_options, read_sections


def known_options() -> dict[str, set[str]]:
    """Section -> the options that the runtime knows there."""
    known = {name: {option.dest for option in options_of(section)} for name, section in SECTIONS.items()}
    known["DEFAULT"] = {option.dest for option in options_of(ConductorConfig) + interface_options()}
    return known


def unknown_options(files: Iterable[str | Path]) -> list[str]:
    """Options of the runtime's own sections that have no meaning here, as ``[section] option``."""
    known = known_options()
    return [
        f"[{section}] {name}"
        for section, options in read_sections(files).items()
        for name in options
        if section in known and name.replace("-", "_") not in known[section]
    ]
