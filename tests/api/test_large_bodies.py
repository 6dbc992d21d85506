"""Large config drives and inspection data: they are stored apart from their node and share a memory budget."""

from __future__ import annotations

import base64
import os
import threading
from typing import Any

import testtools

from baremetal_fake.interfaces.deploy import FakeDeploy
from baremetal_interfaces import Busy, Task
from baremetal_sdk import ConductorConfig, bare_metal_api
from baremetal_sdk.api.framework.large_bodies import LargeBodies
from baremetal_sdk.config import APIConfig
from baremetal_sdk.drivers.loader import discover
from baremetal_sdk.store import NodeQuery, Query
from baremetal_sdk.store.large_values import CONFIG_DRIVE, MAX_INLINE_CHARS
from baremetal_sdk.store.records.hardware import NodeValuePartRecord
from baremetal_sdk.testing import quick_options, running_conductor
from tests.api.machines import MachineAPITestCase
from tests.api.test_agents import INVENTORY, InspectionTestCase
from tests.fixtures.api import APITestCase

PATIENCE = 30.0
LARGE = base64.b64encode(os.urandom(4_500_000)).decode()
"""A config drive that is larger than the limits of other requests."""


class ReadingDeploy(FakeDeploy):
    """A deploy interface that notes the config drives of the machines it deploys."""

    drives: list[Any] = []

    def prepare(self, task: Task) -> None:
        """Read the config drive."""
        self.drives.append(task.node.instance_info.get(CONFIG_DRIVE))


class TestConfigDrives(MachineAPITestCase):
    def setUp(self) -> None:
        super().setUp()
        plugins = discover()
        for kind, named in plugins.interfaces.items():
            if str(kind) == "deploy":
                named["fake"] = ReadingDeploy
        ReadingDeploy.drives.clear()
        context = running_conductor(ConductorConfig(host="test", conductor=quick_options()), plugins=plugins)
        self.runtime = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.app = bare_metal_api(self.runtime)
        self.uuid = self.enroll("m1")
        self.run_verbs("manage", "provide")

    def deploy(self, drive: Any, target: str = "active") -> None:
        """Deploy the node with the config drive *drive*."""
        self.call_node("PUT", "states/provision", {"target": target, "configdrive": drive}, status=202)
        self.assertEqual("active", self.record().provision_state)

    def count_values(self) -> int:
        """Return the number of large values in the store."""
        rows = self.runtime.store.records(NodeValuePartRecord, Query(fields=("value_uuid",)))
        return len({row.value_uuid for row in rows})

    def test_driver_gets_the_drive_and_the_node_does_not_have_it(self) -> None:
        """The record of the node is small, and the API shows a mask."""
        for drive in (LARGE, {"user_data": "x" * MAX_INLINE_CHARS, "meta_data": {"a": 1}}):
            self.deploy(drive)
            self.assertEqual(drive, ReadingDeploy.drives.pop())
            [row] = self.runtime.store.nodes(NodeQuery(fields=("instance_info",)))
            self.assertLess(len(str(row.instance_info)), 1000)
            self.assertEqual("******", self.call_node("GET", "")["instance_info"][CONFIG_DRIVE])
            self.assertEqual(1, self.count_values())
            self.run_verbs("deleted")
            self.assertEqual(0, self.count_values())

    def test_drive_is_deleted_when_nothing_refers_to_it(self) -> None:
        """Its life ends with a rebuild with another drive, with a change of the node, and with a refused request."""
        self.deploy(LARGE)
        self.deploy(LARGE, "rebuild")
        self.assertEqual(1, self.count_values())
        self.call_node("PUT", "states/provision", {"target": "active", CONFIG_DRIVE: LARGE}, status=400)
        self.assertEqual(1, self.count_values())
        self.deploy("YWJj", "rebuild")
        self.assertEqual(0, self.count_values())
        self.deploy(LARGE, "rebuild")
        response = self.patch(f"/v1/nodes/{self.uuid}", ("remove", f"/instance_info/{CONFIG_DRIVE}"))
        self.assertEqual(200, response.status, response.raw)
        self.assertEqual(0, self.count_values())

    def test_rebuild_without_a_drive_keeps_the_drive(self) -> None:
        """The driver gets it again."""
        self.deploy(LARGE)
        self.run_verbs("rebuild")
        self.assertEqual([LARGE, LARGE], ReadingDeploy.drives)

    def test_client_cannot_refer_to_a_stored_value(self) -> None:
        """The text of a reference is no config drive."""
        self.deploy(LARGE)
        reference = self.record().instance_info[CONFIG_DRIVE]
        self.call_node("PUT", "states/provision", {"target": "rebuild", CONFIG_DRIVE: reference}, status=400)


class TestInspectionData(InspectionTestCase):
    def test_large_inspection_data_is_stored_and_shown(self) -> None:
        """It may be larger than a JSON value in a column. The next inspection replaces it."""
        self.run_verbs("manage")
        for size in (9_000_000, 1_500_000, 10):
            logs = "x" * size
            self.assertEqual("inspect wait", self.run_verbs("inspect").provision_state)
            response = self.send_report({"inventory": INVENTORY, "logs": logs})
            self.assertEqual(202, response.status, response.raw[:200])
            self.assertEqual("manageable", self.record().provision_state)
            shown = self.call_node("GET", "inventory")
            self.assertEqual((INVENTORY, {"logs": logs}), (shown["inventory"], shown["plugin_data"]))
            rows = self.runtime.store.records(NodeValuePartRecord, Query(fields=("value_uuid",)))
            self.assertEqual(1 if size > 1_000_000 else 0, len({row.value_uuid for row in rows}))


class TestLimits(APITestCase):
    api = APIConfig(max_request_body_size=2048, max_provision_body_size=8192, max_inspection_body_size=4096)

    def test_each_route_has_its_limit(self) -> None:
        """The two options apply to their routes, and to no others."""
        node = self.create_node()
        path = f"/v1/nodes/{node}/states/provision"
        self.assertEqual(202, self.request("PUT", path, {"target": "active", CONFIG_DRIVE: "YWJj" * 2000}).status)
        self.assert_refused(self.request("PUT", path, {"target": "active", CONFIG_DRIVE: "YWJj" * 2048}), 413, "8192")
        self.assert_refused(self.request("POST", "/v1/continue_inspection", {"inventory": {}, "x": "y" * 4000}), 400, "inventory")
        self.assert_refused(self.request("POST", "/v1/continue_inspection", {"x": "y" * 4096}), 413, "4096")
        self.assert_refused(self.request("POST", "/v1/nodes", {"driver": "y" * 2048}), 413, "2048")


class TestBudget(testtools.TestCase):
    def test_bodies_wait_until_others_have_ended(self) -> None:
        """The bytes in use never exceed the budget, except for one body that is larger."""
        budget, begun = LargeBodies(100, max_waiting=4, timeout=PATIENCE), threading.Event()
        ended: list[int] = []

        def process(size: int) -> None:
            begun.set()
            with budget.reserve(size):
                ended.append(budget.used)

        with budget.reserve(60), budget.reserve(40):
            waiting = threading.Thread(target=process, args=(1,))
            waiting.start()
            self.assertTrue(begun.wait(PATIENCE))
            self.assertEqual((100, []), (budget.used, ended))
        waiting.join(PATIENCE)
        self.assertEqual([1], ended)
        with budget.reserve(1000):
            self.assertEqual(1000, budget.used)
        self.assertEqual(0, budget.used)

    def test_waiting_ends_at_the_deadline_and_is_limited(self) -> None:
        """The error has status 503 and the time of the next attempt."""
        for budget in (LargeBodies(100, max_waiting=4, timeout=0.01), LargeBodies(100, max_waiting=0, timeout=PATIENCE)):
            with budget.reserve(100):
                error = self.assertRaises(Busy, budget.reserve(1).__enter__)
            self.assertEqual(503, error.code)
            self.assertIsNotNone(error.retry_after)
            with budget.reserve(100):
                pass
