"""What an operator can say of bridged plugins in ironic.conf."""

from __future__ import annotations

from typing import Any

from ironic.conf import CONF
from oslo_config import cfg

from baremetal_interfaces import Interface
from baremetal_ironic_bridge.admission import options_of

_TYPES = {bool: cfg.BoolOpt, int: cfg.IntOpt, float: cfg.FloatOpt, str: cfg.StrOpt}

CONF.register_opts(
    [
        cfg.IntOpt("poll_interval", default=5, min=1, help="Seconds between two looks for steps that want to be polled."),
        cfg.IntOpt("call_timeout", default=60, min=1, help="Seconds that a plugin may take for one call."),
        cfg.IntOpt("step_timeout", default=900, min=1, help="Seconds that a plugin may take for one step before it waits."),
    ],
    group="contract",
)


def plugin_options(bridged: type[Interface], section: str | None) -> Any:
    """The plugin's own options from *section*; their defaults where there is none."""
    known = options_of(bridged.options_type)
    if bridged.options_type is None or section is None:
        return None
    for name, (plain, default) in known.items():
        CONF.register_opt(_TYPES[plain](name, default=default), group=section)
    return bridged.options_type(**{name: CONF[section][name] for name in known})
