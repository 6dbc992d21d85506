"""Nodes: creation, representation in each microversion, secrets, deletion, pages and filters."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import MASK
from baremetal_sdk.config import APIConfig
from tests.fixtures.api import APITestCase

INSTANCE_UUID = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


class TestCreation(APITestCase):
    def test_new_node_is_enrolled_and_located(self) -> None:
        """The response has status 201, the node and its URL."""
        response = self.request("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "n1", "extra": {"rack": 7}})
        node = response.json
        self.assertEqual(201, response.status)
        self.assertEqual("enroll", node["provision_state"])
        self.assertEqual("n1", node["name"])
        self.assertEqual({"rack": 7}, node["extra"])
        self.assertEqual(f"http://localhost/v1/nodes/{node['uuid']}", response.headers["Location"])
        self.assertEqual(node, self.get(f"/v1/nodes/{node['uuid']}"))

    def test_state_of_a_new_node_in_old_versions(self) -> None:
        """Before 1.11 a new node is available, and before 1.2 that state is shown as null."""
        response = self.request("POST", "/v1/nodes", {"driver": "fake-hardware"}, version="1.1")
        self.assertIsNone(response.json["provision_state"])
        path = f"/v1/nodes/{response.json['uuid']}"
        self.assertEqual("available", self.get(path, version="1.2")["provision_state"])
        self.assertEqual("enroll", self.get(f"/v1/nodes/{self.create_node()}")["provision_state"])

    def test_driver_is_required(self) -> None:
        """The error names the field."""
        self.assert_refused(self.request("POST", "/v1/nodes", {"name": "n1"}), 400, "driver: is missing")
        for driver in (None, 1, "", []):
            self.assert_refused(self.request("POST", "/v1/nodes", {"driver": driver}), 400, "driver")

    def test_unknown_field_is_refused(self) -> None:
        """The error lists the known fields."""
        response = self.request("POST", "/v1/nodes", {"driver": "fake-hardware", "resource_clas": "x"})
        self.assert_refused(response, 400, "resource_clas: is not a known field", "resource_class")

    def test_fields_that_the_service_writes_are_refused(self) -> None:
        """A client cannot create a node in another state than enroll."""
        for name in ("provision_state", "power_state", "reservation", "last_error", "traits", "sealed_secrets", "epoch"):
            self.assert_refused(self.request("POST", "/v1/nodes", {"driver": "fake-hardware", name: "x"}), 400, name)

    def test_field_of_a_later_version_is_not_acceptable(self) -> None:
        """The error names the field and the version that it needs."""
        response = self.request("POST", "/v1/nodes", {"driver": "fake-hardware", "owner": "me"}, version="1.49")
        self.assert_refused(response, 406, "owner", "1.50")
        self.assertEqual(
            201, self.request("POST", "/v1/nodes", {"driver": "fake-hardware", "owner": None}, version="1.49").status
        )

    def test_types_are_checked(self) -> None:
        """A value of a wrong type is refused, and the error names the field."""
        wrong: dict[str, Any] = {
            "uuid": "zzz", "extra": "x", "driver_info": [], "maintenance": "perhaps",
            "resource_class": "r" * 81, "description": "d" * 4097,
            "name": 5, "power_interface": {}, "instance_uuid": 12, "retired": 3,
        }  # fmt: skip
        for name, value in wrong.items():
            self.assert_refused(self.request("POST", "/v1/nodes", {"driver": "fake-hardware", name: value}), 400, name)

    def test_uuids_are_normalized(self) -> None:
        """A UUID without hyphens or in upper case is the same UUID."""
        self.assertEqual(INSTANCE_UUID, self.create_node(uuid=INSTANCE_UUID.upper().replace("-", "")))
        self.assertEqual(INSTANCE_UUID, self.get(f"/v1/nodes/{INSTANCE_UUID.upper()}")["uuid"])

    def test_names_are_checked(self) -> None:
        """A name is not a UUID or a reserved word, and it has only characters that URLs allow."""
        for name in ("bad name", "a/b", INSTANCE_UUID, "detail", "states", "x" * 256, "", "ü"):
            self.assert_refused(self.request("POST", "/v1/nodes", {"driver": "fake-hardware", "name": name}), 400, "name")
        self.create_node(name="a_b~c.d-e")

    def test_names_in_old_versions(self) -> None:
        """Before 1.10 a name must be a host name, and before 1.5 nodes have no names."""
        body = {"driver": "fake-hardware", "name": "a_b"}
        self.assert_refused(self.request("POST", "/v1/nodes", body, version="1.9"), 400, "host name")
        self.assert_refused(self.request("POST", "/v1/nodes", body, version="1.4"), 406, "1.5")

    def test_duplicate_name_is_a_conflict(self) -> None:
        """The error has status 409 and names the field."""
        self.create_node(name="n1")
        self.assert_refused(self.request("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "n1"}), 409, "name")

    def test_parent_is_found_by_name(self) -> None:
        """A parent that does not exist gets 400, because the path is right."""
        parent = self.create_node(name="blade-chassis")
        child = self.get(f"/v1/nodes/{self.create_node(parent_node='blade-chassis')}")
        self.assertEqual(parent, child["parent_node"])
        response = self.request("POST", "/v1/nodes", {"driver": "fake-hardware", "parent_node": "nope"})
        self.assert_refused(response, 400, "parent_node")

    def test_conductor_groups_are_stored_in_lower_case(self) -> None:
        """The names of conductor groups ignore case."""
        self.assertEqual("rack1", self.get(f"/v1/nodes/{self.create_node(conductor_group='Rack1')}")["conductor_group"])


class TestShowing(APITestCase):
    def test_node_is_found_by_uuid_and_by_name(self) -> None:
        """Both paths return the same node."""
        uuid = self.create_node(name="n1")
        self.assertEqual(self.get(f"/v1/nodes/{uuid}"), self.get("/v1/nodes/n1"))

    def test_before_1_5_nodes_have_no_names(self) -> None:
        """A path with a name gets 404."""
        self.create_node(name="n1")
        self.assert_refused(self.request("GET", "/v1/nodes/n1", version="1.4"), 404)
        self.assertEqual(200, self.request("GET", "/v1/nodes/n1", version="1.5").status)

    def test_invalid_identifier_is_refused(self) -> None:
        """An invalid name gets 400, and a valid name without a node gets 404."""
        self.assert_refused(self.request("GET", "/v1/nodes/%20bad"), 400, "node")
        self.assert_refused(self.request("GET", "/v1/nodes/nope"), 404, "nope")

    def test_each_field_appears_with_its_version(self) -> None:
        """Later fields are not shown to clients of earlier versions."""
        uuid = self.create_node(name="n1")
        since = {
            "name": 5, "clean_step": 7, "raid_config": 12, "network_interface": 20, "resource_class": 21, "power_interface": 31,
            "storage_interface": 33, "traits": 37, "rescue_interface": 38, "bios_interface": 40, "fault": 42, "deploy_step": 44,
            "conductor_group": 46, "automated_clean": 47, "protected": 48, "conductor": 49, "owner": 50, "description": 51,
            "allocation_uuid": 52, "retired": 61, "lessee": 65, "network_data": 66, "boot_mode": 75, "shard": 82,
            "parent_node": 83,
            "firmware_interface": 86, "service_step": 87, "disable_power_off": 95, "instance_name": 104, "health": 109,
        }  # fmt: skip
        for name, minor in since.items():
            self.assertNotIn(name, self.get(f"/v1/nodes/{uuid}", version=f"1.{minor - 1}"), name)
            self.assertIn(name, self.get(f"/v1/nodes/{uuid}", version=f"1.{minor}"), name)

    def test_fields_of_the_first_version(self) -> None:
        """Version 1.1 has exactly these fields."""
        expected = {
            "uuid", "created_at", "updated_at", "console_enabled", "driver", "driver_info", "extra", "instance_info",
            "instance_uuid",
            "last_error", "maintenance", "maintenance_reason", "power_state", "properties", "provision_state",
            "provision_updated_at",
            "reservation", "target_power_state", "target_provision_state", "chassis_uuid", "links", "ports",
        }  # fmt: skip
        self.assertEqual(expected, set(self.get(f"/v1/nodes/{self.create_node()}", version="1.1")))

    def test_internal_fields_are_not_shown(self) -> None:
        """Leases, step runs and sealed secrets are internal."""
        node = self.get(f"/v1/nodes/{self.create_node()}")
        hidden = {"sealed_secrets", "driver_state", "lease_holder", "lease_purpose", "epoch", "revision", "run_id", "run_steps"}
        self.assertEqual(set(), hidden & set(node))

    def test_selected_fields(self) -> None:
        """The response contains the selected fields and the links; order and duplicates do not matter."""
        self.create_node(name="n1")
        self.assertEqual({"name", "uuid", "links"}, set(self.get("/v1/nodes/n1?fields=uuid,name,uuid")))
        self.assertEqual({"provision_state", "links"}, set(self.get("/v1/nodes/n1?fields=provision_state")))

    def test_invalid_field_selection_is_refused(self) -> None:
        """An unknown field gets 400; a field of a later version, and a selection before 1.8, get 406."""
        self.create_node(name="n1")
        self.assert_refused(self.request("GET", "/v1/nodes/n1?fields=bogus,uuid"), 400, "bogus")
        self.assert_refused(self.request("GET", "/v1/nodes/n1?fields=sealed_secrets"), 400, "sealed_secrets")
        self.assert_refused(self.request("GET", "/v1/nodes/n1?fields=owner", version="1.49"), 406, "owner", "1.50")
        self.assert_refused(self.request("GET", "/v1/nodes/n1?fields=uuid", version="1.7"), 406, "1.8")

    def test_inspect_wait_is_inspecting_before_1_39(self) -> None:
        """Older clients do not know the state inspect wait."""
        uuid = self.create_node()
        self.conductor.store.update_node(uuid, {"provision_state": "inspect wait"}, fence=None)
        self.assertEqual("inspecting", self.get(f"/v1/nodes/{uuid}", version="1.38")["provision_state"])
        self.assertEqual("inspect wait", self.get(f"/v1/nodes/{uuid}", version="1.39")["provision_state"])
        self.assertEqual("inspecting", self.get(f"/v1/nodes/{uuid}/states", version="1.38")["provision_state"])

    def test_reservation_is_the_host_name_of_the_lease_holder(self) -> None:
        """The internal part of the holder is not shown, and an expired lease is no reservation."""
        uuid = self.create_node()
        self.conductor.store.take_lease(uuid, holder="host-1/abc/17", purpose="cleaning", duration=60)
        self.assertEqual("host-1", self.get(f"/v1/nodes/{uuid}")["reservation"])
        self.conductor.clock.turn(61)
        self.assertIsNone(self.get(f"/v1/nodes/{uuid}")["reservation"])

    def test_dates_have_a_time_zone(self) -> None:
        """Dates have the format of RFC 3339."""
        self.assertEqual("2030-01-01T00:00:00+00:00", self.get(f"/v1/nodes/{self.create_node()}")["created_at"])


class TestConductorField(APITestCase):
    def test_conductor_of_the_group_is_responsible(self) -> None:
        """No conductor is responsible if the group has none, or if its conductors are dead."""
        self.conductor.join("host-2", "rack2")
        self.assertEqual("host-1", self.get(f"/v1/nodes/{self.create_node()}")["conductor"])
        self.assertEqual("host-2", self.get(f"/v1/nodes/{self.create_node(conductor_group='rack2')}")["conductor"])
        self.assertIsNone(self.get(f"/v1/nodes/{self.create_node(conductor_group='rack3')}")["conductor"])
        self.conductor.clock.turn(3600)
        self.assertIsNone(self.get(f"/v1/nodes/{self.create_node()}")["conductor"])

    def test_nodes_are_spread_over_conductors(self) -> None:
        """If a conductor joins, nodes move to it only, and not between the others."""
        self.conductor.join("host-2")
        uuids = [self.create_node() for _ in range(40)]
        before = {uuid: self.get(f"/v1/nodes/{uuid}")["conductor"] for uuid in uuids}
        self.assertEqual({"host-1", "host-2"}, set(before.values()))
        self.conductor.join("host-3")
        self.conductor.clock.turn(10)
        after = {uuid: self.get(f"/v1/nodes/{uuid}")["conductor"] for uuid in uuids}
        self.assertEqual({"host-3"}, {after[uuid] for uuid in uuids if after[uuid] != before[uuid]})


class TestSecrets(APITestCase):
    def test_secrets_are_masked_at_any_depth(self) -> None:
        """Passwords, tokens and config drives are masked in all fields with free form."""
        node = self.get(
            "/v1/nodes/"
            + self.create_node(
                driver_info={
                    "vendor_password": "tiger",
                    "address": "10.0.0.1",
                    "nested": {"api_token": "abc", "list": [{"secret": "s"}]},
                },
                instance_info={
                    "configdrive": "H4sI",
                    "image_url": "http://user:tiger@images/x.iso?temp_url_sig=abc&a=b",
                    "rescue_password": "",
                },
            )
        )
        self.assertEqual(
            {"vendor_password": MASK, "address": "10.0.0.1", "nested": {"api_token": MASK, "list": [{"secret": MASK}]}},
            node["driver_info"],
        )
        self.assertEqual(MASK, node["instance_info"]["configdrive"])
        self.assertEqual(f"http://{MASK}@images/x.iso?temp_url_sig={MASK}&a=b", node["instance_info"]["image_url"])
        self.assertEqual("", node["instance_info"]["rescue_password"])

    def test_values_about_secrets_are_shown(self) -> None:
        """The path of a key, or whether a token was generated in advance, is not a secret."""
        info = {"ssh_private_key_path": "/k", "agent_secret_token_pregenerated": True, "ca_file": "/c", "token_file": "/t"}
        self.assertEqual(info, self.get(f"/v1/nodes/{self.create_node(driver_info=info)}")["driver_info"])

    def test_lists_mask_secrets(self) -> None:
        """A list masks the same values as the response for one node."""
        self.create_node(driver_info={"password": "tiger"})
        for path in ("/v1/nodes/detail", "/v1/nodes?fields=driver_info", "/v1/nodes?detail=true"):
            self.assertNotIn(b"tiger", self.request("GET", path).raw)


class TestDeletion(APITestCase):
    def test_deleted_node_is_not_found(self) -> None:
        """The first deletion gets 204 without a body, and the second gets 404."""
        self.create_node(name="n1")
        response = self.request("DELETE", "/v1/nodes/n1")
        self.assertEqual(204, response.status)
        self.assertEqual(b"", response.raw)
        self.assertNotIn("Content-Type", response.headers)
        self.assert_refused(self.request("DELETE", "/v1/nodes/n1"), 404)


class TestValidation(APITestCase):
    def test_validation_of_interfaces(self) -> None:
        """The result has a reason only if the validation failed."""
        uuid = self.create_node(name="n1")
        expected = {"power": {"result": True}, "bios": {"result": None, "reason": "not offered"}}
        for path in ("/v1/nodes/n1/validate", "/v1/nodes/validate?node=n1", f"/v1/nodes/validate?node_uuid={uuid}"):
            self.assertEqual(expected, self.get(path))
        self.assert_refused(self.request("GET", "/v1/nodes/validate"), 400, "node")


class TestPages(APITestCase):
    api = APIConfig(max_limit=3)

    def setUp(self) -> None:
        super().setUp()
        self.uuids = [self.create_node(name=f"n{number}") for number in range(7)]

    def _walk(self, path: str) -> list[str]:
        names: list[str] = []
        while path:
            page = self.get(path)
            names += [node["name"] for node in page["nodes"]]
            self.assertLessEqual(len(page["nodes"]), 3)
            path = page.get("next", "").removeprefix("http://localhost")
        return names

    def test_next_links_lead_to_every_node_once(self) -> None:
        """Links keep the parameters of the request, and the last page has no link."""
        names = [f"n{number}" for number in range(7)]
        self.assertEqual(names, self._walk("/v1/nodes"))
        self.assertEqual(names, self._walk("/v1/nodes?fields=name&limit=2"))
        self.assertEqual(names, self._walk("/v1/nodes/detail?limit=1"))
        self.assertEqual(names[::-1], self._walk("/v1/nodes?sort_key=name&sort_dir=desc&fields=name"))
        self.assertEqual(names, self._walk("/v1/nodes?conductor=host-1&limit=2"))

    def test_full_last_page_has_no_next_link(self) -> None:
        """A link always leads to a page with nodes."""
        self.assertNotIn("next", self.get(f"/v1/nodes?limit=3&marker={self.uuids[3]}"))
        self.assertIn("next", self.get(f"/v1/nodes?limit=3&marker={self.uuids[2]}"))

    def test_page_is_limited_by_the_configuration(self) -> None:
        """A larger limit in the request has no effect."""
        self.assertEqual(3, len(self.get("/v1/nodes?limit=1000")["nodes"]))

    def test_invalid_paging_is_refused(self) -> None:
        """The error names the wrong parameter."""
        for query in (
            "limit=0",
            "limit=-1",
            "limit=x",
            "marker=nope",
            "sort_key=extra",
            "sort_key=bogus",
            "sort_dir=up",
        ):
            self.assert_refused(self.request("GET", f"/v1/nodes?{query}"), 400, query.partition("=")[0])
        self.assert_refused(self.request("GET", "/v1/nodes?sort_key=owner", version="1.49"), 406, "owner")

    def test_default_fields_of_a_list(self) -> None:
        """A list shows only these fields by default."""
        expected = {"uuid", "name", "instance_uuid", "maintenance", "power_state", "provision_state", "links"}
        self.assertEqual(expected, set(self.get("/v1/nodes")["nodes"][0]))
        self.assertEqual(expected - {"name"}, set(self.get("/v1/nodes", version="1.4")["nodes"][0]))

    def test_detail_shows_all_fields(self) -> None:
        """The path has no minimum version; the parameter needs 1.43 and excludes fields."""
        whole = set(self.get(f"/v1/nodes/{self.uuids[0]}"))
        self.assertEqual(whole, set(self.get("/v1/nodes/detail")["nodes"][0]))
        self.assertEqual(whole, set(self.get("/v1/nodes?detail=True")["nodes"][0]))
        self.assertNotEqual(whole, set(self.get("/v1/nodes?detail=False")["nodes"][0]))
        self.assert_refused(self.request("GET", "/v1/nodes?detail=True", version="1.42"), 400, "1.43")
        self.assert_refused(self.request("GET", "/v1/nodes?detail=True&fields=uuid"), 400, "fields")


class TestFilters(APITestCase):
    def _names(self, query: str) -> list[str]:
        return [node["name"] for node in self.get(f"/v1/nodes?{query}")["nodes"]]

    def test_filters_select_nodes(self) -> None:
        """Each filter selects exactly the matching nodes."""
        self.create_node(
            name="a", instance_uuid=INSTANCE_UUID, instance_name="vm", maintenance=True, owner="me", lessee="you",
            resource_class="big",
            description="In the Cellar", shard="s1", retired=True, conductor_group="g",
        )  # fmt: skip
        self.create_node(name="b", driver="redfish", owner="you", shard="s2")
        for query in (
            f"instance_uuid={INSTANCE_UUID}", "instance_name=vm", "associated=true", "maintenance=True", "owner=me", "lessee=you",
            "resource_class=big", "description_contains=cellar", "shard=s1", "retired=1", "conductor_group=g",
            "driver=fake-hardware",
            "project=me", "owner=me&driver=fake-hardware",
        ):  # fmt: skip
            self.assertEqual(["a"], self._names(query), query)
        for query in ("associated=false", "maintenance=0", "owner=you", "driver=redfish"):
            self.assertEqual(["b"], self._names(query), query)
        for query in ("project=you", "shard=s1,s2", "sharded=true", "provision_state=enroll"):
            self.assertEqual(["a", "b"], self._names(query), query)
        for query in ("sharded=false", "provision_state=active", "fault=power+failure", "conductor=host-9", "owner=nobody"):
            self.assertEqual([], self._names(query), query)

    def test_children_are_listed_on_request(self) -> None:
        """Nodes with a parent are listed with include_children or parent_node only."""
        parent = self.create_node(name="parent")
        self.create_node(name="child", parent_node=parent)
        self.assertEqual(["parent"], self._names("fields=name"))
        self.assertEqual(["parent", "child"], self._names("include_children=true"))
        self.assertEqual(["child"], self._names(f"parent_node={parent}"))

    def test_filter_of_a_later_version_is_not_acceptable(self) -> None:
        """Each filter gets 406 in the version before its first one."""
        for query, minor in (("provision_state=active", 9), ("driver=x", 16), ("resource_class=x", 21),
                             ("fault=clean+failure", 42),
                             ("conductor_group=x", 46), ("conductor=x", 49), ("owner=x", 50), ("description_contains=x", 51),
                             ("lessee=x", 65), ("shard=x", 82), ("sharded=1", 82), ("parent_node=x", 83),
                             ("instance_name=x", 104)):  # fmt: skip
            self.assert_refused(self.request("GET", f"/v1/nodes?{query}", version=f"1.{minor - 1}"), 406, f"1.{minor}")
            self.assertEqual(200, self.request("GET", f"/v1/nodes?{query}", version=f"1.{minor}").status, query)

    def test_invalid_filter_is_refused(self) -> None:
        """The error names the filter."""
        for query in ("provision_state=happy", "fault=bad+mood", "associated=perhaps", "instance_uuid=x", "chassis_uuid=x"):
            self.assert_refused(self.request("GET", f"/v1/nodes?{query}"), 400, query.partition("=")[0])
