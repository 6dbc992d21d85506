"""Detection of options in configuration files that the runtime does not know."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from baremetal_sdk.config.config import SECTIONS, ConductorConfig
from baremetal_sdk.config.options import build_options
from baremetal_sdk.config.reader import build_interface_options, read_sections


def list_known_options() -> dict[str, set[str]]:
    """Return the names of all options that the runtime declares, by section."""
    known = {name: {option.dest for option in build_options(section)} for name, section in SECTIONS.items()}
    known["DEFAULT"] = {option.dest for option in build_options(ConductorConfig) + build_interface_options()}
    return known


def find_unknown_options(files: Iterable[str | Path]) -> list[str]:
    """Return the unknown options in *files*, each as ``[section] option``.

    Sections that the runtime does not declare are skipped, because they belong to plugins.
    """
    known = list_known_options()
    return [
        f"[{section}] {name}"
        for section, options in read_sections(files).items()
        for name in options
        if section in known and name.replace("-", "_") not in known[section]
    ]
