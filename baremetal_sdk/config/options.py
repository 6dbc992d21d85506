"""Conversion of option declarations (dataclass fields) to options of oslo.config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

from oslo_config import cfg, types

from baremetal_sdk.config.setting import HELP


def build_options(section: type) -> list[cfg.Opt]:
    """Return the oslo.config options of a configuration dataclass.

    Host applications with their own ``ConfigOpts`` can register them.
    """
    hints = get_type_hints(section)
    return [_build_option(field, hints[field.name]) for field in dataclasses.fields(section) if HELP in field.metadata]


def _build_option(field: dataclasses.Field[Any], hint: Any) -> cfg.Opt:
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = list(field.default_factory())
    return cfg.Opt(
        field.name, type=_option_type(hint, field.metadata), default=default, help=field.metadata[HELP], secret=not field.repr
    )


def _option_type(hint: Any, bounds: Mapping[str, Any]) -> types.ConfigType:
    if get_origin(hint) is tuple:
        return types.List()
    # An optional type, such as "str | None", has the type of its value.
    plain = next((arg for arg in get_args(hint) if arg is not type(None)), hint)
    if plain is bool:
        return types.Boolean()
    if plain is int:
        return types.Integer(min=bounds["min"], max=bounds["max"])
    if plain is float:
        return types.Float(min=bounds["min"], max=bounds["max"])
    return types.String(choices=list(bounds["choices"]) or None)
