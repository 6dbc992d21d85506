"""Deploy templates and runbooks: their API, and their use by verbs."""

from __future__ import annotations

from typing import Any

from tests.api.test_chassis_and_groups import ResourceTestCase

RESET = {"interface": "bios", "step": "factory_reset", "args": {}}
APPLY = {"interface": "bios", "step": "apply_configuration"}


def set_virtualization(value: str) -> dict[str, Any]:
    """Return a step that turns the virtualization of the processors on or off."""
    return {**APPLY, "args": {"settings": [{"name": "ProcVirtualization", "value": value}]}}


class TestDeployTemplates(ResourceTestCase):
    def create_template(self, name: str = "CUSTOM_A", *steps: dict[str, Any], **values: Any) -> Any:
        return self.create("deploy_templates", "1.55", name=name, steps=list(steps) or [{**RESET, "priority": 5}], **values)

    def test_template_is_created_shown_changed_and_deleted(self) -> None:
        """Paths accept the UUID and the name, and a patch can change single steps."""
        template = self.create_template(extra={"a": 1})
        self.assertEqual([{**RESET, "priority": 5}], template["steps"])
        for ident in (template["uuid"], "CUSTOM_A"):
            self.assertEqual(template, self.get(f"/v1/deploy_templates/{ident}", "1.55"))
        path = "/v1/deploy_templates/CUSTOM_A"
        added = {**set_virtualization("Enabled"), "priority": "10"}
        changed = self.patch(
            path, ("replace", "/steps/0/priority", 7), ("add", "/steps/-", added), ("replace", "/name", "CUSTOM_B")
        )
        self.assertEqual([7, 10], [step["priority"] for step in changed.json["steps"]])
        self.assertEqual("CUSTOM_B", self.get(f"/v1/deploy_templates/{template['uuid']}")["name"])
        self.assertEqual(204, self.delete("deploy_templates/CUSTOM_B"))
        self.assertEqual(404, self.delete("deploy_templates/CUSTOM_B"))

    def test_templates_are_listed(self) -> None:
        """The list shows few fields, all fields or selected fields."""
        template = self.create_template()
        self.assertEqual({"uuid", "name", "links"}, set(self.get("/v1/deploy_templates")["deploy_templates"][0]))
        self.assertEqual([template], self.get("/v1/deploy_templates?detail=true")["deploy_templates"])
        self.assertEqual({"steps", "links"}, set(self.get("/v1/deploy_templates?fields=steps")["deploy_templates"][0]))
        self.assert_refused(self.request("GET", "/v1/deploy_templates?sort_key=steps"), 400, "sort_key")

    def test_invalid_template_is_refused(self) -> None:
        """The name must be a unique trait, and the steps must be complete and different."""
        self.create_template()
        good = {**RESET, "priority": 5}
        self.assert_refused(self.post("deploy_templates", name="CUSTOM_A", steps=[good]), 409, "CUSTOM_A")
        for name in ("a", "CUSTOM_a", "custom_A", None):
            self.assert_refused(self.post("deploy_templates", name=name, steps=[good]), 400, "name")
        for steps, word in (
            ([], "empty"), (None, "steps"), ("x", "list"), ([good, good], "twice"), ([{**good, "bogus": 1}], "bogus"),
            ([{**good, "priority": -1}], "priority"), ([{**good, "interface": "bogus"}], "interface"),
            ([{**good, "interface": "rescue"}], "rescue"),
            ([{**good, "args": []}], "args"),
            *(([{key: value for key, value in good.items() if key != name}], name) for name in good),
        ):  # fmt: skip
            self.assert_refused(self.post("deploy_templates", name="CUSTOM_B", steps=steps), 400, "steps", word)
        self.assert_refused(self.patch("/v1/deploy_templates/CUSTOM_A", ("remove", "/steps")), 400, "steps")
        self.assert_refused(self.patch("/v1/deploy_templates/CUSTOM_A", ("remove", "/steps/0")), 400, "steps")

    def test_secrets_of_steps_are_masked(self) -> None:
        """Arguments with names of secrets are masked, and a patch of other fields keeps them."""
        self.create_template("CUSTOM_A", {**APPLY, "args": {"password": "tiger"}, "priority": 1})
        changed = self.patch("/v1/deploy_templates/CUSTOM_A", ("add", "/extra/a", 1))
        self.assertEqual({"password": "******"}, changed.json["steps"][0]["args"])

    def test_traits_of_an_instance_select_templates(self) -> None:
        """The steps of templates run during the deployment in the order of priority; steps of the request override them."""
        self.create_template("CUSTOM_A", {**set_virtualization("Disabled"), "priority": 120})
        self.call_node("PUT", "traits", {"traits": ["CUSTOM_A", "CUSTOM_B"]}, status=204)
        self.run_verbs("manage", "provide")
        self.change(instance_info={"traits": ["CUSTOM_A"]})
        self.call_node("PUT", "states/provision", {"target": "active"}, status=202)
        self.assertEqual("active", self.record().provision_state)
        self.assertEqual("Disabled", self.machine().firmware.current()["ProcVirtualization"])
        self.change(instance_info={"traits": ["CUSTOM_A"]})
        steps = [{**set_virtualization("Enabled"), "priority": 120}]
        self.call_node("PUT", "states/provision", {"target": "rebuild", "deploy_steps": steps}, status=202)
        self.assertEqual("active", self.record().provision_state)
        self.assertEqual("Enabled", self.machine().firmware.current()["ProcVirtualization"])

    def test_template_with_a_builtin_step_of_another_interface(self) -> None:
        """Builtin steps are found by their names alone: the deployment reboots the machine."""
        self.create_template("CUSTOM_A", {"interface": "deploy", "step": "reboot", "args": {}, "priority": 120})
        self.call_node("PUT", "traits", {"traits": ["CUSTOM_A"]}, status=204)
        self.run_verbs("manage", "provide")
        self.change(instance_info={"traits": ["CUSTOM_A"]})
        self.call_node("PUT", "states/provision", {"target": "active"}, status=202)
        self.assertEqual("active", self.record().provision_state)
        self.assertIsNone(self.record().last_error)

    def test_template_with_unknown_steps_is_refused(self) -> None:
        """The request gets 400 if the node lacks a step or the trait, and the deployment does not start."""
        self.create_template("CUSTOM_A", {"interface": "raid", "step": "bogus", "args": {}, "priority": 1})
        self.run_verbs("manage", "provide")
        self.change(instance_info={"traits": ["CUSTOM_A"]})
        self.assert_refused(self.request_node("PUT", "states/provision", {"target": "active"}), 400, "CUSTOM_A")
        self.call_node("PUT", "traits/CUSTOM_A", status=204)
        self.assert_refused(self.request_node("PUT", "states/provision", {"target": "active"}), 400, "raid.bogus")
        self.assertEqual("available", self.record().provision_state)


class TestRunbooks(ResourceTestCase):
    def create_runbook(self, name: str = "CUSTOM_R", version: str = "1.112", **values: Any) -> Any:
        steps = values.pop("steps", [{**RESET, "order": 2}, {**set_virtualization("Disabled"), "order": 1}])
        return self.create("runbooks", version, name=name, steps=steps, **values)

    def test_runbook_is_created_shown_changed_and_deleted(self) -> None:
        """Each microversion shows and accepts its own fields."""
        runbook = self.create_runbook(description="d", extra={"a": 1}, disable_ramdisk=True)
        self.assertEqual("d", runbook["description"])
        self.assertIs(True, runbook["disable_ramdisk"])
        self.assertIs(False, runbook["public"])
        self.assertIsNone(runbook["owner"])
        self.assertEqual([], runbook["traits"])
        older = self.get("/v1/runbooks/CUSTOM_R", "1.111")
        self.assertEqual({"description", "traits"}, set(runbook) - set(older))
        changed = self.patch("/v1/runbooks/CUSTOM_R", ("replace", "/public", True), ("replace", "/steps/0/order", 9)).json
        self.assertIs(True, changed["public"])
        self.assertEqual(9, changed["steps"][0]["order"])
        self.assert_refused(self.patch("/v1/runbooks/CUSTOM_R", ("add", "/description", "x"), version="1.111"), 400, "1.112")
        self.assertEqual({"uuid", "name", "links"}, set(self.get("/v1/runbooks")["runbooks"][0]))
        self.assertEqual([changed], self.get("/v1/runbooks?detail=True")["runbooks"])
        self.assertEqual(204, self.delete("runbooks/CUSTOM_R"))
        self.assertEqual(404, self.request("GET", "/v1/runbooks/CUSTOM_R").status)

    def test_names_of_runbooks(self) -> None:
        """The name is a trait; since 1.112 any valid name is accepted."""
        self.create_runbook("night.work", "1.112")
        steps = [{**RESET, "order": 1}]
        self.assert_refused(self.post("runbooks", "1.111", name="other", steps=steps), 400, "name")
        self.assert_refused(self.post("runbooks", name="a b", steps=steps), 400, "name")
        self.assert_refused(self.post("runbooks", name="night.work", steps=steps), 409, "night.work")
        self.assert_refused(self.post("runbooks", name="x", steps=[RESET]), 400, "order")
        self.assert_refused(self.post("runbooks", name="x", steps=steps, public=True, owner="p"), 400, "public")

    def test_runbooks_have_traits(self) -> None:
        """A runbook that is created before 1.112 gets its name as trait; later versions set traits separately."""
        self.assertEqual(
            ["CUSTOM_OLD"], self.get(f"/v1/runbooks/{self.create_runbook('CUSTOM_OLD', '1.92')['uuid']}/traits")["traits"]
        )
        self.create_runbook("r")
        path = "/v1/runbooks/r/traits"
        self.assertEqual(204, self.request("PUT", path, {"traits": ["CUSTOM_B", "CUSTOM_A"]}).status)
        response = self.request("PUT", f"{path}/CUSTOM_C")
        self.assertEqual(204, response.status)
        self.assertEqual(f"http://localhost{path}/CUSTOM_C", response.headers["Location"])
        self.assertEqual(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"], self.get(path)["traits"])
        for _ in range(2):
            self.assertEqual(204, self.request("DELETE", f"{path}/CUSTOM_A").status)
        self.assertEqual(["CUSTOM_B", "CUSTOM_C"], self.get("/v1/runbooks/r")["traits"])
        self.assertEqual(204, self.request("DELETE", path).status)
        self.assertEqual([], self.get(path)["traits"])
        self.assert_refused(self.request("PUT", f"{path}/bogus"), 400, "trait")
        self.assert_refused(self.request("PUT", path, {"traits": ["bogus"]}), 400, "traits")

    def test_runbook_runs_on_approved_nodes_only(self) -> None:
        """Its traits approve it for nodes, and its steps run in their own order."""
        self.create_runbook("r", steps=[{**set_virtualization("Disabled"), "order": 2}, {**RESET, "order": 1}])
        self.run_verbs("manage")
        clean = {"target": "clean", "runbook": "r"}
        self.assert_refused(self.request_node("PUT", "states/provision", clean), 400, "approved")
        self.assertEqual(204, self.request("PUT", "/v1/runbooks/r/traits/CUSTOM_R").status)
        self.assert_refused(self.request_node("PUT", "states/provision", clean), 400, "CUSTOM_R")
        self.call_node("PUT", "traits/CUSTOM_R", status=204)
        self.call_node("PUT", "states/provision", clean, status=202)
        self.assertEqual("manageable", self.record().provision_state)
        self.assertIsNone(self.record().last_error)
        self.assertEqual("Disabled", self.machine().firmware.current()["ProcVirtualization"])

    def test_runbook_with_a_builtin_step_of_another_interface(self) -> None:
        """Builtin steps are found by their names alone: the run switches the machine on."""
        self.create_runbook("CUSTOM_R", "1.92", steps=[{"interface": "raid", "step": "power_on", "order": 1}])
        self.run_verbs("manage")
        self.call_node("PUT", "traits/CUSTOM_R", status=204)
        self.call_node("PUT", "states/provision", {"target": "clean", "runbook": "CUSTOM_R"}, status=202)
        self.assertEqual("manageable", self.record().provision_state)
        self.assertEqual("power on", self.record().power_state)

    def test_runbook_replaces_steps(self) -> None:
        """Steps together with a runbook, neither of them, and other verbs are refused."""
        self.create_runbook("r")
        self.run_verbs("manage")
        both = {"target": "clean", "runbook": "r", "clean_steps": [RESET]}
        self.assert_refused(self.request_node("PUT", "states/provision", both), 400, "together")
        self.assert_refused(self.request_node("PUT", "states/provision", {"target": "clean"}), 400, "clean_steps", "runbook")
        self.assert_refused(self.request_node("PUT", "states/provision", {"target": "provide", "runbook": "r"}), 400, "runbook")
        clean = {"target": "clean", "runbook": "r"}
        self.assert_refused(self.request_node("PUT", "states/provision", clean, version="1.91"), 406, "1.92")
        self.assert_refused(self.request_node("PUT", "states/provision", {**clean, "runbook": "x"}), 404, "x")
