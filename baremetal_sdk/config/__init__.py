"""Configuration of a conductor and its API: frozen dataclasses, and functions that load them from oslo.config files."""

from typing import TYPE_CHECKING

from baremetal_sdk.exports import lazy_exports

if TYPE_CHECKING:
    from baremetal_sdk.config.checks import find_unknown_options, list_known_options
    from baremetal_sdk.config.conductor_sections import ConductorOptions, CoordinationConfig, DatabaseConfig, EventsConfig
    from baremetal_sdk.config.config import SECTIONS, ConductorConfig
    from baremetal_sdk.config.http_sections import APIConfig, HealthcheckConfig, MetricsConfig
    from baremetal_sdk.config.reader import read_sections
    from baremetal_sdk.config.rpc_sections import JSONRPCConfig
    from baremetal_sdk.config.sensor_data import SensorDataConfig
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "checks": ("list_known_options", "find_unknown_options"),
            "conductor_sections": ("ConductorOptions", "CoordinationConfig", "DatabaseConfig", "EventsConfig"),
            "config": ("SECTIONS", "ConductorConfig"),
            "http_sections": ("APIConfig", "HealthcheckConfig", "MetricsConfig"),
            "reader": ("read_sections",),
            "rpc_sections": ("JSONRPCConfig",),
            "sensor_data": ("SensorDataConfig",),
        },
    )

__all__ = [
    "SECTIONS",
    "APIConfig",
    "ConductorConfig",
    "ConductorOptions",
    "CoordinationConfig",
    "DatabaseConfig",
    "EventsConfig",
    "HealthcheckConfig",
    "JSONRPCConfig",
    "MetricsConfig",
    "SensorDataConfig",
    "find_unknown_options",
    "list_known_options",
    "read_sections",
]
