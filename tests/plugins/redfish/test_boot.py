from __future__ import annotations

from typing import Any

from baremetal_fake.faults import FaultPlan
from baremetal_fake.redfish import RedfishService
from baremetal_interfaces import (
    BareMetalError,
    BootDevice,
    BootDeviceSetting,
    DriverError,
    InvalidInput,
    NotSupported,
    VirtualMediaDevice,
)
from baremetal_interfaces.local import LocalTask
from tests.fixtures.redfish_emulator import EmulatorTestCase, ImageServer
from tests.plugins.redfish.test_connector import ServiceTestCase


def list_inserted(task: LocalTask) -> list[str]:
    """Return the URLs of the inserted images."""
    return [drive["image"] for drive in task.call("management", "get_virtual_media") if drive["inserted"]]


class TestEmulated(EmulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.images = ImageServer()
        self.images.__enter__()
        self.addCleanup(self.images.__exit__)

    def booting(self, url: Any, index: int = 0) -> LocalTask:
        return self.task(index, instance_info={"boot_iso": url})

    def test_instance_boots_from_the_image(self) -> None:
        """The image is inserted and booted next, and cleaning up ejects it; a second clean-up changes nothing."""
        task = self.booting(f"{self.images.url}/live.iso")
        task.validate("boot")
        task.call("boot", "prepare_instance")
        self.assertEqual([f"{self.images.url}/live.iso"], list_inserted(task))
        self.assertEqual(BootDevice.CDROM, task.call("management", "get_boot_device").device)
        for _ in range(2):
            task.call("boot", "clean_up_instance")
            self.assertEqual([], list_inserted(task))

    def test_inserted_image_is_replaced(self) -> None:
        """An image that is already in the drive is ejected first."""
        for name in ("one.iso", "two.iso"):
            task = self.booting(f"{self.images.url}/{name}")
            task.call("boot", "prepare_instance")
        self.assertEqual([f"{self.images.url}/two.iso"], list_inserted(task))
        task.call("boot", "clean_up_instance")

    def test_unreachable_image_is_refused(self) -> None:
        """The error for an unreachable image names the field and the URL without its account; the drive is left empty."""
        task = self.booting(f"http://me:s3cret@{self.images.address}/missing?signature=s3cret")
        failure = self.assertRaises(DriverError, task.call, "boot", "prepare_instance")
        self.assertIn(f"instance_info/boot_iso: the BMC does not take {self.images.url}/missing into ", str(failure))
        self.assertIn("check that the URL is right", str(failure))
        self.assertNotIn("s3cret", str(failure))
        self.assertEqual([], list_inserted(task))

    def test_account_of_the_url_is_sent_separately(self) -> None:
        """The account in a URL is sent in fields of its own, and the URL is shown without it."""
        task = self.booting(f"http://me:s3cr%20et@{self.images.address}/live.iso?signature=x")
        task.call("boot", "prepare_instance")
        self.assertIn(("/live.iso?signature=x", "Basic bWU6czNjciBldA=="), self.images.requested)
        self.assertEqual([f"{self.images.url}/live.iso"], list_inserted(task))
        task.call("boot", "clean_up_instance")

    def test_image_url_is_required(self) -> None:
        """Validation refuses a missing or invalid image URL by the name of the field, without asking the BMC."""
        for url in (None, "", "images/live.iso", "ftp://x/y.iso", 5):
            failure = self.assertRaises(InvalidInput, self.booting(url).validate, "boot")
            self.assertIn("instance_info/boot_iso", str(failure))
            self.assertIn("http://, https:// or nfs://", str(failure))

    def test_ramdisk_is_refused(self) -> None:
        """A finished image takes no ramdisk parameters; the error recommends a network boot interface."""
        failure = self.assertRaises(NotSupported, self.booting(None).call, "boot", "prepare_ramdisk", {"a": "b"})
        self.assertIn("ipxe", str(failure))
        self.booting(None).call("boot", "clean_up_ramdisk")


class TestServed(ServiceTestCase):
    def prepared(self, service: RedfishService, **more: Any) -> LocalTask:
        return self.task(service, instance_info={"boot_iso": "http://192.0.2.7/live.iso"}, **more)

    def serving(self, faults: dict[str, Any]) -> RedfishService:
        service = self.serve(bmc={"fetch_images": False})
        service.inject(FaultPlan.from_json(faults))
        return service

    def test_refusal_is_reported_in_the_words_of_the_bmc(self) -> None:
        """The error for a refused image contains the BMC's message, and the boot device is unchanged."""
        task = self.prepared(self.serving({"insert_media": {"effect": "refuse", "message": "no such file"}}))
        failure = self.assertRaises(DriverError, task.call, "boot", "prepare_instance")
        self.assertIn("no such file", str(failure))
        self.assertEqual([], list_inserted(task))
        self.assertEqual(BootDeviceSetting(None, None), task.call("management", "get_boot_device"))

    def test_secrets_repeated_by_the_bmc_are_removed(self) -> None:
        """A BMC's message is shown without the account and the query of the URL."""
        url = "https://me:s3cret@192.0.2.7/live.iso?X-Signature=abc123"
        message = "cannot fetch https://192.0.2.7/live.iso?X-Signature=abc123 as me:s3cret"
        service = self.serving({"insert_media": {"effect": "refuse", "message": message}})
        task = self.task(service, instance_info={"boot_iso": url})
        failure = self.assertRaises(DriverError, task.call, "boot", "prepare_instance")
        self.assertIn("cannot fetch https://192.0.2.7/live.iso as", str(failure))
        self.assertNotIn("s3cret", str(failure))
        self.assertNotIn("abc123", str(failure))

    def test_insertion_without_effect_is_detected(self) -> None:
        """An insertion that the BMC accepts but does not carry out is an error."""
        service = self.serving({"insert_media": {"effect": "lose"}})
        task = self.prepared(service, insertion_seconds=0.2)
        failure = self.assertRaises(DriverError, task.call, "boot", "prepare_instance")
        self.assertIn("is not inserted after 0.2 s", str(failure))

    def test_image_is_ejected_when_the_boot_device_cannot_be_set(self) -> None:
        """If the boot device cannot be set, the image is ejected."""
        task = self.prepared(self.serving({"set_boot_device": {"effect": "refuse", "status": 400}}))
        self.assertRaises(BareMetalError, task.call, "boot", "prepare_instance")
        self.assertEqual([], list_inserted(task))

    def test_other_drives_are_unchanged(self) -> None:
        """Cleaning up ejects only the image of the CD drive."""
        service = self.serve(bmc={"fetch_images": False})
        task = self.prepared(service)
        task.call("management", "attach_virtual_media", VirtualMediaDevice.FLOPPY, "http://192.0.2.7/f.img")
        task.call("boot", "prepare_instance")
        task.call("boot", "clean_up_instance")
        self.assertEqual(["http://192.0.2.7/f.img"], list_inserted(task))

    def test_machine_boots_from_the_image_once(self) -> None:
        """The image is the boot device of the next boot only."""
        task = self.prepared(self.serve(bmc={"fetch_images": False}))
        task.call("boot", "prepare_instance")
        self.assertEqual(BootDeviceSetting(BootDevice.CDROM, False), task.call("management", "get_boot_device"))
