"""Metrics at an address of their own, where nobody is asked who they are."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig, MetricsConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.server import HTTPServer
from baremetal_sdk.lifecycle import StartPhase
from baremetal_sdk.observability.metrics.endpoint import MetricsEndpoint


class MetricsServer:
    """Serves *registry* for as long as a conductor runs, from before its API on: ``conductor.add(MetricsServer(...))``."""

    phase = StartPhase.RPC

    def __init__(self, registry: Any, config: MetricsConfig) -> None:
        served = APIConfig(host_ip=config.host_ip, port=config.port, min_threads=1, max_threads=2)
        self._http = HTTPServer(MetricsEndpoint(registry), served)

    def start(self, conductor: Any = None) -> None:
        """Listen. Raises ``ConfigurationError``, which names address and reason."""
        try:
            self._http.start()
        except ConfigurationError as exc:
            raise ConfigurationError(exc.message.replace("[api]", "[metrics]")) from exc.__cause__

    def stop(self, deadline: Deadline) -> None:
        """Serve what was asked, and return by *deadline*."""
        self._http.stop(deadline)

    @property
    def url(self) -> str:
        """What Prometheus is told to scrape, once it has started."""
        return f"{self._http.url}/metrics"
