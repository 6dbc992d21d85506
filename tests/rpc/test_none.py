"""Behavior of RPC if API and conductor share a process."""

from __future__ import annotations

from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.rpc.in_process import InProcessClient
from tests.rpc import behavior


class TestInProcess(behavior.Behavior):
    def config(self) -> ConductorConfig:
        """Return the base configuration."""
        return self.create_base_config()

    def create_client(self, versions: dict[str, str]) -> RPCClient:
        """Return the conductor's own client, or one that needs *versions*."""
        return InProcessClient(self.conductor.components.dispatcher, versions) if versions else self.conductor.rpc
