"""Generation of the sample configuration file: every option with its meaning, type, default, and the reason to change it."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_config import cfg, types

from baremetal_sdk.config.config import SECTIONS, ConductorConfig
from baremetal_sdk.config.options import build_options
from baremetal_sdk.config.reader import KINDS
from baremetal_sdk.config.setting import CHANGE_WHEN

_WIDTH = 100
"""Maximum length of a comment line, without its leading ``# ``."""


def render_sample() -> str:
    """Return the text of the sample file. All options are commented out and show their defaults."""
    return "\n".join(_generate_lines())


def _generate_lines() -> Iterator[str]:
    for section, declaration in {"DEFAULT": ConductorConfig, **SECTIONS}.items():
        yield f"[{section}]"
        yield ""
        advice = {field.name: field.metadata.get(CHANGE_WHEN, "") for field in dataclasses.fields(declaration)}
        for option in build_options(declaration):
            yield from _generate_option(option, advice[option.dest])
        if section == "DEFAULT":
            yield from _generate_interface_options()


def _generate_option(option: cfg.Opt, change_when: str) -> Iterator[str]:
    yield from _comment(str(option.help))
    yield from _comment(f"Type: {_describe_type(option.type)}. Change it when {change_when}.")
    yield f"#{option.dest} = {_format_default(option.default)}".rstrip()
    yield ""


def _generate_interface_options() -> Iterator[str]:
    for kind in KINDS:
        yield from _comment(f"Implementations of {kind} to offer, separated by commas. Empty: all that are installed.")
        yield from _comment("Type: list. Change it when some implementations must not be used here.")
        yield f"#enabled_{kind}_interfaces ="
        yield ""
        yield from _comment(f"Implementation of {kind} for nodes that do not name one. Empty: the first in the driver's list.")
        yield from _comment("Type: text. Change it when most nodes need another implementation.")
        yield f"#default_{kind}_interface ="
        yield ""


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, _WIDTH))


def _describe_type(kind: Any) -> str:
    if isinstance(kind, types.Boolean):
        return "true or false"
    if isinstance(kind, types.List):
        return "list"
    if isinstance(kind, types.Integer | types.Float):
        name = "whole number" if isinstance(kind, types.Integer) else "number"
        bounds = [f"{word} {bound:g}" for word, bound in (("from", kind.min), ("to", kind.max)) if bound is not None]
        return " ".join([name, *bounds])
    choices: Mapping[str, Any] | None = getattr(kind, "choices", None)
    return "one of " + ", ".join(choices) if choices else "text"


def _format_default(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
