"""Creation of oslo.messaging transports, the connections to the message bus. Needs the extra ``oslo-messaging``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from oslo_config import cfg

from baremetal_interfaces.text import clean_text
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError

TOPIC = "baremetal_sdk.conductor.conductor"
"""Topic of the conductors' queues."""
METHOD = "answer"
"""The only method that the bus knows. The message inside names the method of the conductor."""
SECTION = "oslo_messaging_rabbit"
"""Section of the configuration whose options go to the RabbitMQ driver unchanged."""
_DEFAULT_OPTIONS = {
    # The queues of conductors survive a restart of the broker. Otherwise a restart loses calls silently.
    "rabbit_quorum_queue": "true",
    # Queues of responses do not. A quorum queue that is a few seconds old when the broker is killed has no leader afterwards, and
    # oslo.messaging then waits for it for ever. A classic queue is declared again.
    "rabbit_transient_quorum_queue": "false",
    # A peer that vanishes without closing the connection is noticed after this number of seconds.
    "heartbeat_timeout_threshold": "20",
    # One connection attempt per second without back-off, so that a number of retries corresponds to a time in seconds.
    "rabbit_retry_interval": "1",
    "rabbit_retry_backoff": "0",
    "rabbit_interval_max": "1",
    "kombu_reconnect_delay": "0.5",
}
_REQUIRED_SWITCHES = {"oslo_messaging_metrics": "metrics_enabled", "oslo_messaging_tracing": "tracing_enabled"}
"""Options that oslo.messaging registers only in the global configuration, but reads from the configuration of each transport."""
_CONFLICT = re.compile(r"inequivalent arg '(?P<argument>[^']*)' for (?P<kind>queue|exchange) '(?P<name>[^']*)'")
"""The error of RabbitMQ for the declaration of a queue or exchange that exists with another type, durability or argument."""
_BACKEND_REMEDY = (
    "call init_backend(BackendType.THREADING) of oslo_service.backend at the start of the program, "
    "before the first import of oslo.service or oslo.messaging (metald does so)"
)


def require_threads(option: str = "[DEFAULT] rpc_transport: oslo") -> None:
    """Raise ``ConfigurationError`` unless oslo.messaging is installed and uses native threads. *option* starts the message."""
    try:
        from oslo_service import backend
    except ImportError as exc:
        raise ConfigurationError(f"{option}: a package is missing ({exc}); pip install 'baremetal-sdk[oslo-messaging]'") from None
    chosen = backend.get_backend_type()
    if chosen is not backend.BackendType.THREADING:
        found = "has no backend yet" if chosen is None else f"uses its backend '{chosen.value}'"
        raise ConfigurationError(f"{option} needs native threads, but oslo.service {found}; {_BACKEND_REMEDY}")


def create_transport(config: ConductorConfig) -> Any:
    """Return a new oslo.messaging transport for RPC. Raises ``ConfigurationError`` with the option and the reason."""
    require_threads()
    try:
        import oslo_messaging
    except ImportError as exc:
        raise ConfigurationError(
            f"[DEFAULT] rpc_transport: oslo: a package is missing ({exc}); pip install 'baremetal-sdk[oslo-messaging]'"
        ) from None
    if config.transport_url is None:
        raise ConfigurationError(
            "[DEFAULT] transport_url: not set, and rpc_transport = oslo needs it; set rabbit://user:password@host:5672/"
        )
    url = add_url_options(config.transport_url, config.plugins.get(SECTION, {}))
    try:
        # No allowed modules: errors are encoded by rpc.faults, and oslo.messaging must not import classes for them.
        return oslo_messaging.get_rpc_transport(create_options(), url=url, allowed_remote_exmods=[])
    except Exception as exc:
        # The text of the exception may quote the URL with its password.
        raise ConfigurationError(
            f"[DEFAULT] transport_url: oslo.messaging rejects it ({type(exc).__name__}); correct the URL"
        ) from None


def find_conflict(exc: BaseException) -> str | None:
    """Return what is wrong and what to do if the broker refused a queue or an exchange that exists with other properties.

    Return None for any other error.
    """
    found = _CONFLICT.search(str(exc))
    if found is None:
        return None
    kind, name = found["kind"], clean_text(found["name"], 255)
    return (
        f"the {kind} '{name}' exists on the message bus with other properties ({clean_text(found['argument'], 64)}), because "
        f"options of [{SECTION}] such as rabbit_quorum_queue were changed; set the previous options, or stop all conductors and "
        f"APIs, delete the {kind} (rabbitmqadmin delete {kind} name={name}), and start them again"
    )


def create_options() -> cfg.ConfigOpts:
    """Return an empty configuration for one transport, independent of the global configuration of the process."""
    conf = cfg.ConfigOpts()
    conf([], project="", default_config_files=[], default_config_dirs=[])
    for group, option in _REQUIRED_SWITCHES.items():
        conf.register_opts([cfg.BoolOpt(option, default=False)], group=group)
    return conf


def add_url_options(url: str, configured: Mapping[str, str]) -> str:
    """Return the transport URL *url* with options of the RabbitMQ driver in its query.

    Options in *url* override *configured*, which override our defaults. Other drivers get no options.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        # The message does not quote the URL, because it may contain a password.
        raise ConfigurationError(
            "[DEFAULT] transport_url: not a URL; set rabbit://user:password@host:5672/, with an IPv6 address in brackets"
        ) from None
    options = (
        {**_DEFAULT_OPTIONS, **configured, **dict(parse_qsl(parts.query))}
        if parts.scheme == "rabbit"
        else dict(parse_qsl(parts.query))
    )
    return urlunsplit(parts._replace(query=urlencode(options)))
