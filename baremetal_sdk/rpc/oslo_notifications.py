"""Creation of the notifier that sends sensor data through oslo.messaging. Needs the extra ``oslo-messaging``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.rpc import oslo_bus

SECTION = "oslo_messaging_notifications"
"""Section with the options of notifications. The options have the names of oslo.messaging."""
DRIVERS = ("messaging", "messagingv2", "log", "noop")
"""Supported notification drivers."""
_TOPIC = "notifications"
_MAX_RETRIES = 2
"""Default number of retries. Few, because the sender waits for them while the bus is down."""


def are_enabled(config: ConductorConfig) -> bool:
    """Return whether sensor data is enabled and a notification driver other than ``noop`` is set."""
    return config.sensor_data.send_sensor_data and _parse_driver(_section(config)) != "noop"


def create_notifier(config: ConductorConfig) -> Any:
    """Return oslo.messaging's notifier for a conductor, or None if notifications are not enabled.

    Raises ``ConfigurationError`` for invalid options or a missing package.
    """
    if not are_enabled(config):
        return None
    options = _section(config)
    driver, retries = _parse_driver(options), _parse_retries(options)
    oslo_bus.require_threads(f"[{SECTION}] driver: {driver}")
    import oslo_messaging

    topics = [topic.strip() for topic in options.get("topics", _TOPIC).split(",") if topic.strip()]
    try:
        transport = oslo_messaging.get_notification_transport(oslo_bus.create_options(), url=_find_url(config, options, driver))
        return oslo_messaging.Notifier(transport, publisher_id=config.hostname, driver=driver, topics=topics, retry=retries)
    except ConfigurationError:
        raise
    except Exception as exc:
        # The text of the exception may quote the URL with its password.
        raise ConfigurationError(
            f"[{SECTION}] transport_url: oslo.messaging rejects it ({type(exc).__name__}); correct the URL"
        ) from None


def _section(config: ConductorConfig) -> Mapping[str, str]:
    return config.plugins.get(SECTION, {})


def _parse_driver(options: Mapping[str, str]) -> str:
    driver = options.get("driver", "noop").strip()
    if driver not in DRIVERS:
        raise ConfigurationError(f"[{SECTION}] driver: unknown driver {driver!r}; use one of {', '.join(DRIVERS)}")
    return driver


def _parse_retries(options: Mapping[str, str]) -> int:
    try:
        return int(options.get("retry", _MAX_RETRIES))
    except ValueError:
        raise ConfigurationError(f"[{SECTION}] retry: {options['retry']!r} is not a number; set an integer") from None


def _find_url(config: ConductorConfig, options: Mapping[str, str], driver: str) -> str:
    if driver == "log":
        return "fake://"
    url = options.get("transport_url") or config.transport_url
    if not url:
        raise ConfigurationError(
            f"[{SECTION}] transport_url: not set, and driver {driver} needs it; set rabbit://user:password@host:5672/"
        )
    return oslo_bus.add_url_options(url, config.plugins.get(oslo_bus.SECTION, {}))
