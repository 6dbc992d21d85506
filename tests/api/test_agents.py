"""The routes for agents: lookup, heartbeat and inspection reports."""

from __future__ import annotations

from typing import Any

from baremetal_fake.interfaces.inspect import FakeInspect
from baremetal_interfaces import MASK, PowerState, Task, Wait
from baremetal_sdk import ConductorConfig, bare_metal_api
from baremetal_sdk.drivers.loader import discover
from baremetal_sdk.testing import quick_options, running_conductor, settle
from tests.api.machines import N1, MachineAPITestCase
from tests.fixtures.api import APIResponse

MAC = "52:54:00:00:00:01"
CALLBACK_URL = "https://192.0.2.7:9999"
WAITING_CLEAN = {"target": "clean", "clean_steps": [{"interface": "deploy", "step": "wait_for_event"}]}


class AgentTestCase(MachineAPITestCase):
    """The node has a port. :meth:`enter_clean_wait` lets the node wait for an event during cleaning."""

    def setUp(self) -> None:
        super().setUp()
        self.request("POST", "/v1/ports", {"node_uuid": self.uuid, "address": MAC})

    def enter_clean_wait(self) -> None:
        """Clean the node until it waits for an event."""
        self.run_verbs("manage")
        self.call_node("PUT", "states/provision", WAITING_CLEAN, status=202)
        self.assertEqual("clean wait", self.record().provision_state)

    def lookup(self, query: str = f"addresses={MAC}", version: str = "1.115") -> APIResponse:
        """Request the node of an agent."""
        return self.request("GET", f"/v1/lookup?{query}", version=version)

    def send_heartbeat(self, token: str | None, *, version: str = "1.115", **body: Any) -> APIResponse:
        """Send a heartbeat."""
        body_fields = {"callback_url": CALLBACK_URL, "agent_version": "11.0", "agent_token": token, **body}
        body_fields = {name: value for name, value in body_fields.items() if value is not None}
        return self.request("POST", f"/v1/heartbeat/{self.uuid}", body_fields, version=version)


class TestLookup(AgentTestCase):
    def test_lookup_finds_the_node_and_returns_the_token_once(self) -> None:
        """The first lookup returns the token, later ones a mask; the node never contains the token."""
        self.enter_clean_wait()
        response = self.lookup(f"addresses=00:00:00:00:00:09,{MAC.upper()},nonsense")
        self.assertEqual(200, response.status, response.raw)
        self.assertEqual(self.uuid, response.json["node"]["uuid"])
        self.assertEqual({"uuid", "properties", "instance_info", "driver_internal_info", "links"}, set(response.json["node"]))
        token = response.json["config"]["agent_token"]
        self.assertTrue(len(token) > 30 and response.json["config"]["heartbeat_timeout"] > 0)
        self.assertNotIn(token, str(vars(self.record())))
        self.assertEqual(MASK, self.lookup(f"node_uuid={self.uuid}").json["config"]["agent_token"])
        self.assertEqual(MASK, self.get(N1)["driver_internal_info"]["agent_secret_token"])

    def test_node_that_expects_no_agent_is_not_found(self) -> None:
        """The error is the same as for a node that does not exist."""
        refusals = {self.lookup().raw, self.lookup("addresses=00:00:00:00:00:09").raw, self.lookup(f"node_uuid={'1' * 32}").raw}
        self.assertEqual(1, len(refusals), refusals)
        self.assert_refused(self.lookup(), 404)

    def test_lookup_needs_version_1_22_and_an_address_or_uuid(self) -> None:
        """Earlier versions get 404, and a lookup without a MAC address and UUID gets 400."""
        self.assert_refused(self.lookup(version="1.21"), 404, "1.22")
        for query in ("", "addresses=nonsense"):
            self.assert_refused(self.lookup(query), 400, "addresses")
        self.enter_clean_wait()
        self.assertIsNone(self.lookup(version="1.61").json["config"]["agent_token"])

    def test_addresses_of_two_nodes_find_none(self) -> None:
        """Addresses of two nodes match neither node, because an agent runs on one machine."""
        other = self.enroll("m2")
        self.request("POST", "/v1/ports", {"node_uuid": other, "address": "52:54:00:00:00:02"})
        self.enter_clean_wait()
        self.assert_refused(self.lookup(f"addresses={MAC},52:54:00:00:00:02"), 404)


class TestHeartbeat(AgentTestCase):
    def test_heartbeat_resumes_steps_that_wait_for_an_event(self) -> None:
        """The remaining steps run, and then the node keeps no data about the agent."""
        self.enter_clean_wait()
        token = self.lookup().json["config"]["agent_token"]
        response = self.send_heartbeat(token)
        self.assertEqual(202, response.status)
        self.assertEqual(b"", response.raw)
        record = self.record()
        self.assertEqual("manageable", record.provision_state)
        self.assertEqual({}, dict(record.driver_internal_info))

    def test_heartbeat_does_not_resume_held_or_polled_steps(self) -> None:
        """The heartbeat is recorded, and the steps continue to wait."""
        self.run_verbs("manage")
        steps = [{"interface": "power", "step": "hold"}]
        self.call_node("PUT", "states/provision", {"target": "clean", "clean_steps": steps}, status=202)
        self.assertEqual("clean hold", self.record().provision_state)
        self.assert_refused(self.lookup(), 404)
        self.call_node("PUT", "states/provision", {"target": "abort"}, status=202)
        self.run_verbs("manage")
        steps = [{"interface": "deploy", "step": "burnin", "args": {"seconds": 1000.0}}]
        self.call_node("PUT", "states/provision", {"target": "clean", "clean_steps": steps}, status=202)
        self.record()
        token = self.lookup().json["config"]["agent_token"]
        self.assertEqual(202, self.send_heartbeat(token, agent_status="start").status)
        record = self.record()
        self.assertEqual("clean wait", record.provision_state)
        self.assertEqual(CALLBACK_URL, record.driver_internal_info["agent_url"])
        self.assert_refused(self.send_heartbeat(token, callback_url="https://192.0.2.8:9999"), 400, "callback_url")

    def test_heartbeat_needs_the_token(self) -> None:
        """A heartbeat with no token, a wrong token or before the lookup gets 400 and changes nothing."""
        self.enter_clean_wait()
        self.assert_refused(self.send_heartbeat("guess"), 400, "agent_token")
        self.lookup()
        for token in (None, "guess", MASK):
            self.assert_refused(self.send_heartbeat(token), 400, "agent_token")
        self.assertEqual("clean wait", self.record().provision_state)

    def test_unknown_node_is_refused_as_a_wrong_token(self) -> None:
        """A client without a token cannot find out which nodes exist, by name or UUID, and with any body."""
        bodies = ({"callback_url": CALLBACK_URL, "agent_version": "1", "agent_token": "x"}, {}, {"callback_url": "x"})
        nodes = (self.uuid, "m1", "no-such-node", "11111111-1111-4111-8111-111111111111")
        for body in bodies:
            responses = [self.request("POST", f"/v1/heartbeat/{node}", body) for node in nodes]
            self.assertEqual(1, len({(response.status, response.raw) for response in responses}), body)

    def test_heartbeat_during_a_lease(self) -> None:
        """The first heartbeat of an agent gets 409 with Retry-After; a later one is accepted without a write."""
        self.enter_clean_wait()
        token = self.lookup().json["config"]["agent_token"]
        with self.runtime.acquire(self.uuid, purpose="test"):
            response = self.send_heartbeat(token)
            self.assert_refused(response, 409, "test")
            self.assertIn("Retry-After", response.headers)
        internal = {**self.record().driver_internal_info, "agent_url": CALLBACK_URL}
        self.runtime.store.update_node(self.uuid, {"driver_internal_info": internal}, fence=None)
        with self.runtime.acquire(self.uuid, purpose="test"):
            self.assertEqual(202, self.send_heartbeat(token).status)

    def test_first_versions_of_heartbeat_fields(self) -> None:
        """agent_version needs 1.36, agent_token 1.62, agent_verify_ca 1.68 and agent_status 1.72."""
        self.enter_clean_wait()
        self.assert_refused(self.send_heartbeat("x", version="1.21"), 404, "1.22")
        for field, value, minor in (("agent_version", "1", 36), ("agent_verify_ca", "x", 68), ("agent_status", "start", 72)):
            body = {"callback_url": CALLBACK_URL, field: value}
            response = self.request("POST", f"/v1/heartbeat/{self.uuid}", body, version=f"1.{minor - 1}")
            self.assert_refused(response, 406, f"1.{minor}")
        self.assert_refused(self.request("POST", "/v1/heartbeat", {}, version="1.22"), 400, "node")
        self.assert_refused(self.request("POST", "/v1/heartbeat", {}, version="1.21"), 404)

    def test_invalid_heartbeat_is_refused(self) -> None:
        """The error names the wrong field."""
        self.enter_clean_wait()
        self.assert_refused(self.send_heartbeat("x", callback_url="ftp://x"), 400, "callback_url")
        self.assert_refused(self.send_heartbeat("x", agent_status="well"), 400, "agent_status", "error")
        self.assert_refused(self.request("POST", f"/v1/heartbeat/{self.uuid}", {}), 400, "callback_url")
        body = {"callback_url": CALLBACK_URL, "agent_token": "x"}
        self.assert_refused(self.request("POST", f"/v1/heartbeat/{self.uuid}", body), 400, "agent_version")

    def test_reboot_invalidates_the_token(self) -> None:
        """After a reboot the next agent gets a new token."""
        self.enter_clean_wait()
        first = self.lookup().json["config"]["agent_token"]
        self.call_node("PUT", "states/power", {"target": "power on"}, status=202)
        self.record()
        self.call_node("PUT", "states/power", {"target": "rebooting"}, status=202)
        self.record()
        second = self.lookup().json["config"]["agent_token"]
        self.assertNotIn(second, (MASK, first))

    def test_each_power_action_of_a_machine_that_is_off_invalidates_the_token(self) -> None:
        """An agent does not survive a machine that is off. No power action of it keeps the token or the address of its agent."""
        self.enter_clean_wait()
        for target in ("power off", "soft power off", "rebooting", "soft rebooting", "power on"):
            self.machine().command_power(PowerState.OFF)
            token = self.lookup().json["config"]["agent_token"]
            self.assertNotEqual(MASK, token, target)
            self.call_node("PUT", "states/power", {"target": target}, status=202)
            info = self.record().driver_internal_info
            self.assertEqual({}, {name: value for name, value in info.items() if name.startswith("agent_")}, target)

    def test_power_on_of_a_running_machine_keeps_the_token(self) -> None:
        """A power-on changes nothing on a machine that is on, so its agent keeps its token."""
        self.enter_clean_wait()
        self.machine().command_power(PowerState.ON)
        self.lookup()
        self.call_node("PUT", "states/power", {"target": "power on"}, status=202)
        self.record()
        self.assertEqual(MASK, self.lookup().json["config"]["agent_token"])


class WaitingInspect(FakeInspect):
    """An inspect interface that waits for an agent."""

    def inspect(self, task: Task) -> Any:
        """Return the instruction to wait."""
        return Wait()


INVENTORY = {
    "interfaces": [
        {"name": "eth0", "mac_address": "52:54:00:00:00:0A"},
        {"name": "eth1", "mac_address": "52:54:00:00:00:0b"},
        {"name": "lo", "mac_address": None},
    ],
    "cpu": {"count": 8, "architecture": "aarch64"},
    "memory": {"physical_mb": 2048},
    "disks": [{"name": "/dev/sda", "size": 20 * 1024**3}, {"name": "/dev/sdb", "size": 1024**3}],
    "boot": {"pxe_interface": "52:54:00:00:00:0a"},
}


class InspectionTestCase(AgentTestCase):
    """The inspect interface of the nodes waits for an agent."""

    def setUp(self) -> None:
        super().setUp()
        plugins = discover()
        for kind, named in plugins.interfaces.items():
            if str(kind) == "inspect":
                named["fake"] = WaitingInspect
        context = running_conductor(ConductorConfig(host="test", conductor=quick_options()), plugins=plugins)
        self.runtime = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.app = bare_metal_api(self.runtime)
        self.uuid = self.enroll("m1")
        self.request("POST", "/v1/ports", {"node_uuid": self.uuid, "address": "52:54:00:00:00:0a"})

    def send_report(self, body: Any, query: str = "", version: str = "1.115") -> APIResponse:
        """Send an inspection report."""
        return self.request("POST", f"/v1/continue_inspection{query}", body, version=version)


class TestInspection(InspectionTestCase):
    def test_report_ends_the_inspection(self) -> None:
        """Properties, ports and the inventory are stored, and the node becomes manageable."""
        self.assertEqual("inspect wait", self.run_verbs("manage", "inspect").provision_state)
        response = self.send_report({"inventory": INVENTORY, "root_disk": {"name": "/dev/sda"}}, version="1.84")
        self.assertEqual(202, response.status, response.raw)
        self.assertEqual(self.uuid, response.json["node"]["uuid"])
        record = self.record()
        self.assertEqual("manageable", record.provision_state)
        self.assertIsNone(record.last_error)
        self.assertEqual({"cpus": 8, "cpu_arch": "aarch64", "memory_mb": 2048, "local_gb": 19}, dict(record.properties))
        ports = {entry["address"]: entry["pxe_enabled"] for entry in self.call_node("GET", "ports/detail")["ports"]}
        self.assertEqual({"52:54:00:00:00:0a": True, "52:54:00:00:00:0b": False}, ports)
        inventory = self.call_node("GET", "inventory")
        self.assertEqual(INVENTORY, inventory["inventory"])
        self.assertEqual({"root_disk": {"name": "/dev/sda"}}, inventory["plugin_data"])

    def test_report_finds_the_node_by_uuid(self) -> None:
        """The UUID suffices if the service knows none of the MAC addresses."""
        self.run_verbs("manage", "inspect")
        other = {**INVENTORY, "interfaces": [{"mac_address": "52:54:00:00:00:0c"}]}
        self.assert_refused(self.send_report({"inventory": other}), 404)
        self.assertEqual(202, self.send_report({"inventory": other}, f"?node_uuid={self.uuid}").status)
        self.assertEqual("manageable", self.record().provision_state)

    def test_error_of_the_agent_fails_the_inspection(self) -> None:
        """The error of the agent is in last_error of the node."""
        self.run_verbs("manage", "inspect")
        self.send_report({"inventory": INVENTORY, "error": "no disks"})
        record = self.record()
        self.assertEqual("inspect failed", record.provision_state)
        self.assertIn("no disks", record.last_error or "")

    def test_report_for_a_node_without_inspection_is_not_found(self) -> None:
        """Nothing is stored."""
        self.run_verbs("manage")
        self.assert_refused(self.send_report({"inventory": INVENTORY}), 404)
        self.assert_refused(self.request_node("GET", "inventory"), 404)

    def test_report_versions_and_invalid_reports(self) -> None:
        """The route accepts 1.84 or later and, for old agents, 1.1; a report without interfaces gets 400."""
        self.run_verbs("manage", "inspect")
        self.assert_refused(self.send_report({"inventory": INVENTORY}, version="1.83"), 404, "1.84")
        for body in ({}, {"inventory": {}}, {"inventory": {"interfaces": []}}, {"inventory": {"interfaces": [{"name": "x"}]}}):
            self.assert_refused(self.send_report(body), 400, "inventory")
        response = self.send_report({"inventory": INVENTORY}, version="1.1")
        self.assertEqual(202, response.status)
        self.assertEqual({"uuid": self.uuid}, response.json)
        settle(self.runtime)

    def test_wrong_value_is_refused_with_its_place(self) -> None:
        """A report with a wrong value gets 400 with the place of the value, and the node still waits for a report."""
        self.run_verbs("manage", "inspect")
        many = [{"mac_address": f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"} for number in range(20_001)]
        for changes, place in (
            ({"cpu": {"count": 1e308}}, "inventory/cpu/count"),
            ({"cpu": {"count": True}}, "inventory/cpu/count"),
            ({"cpu": {"count": 2**40}}, "inventory/cpu/count"),
            ({"memory": {"physical_mb": -1}}, "inventory/memory/physical_mb"),
            ({"cpu": {"architecture": {"x": 1}}}, "inventory/cpu/architecture"),
            ({"cpu": {"architecture": "x" * 65}}, "inventory/cpu/architecture"),
            ({"disks": [{"size": 2**63}]}, "inventory/disks"),
            ({"interfaces": many}, "inventory/interfaces"),
            ({"interfaces": many[:513]}, "inventory/interfaces"),
        ):
            self.assert_refused(self.send_report({"inventory": {**INVENTORY, **changes}}), 400, place)
        record = self.record()
        self.assertEqual("inspect wait", record.provision_state)
        self.assertEqual({}, dict(record.properties))
        self.assertEqual(202, self.send_report({"inventory": INVENTORY}).status)

    def test_text_of_an_error_is_one_line(self) -> None:
        """The error of an agent is cleaned and shortened."""
        self.run_verbs("manage", "inspect")
        self.send_report({"inventory": INVENTORY, "error": "no disks\n2026-11-30 INFO forged " + "x" * 100_000})
        error = self.record().last_error or ""
        self.assertIn(r"no disks\n2026", error)
        self.assertLess(len(error), 5000)


class TestInspectionByBMC(InspectionTestCase):
    """The nodes are reached by the BMC interfaces of the fake driver, where the name of the machine is the BMC's address."""

    def setUp(self) -> None:
        super().setUp()
        self.first = self.inspect("192.0.2.5")

    def inspect(self, address: str) -> str:
        """Enroll a node with the BMC *address*, let it wait for inspection results, and return its UUID."""
        interfaces = {"power_interface": "fake-bmc", "management_interface": "fake-bmc"}
        node = self.enroll(address.replace(":", "-"), driver_info={"fake_machine": address}, **interfaces)
        self.assertEqual("inspect wait", self.run_verbs("manage", "inspect", node=node).provision_state)
        return node

    def report(self, query: str = "", mac: str = "52:54:00:00:00:77", **values: Any) -> APIResponse:
        """Send a report with the fields *values* and one interface with *mac*."""
        return self.send_report({"inventory": {**INVENTORY, "interfaces": [{"mac_address": mac}], **values}}, query)

    def test_bmc_address_finds_the_node_that_waits(self) -> None:
        """The end of the inspection forgets the address, so that a second report finds nothing."""
        response = self.report(bmc_address="::ffff:192.0.2.5", bmc_v6address="::/0")
        self.assertEqual(202, response.status, response.raw)
        self.assertEqual(self.first, response.json["node"]["uuid"])
        record = self.record(self.first)
        self.assertEqual("manageable", record.provision_state)
        self.assertEqual({}, dict(record.driver_internal_info))
        self.assert_refused(self.report(bmc_address="192.0.2.5"), 404)

    def test_ipv6_address_is_compared_as_an_address(self) -> None:
        """Two spellings of one address are equal."""
        second = self.inspect("2001:db8::5")
        response = self.report(bmc_address="0.0.0.0", bmc_v6address="2001:DB8:0:0::5")
        self.assertEqual((202, second), (response.status, response.json["node"]["uuid"]))

    def test_all_hints_have_to_agree(self) -> None:
        """A UUID, MAC addresses and BMC addresses of different nodes, and a BMC of two nodes, find none."""
        second = self.inspect("192.0.2.6")
        third = self.inspect("192.0.2.7")
        self.request("POST", "/v1/ports", {"node_uuid": second, "address": "52:54:00:00:00:66"})
        refusals = [
            self.report(f"?node_uuid={second}", bmc_address="192.0.2.5"),
            self.report(f"?node_uuid={self.first}", mac="52:54:00:00:00:66"),
            self.report(mac="52:54:00:00:00:66", bmc_address="192.0.2.5"),
            self.report(bmc_address="192.0.2.5", bmc_v6address="192.0.2.7"),
            self.report(f"?node_uuid={self.uuid}", bmc_address="192.0.2.5"),
            self.report(bmc_address="192.0.2.99"),
        ]
        for response in refusals:
            self.assert_refused(response, 404)
        self.assertEqual(1, len({response.raw for response in refusals}))
        for node in (self.first, second, third):
            self.assertEqual("inspect wait", self.record(node).provision_state)
        response = self.report(f"?node_uuid={second}", mac="52:54:00:00:00:66", bmc_address="192.0.2.6")
        self.assertEqual(202, response.status, response.raw)

    def test_addresses_of_many_machines_find_none(self) -> None:
        """Loopback, link-local and unspecified addresses are no hints, in both places."""
        for address in ("127.0.0.1", "169.254.3.3", "0.0.0.0", "::1", "fe80::1"):
            self.inspect(address)
            self.assert_refused(self.report(bmc_address=address), 404)
            self.assert_refused(self.report(bmc_v6address=address), 404)

    def test_lookup_ignores_bmc_addresses(self) -> None:
        """The lookup hands out tokens, and BMC addresses are easy to guess."""
        for query in ("addresses=192.0.2.5", "addresses=192.0.2.5,52:54:00:00:00:77"):
            self.assertIn(self.lookup(query).status, (400, 404))
