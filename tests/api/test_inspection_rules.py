"""Inspection rules: their API, and their effect on inspections."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.api.test_chassis_and_groups import UNKNOWN_UUID, ResourceTestCase

FAIL_ACTION = {"op": "fail", "args": {"msg": "no"}}


def set_attribute(path: str, value: Any) -> dict[str, Any]:
    """Return an action that sets an attribute of the node."""
    return {"op": "set-attribute", "args": {"path": path, "value": value}}


class RulesTestCase(ResourceTestCase):
    def create_rule(self, *actions: dict[str, Any], **values: Any) -> Any:
        """Create a rule with *actions*, by default one that fails."""
        return self.create("inspection_rules", "1.96", actions=list(actions) or [FAIL_ACTION], **values)


class TestRules(RulesTestCase):
    def test_rule_is_created_shown_changed_and_deleted(self) -> None:
        """Fields that the request omits get their defaults."""
        rule = self.create_rule(description="d", priority=5)
        self.assertEqual("main", rule["phase"])
        self.assertEqual(5, rule["priority"])
        self.assertIs(False, rule["sensitive"])
        self.assertEqual([], rule["conditions"])
        path = f"/v1/inspection_rules/{rule['uuid']}"
        self.assertEqual(rule, self.get(path, "1.96"))
        changed = self.patch(path, ("replace", "/priority", 6), ("replace", "/actions/0/args/msg", "yes")).json
        self.assertEqual(6, changed["priority"])
        self.assertEqual("yes", changed["actions"][0]["args"]["msg"])
        self.assert_refused(self.patch(path, ("remove", "/actions")), 400, "actions")
        self.assert_refused(self.patch(path, ("replace", "/actions/0/op", "bogus")), 400, "actions[0].op")
        self.assertEqual(204, self.delete(f"inspection_rules/{rule['uuid']}"))
        self.assert_refused(self.request("GET", path), 404, rule["uuid"])

    def test_rules_are_listed_and_deleted_together(self) -> None:
        """The list shows few fields, all fields or selected fields, and one request deletes all rules."""
        created = [self.create_rule(priority=number) for number in range(3)]
        brief = self.get("/v1/inspection_rules", "1.96")["inspection_rules"]
        self.assertEqual({"uuid", "priority", "phase", "description", "links"}, set(brief[0]))
        self.assertEqual(created, self.get("/v1/inspection_rules?detail=True")["inspection_rules"])
        self.assertEqual({"actions", "links"}, set(self.get("/v1/inspection_rules?fields=actions")["inspection_rules"][0]))
        rules = self.get("/v1/inspection_rules?sort_key=priority&sort_dir=desc&phase=main")["inspection_rules"]
        self.assertEqual([2, 1, 0], [entry["priority"] for entry in rules])
        self.assertEqual(204, self.delete("inspection_rules"))
        self.assertEqual([], self.get("/v1/inspection_rules")["inspection_rules"])

    def test_invalid_rule_is_refused(self) -> None:
        """The error contains all problems of the rule."""
        self.assert_refused(self.post("inspection_rules"), 400, "actions")
        wrong = {"actions": [{"op": "bogus", "args": {}}], "conditions": [{"op": "eq", "args": {}}], "phase": "x"}
        self.assert_refused(self.post("inspection_rules", **wrong), 400, "actions[0].op", "conditions[0].args.values", "phase")
        self.assert_refused(self.post("inspection_rules", actions=[FAIL_ACTION], priority=10000), 400, "priority")
        rule = self.create_rule(uuid=UNKNOWN_UUID)
        self.assert_refused(self.post("inspection_rules", actions=[FAIL_ACTION], uuid=rule["uuid"]), 409, UNKNOWN_UUID)

    def test_sensitive_rule_never_shows_its_content(self) -> None:
        """No response contains its actions and conditions, and the rule stays sensitive."""
        rule = self.create_rule(set_attribute("/extra/password", "tiger"), sensitive=True)
        path = f"/v1/inspection_rules/{rule['uuid']}"
        for shown in (rule, self.get(path), self.get("/v1/inspection_rules?detail=True")["inspection_rules"][0]):
            self.assertIsNone(shown["actions"])
            self.assertIsNone(shown["conditions"])
        self.assert_refused(self.patch(path, ("replace", "/sensitive", False)), 400, "sensitive")
        self.assertEqual(3, self.patch(path, ("replace", "/priority", 3)).json["priority"])

    def test_example_of_the_operator_guide_is_valid(self) -> None:
        """The service accepts the rule that operators copy from the guide."""
        text = (Path(__file__).parents[2] / "doc/source/operator/resources.rst").read_text()
        example = re.search(r"code-block:: json\n\n(.*?)\n\n\S", text, re.DOTALL)
        assert example is not None
        rule = json.loads(example[1])
        self.assertEqual(rule["actions"], self.create_rule(*rule.pop("actions"), **rule)["actions"])


class TestInspection(RulesTestCase):
    """The effect of rules on inspections."""

    def inspect(self) -> Any:
        """Inspect the node and return its record."""
        return self.run_verbs("manage", "inspect")

    def test_rules_change_the_node_and_its_inventory(self) -> None:
        """Rules change fields, traits and plugin data; those with a higher priority run first."""
        vendor = [{"op": "eq", "args": {"values": ["{inventory[system_vendor][manufacturer]}", "Baremetal"]}}]
        self.create_rule(
            set_attribute("/extra/order", "second"),
            {"op": "add-trait", "args": {"name": "CUSTOM_SEEN"}},
            priority=1,
            conditions=vendor,
        )
        self.create_rule(
            set_attribute("/extra/order", "first"), set_attribute("/resource_class", "cpus-{node.properties[cpus]}"), priority=9
        )
        self.create_rule(FAIL_ACTION, conditions=[{**vendor[0], "op": "!eq"}])
        self.create_rule({"op": "set-plugin-data", "args": {"path": "a", "value": 1}})
        node = self.inspect()
        self.assertEqual("manageable", node.provision_state)
        self.assertIsNone(node.last_error)
        self.assertEqual({"order": "second"}, node.extra)
        self.assertEqual("cpus-8", node.resource_class)
        self.assertEqual(("CUSTOM_SEEN",), node.traits)
        self.assertEqual({"a": 1}, self.call_node("GET", "inventory")["plugin_data"])

    def test_rules_change_ports_of_the_inspection(self) -> None:
        """The inspection creates the ports before the rules run."""
        mac = self.machine().inventory.nics[0].mac
        self.create_rule({"op": "set-port-attribute", "args": {"port_id": mac, "path": "/physical_network", "value": "blue"}})
        self.inspect()
        self.assertEqual("blue", self.get(f"/v1/ports?address={mac}&fields=physical_network")["ports"][0]["physical_network"])

    def test_rule_can_fail_an_inspection(self) -> None:
        """The message of the rule is in last_error."""
        self.create_rule({"op": "fail", "args": {"msg": "{node.name} is not welcome"}})
        node = self.inspect()
        self.assertEqual("inspect failed", node.provision_state)
        self.assertIn("m1 is not welcome", node.last_error or "")

    def test_secret_from_a_rule_is_sealed(self) -> None:
        """Values of fields that the driver declares as secret are sealed and masked."""
        self.create_rule(set_attribute("/driver_info/fake_password", "tiger"))
        node = self.inspect()
        self.assertEqual("******", node.driver_info["fake_password"])
        self.assertNotIn("tiger", str(self.call_node("GET", "")))
        self.assertIsNotNone(node.sealed_secrets)
