"""Fixture with a running conductor and simulated machines. Requests go to its API without a socket."""

from __future__ import annotations

import uuid
from typing import Any

from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack, share
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.testing import provision, quick_options, running_conductor, settle
from tests.fixtures.api import APIResponse, APITestCase

N1 = "/v1/nodes/m1"


class MachineAPITestCase(APITestCase):
    """Each test has its own rack, a conductor and the enrolled node ``m1``."""

    def setUp(self) -> None:
        super().setUp()
        self.rack = share(Rack(f"rack-{uuid.uuid4().hex}"))
        self.addCleanup(self.rack.end_waits)
        context = running_conductor(ConductorConfig(host="test", conductor=quick_options(**self.options())))
        self.runtime: Conductor = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.app = bare_metal_api(self.runtime)
        self.uuid = self.enroll("m1")

    def options(self) -> dict[str, Any]:
        """Return the conductor options of the test."""
        return {}

    def enroll(self, name: str, **values: Any) -> str:
        """Create a node whose machine has the same name, and return the UUID of the node."""
        info = {"fake_machine": name, "fake_rack": self.rack.name, **values.pop("driver_info", {})}
        return self.create_node(name=name, driver_info=info, **values)

    def machine(self, name: str = "m1") -> Machine:
        """Return the simulated machine itself, to check the effects of requests."""
        return self.rack.machine(name)

    def run_verbs(self, *verbs: str, node: str | None = None) -> NodeRecord:
        """Run the provisioning verbs *verbs* one after another, and return the record of the node."""
        return provision(self.runtime, node or self.uuid, *verbs)

    def record(self, node: str | None = None) -> NodeRecord:
        """Wait until all work has ended, and return the stored node."""
        settle(self.runtime)
        return self.runtime.store.node(node or self.uuid)

    def call_node(self, method: str, path: str, body: Any = None, *, status: int = 200, version: str = "1.115") -> Any:
        """Send a request below the path of the node, assert its status, and return the body of the response."""
        response = self.request_node(method, path, body, version=version)
        self.assertEqual(status, response.status, response.raw)
        return response.json if response.raw else None

    def request_node(self, method: str, path: str, body: Any = None, *, version: str = "1.115") -> APIResponse:
        """Send a request below the path of the node, and return the response."""
        return self.request(method, f"/v1/nodes/{self.uuid}/{path}".rstrip("/"), body, version=version)

    def change(self, **changes: Any) -> None:
        """Change fields of the node through the conductor."""
        self.runtime.rpc.call("update_node", node=self.uuid, changes=changes)
