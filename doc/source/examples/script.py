"""A script that switches machines on, without a service, a database or an API."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from baremetal_interfaces import PowerState
from baremetal_sdk import Conductor, ConductorConfig


def main(file: str) -> int:
    """Switch on the machines in a JSON file and print each result. Return 1 if one failed, else 0."""
    machines = json.loads(Path(file).read_text(encoding="utf-8"))
    with Conductor(ConductorConfig(host="script")) as conductor:
        for machine in machines:
            conductor.rpc.call("create_node", values=machine)
        # The machines switch in parallel. Each runs on a worker and holds the lease of its node.
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
