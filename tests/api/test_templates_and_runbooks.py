"""Deploy templates and runbooks: kept, checked, and used by the verbs that they are for."""

from __future__ import annotations

from typing import Any

from tests.api.test_chassis_and_groups import ResourceTestCase

RESET = {"interface": "bios", "step": "factory_reset", "args": {}}
APPLY = {"interface": "bios", "step": "apply_configuration"}


def applied(value: str) -> dict[str, Any]:
    """A step that sets whether the processors virtualize."""
    return {**APPLY, "args": {"settings": [{"name": "ProcVirtualization", "value": value}]}}


class TestDeployTemplates(ResourceTestCase):
    def template(self, name: str = "CUSTOM_A", *steps: dict[str, Any], **values: Any) -> Any:
        return self.made("deploy_templates", "1.55", name=name, steps=list(steps) or [{**RESET, "priority": 5}], **values)

    def test_a_template_is_made_shown_changed_and_deleted(self) -> None:
        """By UUID or name; a patch reaches into its steps."""
        template = self.template(extra={"a": 1})
        self.assertEqual([{**RESET, "priority": 5}], template["steps"])
        for ident in (template["uuid"], "CUSTOM_A"):
            self.assertEqual(template, self.get(f"/v1/deploy_templates/{ident}", "1.55"))
        path = "/v1/deploy_templates/CUSTOM_A"
        added = {**applied("Enabled"), "priority": "10"}
        changed = self.patch(
            path, ("replace", "/steps/0/priority", 7), ("add", "/steps/-", added), ("replace", "/name", "CUSTOM_B")
        )
        self.assertEqual([7, 10], [step["priority"] for step in changed.json["steps"]])
        self.assertEqual("CUSTOM_B", self.get(f"/v1/deploy_templates/{template['uuid']}")["name"])
        self.assertEqual(204, self.delete("deploy_templates/CUSTOM_B"))
        self.assertEqual(404, self.delete("deploy_templates/CUSTOM_B"))

    def test_templates_are_listed(self) -> None:
        """Briefly, whole, or by selected fields."""
        template = self.template()
        self.assertEqual({"uuid", "name", "links"}, set(self.get("/v1/deploy_templates")["deploy_templates"][0]))
        self.assertEqual([template], self.get("/v1/deploy_templates?detail=true")["deploy_templates"])
        self.assertEqual({"steps", "links"}, set(self.get("/v1/deploy_templates?fields=steps")["deploy_templates"][0]))
        self.assert_refused(self.request("GET", "/v1/deploy_templates?sort_key=steps"), 400, "sort_key")

    def test_what_is_no_template_is_refused(self) -> None:
        """A name that is no trait or is taken, steps that are missing, double or not whole."""
        self.template()
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
        """Arguments that are called like secrets are not shown, and a patch of something else keeps them."""
        self.template("CUSTOM_A", {**APPLY, "args": {"password": "tiger"}, "priority": 1})
        changed = self.patch("/v1/deploy_templates/CUSTOM_A", ("add", "/extra/a", 1))
        self.assertEqual({"password": "******"}, changed.json["steps"][0]["args"])

    def test_traits_of_an_instance_select_templates(self) -> None:
        """Their steps run with the deployment, by priority; what the client gives overrides them."""
        self.template("CUSTOM_A", {**applied("Disabled"), "priority": 120})
        self.ask("PUT", "traits", {"traits": ["CUSTOM_A", "CUSTOM_B"]}, status=204)
        self.bring("manage", "provide")
        self.change(instance_info={"traits": ["CUSTOM_A"]})
        self.ask("PUT", "states/provision", {"target": "active"}, status=202)
        self.assertEqual("active", self.record().provision_state)
        self.assertEqual("Disabled", self.machine().firmware.current()["ProcVirtualization"])
        self.change(instance_info={"traits": ["CUSTOM_A"]})
        steps = [{**applied("Enabled"), "priority": 120}]
        self.ask("PUT", "states/provision", {"target": "rebuild", "deploy_steps": steps}, status=202)
        self.assertEqual("active", self.record().provision_state)
        self.assertEqual("Enabled", self.machine().firmware.current()["ProcVirtualization"])

    def test_a_template_that_does_not_fit_the_node_is_told_at_once(self) -> None:
        """A step that the node does not have, and a trait that it does not have, are the request's fault."""
        self.template("CUSTOM_A", {"interface": "raid", "step": "bogus", "args": {}, "priority": 1})
        self.bring("manage", "provide")
        self.change(instance_info={"traits": ["CUSTOM_A"]})
        self.assert_refused(self.refused("PUT", "states/provision", {"target": "active"}), 400, "CUSTOM_A")
        self.ask("PUT", "traits/CUSTOM_A", status=204)
        self.assert_refused(self.refused("PUT", "states/provision", {"target": "active"}), 400, "raid.bogus")
        self.assertEqual("available", self.record().provision_state)


class TestRunbooks(ResourceTestCase):
    def runbook(self, name: str = "CUSTOM_R", version: str = "1.112", **values: Any) -> Any:
        steps = values.pop("steps", [{**RESET, "order": 2}, {**applied("Disabled"), "order": 1}])
        return self.made("runbooks", version, name=name, steps=steps, **values)

    def test_a_runbook_is_made_shown_changed_and_deleted(self) -> None:
        """With what each microversion knows of it."""
        runbook = self.runbook(description="d", extra={"a": 1}, disable_ramdisk=True)
        self.assertEqual(
            ("d", True, False, None, []),
            tuple(runbook[name] for name in ("description", "disable_ramdisk", "public", "owner", "traits")),
        )
        older = self.get("/v1/runbooks/CUSTOM_R", "1.111")
        self.assertEqual({"description", "traits"}, set(runbook) - set(older))
        changed = self.patch("/v1/runbooks/CUSTOM_R", ("replace", "/public", True), ("replace", "/steps/0/order", 9)).json
        self.assertEqual((True, 9), (changed["public"], changed["steps"][0]["order"]))
        self.assert_refused(self.patch("/v1/runbooks/CUSTOM_R", ("add", "/description", "x"), version="1.111"), 400, "1.112")
        self.assertEqual({"uuid", "name", "links"}, set(self.get("/v1/runbooks")["runbooks"][0]))
        self.assertEqual([changed], self.get("/v1/runbooks?detail=True")["runbooks"])
        self.assertEqual(204, self.delete("runbooks/CUSTOM_R"))
        self.assertEqual(404, self.request("GET", "/v1/runbooks/CUSTOM_R").status)

    def test_what_a_runbook_can_be_called(self) -> None:
        """A trait, and since 1.112 whatever is a name."""
        self.runbook("night.work", "1.112")
        steps = [{**RESET, "order": 1}]
        self.assert_refused(self.post("runbooks", "1.111", name="other", steps=steps), 400, "name")
        self.assert_refused(self.post("runbooks", name="a b", steps=steps), 400, "name")
        self.assert_refused(self.post("runbooks", name="night.work", steps=steps), 409, "night.work")
        self.assert_refused(self.post("runbooks", name="x", steps=[RESET]), 400, "order")
        self.assert_refused(self.post("runbooks", name="x", steps=steps, public=True, owner="p"), 400, "public")

    def test_runbooks_have_traits(self) -> None:
        """One made before there were traits has its name as one; later they are set apart."""
        self.assertEqual(["CUSTOM_OLD"], self.get(f"/v1/runbooks/{self.runbook('CUSTOM_OLD', '1.92')['uuid']}/traits")["traits"])
        self.runbook("r")
        path = "/v1/runbooks/r/traits"
        self.assertEqual(204, self.request("PUT", path, {"traits": ["CUSTOM_B", "CUSTOM_A"]}).status)
        answer = self.request("PUT", f"{path}/CUSTOM_C")
        self.assertEqual((204, f"http://localhost{path}/CUSTOM_C"), (answer.status, answer.headers["Location"]))
        self.assertEqual(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"], self.get(path)["traits"])
        for _ in range(2):
            self.assertEqual(204, self.request("DELETE", f"{path}/CUSTOM_A").status)
        self.assertEqual(["CUSTOM_B", "CUSTOM_C"], self.get("/v1/runbooks/r")["traits"])
        self.assertEqual(204, self.request("DELETE", path).status)
        self.assertEqual([], self.get(path)["traits"])
        self.assert_refused(self.request("PUT", f"{path}/bogus"), 400, "trait")
        self.assert_refused(self.request("PUT", path, {"traits": ["bogus"]}), 400, "traits")

    def test_a_runbook_is_run_on_nodes_that_it_is_approved_for(self) -> None:
        """In place of steps, by cleaning and by service, in its own order."""
        self.runbook("r", steps=[{**applied("Disabled"), "order": 2}, {**RESET, "order": 1}])
        self.bring("manage")
        clean = {"target": "clean", "runbook": "r"}
        self.assert_refused(self.refused("PUT", "states/provision", clean), 400, "approved")
        self.assertEqual(204, self.request("PUT", "/v1/runbooks/r/traits/CUSTOM_R").status)
        self.assert_refused(self.refused("PUT", "states/provision", clean), 400, "CUSTOM_R")
        self.ask("PUT", "traits/CUSTOM_R", status=204)
        self.ask("PUT", "states/provision", clean, status=202)
        self.assertEqual(("manageable", None), (self.record().provision_state, self.record().last_error))
        self.assertEqual("Disabled", self.machine().firmware.current()["ProcVirtualization"])

    def test_a_runbook_stands_in_place_of_steps(self) -> None:
        """Both, neither, another verb, an older version and an unknown runbook are refused."""
        self.runbook("r")
        self.bring("manage")
        both = {"target": "clean", "runbook": "r", "clean_steps": [RESET]}
        self.assert_refused(self.refused("PUT", "states/provision", both), 400, "together")
        self.assert_refused(self.refused("PUT", "states/provision", {"target": "clean"}), 400, "clean_steps", "runbook")
        self.assert_refused(self.refused("PUT", "states/provision", {"target": "provide", "runbook": "r"}), 400, "runbook")
        clean = {"target": "clean", "runbook": "r"}
        self.assert_refused(self.refused("PUT", "states/provision", clean, version="1.91"), 406, "1.92")
        self.assert_refused(self.refused("PUT", "states/provision", {**clean, "runbook": "x"}), 404, "x")
