"""The order of the checks of a request, where clients see it in the status."""

from __future__ import annotations

from tests.api.machines import N1, MachineAPITestCase

UNKNOWN_UUID = "99999999-9999-4999-8999-999999999999"


class TestOrderOfChecks(MachineAPITestCase):
    def test_allocation_of_an_unknown_node_is_a_bad_request(self) -> None:
        """The status is 404 for a node without an allocation, and for deletions."""
        for node in ("None", UNKNOWN_UUID):
            self.assert_refused(self.request("GET", f"/v1/nodes/{node}/allocation"), 400, node)
            self.assert_refused(self.request("DELETE", f"/v1/nodes/{node}/allocation"), 404, node)
        self.assert_refused(self.request("GET", f"{N1}/allocation"), 404, "allocation")

    def test_write_to_an_unknown_child_is_not_allowed(self) -> None:
        """405 if neither the resource nor its collection has the method. Otherwise, and for reads, the path is unknown."""
        for method, path, status in (
            ("PUT", f"{N1}/states/target_raid_config", 405),
            ("PATCH", f"{N1}/states/bogus", 405),
            ("PUT", f"{N1}/bogus", 405),
            ("PUT", "/v1/drivers/fake-hardware/bogus", 405),
            ("GET", f"{N1}/states/bogus", 404),
            ("DELETE", f"{N1}/bogus", 404),
            ("PUT", "/v1/bogus", 404),
            ("PUT", "/bogus", 404),
        ):
            self.assertEqual(status, self.request(method, path, {}).status, (method, path))
