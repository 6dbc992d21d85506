"""Traits of nodes, volume connectors and volume targets."""

from __future__ import annotations

from typing import Any

from baremetal_sdk.store import Query, VolumeTargetRecord
from tests.api.test_chassis_and_groups import UNKNOWN_UUID, ResourceTestCase


class TestNodeTraits(ResourceTestCase):
    def read_traits(self) -> list[str]:
        traits: list[str] = self.call_node("GET", "traits", version="1.37")["traits"]
        return traits

    def test_traits_are_replaced_added_and_removed(self) -> None:
        """Traits are set together or one by one; they are sorted and appear on the node."""
        self.call_node("PUT", "traits", {"traits": ["HW_CPU_X86_VMX", "CUSTOM_A", "CUSTOM_A"]}, status=204, version="1.37")
        self.assertEqual(["CUSTOM_A", "HW_CPU_X86_VMX"], self.read_traits())
        response = self.request_node("PUT", "traits/CUSTOM_B")
        self.assertEqual(204, response.status)
        self.assertEqual(f"http://localhost/v1/nodes/{self.uuid}/traits/CUSTOM_B", response.headers["Location"])
        self.call_node("PUT", "traits/CUSTOM_B", status=204)
        self.assertEqual(["CUSTOM_A", "CUSTOM_B", "HW_CPU_X86_VMX"], self.call_node("GET", "?fields=traits")["traits"])
        self.call_node("DELETE", "traits/CUSTOM_A", status=204)
        self.assert_refused(self.request_node("DELETE", "traits/CUSTOM_A"), 404, "CUSTOM_A")
        self.call_node("DELETE", "traits", status=204)
        self.assertEqual([], self.read_traits())

    def test_invalid_trait_is_refused(self) -> None:
        """A trait has a known prefix and upper-case letters, and a node has at most 50 traits."""
        for wrong in ("custom_a", "CUSTOM_a", "CUSTOM_", "ACME_A", "CUSTOM_" + "A" * 250, "", 5):
            self.assert_refused(self.request_node("PUT", "traits", {"traits": [wrong]}), 400, "traits")
        self.assert_refused(self.request_node("PUT", "traits/bogus"), 400, "trait")
        self.assert_refused(self.request_node("PUT", "traits"), 400, "traits")
        self.assert_refused(self.request_node("PUT", "traits/CUSTOM_A", {"traits": ["CUSTOM_A"]}), 400, "traits")
        self.call_node("PUT", "traits", {"traits": [f"CUSTOM_{number}" for number in range(50)]}, status=204)
        self.assert_refused(self.request_node("PUT", "traits/CUSTOM_50"), 400, "50")

    def test_traits_of_a_leased_node_cannot_change(self) -> None:
        """The error contains the purpose of the lease."""
        self.runtime.store.take_lease(self.uuid, holder="other/1", purpose="a test", duration=60)
        self.assert_refused(self.request_node("PUT", "traits/CUSTOM_A"), 409, "a test")


class TestVolumes(ResourceTestCase):
    def create_connector(self, connector_id: str = "iqn.2031-05.org.example:1", **values: Any) -> Any:
        return self.create("volume/connectors", "1.32", node_uuid=self.uuid, type="iqn", connector_id=connector_id, **values)

    def create_target(self, boot_index: int = 0, **values: Any) -> Any:
        required = {"node_uuid": self.uuid, "volume_type": "iscsi", "volume_id": "v1", "boot_index": boot_index}
        return self.create("volume/targets", "1.32", **{**required, **values})

    def test_connectors_are_created_shown_and_listed(self) -> None:
        """Lists exist for all nodes and for one node, with few fields or all fields."""
        connector = self.create_connector(extra={"a": 1})
        self.assertEqual(f"http://localhost/v1/volume/connectors/{connector['uuid']}", connector["links"][0]["href"])
        self.assertEqual(connector, self.get(f"/v1/volume/connectors/{connector['uuid']}", "1.32"))
        for path in ("volume/connectors", "volume/connectors?node=m1", "nodes/m1/volume/connectors"):
            brief = self.get(f"/v1/{path}", "1.32")["connectors"]
            self.assertEqual([{"uuid", "node_uuid", "type", "connector_id", "links"}], [set(entry) for entry in brief])
        self.assertEqual([connector], self.get("/v1/volume/connectors?detail=True", "1.32")["connectors"])
        self.assertEqual({"type", "links"}, set(self.get("/v1/volume/connectors?fields=type")["connectors"][0]))

    def test_targets_are_created_shown_and_listed(self) -> None:
        """Secrets in their properties are masked."""
        target = self.create_target(properties={"target_lun": 1, "auth_password": "tiger"})
        self.assertEqual({"target_lun": 1, "auth_password": "******"}, target["properties"])
        self.assertEqual([target], self.get("/v1/volume/targets?detail=True", "1.32")["targets"])
        brief = self.get("/v1/nodes/m1/volume/targets", "1.32")["targets"][0]
        self.assertEqual({"uuid", "node_uuid", "volume_type", "boot_index", "volume_id", "links"}, set(brief))
        self.assertEqual(target, self.get(f"/v1/volume/targets/{target['uuid']}"))

    def test_volume_index_links_connectors_and_targets(self) -> None:
        """The index exists for all nodes and for each node, and a node links to its own."""
        for path in ("volume", f"nodes/{self.uuid}/volume"):
            index = self.get(f"/v1/{path}", "1.32")
            self.assertEqual(f"http://localhost/v1/{path}/targets", index["targets"][0]["href"])
            self.assertEqual(f"http://localhost/v1/{path}", index["links"][0]["href"])
        self.assertIn(f"/v1/nodes/{self.uuid}/volume", self.call_node("GET", "", version="1.32")["volume"][0]["href"])
        self.assertNotIn("volume", self.call_node("GET", "", version="1.31"))

    def test_duplicate_or_incomplete_volumes_are_refused(self) -> None:
        """Connectors are unique, a boot index is unique within its node, and the node is named by its UUID."""
        self.create_connector()
        self.create_target()
        required = {"node_uuid": self.uuid, "type": "iqn", "connector_id": "iqn.2031-05.org.example:1"}
        duplicate = self.post("volume/connectors", **required)
        self.assert_refused(duplicate, 409, "A volume connector with type iqn and connector ID iqn", "already exists")
        target = {"node_uuid": self.uuid, "volume_type": "iscsi", "volume_id": "v2", "boot_index": 0}
        duplicate = self.post("volume/targets", **target)
        self.assert_refused(duplicate, 409, "A volume target with boot index '0' for the same node already exists")
        self.create_target(node_uuid=self.enroll("m2"))
        for name in required:
            self.assert_refused(self.post("volume/connectors", **{**required, name: None}), 400, name)
        self.assert_refused(self.post("volume/targets", **{**target, "boot_index": "x"}), 400, "boot_index")
        self.assert_refused(self.post("volume/targets", **{**target, "node_uuid": "m1"}), 400, "node_uuid")
        self.assert_refused(self.post("volume/targets", **{**target, "node_uuid": UNKNOWN_UUID}), 400, UNKNOWN_UUID)
        self.assert_refused(self.request("GET", "/v1/volume/connectors/v1"), 400, "v1")
        self.assert_refused(self.request("GET", f"/v1/volume/targets/{UNKNOWN_UUID}"), 404, UNKNOWN_UUID)

    def test_volumes_change_only_while_the_node_is_off(self) -> None:
        """A running machine may use its volumes."""
        connector = f"/v1/volume/connectors/{self.create_connector()['uuid']}"
        target = f"/v1/volume/targets/{self.create_target()['uuid']}"
        self.run_verbs("manage", "provide")
        self.call_node("PUT", "states/power", {"target": "power on"}, status=202)
        self.assertEqual("power on", self.record().power_state)
        for label, path in (("volume connector", connector), ("volume target", target)):
            refusal = 'The requested action "{label} {action}" can not be performed on node'
            changed = self.patch(path, ("add", "/extra", {"a": 1}))
            self.assert_refused(changed, 400, refusal.format(label=label, action="update"), "power on")
            deleted = self.request("DELETE", path)
            self.assert_refused(deleted, 400, refusal.format(label=label, action="deletion"), "power on")
        self.call_node("PUT", "states/power", {"target": "power off"}, status=202)
        self.assertEqual("power off", self.record().power_state)
        self.assertEqual("ip", self.patch(connector, ("replace", "/type", "ip")).json["type"])
        self.assertEqual(3, self.patch(target, ("replace", "/boot_index", 3)).json["boot_index"])
        self.assert_refused(self.patch(target, ("remove", "/volume_id")), 400, "volume_id")
        for path in (connector, target):
            self.assertEqual(204, self.request("DELETE", path).status)

    def test_patch_with_masked_secrets_keeps_the_secrets(self) -> None:
        """A client that writes back the values that it read changes no secret."""
        target = self.create_target(properties={"auth_password": "tiger"})
        self.run_verbs("manage")
        changed = self.patch(
            f"/v1/volume/targets/{target['uuid']}", ("replace", "/properties", {**target["properties"], "lun": 1})
        )
        self.assertEqual({"auth_password": "******", "lun": 1}, changed.json["properties"])
        rows = self.runtime.store.records(VolumeTargetRecord, Query())
        self.assertEqual({"auth_password": "tiger", "lun": 1}, rows[0]["properties"])
