"""HTTP server for metrics at a separate address, without authentication."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig, MetricsConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.server import HTTPServer
from baremetal_sdk.lifecycle import StartPhase
from baremetal_sdk.observability.metrics.endpoint import MetricsEndpoint


class MetricsServer:
    """Server of *registry* that runs while a conductor runs: ``conductor.add(MetricsServer(...))``. It starts before the API."""

    phase = StartPhase.RPC

    def __init__(self, registry: Any, config: MetricsConfig) -> None:
        http_config = APIConfig(host_ip=config.host_ip, port=config.port, min_threads=1, max_threads=2)
        self._http = HTTPServer(MetricsEndpoint(registry), http_config)

    def start(self, conductor: Any = None) -> None:
        """Listen on the configured address and serve. Raises ``ConfigurationError`` with the address if listening fails."""
        try:
            self._http.start()
        except ConfigurationError as exc:
            raise ConfigurationError(exc.message.replace("[api]", "[metrics]")) from exc.__cause__

    def stop(self, deadline: Deadline) -> None:
        """Finish accepted requests, and return before *deadline*."""
        self._http.stop(deadline)

    @property
    def url(self) -> str:
        """URL for Prometheus to scrape. Available after the start."""
        return f"{self._http.url}/metrics"
