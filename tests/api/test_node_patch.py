"""PATCH of nodes: changes, errors, secrets and concurrent writes."""

from __future__ import annotations

from baremetal_interfaces import MASK
from baremetal_sdk.errors import RevisionConflict
from baremetal_sdk.store.records.node import NodeRecord
from tests.fixtures.api import APITestCase

INSTANCE_UUID = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
OTHER_UUID = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
N1 = "/v1/nodes/n1"


class TestPatch(APITestCase):
    def setUp(self) -> None:
        super().setUp()
        self.uuid = self.create_node(name="n1", extra={"a": 1, "list": [1, 2]}, driver_info={"address": "x"})

    def _record(self) -> NodeRecord:
        return self.conductor.store.node(self.uuid)

    def test_fields_are_added_replaced_and_removed(self) -> None:
        """The response is the changed node."""
        response = self.patch(
            N1,
            ("replace", "/name", "n2"),
            ("add", "/extra/b", {"c": 2}),
            ("remove", "/extra/a"),
            ("add", "/extra/list/-", 3),
            ("replace", "/extra/list/0", 0),
            ("add", "/resource_class", "big"),
            ("add", "/maintenance", "yes"),
        )
        self.assertEqual(200, response.status, response.raw)
        self.assertEqual({"list": [0, 2, 3], "b": {"c": 2}}, response.json["extra"])
        self.assertEqual("n2", response.json["name"])
        self.assertEqual("big", response.json["resource_class"])
        self.assertIs(True, response.json["maintenance"])

    def test_removed_field_gets_its_default(self) -> None:
        """Null also means the default for a field without null."""
        self.patch(N1, ("add", "/description", "d"), ("add", "/retired", True))
        response = self.patch(N1, ("remove", "/description"), ("replace", "/retired", None), ("remove", "/extra"))
        self.assertIsNone(response.json["description"])
        self.assertIs(False, response.json["retired"])
        self.assertEqual({}, response.json["extra"])
        self.assertIsNone(self.patch(N1, ("remove", "/name")).json["name"])

    def test_patch_without_change_succeeds(self) -> None:
        """A patch with the current values, or without operations, succeeds and writes nothing."""
        before = self._record().revision
        for operations in (
            [],
            [("replace", "/name", "n1")],
            [("replace", "/extra", {"a": 1, "list": [1, 2]})],
            [("remove", "/owner")],
        ):
            self.assertEqual(200, self.patch(N1, *operations).status)
        self.assertEqual(before, self._record().revision)

    def test_failed_test_operation_stops_the_patch(self) -> None:
        """Nothing is written if the value is not the expected one."""
        self.assertEqual(200, self.patch(N1, ("test", "/extra/a", 1), ("replace", "/extra/a", 2)).status)
        self.assert_refused(self.patch(N1, ("test", "/extra/a", 1), ("replace", "/extra/a", 3)), 400, "/extra/a")
        self.assertEqual(2, self._record().extra["a"])

    def test_invalid_patch_is_refused(self) -> None:
        """The error names the wrong operation and the allowed form."""
        for body, word in (
            ({"op": "add"}, "not a list"), ([5], "patch[0]"), ([{"op": "frob", "path": "/name"}], "frob"),
            ([{"path": "/name"}], "op"),
            ([{"op": "replace", "path": "/name"}], "value"), ([{"op": "add", "path": "name", "value": 1}], "path"),
            ([{"op": "add", "path": "/", "value": 1}], "path"), ([{"op": "add", "path": 5, "value": 1}], "path"),
            (None, "not a list"),
        ):  # fmt: skip
            self.assert_refused(self.request("PATCH", N1, body), 400, word)

    def test_read_only_fields_are_refused(self) -> None:
        """Fields that only the service writes, unknown fields and fields with their own routes are refused."""
        for path in (
            "/uuid",
            "/bogus",
            "/provision_state",
            "/traits",
            "/reservation",
            "/created_at",
            "/sealed_secrets",
            "/links",
            "/lease_holder",
        ):
            self.assert_refused(self.patch(N1, ("replace", path, "x")), 400, path, "resource_class")

    def test_missing_path_is_refused(self) -> None:
        """The error names the missing path, and nothing is written."""
        for operation in (
            ("remove", "/extra/x"), ("replace", "/extra/x", 1), ("add", "/extra/x/y", 1), ("add", "/extra/a/b", 1),
            ("add", "/name/x", 1),
            ("remove", "/extra/list/7"), ("add", "/extra/list/x", 1), ("replace", "/extra/list/-", 1),
            ("remove", "/extra/list/-1"),
        ):  # fmt: skip
            self.assert_refused(self.patch(N1, operation), 400, operation[1])
        self.assertEqual({"a": 1, "list": [1, 2]}, self._record().extra)

    def test_required_field_cannot_be_removed(self) -> None:
        """A node needs a driver."""
        self.assert_refused(self.patch(N1, ("remove", "/driver")), 400, "driver")
        self.assert_refused(self.patch(N1, ("replace", "/driver", None)), 400, "driver")

    def test_values_are_checked(self) -> None:
        """A patch accepts the same values as the creation of a node."""
        for path, value in (("/name", "bad name"), ("/name", 5), ("/instance_uuid", "zzz"), ("/extra", []),
                            ("/maintenance", "perhaps"),
                            ("/name", "detail"), ("/resource_class", "r" * 81), ("/parent_node", "nope")):  # fmt: skip
            self.assert_refused(self.patch(N1, ("add", path, value)), 400, path[1:])

    def test_field_of_a_later_version_is_not_acceptable(self) -> None:
        """Its change and its removal get 406."""
        for operation in (("replace", "/owner", "me"), ("remove", "/owner")):
            self.assert_refused(self.patch(N1, operation, version="1.49"), 406, "1.50")

    def test_escapes_in_paths_need_1_98(self) -> None:
        """In earlier versions, a tilde is an ordinary character."""
        self.assertEqual(1, self.patch(N1, ("add", "/extra/a~1b~0c", 1)).json["extra"]["a/b~c"])
        self.assertEqual(2, self.patch(N1, ("add", "/extra/x~1y", 2), version="1.97").json["extra"]["x~1y"])

    def test_instance_cannot_be_replaced(self) -> None:
        """The node must be released first, so that only one of two schedulers succeeds."""
        self.assertEqual(200, self.patch(N1, ("add", "/instance_uuid", INSTANCE_UUID)).status)
        self.assertEqual(200, self.patch(N1, ("add", "/instance_uuid", INSTANCE_UUID)).status)
        self.assert_refused(self.patch(N1, ("replace", "/instance_uuid", OTHER_UUID)), 409, INSTANCE_UUID)
        self.assertEqual(200, self.patch(N1, ("remove", "/instance_uuid")).status)
        self.assertEqual(200, self.patch(N1, ("add", "/instance_uuid", OTHER_UUID)).status)

    def test_an_instance_is_on_one_node_only(self) -> None:
        """A second node with the same instance gets 409."""
        self.create_node(name="n2", instance_uuid=INSTANCE_UUID)
        self.assert_refused(self.patch(N1, ("add", "/instance_uuid", INSTANCE_UUID)), 409, "instance_uuid")

    def test_reset_interfaces_needs_a_new_driver(self) -> None:
        """The parameter needs 1.45."""
        body = [{"op": "replace", "path": "/driver", "value": "redfish"}]
        self.assertEqual(200, self.request("PATCH", f"{N1}?reset_interfaces=true", body).status)
        body[0]["path"] = "/name"
        self.assert_refused(self.request("PATCH", f"{N1}?reset_interfaces=true", body), 400, "reset_interfaces")
        self.assert_refused(self.request("PATCH", f"{N1}?reset_interfaces=true", body, version="1.44"), 406, "1.45")

    def test_mask_in_a_patch_keeps_the_secret(self) -> None:
        """A client that writes back the masked values that it read does not overwrite the secrets."""
        secrets = {"configdrive": "H4sI", "image_url": "http://u:tiger@images/x", "deep": [{"token": "t"}]}
        self.patch(N1, ("replace", "/instance_info", secrets), ("add", "/driver_info/vendor_password", "tiger"))
        shown = self.get(N1)
        self.assertEqual(MASK, shown["driver_info"]["vendor_password"])
        revision = self._record().revision
        response = self.patch(
            N1, ("replace", "/instance_info", shown["instance_info"]), ("replace", "/driver_info", shown["driver_info"])
        )
        self.assertEqual(200, response.status)
        self.assertEqual(revision, self._record().revision)
        self.patch(N1, ("replace", "/instance_info", {**shown["instance_info"], "more": 1}), ("add", "/driver_info/port", 1))
        self.assertEqual({**secrets, "more": 1}, self._record().instance_info)
        self.assertEqual("tiger", self._record().driver_info["vendor_password"])

    def test_mask_of_a_sealed_secret_is_passed_on(self) -> None:
        """The conductor keeps the secret if driver_info contains a mask, so the API passes the mask on."""
        self.conductor.store.update_node(self.uuid, {"driver_info": {"address": "x", "bmc_pass": MASK}}, fence=None)
        self.patch(N1, ("replace", "/driver_info/address", "y"))
        self.assertEqual({"address": "y", "bmc_pass": MASK}, self._record().driver_info)

    def test_patch_is_repeated_after_a_concurrent_write(self) -> None:
        """Both changes are kept, and the client gets no conflict."""
        self.conductor.store.others.extend([{"extra": {"from": "others", "list": [1]}}, {"power_state": "power on"}])
        self.assertEqual(200, self.patch(N1, ("add", "/extra/mine", 1)).status)
        self.assertEqual({"from": "others", "list": [1], "mine": 1}, self._record().extra)
        self.assertEqual("power on", self._record().power_state)

    def test_repeated_concurrent_writes_are_a_conflict(self) -> None:
        """The client gets 409 after the last attempt."""
        self.conductor.failing["update_node"] = RevisionConflict("somebody was faster")
        self.assert_refused(self.patch(N1, ("add", "/extra/mine", 1)), 409, "faster")
