"""A conductor that drives simulated machines, for the tests of the runtime."""

from __future__ import annotations

import uuid
from typing import Any

from testtools import TestCase

from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack, share
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.store.records import NodeRecord
from baremetal_sdk.testing import quick_options, running_conductor


class MachinesCase(TestCase):
    """Each test has a rack and a conductor of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.rack = share(Rack(f"rack-{uuid.uuid4().hex}"))
        self.addCleanup(self.rack.lift)

    def conductor(self, *, host: str = "test", handed_in: dict[str, Any] | None = None, **options: Any) -> Conductor:
        """Start a conductor that is stopped at the end of the test."""
        config = ConductorConfig(host=host, conductor=quick_options(**options))
        context = running_conductor(config, **(handed_in or {}))
        conductor = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return conductor

    def enrol(self, conductor: Conductor, name: str = "m1", faults: Any = None, **values: Any) -> NodeRecord:
        """Create a node whose machine has the node's name."""
        info = {"fake_machine": name, "fake_rack": self.rack.name, **values.pop("driver_info", {})}
        if faults:
            info["fake_faults"] = faults
        record: NodeRecord = conductor.rpc.call(
            "create_node", values={"driver": "fake-hardware", "name": name, "driver_info": info, **values}
        )
        return record

    def machine(self, name: str = "m1") -> Machine:
        """The machine itself, past everything that drives it."""
        return self.rack.machine(name)
