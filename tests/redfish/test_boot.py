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
from tests.redfish.emulated import Emulated, ImageServer
from tests.redfish.test_connector import Served


def inserted(task: LocalTask) -> list[str]:
    """The images that are inserted."""
    return [drive["image"] for drive in task.call("management", "get_virtual_media") if drive["inserted"]]


class TestEmulated(Emulated):
    def setUp(self) -> None:
        super().setUp()
        self.images = ImageServer()
        self.images.__enter__()
        self.addCleanup(self.images.__exit__)

    def booting(self, url: Any, index: int = 0) -> LocalTask:
        return self.task(index, instance_info={"boot_iso": url})

    def test_image_is_booted_from(self) -> None:
        """The image is inserted, the next boot starts from it, and cleaning up takes it away, twice if need be."""
        task = self.booting(f"{self.images.url}/live.iso")
        task.validate("boot")
        task.call("boot", "prepare_instance")
        self.assertEqual([f"{self.images.url}/live.iso"], inserted(task))
        self.assertEqual(BootDevice.CDROM, task.call("management", "get_boot_device").device)
        for _ in range(2):
            task.call("boot", "clean_up_instance")
            self.assertEqual([], inserted(task))

    def test_what_is_there_is_replaced(self) -> None:
        """What was in the drive is ejected."""
        for name in ("one.iso", "two.iso"):
            task = self.booting(f"{self.images.url}/{name}")
            task.call("boot", "prepare_instance")
        self.assertEqual([f"{self.images.url}/two.iso"], inserted(task))
        task.call("boot", "clean_up_instance")

    def test_image_that_cannot_be_fetched(self) -> None:
        """An image that the BMC cannot fetch is named by field and URL, without the account, and nothing is left inserted."""
        task = self.booting(f"http://me:s3cret@{self.images.address}/missing?signature=s3cret")
        failure = self.assertRaises(DriverError, task.call, "boot", "prepare_instance")
        self.assertIn(f"instance_info/boot_iso: the BMC does not take {self.images.url}/missing into ", str(failure))
        self.assertIn("check that the URL is right", str(failure))
        self.assertNotIn("s3cret", str(failure))
        self.assertEqual([], inserted(task))

    def test_account_of_the_url_goes_beside_it(self) -> None:
        """The account in a URL is given to the BMC apart from the URL, which is shown without it."""
        task = self.booting(f"http://me:s3cr%20et@{self.images.address}/live.iso?signature=x")
        task.call("boot", "prepare_instance")
        self.assertIn(("/live.iso?signature=x", "Basic bWU6czNjciBldA=="), self.images.requested)
        self.assertEqual([f"{self.images.url}/live.iso"], inserted(task))
        task.call("boot", "clean_up_instance")

    def test_image_has_to_be_given(self) -> None:
        """Without an image, or with what is no URL of one, validation names the field; nobody is asked for that."""
        for url in (None, "", "images/live.iso", "ftp://x/y.iso", 5):
            failure = self.assertRaises(InvalidInput, self.booting(url).validate, "boot")
            self.assertIn("instance_info/boot_iso", str(failure))
            self.assertIn("http://, https:// or nfs://", str(failure))

    def test_ramdisk_is_refused(self) -> None:
        """A ramdisk with parameters cannot be booted from a finished image, and the remedy is said."""
        failure = self.assertRaises(NotSupported, self.booting(None).call, "boot", "prepare_ramdisk", {"a": "b"})
        self.assertIn("ipxe", str(failure))
        self.booting(None).call("boot", "clean_up_ramdisk")


class TestServed(Served):
    def prepared(self, service: RedfishService, **more: Any) -> LocalTask:
        return self.task(service, instance_info={"boot_iso": "http://192.0.2.7/live.iso"}, **more)

    def serving(self, faults: dict[str, Any]) -> RedfishService:
        service = self.serve(bmc={"fetch_images": False})
        service.inject(FaultPlan.from_json(faults))
        return service

    def test_refused_image(self) -> None:
        """A refusal of the BMC is shown in its own words, and the boot device stays as it was."""
        task = self.prepared(self.serving({"insert_media": {"effect": "refuse", "message": "no such file"}}))
        failure = self.assertRaises(DriverError, task.call, "boot", "prepare_instance")
        self.assertIn("no such file", str(failure))
        self.assertEqual([], inserted(task))
        self.assertEqual(BootDeviceSetting(None, None), task.call("management", "get_boot_device"))

    def test_secrets_that_the_bmc_repeats(self) -> None:
        """What a BMC repeats of the URL's account and query does not come out."""
        url = "https://me:s3cret@192.0.2.7/live.iso?X-Signature=abc123"
        said = "cannot fetch https://192.0.2.7/live.iso?X-Signature=abc123 as me:s3cret"
        service = self.serving({"insert_media": {"effect": "refuse", "message": said}})
        task = self.task(service, instance_info={"boot_iso": url})
        failure = self.assertRaises(DriverError, task.call, "boot", "prepare_instance")
        self.assertIn("cannot fetch https://192.0.2.7/live.iso as", str(failure))
        self.assertNotIn("s3cret", str(failure))
        self.assertNotIn("abc123", str(failure))

    def test_image_that_never_appears(self) -> None:
        """An insertion that the BMC accepts and does not carry out is noticed."""
        service = self.serving({"insert_media": {"effect": "lose"}})
        task = self.prepared(service, insertion_seconds=0.2)
        failure = self.assertRaises(DriverError, task.call, "boot", "prepare_instance")
        self.assertIn("is not inserted after 0.2 s", str(failure))

    def test_image_is_ejected_when_the_boot_device_cannot_be_set(self) -> None:
        """When the boot device cannot be set, the image does not stay behind."""
        task = self.prepared(self.serving({"set_boot_device": {"effect": "refuse", "status": 400}}))
        self.assertRaises(BareMetalError, task.call, "boot", "prepare_instance")
        self.assertEqual([], inserted(task))

    def test_other_drives_are_left_alone(self) -> None:
        """Cleaning up takes out what is in the CD drive only."""
        service = self.serve(bmc={"fetch_images": False})
        task = self.prepared(service)
        task.call("management", "attach_virtual_media", VirtualMediaDevice.FLOPPY, "http://192.0.2.7/f.img")
        task.call("boot", "prepare_instance")
        task.call("boot", "clean_up_instance")
        self.assertEqual(["http://192.0.2.7/f.img"], inserted(task))

    def test_machine_boots_from_the_image_once(self) -> None:
        """The boot from the image is for one boot."""
        task = self.prepared(self.serve(bmc={"fetch_images": False}))
        task.call("boot", "prepare_instance")
        self.assertEqual(BootDeviceSetting(BootDevice.CDROM, False), task.call("management", "get_boot_device"))
