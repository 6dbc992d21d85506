"""Options in ironic.conf: those of the bridge in ``[contract]``, and those of each plugin in its section."""

from __future__ import annotations

from typing import Any

from ironic.conf import CONF
from oslo_config import cfg

from baremetal_interfaces import Interface
from baremetal_ironic_bridge.admission import get_option_types

_TYPES = {bool: cfg.BoolOpt, int: cfg.IntOpt, float: cfg.FloatOpt, str: cfg.StrOpt}

CONF.register_opts(
    [
        cfg.IntOpt(
            "poll_interval",
            default=5,
            min=1,
            help="Interval in seconds at which Ironic checks which steps in the background are due for a poll.",
        ),
        cfg.IntOpt(
            "call_timeout",
            default=60,
            min=1,
            help="Time limit of a call of a plugin, in seconds, except for power changes and for calls that step_timeout limits.",
        ),
        cfg.IntOpt(
            "step_timeout",
            default=900,
            min=1,
            help="Time limit of a long call of a plugin, in seconds: a step, one poll of a step, tear-down, inspection, rescue, "
            "or a vendor method.",
        ),
    ],
    group="contract",
)


def read_plugin_options(bridged: type[Interface], section: str | None) -> Any:
    """Return the plugin's own options from *section* of ironic.conf.

    None stands for their defaults, if the plugin has no options or *section* is None.
    """
    known = get_option_types(bridged.options_type)
    if bridged.options_type is None or section is None:
        return None
    for name, (plain, default) in known.items():
        CONF.register_opt(_TYPES[plain](name, default=default), group=section)
    return bridged.options_type(**{name: CONF[section][name] for name in known})
