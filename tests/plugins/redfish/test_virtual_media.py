"""Virtual media at services with several drives, and with drives that differ from what they report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testtools import TestCase

from baremetal_interfaces import BareMetalError, DriverError, InvalidInput, NotSupported, UnexpectedAnswer, VirtualMediaDevice
from tests.fixtures.scripted_redfish import (
    DRIVES,
    MANAGER,
    SYSTEM,
    Answer,
    Documents,
    ScriptedRedfish,
    Write,
    build_documents,
    collection,
    error,
    link,
)

IMAGE = "http://192.0.2.7/live.iso"
OWN_DRIVES, SECOND = f"{SYSTEM}/VirtualMedia", "/redfish/v1/Managers/2"
Script = Callable[[Write], Answer | None]


def build_drive(path: str, **values: Any) -> dict[str, Any]:
    """Return an empty virtual CD drive."""
    actions = {
        f"#VirtualMedia.{name}Media": {"target": f"{path}/Actions/VirtualMedia.{name}Media"} for name in ("Insert", "Eject")
    }
    drive = {"@odata.id": path, "Id": path.rpartition("/")[2], "Name": "CD", "MediaTypes": ["CD"], "Actions": actions}
    return {**drive, "Inserted": False, "Image": None, "ConnectedVia": "NotConnected", **values}


def add_drives(documents: Documents, drives: str, *names: str, **values: Any) -> None:
    """Add drives with the given identifiers to the collection *drives*."""
    documents[drives] = collection(*(f"{drives}/{name}" for name in names))
    documents |= {f"{drives}/{name}": build_drive(f"{drives}/{name}", **values) for name in names}


class VirtualMediaTestCase(TestCase):
    def serve(self, documents: Documents, script: Script | None = None) -> ScriptedRedfish:
        """Start a service that answers as *script* says, and otherwise inserts and ejects."""

        def answer(service: ScriptedRedfish, write: Write) -> Answer | None:
            scripted = None if script is None else script(write)
            drive = service.documents[write.path.partition("/Actions/")[0]]
            if scripted is None and write.method == "POST":
                image = (write.body or {}).get("Image")
                drive |= {"Image": image, "Inserted": image is not None, "ConnectedVia": "URI" if image else "NotConnected"}
                scripted = 204, None
            return scripted

        service = ScriptedRedfish(documents, answer)
        service.__enter__()
        self.addCleanup(service.__exit__)
        return service

    def attach(self, service: ScriptedRedfish, **info: Any) -> None:
        service.task(**info).call("management", "attach_virtual_media", VirtualMediaDevice.CDROM, IMAGE)

    def detach(self, service: ScriptedRedfish) -> None:
        service.task().call("management", "detach_virtual_media")

    def list_holding(self, service: ScriptedRedfish) -> list[str]:
        """Return the paths of the drives with an image."""
        return [path for path, document in service.documents.items() if document.get("Inserted")]

    def fails(self, expected: type[BareMetalError], service: ScriptedRedfish, **info: Any) -> str:
        return str(self.assertRaises(expected, self.attach, service, **info))


class TestInsertion(VirtualMediaTestCase):
    def test_next_drive_is_tried(self) -> None:
        """A drive that refuses remote images is skipped, however it does so."""
        for status in (400, 405, 500, 501):
            documents = build_documents()
            add_drives(documents, DRIVES, "0", "1")
            service = self.serve(
                documents,
                lambda write, status=status: (
                    (status, error("G", "console only")) if write.path.startswith(f"{DRIVES}/0") else None
                ),  # type: ignore[misc]
            )
            self.attach(service)
            self.assertEqual([f"{DRIVES}/1"], self.list_holding(service), status)

    def test_drives_with_an_action_come_first(self) -> None:
        """A drive without an action to insert, and one in use by the console, are tried after the others."""
        documents = build_documents()
        add_drives(documents, DRIVES, "0", "1", "2")
        del documents[f"{DRIVES}/0"]["Actions"]
        documents[f"{DRIVES}/1"]["ConnectedVia"] = "Applet"
        service = self.serve(documents)
        self.attach(service)
        self.assertEqual([f"{DRIVES}/2"], self.list_holding(service))

    def test_all_drives_refuse(self) -> None:
        """The error has the BMC's words of the first refusal about the image."""
        documents = build_documents()
        add_drives(documents, DRIVES, "0", "1")
        service = self.serve(documents, lambda write: (400, error("G", f"no host for {write.path[len(DRIVES) + 1]}")))
        message = self.fails(DriverError, service)
        self.assertIn(f"the BMC does not take {IMAGE} into {DRIVES}/0: ", message)
        self.assertIn("no host for 0 (1 other drives refuse it too)", message)

    def test_no_drive_takes_images(self) -> None:
        """Drives without any way to insert an image are reported as not supported."""
        documents = build_documents()
        add_drives(documents, DRIVES, "0", Actions={})
        self.assertIn(f"{DRIVES}/0", self.fails(NotSupported, self.serve(documents)))

    def test_insertion_is_repeated_after_an_ejection(self) -> None:
        """Errors of the service after an ejection are repeated until the ejection is complete."""
        for status in (500, 409, 503):
            documents = build_documents()
            add_drives(documents, DRIVES, "1", Inserted=True, Image="http://192.0.2.7/old.iso", ConnectedVia="URI")
            left = [4]

            def script(write: Write, status: int = status, left: list[int] = left) -> Answer | None:
                if "InsertMedia" not in write.path or not left[0]:
                    return None
                left[0] -= 1
                return status, error("IDRAC.2.5.VRM0012", "the ejection is not complete")

            service = self.serve(documents, script)
            self.attach(service)
            self.assertEqual(IMAGE, service.documents[f"{DRIVES}/1"]["Image"], status)

    def test_flag_that_stays_set(self) -> None:
        """A drive without an image and without a connection is empty, whatever its flag says."""
        documents = build_documents()
        add_drives(documents, DRIVES, "1", Inserted=True, Image="")
        service = self.serve(documents, lambda write: (400, error("G", "nothing there")) if "Eject" in write.path else None)
        self.assertFalse(service.task().call("management", "get_virtual_media")[0]["inserted"])
        self.attach(service)
        self.assertEqual(IMAGE, service.documents[f"{DRIVES}/1"]["Image"])

    def test_refused_ejection_does_not_stop_an_insertion(self) -> None:
        """An image that cannot be ejected is replaced if the drive takes the new one."""
        documents = build_documents()
        add_drives(documents, DRIVES, "1", Inserted=True, Image="http://192.0.2.7/old.iso")
        service = self.serve(documents, lambda write: (400, error("G", "not now")) if "Eject" in write.path else None)
        self.attach(service)
        self.assertEqual(IMAGE, service.documents[f"{DRIVES}/1"]["Image"])

    def test_drive_that_cannot_be_read(self) -> None:
        """A drive that cannot be read is left out."""
        documents = build_documents()
        add_drives(documents, DRIVES, "0", "1")
        del documents[f"{DRIVES}/0"]
        service = self.serve(documents)
        self.attach(service)
        self.assertEqual([f"{DRIVES}/1"], self.list_holding(service))


class TestSelection(VirtualMediaTestCase):
    def test_selected_drive(self) -> None:
        """A node selects a drive by its identifier or path; no other drive is tried."""
        for selected in ("1", f"{DRIVES}/1"):
            documents = build_documents()
            add_drives(documents, DRIVES, "0", "1", "2")
            service = self.serve(documents)
            self.attach(service, redfish_virtual_media_id=selected)
            self.assertEqual([f"{DRIVES}/1"], self.list_holding(service))

    def test_unknown_selection(self) -> None:
        """The error for a drive that does not exist lists the drives for the kind of image."""
        documents = build_documents()
        add_drives(documents, DRIVES, "0", "1")
        documents[f"{DRIVES}/1"]["MediaTypes"] = ["Floppy"]
        message = self.fails(InvalidInput, self.serve(documents), redfish_virtual_media_id="9")
        self.assertIn("driver_info/redfish_virtual_media_id: no virtual cdrom has the path or identifier '9'", message)
        self.assertIn(f"the drives are {DRIVES}/0", message)
        self.assertNotIn(f"{DRIVES}/1", message)

    def build_two_managers(self, **second: Any) -> Documents:
        documents = build_documents()
        documents[SYSTEM]["Links"]["ManagedBy"].append(link(SECOND))
        documents[SECOND] = {"@odata.id": SECOND, "ManagerType": "BMC", "VirtualMedia": link(f"{SECOND}/VirtualMedia"), **second}
        for manager in (MANAGER, SECOND):
            add_drives(documents, f"{manager}/VirtualMedia", "1")
        return documents

    def test_ambiguous_managers_are_refused(self) -> None:
        """If several managers offer a drive, the error lists the drives and nothing is sent; a selection resolves it."""
        service = self.serve(self.build_two_managers())
        message = self.fails(InvalidInput, service)
        self.assertIn(f"the drives are {DRIVES}/1, {SECOND}/VirtualMedia/1", message)
        self.assertIn("several drives", self.fails(InvalidInput, service, redfish_virtual_media_id="1"))
        self.assertEqual([], service.writes)
        self.attach(service, redfish_virtual_media_id=f"{SECOND}/VirtualMedia/1")
        self.assertEqual([f"{SECOND}/VirtualMedia/1"], self.list_holding(service))

    def test_managers_of_other_kinds_and_systems(self) -> None:
        """A manager of this system has precedence over others, and a BMC over the manager of an enclosure."""
        for second, expected in (
            ({"ManagerType": "EnclosureManager"}, f"{DRIVES}/1"),
            ({"Links": {"ManagerForServers": [link(SYSTEM)]}}, f"{SECOND}/VirtualMedia/1"),
        ):
            service = self.serve(self.build_two_managers(**second))
            self.attach(service)
            self.assertEqual([expected], self.list_holding(service))


class TestEjection(VirtualMediaTestCase):
    def test_drives_of_system_and_manager(self) -> None:
        """A detachment empties the drives of the system and those of its manager."""
        documents = build_documents(VirtualMedia=link(OWN_DRIVES))
        for drives in (OWN_DRIVES, DRIVES):
            add_drives(documents, drives, "1", Inserted=True, Image=IMAGE, ConnectedVia="URI")
        service = self.serve(documents)
        self.detach(service)
        self.assertEqual([], self.list_holding(service))

    def test_second_view_of_one_drive(self) -> None:
        """A drive of the manager that the ejection from the system has emptied is left alone."""
        documents = build_documents(VirtualMedia=link(OWN_DRIVES))
        for drives in (OWN_DRIVES, DRIVES):
            add_drives(documents, drives, "1", Inserted=True, Image=IMAGE, ConnectedVia="URI")
        views: list[dict[str, Any]] = []

        def script(write: Write) -> Answer | None:
            for view in views:
                view.update({"Image": None, "Inserted": False})
            return 204, None

        service = self.serve(documents, script)
        views += [service.documents[f"{drives}/1"] for drives in (OWN_DRIVES, DRIVES)]
        self.detach(service)
        self.assertEqual([f"{OWN_DRIVES}/1/Actions/VirtualMedia.EjectMedia"], [write.path for write in service.writes])

    def test_service_that_has_no_image(self) -> None:
        """A refusal because no image is connected is no error; other refusals of a drive with an image are."""
        for message_id, is_error in (("iLO.2.14.NoVirtualMediaConnectionAvailable", False), ("Base.1.8.GeneralError", True)):
            documents = build_documents()
            add_drives(documents, DRIVES, "1", Inserted=True, Image=IMAGE, ConnectedVia="URI")
            service = self.serve(documents, lambda write, name=message_id: (400, error(name, "no")))  # type: ignore[misc]
            if is_error:
                self.assertRaises((UnexpectedAnswer, DriverError), self.detach, service)
            else:
                self.detach(service)
