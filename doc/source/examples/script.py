"""A script that switches machines on: no service, no database, no API."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from baremetal_interfaces import PowerState
from baremetal_sdk import Conductor, ConductorConfig


def main(file: str) -> int:
    """Switch on the machines that a JSON file lists; say of each how it ended. Give back 1 when one has failed."""
    machines = json.loads(Path(file).read_text(encoding="utf-8"))
    with Conductor(ConductorConfig(host="script")) as conductor:
        for machine in machines:
            conductor.rpc.call("create_node", values=machine)
        # All at once: each runs on a worker when its turn comes, and holds the lease of its node.
        futures = {
            machine["name"]: conductor.enqueue(machine["name"], lambda task: task.power.set(PowerState.ON), purpose="switch on")
            for machine in machines
        }
        failures = {name: error for name, future in futures.items() if (error := future.exception()) is not None}
        for name in futures:
            print(f"{name}: {failures.get(name, 'on')}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
