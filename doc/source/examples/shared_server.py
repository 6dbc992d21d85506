"""A WSGI application and the Bare Metal API on one HTTP server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any
from wsgiref.util import shift_path_info

from baremetal_sdk import APIServerMixin, Conductor, ConductorConfig, bare_metal_api
from baremetal_sdk.config import APIConfig


class Inventory(APIServerMixin):
    """Serves its resource at ``/inventory`` and the Bare Metal API, with matching links, at ``/baremetal``."""

    def __init__(self, config: ConductorConfig) -> None:
        self.config = config
        self.conductor = Conductor(config)
        self.bare_metal = bare_metal_api(self.conductor)

    def api_application(self) -> Any:
        """Return the WSGI application to serve."""
        return self.route

    def api_config(self) -> APIConfig:
        """Return the addresses to serve on."""
        return self.config.api

    def start(self) -> None:
        """Start the conductor, then the server that needs it."""
        self.conductor.start()
        self.start_api()

    def stop(self) -> None:
        """Stop the server, then the conductor."""
        self.stop_api()
        self.conductor.stop()

    def route(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Pass a request to the application of the first part of its path."""
        match shift_path_info(environ):
            case "baremetal":
                return self.bare_metal(environ, start_response)
            case "inventory":
                return self.inventory(start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found; use /baremetal or /inventory\n"]

    def inventory(self, start_response: Any) -> Iterable[bytes]:
        """Return the power states of all nodes, from the conductor in this process."""
        nodes = self.conductor.nodes(fields=("name", "power_state"))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({node.name: node.power_state for node in nodes}).encode()]


def main(*config_files: str) -> None:
    """Serve until standard input ends. This process does not stop on a signal."""
    service = Inventory(ConductorConfig.load(*config_files))
    service.start()
    print("ready:", service.api_url, flush=True)
    sys.stdin.read()
    service.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
