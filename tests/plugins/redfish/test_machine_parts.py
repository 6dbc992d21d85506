"""Network interfaces, disks, accelerators and summaries of machines whose BMCs report them in different places."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_interfaces import Inspection
from tests.fixtures.scripted_redfish import (
    CHASSIS,
    MANAGER,
    SYSTEM,
    Documents,
    ScriptedRedfish,
    build_documents,
    collection,
    link,
)

GIB = 1024**3
INTERFACES, STORAGE, ADAPTER = f"{SYSTEM}/EthernetInterfaces", f"{SYSTEM}/Storage/1", f"{CHASSIS}/NetworkAdapters/1"


class InspectionTestCase(TestCase):
    def inspect(self, documents: Documents) -> Inspection:
        with ScriptedRedfish(documents) as service:
            found: Inspection = service.task().call("inspect", "inspect")
        return found

    def list_addresses(self, documents: Documents) -> list[str]:
        return [port.address for port in self.inspect(documents).ports]

    def read_inventory(self, documents: Documents) -> dict[str, Any]:
        return self.inspect(documents).inventory or {}


class TestNetworkInterfaces(InspectionTestCase):
    def build(self, *interfaces: dict[str, Any], **adapter: list[dict[str, Any]]) -> Documents:
        """Return a service with interfaces of the system, and the given collections of one network adapter."""
        documents = build_documents(EthernetInterfaces=link(INTERFACES))
        self.add(documents, INTERFACES, list(interfaces))
        documents[CHASSIS]["NetworkAdapters"] = link(f"{CHASSIS}/NetworkAdapters")
        documents[f"{CHASSIS}/NetworkAdapters"] = collection(ADAPTER)
        documents[ADAPTER] = {"@odata.id": ADAPTER, "Id": "slot-1", **{name: link(f"{ADAPTER}/{name}") for name in adapter}}
        for name, members in adapter.items():
            self.add(documents, f"{ADAPTER}/{name}", members)
        return documents

    def add(self, documents: Documents, path: str, members: list[dict[str, Any]]) -> None:
        """Add a collection with members."""
        paths = [f"{path}/{number}" for number in range(len(members))]
        documents[path] = collection(*paths)
        documents |= {member_path: {"Id": member_path[-1], **member} for member_path, member in zip(paths, members, strict=True)}

    def test_addresses_of_adapters_are_added_once(self) -> None:
        """Functions and ports of adapters add the addresses that the system does not list, each once."""
        documents = self.build(
            {"MACAddress": "52:54:00:00:00:01"},
            NetworkDeviceFunctions=[
                {"Ethernet": {"MACAddress": "52-54-00-00-00-01"}},
                {"Ethernet": {"PermanentMACAddress": "52:54:00:00:00:02"}},
            ],
            Ports=[
                {"Ethernet": {"AssociatedMACAddresses": ["52:54:00:00:00:01", "52:54:00:00:00:F1"]}},
                {"Ethernet": {"AssociatedMACAddresses": ["52:54:00:00:00:02"]}},
                {"Ethernet": {"AssociatedMACAddresses": ["52:54:00:00:00:03"]}},
            ],
        )
        self.assertEqual([f"52:54:00:00:00:0{number}" for number in (1, 2, 3)], self.list_addresses(documents))

    def test_older_ports(self) -> None:
        """The addresses of the older form of ports are read, without World Wide Names."""
        ports = [{"AssociatedNetworkAddresses": ["20:00:00:25:B5:00:00:01", "52:54:00:00:00:01"], "LinkStatus": "Up"}]
        found = self.inspect(self.build(NetworkPorts=ports))
        self.assertEqual(["52:54:00:00:00:01"], [port.address for port in found.ports])
        self.assertEqual(
            [{"name": "slot-1-0", "mac_address": "52:54:00:00:00:01", "has_carrier": True}], (found.inventory or {})["interfaces"]
        )

    def test_adapter_of_a_network_interface(self) -> None:
        """An adapter that only the system's network interfaces link to is read."""
        documents = self.build(Ports=[{"Ethernet": {"AssociatedMACAddresses": ["52:54:00:00:00:01"]}}])
        del documents[CHASSIS]["NetworkAdapters"]
        documents[SYSTEM]["NetworkInterfaces"] = link(f"{SYSTEM}/NetworkInterfaces")
        documents[f"{SYSTEM}/NetworkInterfaces"] = {"Members": [{"Links": {"NetworkAdapter": link(ADAPTER)}}]}
        self.assertEqual(["52:54:00:00:00:01"], self.list_addresses(documents))

    def test_ports_of_a_controller(self) -> None:
        """The ports that only the controllers of an adapter link to are read."""
        documents = self.build(Ports=[{"Ethernet": {"AssociatedMACAddresses": ["52:54:00:00:00:01"]}}])
        documents[ADAPTER]["Controllers"] = [{"Links": {"Ports": [link(f"{ADAPTER}/Ports/0")]}}]
        del documents[ADAPTER]["Ports"]
        self.assertEqual(["52:54:00:00:00:01"], self.list_addresses(documents))

    def test_interface_without_an_address_gets_that_of_its_function(self) -> None:
        """An interface that is listed without its address has that of the function with the same identifier."""
        function = {"Id": "NIC.1", "Ethernet": {"MACAddress": "52:54:00:00:00:01"}}
        found = self.read_inventory(self.build({"Id": "NIC.1", "MACAddress": ""}, NetworkDeviceFunctions=[function]))
        self.assertEqual([{"name": "NIC.1", "mac_address": "52:54:00:00:00:01"}], found["interfaces"])

    def test_other_networks_get_no_port(self) -> None:
        """Adapters for InfiniBand are in the inventory and get no port."""
        function = {"NetDevFuncType": "InfiniBand", "Ethernet": {"MACAddress": "52:54:00:00:00:01"}}
        found = self.inspect(self.build(NetworkDeviceFunctions=[function]))
        self.assertEqual((), found.ports)
        self.assertEqual("52:54:00:00:00:01", (found.inventory or {})["interfaces"][0]["mac_address"])

    def test_interface_to_the_bmc_is_left_out(self) -> None:
        """Interfaces between machine and BMC are left out: by their own link, or by that of the manager."""
        documents = self.build(
            {"MACAddress": "52:54:00:00:00:01"},
            {"MACAddress": "0a:00:00:00:00:01", "Links": {"HostInterface": link(f"{MANAGER}/HostInterfaces/1")}},
            {"MACAddress": "0a:00:00:00:00:02"},
        )
        host, hosts = f"{MANAGER}/HostInterfaces/1", f"{MANAGER}/HostInterfaces"
        documents[MANAGER]["HostInterfaces"] = link(hosts)
        documents[hosts] = collection(host)
        documents[host] = {"HostEthernetInterfaces": link(f"{host}/Interfaces")}
        self.add(documents, f"{host}/Interfaces", [{"MACAddress": "0A:00:00:00:00:02"}])
        self.assertEqual(["52:54:00:00:00:01"], self.list_addresses(documents))

    def test_manager_that_names_all_interfaces_as_its_own(self) -> None:
        """A manager that links to all interfaces of the system, as iDRAC does, hides none of them."""
        documents = self.build({"MACAddress": "52:54:00:00:00:01"})
        documents[MANAGER]["HostInterfaces"] = link(f"{MANAGER}/HostInterfaces")
        documents[f"{MANAGER}/HostInterfaces"] = {"Members": [{"HostEthernetInterfaces": link(INTERFACES), "Id": "1"}]}
        self.assertEqual(["52:54:00:00:00:01"], self.list_addresses(documents))

    def test_addresses_that_identify_no_interface(self) -> None:
        """Addresses of groups, zeros and texts of other forms are no addresses."""
        wrong = ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00", "N/A", "", 7)
        self.assertEqual([], self.list_addresses(self.build(*({"MACAddress": value} for value in wrong))))

    def test_pages_of_a_collection(self) -> None:
        """All pages of a collection are read, and a page that leads back to itself ends the collection."""
        documents = self.build({"MACAddress": "52:54:00:00:00:01"})
        documents[INTERFACES]["Members@odata.nextLink"] = f"{INTERFACES}/page"
        documents[f"{INTERFACES}/page"] = {
            "Members": [{"Id": "2", "MACAddress": "52:54:00:00:00:02"}],
            "Members@odata.nextLink": f"{INTERFACES}/page",
        }
        self.assertEqual(["52:54:00:00:00:01", "52:54:00:00:00:02"], self.list_addresses(documents))


class TestDisks(InspectionTestCase):
    def build(self, drives: int, *volumes: dict[str, Any], **drive: Any) -> Documents:
        """Return a service with one storage that has *drives* drives and the given volumes."""
        documents = build_documents(Storage=link(f"{SYSTEM}/Storage"))
        documents[f"{SYSTEM}/Storage"] = collection(STORAGE)
        paths = [self.get_drive_path(number) for number in range(drives)]
        documents[STORAGE] = {"Drives": [link(path) for path in paths], "Volumes": link(f"{STORAGE}/Volumes")}
        for number, path in enumerate(paths):
            documents[path] = {
                "@odata.id": path,
                "Name": f"drive {number}",
                "SerialNumber": f"S{number}",
                "CapacityBytes": 900 * GIB,
                **drive,
            }
        documents[f"{STORAGE}/Volumes"] = {"Members": [{"CapacityBytes": 800 * GIB, **volume} for volume in volumes]}
        return documents

    def get_drive_path(self, number: int) -> str:
        return f"{STORAGE}/Drives/{number}"

    def build_volume(self, *drives: int, **values: Any) -> dict[str, Any]:
        """Return a volume of the drives with the given numbers."""
        return {"Name": "volume", "Links": {"Drives": [link(self.get_drive_path(number)) for number in drives]}, **values}

    def list_names(self, documents: Documents, kind: str = "disks") -> list[str]:
        return [disk["name"] for disk in self.read_inventory(documents)[kind]]

    def test_volume_of_a_plain_drive_is_the_drive(self) -> None:
        """A raw volume hides neither its drive nor the other drives."""
        raw = self.build_volume(0, VolumeType="RawDevice", RAIDType=None)
        found = self.read_inventory(self.build(2, raw))["disks"]
        self.assertEqual(["S0", "S1"], [disk["serial"] for disk in found])

    def test_raid_volume_hides_its_drives_only(self) -> None:
        """A RAID volume stands for its drives; other drives remain, and all drives are physical disks."""
        documents = self.build(3, self.build_volume(0, 1, RAIDType="RAID1"))
        self.assertEqual(["volume", "drive 2"], self.list_names(documents))
        self.assertEqual(["drive 0", "drive 1", "drive 2"], self.list_names(documents, "physical_disks"))

    def test_raid_of_one_drive_is_a_volume(self) -> None:
        """A RAID 0 of one drive stands for the drive."""
        self.assertEqual(["volume"], self.list_names(self.build(1, self.build_volume(0, RAIDType="RAID0"))))

    def test_spare_drives_are_not_visible(self) -> None:
        """A spare drive is a physical disk that the machine does not see."""
        documents = self.build(1, HotspareType="Global")
        self.assertEqual([], self.list_names(documents))
        self.assertEqual(["drive 0"], self.list_names(documents, "physical_disks"))

    def test_drives_of_a_chassis(self) -> None:
        """Without storage of the system, the drives of its chassis are its disks."""
        documents = build_documents()
        documents[CHASSIS]["Drives"] = link(f"{CHASSIS}/Drives")
        documents[f"{CHASSIS}/Drives"] = {"Members": [{"Name": "M.2", "CapacityBytes": 480 * GIB}]}
        self.assertEqual(["M.2"], self.list_names(documents))
        self.assertEqual({"local_gb": 480}, self.inspect(documents).properties)


class TestProcessors(InspectionTestCase):
    def test_summaries_without_values(self) -> None:
        """Without summaries, modules of memory are added up, except for persistent ones and empty slots."""
        documents = build_documents(Memory=link(f"{SYSTEM}/Memory"), MemorySummary={"TotalSystemMemoryGiB": 0})
        modules: list[dict[str, Any]] = [
            {"CapacityMiB": 32768, "MemoryType": "DRAM"},
            {"CapacityMiB": 32768},
            {"CapacityMiB": 131072, "MemoryType": "IntelOptane"},
            {"CapacityMiB": 32768, "Status": {"State": "Absent"}},
        ]
        documents[f"{SYSTEM}/Memory"] = {"Members": [{"Id": "1", **module} for module in modules]}
        self.assertEqual(65536, self.inspect(documents).properties["memory_mb"])

    def test_summary_of_processors(self) -> None:
        """Without processors, their number, model and architecture are those of the summary."""
        documents = build_documents(ProcessorSummary={"CoreCount": 144, "Model": "ARMv9"})
        found = self.inspect(documents)
        self.assertEqual({"cpus": 144, "cpu_arch": "aarch64"}, found.properties)

    def test_accelerators_of_a_baseboard(self) -> None:
        """Processors that are no CPUs are accelerators, also those of another system that cannot be reset by itself."""
        documents = build_documents()
        board = "/redfish/v1/Systems/HGX"
        documents["/redfish/v1/Systems"] = collection(SYSTEM, board)
        documents[board] = {"@odata.id": board, "Id": "HGX", "Processors": link(f"{board}/Processors")}
        gpu = {"Id": "GPU_0", "ProcessorType": "GPU", "Model": "GB200", "SerialNumber": "1", "FirmwareVersion": "97"}
        documents[f"{board}/Processors"] = {"Members": [gpu, {"Id": "CPU_0", "ProcessorType": "CPU", "TotalCores": 72}]}
        with ScriptedRedfish(documents) as service:
            found = service.task(redfish_system_id=SYSTEM).call("inspect", "inspect")
        self.assertEqual(
            [{"name": "GPU_0", "type": "GPU", "model": "GB200", "serial": "1", "firmware_version": "97"}],
            found.inventory["accelerators"],
        )
        self.assertNotIn("cpus", found.properties)

    def test_accelerators_among_pcie_devices(self) -> None:
        """Without accelerators among the processors, display controllers count, except for the console of the BMC."""
        documents = build_documents()
        documents[CHASSIS]["PCIeDevices"] = link(f"{CHASSIS}/PCIeDevices")
        devices = []
        for name, vendor in (("GPU1", "0x10de"), ("VGA", "0x1a03"), ("Embedded Video Controller", "0x0000")):
            function = {"DeviceClass": "DisplayController", "VendorId": vendor, "Id": "1"}
            documents[f"/functions/{vendor}"] = {"Members": [function]}
            devices.append({"Id": name, "Name": name, "PCIeFunctions": link(f"/functions/{vendor}")})
        documents[f"{CHASSIS}/PCIeDevices"] = {"Members": devices}
        self.assertEqual([{"name": "GPU1", "type": "GPU"}], self.read_inventory(documents)["accelerators"])

    def test_trusted_modules(self) -> None:
        """Installed trusted platform modules are listed with their interface and firmware."""
        modules = [{"InterfaceType": "TPM2_0", "FirmwareVersion": "7.2"}, {"Status": {"State": "Absent"}}]
        found = self.read_inventory(build_documents(TrustedModules=modules))
        self.assertEqual([{"type": "TPM2_0", "firmware_version": "7.2"}], found["tpm"])
