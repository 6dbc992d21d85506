"""A conductor in a process of its own, for a test to kill."""

from __future__ import annotations

import sys
import threading
from typing import Any

from oslo_service.backend import BackendType, init_backend

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
    """Say the port, or the URL of the bus that it was given, and wait for the end."""
    if len(sys.argv) > 1:
        init_backend(BackendType.THREADING)
        config = ConductorConfig(host="mortal", rpc_transport="oslo", transport_url=sys.argv[1])
    else:
        config = ConductorConfig(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(port=0))
    conductor = Conductor(config)
    conductor.add(Waiting())
    conductor.start()
    server: Any = conductor.rpc_server
    print(f"ready: {getattr(server, 'port', config.host)}", flush=True)
    threading.Event().wait(600.0)


if __name__ == "__main__":
    main()
