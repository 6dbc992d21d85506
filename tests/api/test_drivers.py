"""Drivers and conductors."""

from __future__ import annotations

from baremetal_sdk.errors import DriverNotFound
from tests.api.machines import MachineAPITestCase
from tests.fixtures.api import PROPERTIES, APITestCase


class TestDrivers(APITestCase):
    def test_drivers_of_live_conductors_are_listed(self) -> None:
        """Each driver is listed once with its hosts; drivers of dead conductors are not listed."""
        self.conductor.clock.turn(30)
        self.conductor.join("host-2")
        self.conductor.clock.turn(3)
        drivers = {driver["name"]: driver for driver in self.get("/v1/drivers")["drivers"]}
        self.assertEqual({"fake-hardware", "redfish"}, set(drivers))
        self.assertEqual(["host-1", "host-2"], drivers["redfish"]["hosts"])
        self.conductor.clock.turn(40)
        self.assertEqual(["host-2"], self.get("/v1/drivers/redfish")["hosts"])
        self.conductor.clock.turn(3600)
        self.assertEqual([], self.get("/v1/drivers")["drivers"])

    def test_interface_fields_have_first_versions(self) -> None:
        """Dynamic drivers need 1.30, and later interface kinds need later versions."""
        driver = self.get("/v1/drivers/fake-hardware")
        self.assertEqual("dynamic", driver["type"])
        self.assertEqual("no-bios", driver["default_bios_interface"])
        self.assertEqual(["no-bios", "fake"], driver["enabled_bios_interfaces"])
        self.assertEqual({"name", "hosts", "links"}, set(self.get("/v1/drivers/fake-hardware", version="1.1")))
        self.assertIn("default_power_interface", self.get("/v1/drivers/fake-hardware", version="1.30"))
        for kind, minor in (("storage", 33), ("rescue", 38), ("bios", 40), ("firmware", 86)):
            self.assertNotIn(f"default_{kind}_interface", self.get("/v1/drivers/fake-hardware", version=f"1.{minor - 1}"))
            self.assertIn(f"enabled_{kind}_interfaces", self.get("/v1/drivers/fake-hardware", version=f"1.{minor}"))

    def test_lists_show_interfaces_on_request(self) -> None:
        """The parameters detail and fields exclude each other."""
        self.assertNotIn("default_power_interface", self.get("/v1/drivers")["drivers"][0])
        self.assertIn("default_power_interface", self.get("/v1/drivers?detail=True")["drivers"][0])
        self.assertEqual({"name", "links"}, set(self.get("/v1/drivers?fields=name")["drivers"][0]))
        self.assert_refused(self.request("GET", "/v1/drivers?detail=true&fields=name"), 400, "fields")
        self.assert_refused(self.request("GET", "/v1/drivers?detail=true", version="1.29"), 406, "1.30")
        self.assert_refused(self.request("GET", "/v1/drivers/redfish?fields=name", version="1.76"), 406, "1.77")
        self.assert_refused(self.request("GET", "/v1/drivers/redfish?fields=bogus"), 400, "bogus")

    def test_all_drivers_are_dynamic(self) -> None:
        """The list of classic drivers is empty."""
        self.assertEqual(2, len(self.get("/v1/drivers?type=dynamic")["drivers"]))
        self.assertEqual([], self.get("/v1/drivers?type=classic")["drivers"])
        self.assert_refused(self.request("GET", "/v1/drivers?type=other"), 400, "type")

    def test_properties_come_from_the_conductor(self) -> None:
        """Drivers link to their properties since 1.14."""
        self.assertEqual(PROPERTIES, self.get("/v1/drivers/fake-hardware/properties"))
        self.assertEqual(
            "http://localhost/v1/drivers/redfish/properties",
            self.get("/v1/drivers/redfish", version="1.14")["properties"][0]["href"],
        )
        self.assertNotIn("properties", self.get("/v1/drivers/redfish", version="1.13"))

    def test_driver_that_no_conductor_offers_is_not_found(self) -> None:
        """The error names the offered drivers."""
        for path in ("/v1/drivers/nope", "/v1/drivers/nope/properties"):
            self.assert_refused(self.request("GET", path), 404, "nope", "redfish")
        self.conductor.failing["driver_properties"] = DriverNotFound("it has just gone")
        self.assert_refused(self.request("GET", "/v1/drivers/redfish/properties"), 404)


class TestConductors(APITestCase):
    def test_conductors_are_served_since_1_49(self) -> None:
        """Earlier versions get 404."""
        self.assert_refused(self.request("GET", "/v1/conductors", version="1.48"), 404, "1.49")
        self.assert_refused(self.request("GET", "/v1/conductors/host-1", version="1.48"), 404, "1.49")

    def test_conductors_show_whether_they_are_alive(self) -> None:
        """A conductor without recent heartbeat is listed, but it is not alive."""
        self.assertEqual({"hostname", "conductor_group", "alive", "links"}, set(self.get("/v1/conductors")["conductors"][0]))
        self.assertTrue(self.get("/v1/conductors/host-1")["alive"])
        self.conductor.clock.turn(3600)
        self.conductor.join("host-2", "rack2")
        alive = {entry["hostname"]: entry["alive"] for entry in self.get("/v1/conductors")["conductors"]}
        self.assertEqual({"host-1": False, "host-2": True}, alive)

    def test_conductor_is_shown_with_its_drivers(self) -> None:
        """A conductor is found by its host name."""
        conductor = self.get("/v1/conductors/host-1")
        self.assertEqual(["fake-hardware", "redfish"], conductor["drivers"])
        self.assertEqual([conductor], self.get("/v1/conductors?detail=True")["conductors"])
        self.assertEqual({"alive", "links"}, set(self.get("/v1/conductors/host-1?fields=alive")))
        self.assert_refused(self.request("GET", "/v1/conductors/nope"), 404, "nope")
        self.assert_refused(self.request("GET", "/v1/conductors?fields=bogus"), 400, "bogus")

    def test_conductors_are_paged(self) -> None:
        """The marker is a host name."""
        for name in ("host-3", "host-2"):
            self.conductor.join(name)
        page = self.get("/v1/conductors?limit=2&sort_key=hostname&sort_dir=desc")
        rest = self.get(page["next"].removeprefix("http://localhost"))
        self.assertEqual(["host-3", "host-2", "host-1"], [entry["hostname"] for entry in page["conductors"] + rest["conductors"]])
        self.assertNotIn("next", rest)
        self.assert_refused(self.request("GET", "/v1/conductors?marker=nope"), 400, "marker")
        self.assert_refused(self.request("GET", "/v1/conductors?sort_key=alive"), 400, "sort_key")


class TestInterfacesThatClientsSend(MachineAPITestCase):
    """Creation requests of other clients, with the installed plugins."""

    def test_names_of_other_clients_are_accepted(self) -> None:
        """Nodes of gophercloud with an agent, and all Dell hosts of Metal3, can be created and show their interfaces."""
        agent = {"boot_interface": "ipxe", "raid_interface": "agent", "rescue_interface": "agent", "deploy_interface": "direct"}
        virtual_media = {"boot_interface": "idrac-redfish-virtual-media", "inspect_interface": "agent"}
        kinds = ("bios", "management", "power", "raid", "vendor")
        dell = {f"{kind}_interface": "idrac-redfish" for kind in kinds}
        for driver, interfaces in (
            ("ipmi", agent),
            ("redfish", agent),
            ("fake-hardware", agent),
            ("idrac", {**dell, **virtual_media, "firmware_interface": "redfish"}),
            ("idrac", {**dell, "boot_interface": "ipxe", "inspect_interface": "idrac-redfish", "raid_interface": "no-raid"}),
        ):
            node = self.get(f"/v1/nodes/{self.create_node(driver=driver, **interfaces)}")
            self.assertEqual(interfaces, {name: node[name] for name in interfaces})

    def test_automated_cleaning_without_an_agent_is_refused(self) -> None:
        """The response of provide names the setting with which the node becomes available."""
        self.change(deploy_interface="direct")
        self.run_verbs("manage")
        provide = {"target": "provide"}
        refused = self.request_node("PUT", "states/provision", provide)
        self.assert_refused(refused, 400, "automated cleaning with 'direct' needs an agent", "automated_clean=false")
        self.change(automated_clean=False)
        self.call_node("PUT", "states/provision", provide, status=202)
        self.assertEqual("available", self.record().provision_state)
