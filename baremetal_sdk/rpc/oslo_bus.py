"""The message bus of oslo.messaging, set up for RPC that loses nothing silently. Needs the extra ``oslo-messaging``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from oslo_config import cfg

from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError

TOPIC = "baremetal_sdk.conductor.conductor"
METHOD = "answer"
"""The one method that is known to the bus; which one of a conductor is meant stands in the message."""
SECTION = "oslo_messaging_rabbit"
"""The section of the configuration whose options go to the driver of the bus."""
_OURS = {
    # Messages and queues outlive the broker, those of answers as well.
    "rabbit_quorum_queue": "true",
    "rabbit_transient_quorum_queue": "true",
    # One attempt in a second, so that attempts can be counted against a deadline.
    "rabbit_retry_interval": "1",
    "rabbit_retry_backoff": "0",
    "rabbit_interval_max": "1",
    "kombu_reconnect_delay": "0.5",
}
_SWITCHES = {"oslo_messaging_metrics": "metrics_enabled", "oslo_messaging_tracing": "tracing_enabled"}
"""Options that it declares in the configuration of the whole process alone, and looks for in every one."""
_FIRST = (
    "call init_backend(BackendType.THREADING) of oslo_service.backend as the first thing of the program, "
    "before anything of oslo.service or oslo.messaging is imported (metald does so)"
)


def require_threads(option: str = "[DEFAULT] rpc_transport: oslo") -> None:
    """Raise ``ConfigurationError``, which says what to do, unless oslo.messaging is there and will use native threads."""
    try:
        from oslo_service import backend
    except ImportError as exc:
        raise ConfigurationError(
            f"{option} needs more than is installed ({exc}): pip install 'baremetal-sdk[oslo-messaging]'"
        ) from None
    chosen = backend.get_backend_type()
    if chosen is not backend.BackendType.THREADING:
        found = "has no backend yet" if chosen is None else f"is on its backend '{chosen.value}'"
        raise ConfigurationError(f"{option} needs native threads, and oslo.service {found}: {_FIRST}")


def create_transport(config: ConductorConfig) -> Any:
    """A transport of its own. Raises ``ConfigurationError``."""
    require_threads()
    try:
        import oslo_messaging
    except ImportError as exc:
        raise ConfigurationError(
            f"[DEFAULT] rpc_transport: oslo needs more than is installed ({exc}): pip install 'baremetal-sdk[oslo-messaging]'"
        ) from None
    if config.transport_url is None:
        raise ConfigurationError("[DEFAULT] transport_url: is needed with rpc_transport oslo: rabbit://user:password@host:5672/")
    url = add_url_options(config.transport_url, config.plugins.get(SECTION, {}))
    try:
        # No module of ours or of a plugin: errors cross in our own form, and nothing is imported for them.
        return oslo_messaging.get_rpc_transport(create_options(), url=url, allowed_remote_exmods=[])
    except Exception as exc:
        # Its text may quote the URL, and that has a password in it.
        raise ConfigurationError(f"[DEFAULT] transport_url: it cannot be used ({type(exc).__name__})") from None


def create_options() -> cfg.ConfigOpts:
    """Options of its own for a transport, without anything of the process's configuration."""
    conf = cfg.ConfigOpts()
    conf([], project="", default_config_files=[], default_config_dirs=[])
    for group, option in _SWITCHES.items():
        conf.register_opts([cfg.BoolOpt(option, default=False)], group=group)
    return conf


def add_url_options(url: str, configured: Mapping[str, str]) -> str:
    """*url* with the driver's options: those that it has come first, then those that are configured, then ours."""
    parts = urlsplit(url)
    options = (
        {**_OURS, **configured, **dict(parse_qsl(parts.query))} if parts.scheme == "rabbit" else dict(parse_qsl(parts.query))
    )
    return urlunsplit(parts._replace(query=urlencode(options)))
