"""Options of the bridge and of its plugins in ironic.conf."""

from __future__ import annotations

from typing import Any

from ironic.conf import CONF
from oslo_config import cfg

from baremetal_interfaces import Interface
from baremetal_ironic_bridge.admission import get_option_types

_TYPES = {bool: cfg.BoolOpt, int: cfg.IntOpt, float: cfg.FloatOpt, str: cfg.StrOpt}

CONF.register_opts(
    [
        cfg.IntOpt("poll_interval", default=5, min=1, help="Seconds between polls of steps that run in the background."),
        cfg.IntOpt("call_timeout", default=60, min=1, help="Timeout of one call of a plugin, in seconds."),
        cfg.IntOpt("step_timeout", default=900, min=1, help="Timeout of one call of a step, in seconds; polls start a new one."),
    ],
    group="contract",
)


def read_plugin_options(bridged: type[Interface], section: str | None) -> Any:
    """Return the plugin's own options from *section*, or None for their defaults."""
    known = get_option_types(bridged.options_type)
    if bridged.options_type is None or section is None:
        return None
    for name, (plain, default) in known.items():
        CONF.register_opt(_TYPES[plain](name, default=default), group=section)
    return bridged.options_type(**{name: CONF[section][name] for name in known})
