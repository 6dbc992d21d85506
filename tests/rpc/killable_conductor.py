"""A conductor in a separate process, which a test kills."""

from __future__ import annotations

import sys
import threading
from typing import Any

from oslo_service.backend import BackendType, init_backend

from baremetal_sdk import Conductor, ConductorConfig, rpc_method
from baremetal_sdk.config import JSONRPCConfig


class Waiting:
    """Service with a method that never returns."""

    @rpc_method("1.0")
    def wait(self) -> None:
        """Print that the call has arrived, and wait."""
        print("entered", flush=True)
        threading.Event().wait(600.0)


def main() -> None:
    """Start a conductor for JSON-RPC, or for the bus whose URL is the argument. Print its port or name, and wait."""
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
