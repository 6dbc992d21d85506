"""Protocols of the service behind the API: the members that the API uses."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.observability.telemetry import Telemetry
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.store.protocol import Store


class Backend(Protocol):
    """The service behind the API: the API reads from its store and sends changes through its RPC client.

    ``Conductor`` and ``RemoteBackend`` implement it.
    """

    @property
    def store(self) -> Store:
        """The store that the API reads from."""

    @property
    def rpc(self) -> RPCClient:
        """The RPC client that sends changes to a conductor."""

    @property
    def config(self) -> ConductorConfig:
        """The configuration of the service."""

    @property
    def ready(self) -> bool:
        """True while the service answers requests: after its start, and before its stop begins."""

    @property
    def clock(self) -> Clock:
        """The clock of the service."""


@runtime_checkable
class TelemetrySource(Protocol):
    """A backend with telemetry, whose observers see each request of the API. A backend of a host application may have none."""

    @property
    def telemetry(self) -> Telemetry:
        """The observers of the service."""
