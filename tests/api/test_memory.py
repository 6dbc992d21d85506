"""Memory of the API: requests leave no objects behind, whatever they contain."""

from __future__ import annotations

import gc
import tracemalloc
from uuid import UUID

from testtools import TestCase
from testtools.matchers import LessThan

from baremetal_sdk.api.framework import json_body
from tests.fixtures.api import APITestCase

REQUESTS = 200
MAX_OBJECTS_LEFT = REQUESTS // 2
"""Objects that may stay after REQUESTS rounds, such as those of caches that were filled before their limit."""


class TestMemory(APITestCase):
    def test_requests_leave_no_objects(self) -> None:
        """The number of objects is the same after many different requests, most of which are refused."""
        uuid = self.create_node()
        self.send_requests(uuid, 0)
        counts = []
        for start in (REQUESTS, 2 * REQUESTS):
            self.send_requests(uuid, start)
            self.conductor.contexts.clear()
            gc.collect()
            counts.append(len(gc.get_objects()))
        self.assertThat(counts[1] - counts[0], LessThan(MAX_OBJECTS_LEFT))

    def send_requests(self, uuid: str, start: int) -> None:
        """Send requests with values that no other request has."""
        for number in range(start, start + REQUESTS):
            self.request("GET", f"/v1/nodes/unknown-{number}")
            self.request("GET", f"/v1/nodes/{UUID(int=number)}")
            self.request("GET", f"/v1/other-{number}")
            self.request("GET", f"/v1/nodes?owner=project-{number}&unknown-{number}=1")
            self.request("GET", "/v1/nodes", X_OpenStack_Ironic_API_Version=f"1.{1000 + number}")
            self.request("POST", "/v1/nodes", {"driver": f"driver-{number}", f"field-{number}": {"deep": [number]}})
            self.request(
                "PATCH", f"/v1/nodes/{uuid}", [{"op": "replace", "path": "/extra", "value": {f"password-{number % 10}": 1}}]
            )
            self.request("PATCH", f"/v1/nodes/{uuid}", [{"op": "add", "path": f"/field-{number}", "value": number}])


class TestDocuments(TestCase):
    def test_a_document_takes_the_memory_of_its_text(self) -> None:
        """A hundred rendered documents of 5 KB take 0.5 MB, and not the larger buffers that they were written to."""
        value = {"text": "x" * 5000}
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        documents = [json_body.dump(value) for _ in range(100)]
        self.assertLess(tracemalloc.get_traced_memory()[0], 2 * sum(map(len, documents)))
