"""Notifications on the bus of oslo.messaging, for consumers that know those of Ironic. Needs the extra ``oslo-messaging``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.rpc import oslo_bus

SECTION = "oslo_messaging_notifications"
"""The section that says which notifications are sent, how and where to, with the names that oslo.messaging gives its options."""
DRIVERS = ("messaging", "messagingv2", "log", "noop")
_TOPIC = "notifications"
_RETRIES = 2
"""A bus that is away holds up nobody for long."""


def are_enabled(config: ConductorConfig) -> bool:
    """Whether there is anything to send, and somewhere to send it."""
    return config.sensor_data.send_sensor_data and _driver(_given(config)) != "noop"


def create_notifier(config: ConductorConfig) -> Any:
    """What sends notifications for a conductor; None where none are wanted. Raises ``ConfigurationError``."""
    if not are_enabled(config):
        return None
    given = _given(config)
    driver, retries = _driver(given), _retries(given)
    oslo_bus.require_threads(f"[{SECTION}] driver: {driver}")
    import oslo_messaging

    topics = [topic.strip() for topic in given.get("topics", _TOPIC).split(",") if topic.strip()]
    try:
        transport = oslo_messaging.get_notification_transport(oslo_bus.create_options(), url=_url(config, given, driver))
        return oslo_messaging.Notifier(transport, publisher_id=config.hostname, driver=driver, topics=topics, retry=retries)
    except ConfigurationError:
        raise
    except Exception as exc:
        # Its text may quote the URL, and that has a password in it.
        raise ConfigurationError(f"[{SECTION}] transport_url: it cannot be used ({type(exc).__name__})") from None


def _given(config: ConductorConfig) -> Mapping[str, str]:
    return config.plugins.get(SECTION, {})


def _driver(given: Mapping[str, str]) -> str:
    driver = given.get("driver", "noop").strip()
    if driver not in DRIVERS:
        raise ConfigurationError(f"[{SECTION}] driver: {driver!r} is not known; it has to be one of {', '.join(DRIVERS)}")
    return driver


def _retries(given: Mapping[str, str]) -> int:
    try:
        return int(given.get("retry", _RETRIES))
    except ValueError:
        raise ConfigurationError(f"[{SECTION}] retry: {given['retry']!r} is not a number") from None


def _url(config: ConductorConfig, given: Mapping[str, str], driver: str) -> str:
    if driver == "log":
        return "fake://"
    url = given.get("transport_url") or config.transport_url
    if not url:
        raise ConfigurationError(f"[{SECTION}] transport_url: is needed with driver {driver}: rabbit://user:password@host:5672/")
    return oslo_bus.add_url_options(url, config.plugins.get(oslo_bus.SECTION, {}))
