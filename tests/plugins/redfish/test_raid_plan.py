"""Controllers of a machine as its BMC describes them, and the choice of controllers and drives for logical disks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import sushy.exceptions
from testtools import ExpectedException, TestCase

from baremetal_interfaces import InvalidInput, NotSupported
from baremetal_redfish.raid_controllers import Controller, read_controllers, read_raid_volumes
from baremetal_redfish.raid_plan import plan_volumes
from baremetal_redfish.session import RedfishSession

STORAGE = "/redfish/v1/Systems/1/Storage"
MIRROR = {"size_gb": 100, "raid_level": "1"}


class Documents:
    """The JSON documents of a BMC, by path. It stands for the session and for its transport."""

    def __init__(self) -> None:
        self.transport = self
        self.documents: dict[str, dict[str, Any]] = {
            "/redfish/v1/Systems/1": {"Storage": {"@odata.id": STORAGE}},
            STORAGE: {"Members": []},
        }

    def read_document(self, path: str, *, large: bool = False) -> dict[str, Any]:
        """Return the document at *path*."""
        try:
            return self.documents[path]
        except KeyError:
            raise sushy.exceptions.ResourceNotFoundError("GET", path, None) from None

    def add(self, path: str, document: Mapping[str, Any]) -> dict[str, str]:
        """Add a document and return a reference to it."""
        self.documents[path] = {"@odata.id": path, **document}
        return {"@odata.id": path}

    def add_storage(self, name: str, raid_types: list[str] | None, drives: Mapping[str, Any], *volumes: Any) -> None:
        """Add a storage. *raid_types* None: its controller does not report them. *volumes* are name, drives and values."""
        path = f"{STORAGE}/{name}"
        controller: dict[str, Any] = {"Name": f"Controller {name}"}
        if raid_types is not None:
            controller["SupportedRAIDTypes"] = raid_types
        members = []
        for volume, names, values in volumes:
            links = {"Links": {"Drives": [{"@odata.id": f"{path}/Drives/{drive}"} for drive in names]}}
            members.append(self.add(f"{path}/Volumes/{volume}", {"Id": volume, **links, **values}))
        found = [
            self.add(f"{path}/Drives/{drive}", {"Id": drive, "CapacityBytes": 960 * 1024**3, **values})
            for drive, values in drives.items()
        ]
        storage = {
            "Id": name,
            "StorageControllers": [controller],
            "Drives": found,
            "Volumes": self.add(f"{path}/Volumes", {"Members": members}),
        }
        self.documents[STORAGE]["Members"].append(self.add(path, storage))

    def read(self) -> list[Controller]:
        """Return the RAID controllers."""
        return read_controllers(cast(RedfishSession, self), "/redfish/v1/Systems/1")


def build_drives(*names: str, **values: Any) -> dict[str, dict[str, Any]]:
    """Return drives of the same kind."""
    return {name: {"MediaType": "SSD", "Protocol": "SAS", **values} for name in names}


def list_drives(controllers: list[Controller], *disks: Mapping[str, Any]) -> list[list[str]]:
    """Return the drives that the plan selects for each of *disks*."""
    creations = plan_volumes(disks, controllers)
    return [[link["@odata.id"].rpartition("/")[2] for link in creation.body["Links"]["Drives"]] for creation in creations]


class TestReadControllers(TestCase):
    """read_controllers()"""

    def setUp(self) -> None:
        super().setUp()
        self.bmc = Documents()

    def test_controllers_that_report_raid_types_are_preferred(self) -> None:
        """A controller of plain drives that reports no types is not used beside one that does."""
        self.bmc.add_storage("CPU.1", None, build_drives("Bay0", "Bay1"))
        self.bmc.add_storage("HBA.1", [], build_drives("H0"))
        self.assertEqual(["CPU.1"], [controller.label for controller in self.bmc.read()])
        self.bmc.add_storage("RAID.1", ["RAID1"], build_drives("D0", "D1"))
        self.assertEqual(["RAID.1"], [controller.label for controller in self.bmc.read()])

    def test_machine_without_raid_controller(self) -> None:
        """A machine whose only controller supports no RAID type cannot have logical disks."""
        self.bmc.add_storage("HBA.1", [], build_drives("H0"))
        self.assertRaises(NotSupported, self.bmc.read)

    def test_plain_drives_are_no_raid_volumes(self) -> None:
        """A volume that presents a plain drive is not deleted, and its drive stays in use."""
        raw = ("Raw0", ["D0"], {"VolumeType": "RawDevice", "RAIDType": None})
        unknown = ("Other", ["D1"], {})
        made = ("VD0", ["D2", "D3"], {"RAIDType": "RAID1"})
        older = ("VD1", ["D4", "D5"], {"VolumeType": "Mirrored"})
        drives = build_drives(*(f"D{number}" for number in range(6)))
        self.bmc.add_storage("RAID.1", ["RAID1"], drives, raw, unknown, made, older)
        [controller] = self.bmc.read()
        self.assertEqual(["VD0", "VD1"], [path.rpartition("/")[2] for path in controller.raid_volumes])
        used = controller.without_raid_volumes().used_drives
        self.assertEqual(["D0", "D1"], sorted(path.rpartition("/")[2] for path in used))

    def test_pseudo_volumes_of_plain_drives_are_never_deleted(self) -> None:
        """Only a volume with a RAID type is deleted, at any controller that may have one; plain drives and namespaces are not."""
        plain = {
            "Raw": {"VolumeType": "RawDevice", "RAIDType": None},
            "RawZero": {"VolumeType": "RawDevice", "RAIDType": "RAID0"},
            "Single": {"VolumeType": "NonRedundant"},
            "SingleZero": {"VolumeType": "NonRedundant", "RAIDType": "RAID0"},
            "NoType": {"RAIDType": "None"},
            "Namespace": {"RAIDType": "RAID0", "NVMeNamespaceProperties": {"NamespaceId": "1"}},
        }
        names = [f"D{number}" for number in range(len(plain))]
        volumes = [(volume, [drive], values) for drive, (volume, values) in zip(names, plain.items(), strict=True)]
        self.bmc.add_storage("NVME.1", None, build_drives(*names), *volumes)
        self.bmc.add_storage("HBA.1", [], build_drives("H0"), ("Zero", ["H0"], {"RAIDType": "RAID0"}))
        self.bmc.add_storage("BOSS.1", None, build_drives("B0", "B1"), ("Boot", ["B0", "B1"], {"RAIDType": "RAID1"}))
        made = {"VolumeType": "NonRedundant", "RAIDType": "RAID0"}
        self.bmc.add_storage("RAID.1", ["RAID0"], build_drives("R0"), ("Data", ["R0"], made))
        found = read_raid_volumes(cast(RedfishSession, self.bmc), "/redfish/v1/Systems/1")
        self.assertEqual(["Boot", "Data"], [path.rpartition("/")[2] for path in found])

    def test_drives_that_cannot_take_a_volume_are_not_used(self) -> None:
        """An empty slot, a failed drive, a spare, a drive of unknown size, and a drive that names its volume are not used."""
        used = {"Links": {"Volumes": [{"@odata.id": f"{STORAGE}/RAID.1/Volumes/VD0"}]}}
        drives = {"D0": {"Status": {"Health": "Critical"}}, "D1": {"HotspareType": "Global"}, "D2": used, "D3": {}}
        self.bmc.add_storage("RAID.1", ["RAID0"], drives, ("VD0", [], {"RAIDType": "RAID0"}))
        [made] = plan_volumes([{"size_gb": "MAX", "raid_level": "0"}], self.bmc.read())
        self.assertEqual([{"@odata.id": f"{STORAGE}/RAID.1/Drives/D3"}], made.body["Links"]["Drives"])

    def test_empty_slots_are_no_drives(self) -> None:
        """A slot without a drive and a drive of unknown size are not used."""
        drives = {"D0": {"Status": {"State": "Absent"}}, "D1": {"CapacityBytes": None}, "D2": {}}
        self.bmc.add_storage("RAID.1", ["RAID1"], drives)
        self.assertEqual(["D2"], [drive.label for drive in self.bmc.read()[0].drives])


class TestPlanVolumes(TestCase):
    """plan_volumes()"""

    def setUp(self) -> None:
        super().setUp()
        bmc = Documents()
        slow = build_drives("S0", "S1", "S2", MediaType="HDD", Protocol="SATA")
        bmc.add_storage("RAID.1", ["RAID1"], slow)
        bmc.add_storage("RAID.2", ["RAID1", "RAID5", "None"], {**build_drives("F0", "F1", "F2", "F3"), "U0": {}})
        self.controllers = bmc.read()

    def test_disk_gets_the_only_controller_that_satisfies_it(self) -> None:
        """The criteria of a disk select the controller, too."""
        slow, fast = {**MIRROR, "disk_type": "hdd"}, {**MIRROR, "disk_type": "ssd"}
        found = list_drives(self.controllers, slow, fast, {"size_gb": "MAX", "raid_level": "JBOD"})
        self.assertEqual([["S0", "S1"], ["F0", "F1"], ["F2"]], found)

    def test_several_fitting_controllers_are_refused(self) -> None:
        """If more than one controller satisfies a disk that names none, the error lists them."""
        with ExpectedException(InvalidInput, "(?s).*logical_disks/0/controller: is needed.*RAID.1 with S0.*RAID.2 with F0"):
            list_drives(self.controllers, MIRROR)

    def test_repeated_name_of_a_drive_is_refused(self) -> None:
        """An identifier that several drives have selects none of them."""
        bmc = Documents()
        bmc.add_storage("RAID.1", ["RAID1"], {"D0": {"Id": "0"}, "D1": {"Id": "0"}, "D2": {}})
        with ExpectedException(InvalidInput, "(?s).*physical_disks: 0 is ambiguous.*D0.*D1"):
            list_drives(bmc.read(), {**MIRROR, "controller": "RAID.1", "physical_disks": ["0", "D2"]})

    def test_named_controller_is_used(self) -> None:
        """The identifier of the storage and the name of its controller select the same one."""
        for name in ("RAID.2", "Controller RAID.2"):
            self.assertEqual([["F0", "F1"]], list_drives(self.controllers, {**MIRROR, "controller": name}))

    def test_unknown_kind_of_a_drive_satisfies_no_criterion(self) -> None:
        """A drive whose type the BMC does not report is used only if the type is no criterion."""
        disk = {"size_gb": 10, "raid_level": "5", "controller": "RAID.2", "number_of_physical_disks": 5}
        self.assertEqual([["F0", "F1", "F2", "F3", "U0"]], list_drives(self.controllers, disk))
        with ExpectedException(InvalidInput, "logical_disks/0/disk_type: 'ssd' is not satisfied.*5 drives.*U0 .unknown type"):
            list_drives(self.controllers, {**disk, "disk_type": "ssd"})

    def test_refusal_names_what_each_controller_has(self) -> None:
        """If no controller satisfies a disk, the error describes the drives of each."""
        with ExpectedException(
            InvalidInput, "(?s).*controller RAID.1: .*S0 .hdd, sata, 960 GiB.*controller RAID.2: .*F0 .ssd, sas"
        ):
            list_drives(self.controllers, {**MIRROR, "interface_type": "scsi"})

    def test_named_drives_have_to_satisfy_the_other_criteria(self) -> None:
        """Identifiers do not override the size and the type."""
        named = {**MIRROR, "controller": "RAID.1", "physical_disks": ["S2", "S0"]}
        self.assertEqual([["S2", "S0"]], list_drives(self.controllers, named))
        for wrong in ({"disk_type": "ssd"}, {"size_gb": 961}):
            self.assertRaises(InvalidInput, list_drives, self.controllers, {**named, **wrong})

    def test_disks_share_drives_only_if_both_allow_it(self) -> None:
        """Shared drives are used until their space is used up; other disks get drives of their own."""
        shared = {**MIRROR, "size_gb": 500, "share_physical_disks": True, "controller": "RAID.2"}
        found = list_drives(self.controllers, shared, {**shared, "size_gb": 460}, {**MIRROR, "controller": "RAID.2"})
        self.assertEqual([["F0", "F1"], ["F0", "F1"], ["F2", "F3"]], found)
        self.assertEqual([["F0", "F1"], ["F2", "F3"]], list_drives(self.controllers, shared, shared))
        rest = {**shared, "size_gb": "MAX"}
        self.assertEqual([["F0", "F1"], ["F0", "F1"]], list_drives(self.controllers, shared, rest))
        self.assertEqual([["F0", "F1"], ["F2", "F3"]], list_drives(self.controllers, rest, rest))
