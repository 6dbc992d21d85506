"""Boot interface for Redfish: boot from a virtual CD. The BMC fetches an ISO image and presents it to its machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import BootDevice, BootInterface, Kind, NotSupported, Task, VirtualMediaDevice
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.image import ImageURL
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.virtual_media import ImageRefused, InsertionLimits, borrow_drives

_FIELD = "instance_info/boot_iso"


class RedfishVirtualMediaBoot(BootInterface):
    """Boots a machine from the ISO image at the URL in ``instance_info/boot_iso``, over a virtual CD."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = InsertionLimits
    options: InsertionLimits

    def validate(self, task: Task) -> None:
        """Raise ``InvalidInput`` unless ``instance_info/boot_iso`` is the URL of an image."""
        ImageURL.parse(_FIELD, task.node.instance_info.get("boot_iso"))

    def prepare_instance(self, task: Task) -> None:
        """Insert the image in place of any other, and set the virtual CD as the device of the next boot.

        If either fails, the image is ejected and the error is raised.
        """
        image = ImageURL.parse(_FIELD, task.node.instance_info.get("boot_iso"))
        with borrow_drives(task, Kind.BOOT, self.options) as drives:
            try:
                drives.insert(VirtualMediaDevice.CDROM, image)
            except ImageRefused as exc:
                raise ImageRefused(f"{_FIELD}: {exc}") from None
        try:
            task.power.boot_once(BootDevice.CDROM)
        except BaseException:
            self._eject_after_failure(task)
            raise

    def clean_up_instance(self, task: Task) -> None:
        """Eject the image from the virtual CD drives."""
        with borrow_drives(task, Kind.BOOT, self.options) as drives:
            drives.eject([VirtualMediaDevice.CDROM])

    def prepare_ramdisk(self, task: Task, parameters: Mapping[str, Any]) -> None:
        """Raise NotSupported: a finished image takes no kernel parameters."""
        raise NotSupported(
            "boot_interface: redfish-virtual-media boots finished images, which take no kernel parameters; "
            "choose a boot interface for the network (ipxe, pxe) to boot a ramdisk"
        )

    def clean_up_ramdisk(self, task: Task) -> None:
        """Do nothing: this interface boots no ramdisk."""

    def _eject_after_failure(self, task: Task) -> None:
        try:
            self.clean_up_instance(task)
        except Exception as exc:
            task.log.warning("could not eject the virtual CD after a failure: %s", type(exc).__name__)
