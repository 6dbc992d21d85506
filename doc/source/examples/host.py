"""A bare-metal service on one page."""

from __future__ import annotations

import sys

from baremetal_sdk import APIServer, Conductor, ConductorConfig, bare_metal_api, periodic


class Audit:
    """The part that this service adds to the conductor."""

    @periodic(every=60.0)
    def report(self, conductor: Conductor) -> None:
        """Print the power state of all machines."""
        for node in conductor.nodes(fields=("name", "power_state", "power_observed_at")):
            print(node.name, node.power_state, node.power_observed_at, flush=True)


def main(*config_files: str) -> None:
    """Serve until SIGTERM. Then drain and release the leases."""
    config = ConductorConfig.load(*config_files)
    conductor = Conductor(config)
    conductor.add(Audit())
    server = APIServer(bare_metal_api(conductor), config.api)
    conductor.add(server)
    conductor.run(ready=lambda: print("ready:", server.url, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
