"""Search for nodes that manage the same machine."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_interfaces import MachineAddress
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.drivers.loader import discover
from baremetal_sdk.drivers.shared_machines import find_machine_address, find_nodes_of_machine, group_by_machine

SYSTEM = "/redfish/v1/Systems/1"


def build_node(name: str, driver: str = "redfish", **info: Any) -> dict[str, Any]:
    """Return the fields of a node that the search reads."""
    return {"uuid": f"uuid of {name}", "name": name, "driver": driver, "driver_info": info, "owner": None}


class TestSharedMachines(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.drivers = DriverCatalog(discover(), ConductorConfig())

    def find(self, **info: Any) -> MachineAddress | None:
        return find_machine_address(self.drivers, "redfish", info)

    def group(self, *nodes: dict[str, Any]) -> list[tuple[str, list[str]]]:
        """Return the shared machines as text, with the names of their nodes."""
        return [(str(address), [node["name"] for node in same]) for address, same in group_by_machine(self.drivers, nodes)]

    def test_spellings_of_one_address(self) -> None:
        """Scheme, default port and case of letters do not distinguish BMCs, and an identifier is the path of its system."""
        expected = MachineAddress("bmc.example", SYSTEM)
        for address, system in (
            ("https://BMC.example:443/", "1"),
            ("bmc.example", SYSTEM),
            ("http://bmc.example", f"{SYSTEM}/"),
        ):
            self.assertEqual(expected, self.find(redfish_address=address, redfish_system_id=system))
        self.assertEqual(MachineAddress("bmc.example:8443"), self.find(redfish_address="https://bmc.example:8443"))

    def test_masks_and_invalid_options(self) -> None:
        """Masked secrets do not matter, and options without a usable address have no machine."""
        self.assertIsNotNone(self.find(redfish_address="bmc", redfish_username="root", redfish_password="******"))
        for address in (None, "", 7, "ftp://bmc", "http://"):
            self.assertIsNone(self.find(redfish_address=address), address)
        self.assertIsNone(find_machine_address(self.drivers, "nope", {"redfish_address": "bmc"}))

    def test_systems_of_one_bmc_are_different_machines(self) -> None:
        """Nodes of different systems share no machine; nodes of one system do."""
        nodes = [build_node(name, redfish_address="bmc", redfish_system_id=system) for name, system in ("a1", "b2", "c1")]
        self.assertEqual([(f"bmc {SYSTEM}", ["a", "c"])], self.group(*nodes))
        self.assertEqual([], self.group(*nodes[:2]))

    def test_only_system_of_a_bmc(self) -> None:
        """A node without a system has the BMC's only one, which is that of each other node of the BMC."""
        nodes = [build_node("a", redfish_address="bmc"), build_node("b", redfish_address="bmc", redfish_system_id="1")]
        self.assertEqual([("bmc", ["a", "b"])], self.group(*nodes))
        self.assertEqual([], self.group(build_node("a", redfish_address="bmc1"), build_node("b", redfish_address="bmc2")))

    def test_controllers_behind_a_bmc(self) -> None:
        """Controllers that IPMI bridging reaches are machines of their own."""
        plain = {"ipmi_address": "bmc"}
        bridged = {**plain, "ipmi_bridging": "single", "ipmi_target_channel": 0, "ipmi_target_address": "0x72"}
        nodes = [build_node(name, "ipmi", **info) for name, info in (("a", plain), ("b", bridged), ("c", plain), ("d", bridged))]
        self.assertEqual([("bmc", ["a", "c"]), ("bmc target 0/0x72", ["b", "d"])], self.group(*nodes))

    def test_nodes_of_a_machine(self) -> None:
        """The nodes of one machine are found among all nodes, also those of unknown drivers."""
        nodes = [
            build_node("a", redfish_address="bmc"),
            build_node("b", redfish_address="other"),
            build_node("c", "nope", redfish_address="bmc"),
        ]
        found = find_nodes_of_machine(self.drivers, MachineAddress("bmc", SYSTEM), nodes)
        self.assertEqual(["a"], [node["name"] for node in found])
