"""The sample of a configuration file: every option with what it does, its unit, and when to change it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_config import types

from baremetal_sdk.config.advice import ADVICE
from baremetal_sdk.config.config import SECTIONS, ConductorConfig
from baremetal_sdk.config.options import options_of
from baremetal_sdk.config.reader import KINDS

_WIDTH = 100


def sample() -> str:
    """The text of a file that changes nothing: all options are commented out, with their defaults."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    for section, declared in {"DEFAULT": ConductorConfig, **SECTIONS}.items():
        yield f"[{section}]"
        yield ""
        for option in options_of(declared):
            yield from _comment(str(option.help))
            yield from _comment(f"Type: {_type(option.type)}. Change it {ADVICE[section][option.dest]}.")
            yield f"#{option.dest} = {_default(option.default)}".rstrip()
            yield ""
        if section == "DEFAULT":
            yield from _interfaces()


def _interfaces() -> Iterator[str]:
    for kind in KINDS:
        yield from _comment(f"Implementations of {kind} to offer, with commas between them; all that are installed, if empty.")
        yield from _comment("Type: list. Change it when some of them are not to be used here.")
        yield f"#enabled_{kind}_interfaces ="
        yield ""
        yield from _comment(f"Implementation of {kind} for nodes that name none; by default the first that the driver lists.")
        yield from _comment("Type: text. Change it when most nodes need another one.")
        yield f"#default_{kind}_interface ="
        yield ""


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, _WIDTH))


def _type(kind: Any) -> str:
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


def _default(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
