"""The behaviour of RPC where API and conductor share a process."""

from __future__ import annotations

from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.rpc.in_process import InProcessClient
from tests.rpc import behaviour


class TestInProcess(behaviour.Behaviour):
    def config(self) -> ConductorConfig:
        """Nothing is needed."""
        return self.base()

    def connected(self, versions: dict[str, str]) -> RPCClient:
        """The conductor's own, or one that names versions."""
        return InProcessClient(self.conductor.components.dispatcher, versions) if versions else self.conductor.rpc
