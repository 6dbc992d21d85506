"""What the API needs of the service that it speaks for."""

from __future__ import annotations

from typing import Protocol

from baremetal_sdk.clock import Clock
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.store.protocol import Store


class Backend(Protocol):
    """Reads go to the store, changes go through RPC. A conductor is one."""

    @property
    def store(self) -> Store:
        """Where nodes are read from."""

    @property
    def rpc(self) -> RPCClient:
        """How a conductor is asked to change something."""

    @property
    def config(self) -> ConductorConfig:
        """What the operator configured."""

    @property
    def ready(self) -> bool:
        """Whether requests can be answered: started, and not yet told to stop."""

    @property
    def clock(self) -> Clock:
        """What tells the time."""
