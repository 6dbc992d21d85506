"""A conductor in a process of its own, for a test to kill."""

from __future__ import annotations

import threading
from typing import Any

from baremetal_sdk import Conductor, ConductorConfig, rpc_method
from baremetal_sdk.config import JSONRPCConfig


class Waiting:
    """Never answers."""

    @rpc_method("1.0")
    def wait(self) -> None:
        """Say that it was called, and wait."""
        print("entered", flush=True)
        threading.Event().wait(600.0)


def main() -> None:
    """Say the port, and wait for the end."""
    conductor = Conductor(ConductorConfig(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(port=0)))
    conductor.add(Waiting())
    conductor.start()
    server: Any = conductor.rpc_server
    print(f"ready: {server.port}", flush=True)
    threading.Event().wait(600.0)


if __name__ == "__main__":
    main()
