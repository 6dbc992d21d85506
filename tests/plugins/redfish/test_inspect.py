from __future__ import annotations

import json
from typing import Any

from testtools import TestCase

from baremetal_fake.faults import FaultPlan
from baremetal_interfaces import BMCBusy, Inspection
from tests.fixtures.raw_server import RawServer, answer, documents
from tests.fixtures.redfish_emulator import EmulatorTestCase, build_task
from tests.plugins.redfish.test_connector import ServiceTestCase

GIB = 1024**3


class TestServed(ServiceTestCase):
    def test_all_facts(self) -> None:
        """Properties, ports and inventory agree with the machine if its BMC reports everything."""
        service = self.serve()
        found: Inspection = self.task(service).call("inspect", "inspect")
        inventory = service.machine(0).inventory
        self.assertEqual(
            {"cpus": inventory.cpus, "memory_mb": inventory.memory_mb, "local_gb": inventory.local_gb, "cpu_arch": "x86_64"},
            found.properties,
        )
        self.assertEqual([nic.mac for nic in inventory.nics], [port.address for port in found.ports])
        facts = found.inventory or {}
        self.assertEqual(inventory.cpus, facts["cpu"]["count"])
        self.assertEqual(inventory.memory_mb * 1024**2, facts["memory"]["total"])
        self.assertEqual([disk.size_gb * GIB for disk in inventory.disks], [disk["size"] for disk in facts["disks"]])
        self.assertEqual(inventory.serial, facts["system_vendor"]["serial_number"])

    def test_unreadable_part(self) -> None:
        """A part that the BMC fails to report is omitted, and the rest is kept."""
        service = self.serve()
        service.inject(FaultPlan.from_json({"get_inventory": {"effect": "refuse"}}))
        found = self.task(service).call("inspect", "inspect")
        self.assertEqual(service.machine(0).inventory.memory_mb, found.properties["memory_mb"])
        self.assertNotIn("local_gb", found.properties)
        self.assertEqual((), found.ports)
        self.assertEqual([], (found.inventory or {})["disks"])

    def test_busy_bmc(self) -> None:
        """A BMC that becomes busy makes the inspection fail, because a part must not be missing by chance."""
        service = self.serve()
        service.inject(FaultPlan.from_json({"get_inventory": {"effect": "busy", "nth": 3}}))
        self.assertRaises(BMCBusy, self.task(service).call, "inspect", "inspect")


class TestEmulated(EmulatorTestCase):
    def test_missing_facts_are_omitted(self) -> None:
        """Facts that the BMC does not report are omitted from the result."""
        found = self.task().call("inspect", "inspect")
        self.assertEqual({}, found.properties)
        self.assertEqual([self.emulator.addresses[self.emulator.system_ids[0]]], [port.address for port in found.ports])
        self.assertEqual([], (found.inventory or {})["disks"])
        self.assertNotIn("cpu", found.inventory or {})
        self.assertNotIn("memory", found.inventory or {})


class TestOddServices(TestCase):
    """Services whose values have types that differ from the specification, as real ones do."""

    def inspect(self, system: dict[str, Any], **more: Any) -> Inspection:
        tree = {"/redfish/v1/Systems/1": system, **{f"/{name}": value for name, value in more.items()}}
        answers = {path: answer(json.dumps(value).encode()) for path, value in tree.items()}
        with RawServer(documents(answers)) as server:
            task = build_task(f"http://127.0.0.1:{server.port}", redfish_system_id="1")
            found: Inspection = task.call("inspect", "inspect")
        return found

    def test_wrong_types(self) -> None:
        """Values of the wrong type count as missing."""
        found = self.inspect(
            {
                "Processors": ["x"],
                "MemorySummary": {"TotalSystemMemoryGiB": "64 GiB"},
                "EthernetInterfaces": {"@odata.id": 7},
                "Storage": {"@odata.id": "/storage"},
                "ProcessorSummary": None,
                "Manufacturer": {"Name": "x"},
                "Boot": [],
            },
            storage={"Members": {"@odata.id": "/x"}},
        )
        self.assertEqual(Inspection({}, (), {"interfaces": [], "disks": []}), found)

    def test_odd_members(self) -> None:
        """Absent processors and those that are not CPUs do not count; memory may be a fraction; MAC addresses vary in form."""
        found = self.inspect(
            {
                "Processors": {"@odata.id": "/cpus"},
                "MemorySummary": {"TotalSystemMemoryGiB": 15.5},
                "EthernetInterfaces": {"@odata.id": "/nics"},
            },
            cpus={"Members": [{"@odata.id": f"/cpu{number}"} for number in range(4)]},
            cpu0={"ProcessorType": "CPU", "TotalThreads": 32, "InstructionSet": "ARM-A64", "Model": " N1 "},
            cpu1={"TotalCores": 16},
            cpu2={"ProcessorType": "GPU", "TotalThreads": 4096},
            cpu3={"ProcessorType": "CPU", "TotalThreads": 32, "Status": {"State": "Absent"}},
            nics={"Members": [{"@odata.id": f"/nic{number}"} for number in range(5)]},
            nic0={"Id": "1", "MACAddress": "AA-BB-CC-00-11-22"},
            nic1={"Id": "1.100", "MACAddress": "aa:bb:cc:00:11:22"},
            nic2={"Id": "2", "PermanentMACAddress": "AA:BB:CC:00:11:33", "MACAddress": None},
            nic3={"Id": "3", "MACAddress": "00:00:00:00:00:00"},
            nic4={"Id": "4", "MACAddress": "80:00:02:08:fe:80:00:00:00:00:00:00:f4:52:14:03:00:7b:cb:a1"},
        )
        self.assertEqual({"cpus": 48, "memory_mb": 15872, "cpu_arch": "aarch64"}, found.properties)
        self.assertEqual(
            [("aa:bb:cc:00:11:22", "1"), ("aa:bb:cc:00:11:33", "2")], [(port.address, port.name) for port in found.ports]
        )
        self.assertEqual("N1", (found.inventory or {})["cpu"]["model_name"])

    def test_disks(self) -> None:
        """Volumes stand for the drives behind them; the smallest disk that can hold an operating system is the local disk."""
        found = self.inspect(
            {"Storage": {"@odata.id": "/storage"}},
            storage={"Members": [{"@odata.id": "/raid"}, {"@odata.id": "/nvme"}]},
            raid={"Volumes": {"@odata.id": "/volumes"}, "Drives": [{"@odata.id": "/drive0"}]},
            volumes={"Members": [{"@odata.id": "/volume0"}]},
            volume0={"Name": "RAID 1", "CapacityBytes": 900 * GIB},
            drive0={"Name": "behind", "CapacityBytes": 900 * GIB},
            nvme={"Drives": [{"@odata.id": "/drive1"}, {"@odata.id": "/drive2"}, {"@odata.id": "/gone"}]},
            drive1={"Name": "NVMe", "CapacityBytes": 480 * GIB, "MediaType": "SSD", "SerialNumber": "S1", "Manufacturer": "M"},
            drive2={"Name": "SD", "CapacityBytes": 2 * GIB},
        )
        self.assertEqual({"local_gb": 480}, found.properties)
        self.assertEqual(
            [
                {"name": "RAID 1", "size": 900 * GIB},
                {"name": "NVMe", "size": 480 * GIB, "vendor": "M", "serial": "S1", "rotational": False},
                {"name": "SD", "size": 2 * GIB},
            ],
            (found.inventory or {})["disks"],
        )

    def test_simple_storage(self) -> None:
        """The disks of older services are read from simple storage."""
        found = self.inspect(
            {"SimpleStorage": {"@odata.id": "/simple"}},
            simple={"Members": [{"@odata.id": "/controller"}]},
            controller={"Devices": [{"Name": "sda", "CapacityBytes": 100 * GIB, "MediaType": "HDD"}, "x", {"Name": "tray"}]},
        )
        self.assertEqual({"local_gb": 100}, found.properties)
