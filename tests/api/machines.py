"""The whole way, from a request down to a simulated machine: the API on a conductor that runs, without a socket."""

from __future__ import annotations

import uuid
from typing import Any

from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack, share
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.testing import provision, quick_options, running_conductor, settle
from tests.fixtures.api import Answer, APITestCase

N1 = "/v1/nodes/m1"


class MachineAPITestCase(APITestCase):
    """Each test has a rack, a conductor of its own, and the node ``m1``, which is enrolled."""

    def setUp(self) -> None:
        super().setUp()
        self.rack = share(Rack(f"rack-{uuid.uuid4().hex}"))
        self.addCleanup(self.rack.end_waits)
        context = running_conductor(ConductorConfig(host="test", conductor=quick_options(**self.options())))
        self.runtime: Conductor = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.app = bare_metal_api(self.runtime)
        self.uuid = self.enrol("m1")

    def options(self) -> dict[str, Any]:
        """Options of the conductor."""
        return {}

    def enrol(self, name: str, **values: Any) -> str:
        """Create a node whose machine has the node's name; give back its UUID."""
        info = {"fake_machine": name, "fake_rack": self.rack.name, **values.pop("driver_info", {})}
        return self.node(name=name, driver_info=info, **values)

    def machine(self, name: str = "m1") -> Machine:
        """The machine itself, past everything that drives it."""
        return self.rack.machine(name)

    def bring(self, *verbs: str, node: str | None = None) -> NodeRecord:
        """Take the node through *verbs*."""
        return provision(self.runtime, node or self.uuid, *verbs)

    def record(self, node: str | None = None) -> NodeRecord:
        """The node as it is stored, when all work has ended."""
        settle(self.runtime)
        return self.runtime.store.node(node or self.uuid)

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, version: str = "1.115") -> Any:
        """Send a request about the node, which has to be answered with *status*; give back the body of the answer."""
        answer = self.refused(method, path, body, version=version)
        self.assertEqual(status, answer.status, answer.raw)
        return answer.json if answer.raw else None

    def refused(self, method: str, path: str, body: Any = None, *, version: str = "1.115") -> Answer:
        """Send a request about the node."""
        return self.request(method, f"/v1/nodes/{self.uuid}/{path}".rstrip("/"), body, version=version)

    def change(self, **changes: Any) -> None:
        """Change fields of the node."""
        self.runtime.rpc.call("update_node", node=self.uuid, changes=changes)
