"""A WSGI application of our own, with the Bare Metal API beside it, on one HTTP server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any
from wsgiref.util import shift_path_info

from baremetal_sdk import APIServerMixin, Conductor, ConductorConfig, bare_metal_api
from baremetal_sdk.config import APIConfig


class Inventory(APIServerMixin):
    """``/inventory`` is ours; ``/baremetal`` is the Bare Metal API, whose links begin with that."""

    def __init__(self, config: ConductorConfig) -> None:
        self.config = config
        self.conductor = Conductor(config)
        self.bare_metal = bare_metal_api(self.conductor)

    def api_application(self) -> Any:
        """Both, by the first part of the path."""
        return self.route

    def api_config(self) -> APIConfig:
        """Where they are served."""
        return self.config.api

    def start(self) -> None:
        """First what answers, then what takes requests."""
        self.conductor.start()
        self.start_api()

    def stop(self) -> None:
        """The other way round."""
        self.stop_api()
        self.conductor.stop()

    def route(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The WSGI application that is served."""
        match shift_path_info(environ):
            case "baremetal":
                return self.bare_metal(environ, start_response)
            case "inventory":
                return self.inventory(start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"there are /baremetal and /inventory\n"]

    def inventory(self, start_response: Any) -> Iterable[bytes]:
        """Our own resource, from the conductor in the same process."""
        nodes = self.conductor.nodes(fields=("name", "power_state"))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({node.name: node.power_state for node in nodes}).encode()]


def main(*config_files: str) -> None:
    """Serve until standard input ends: a process that has other ideas of its life than signals."""
    service = Inventory(ConductorConfig.load(*config_files))
    service.start()
    print("ready:", service.api_url, flush=True)
    sys.stdin.read()
    service.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
