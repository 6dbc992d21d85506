"""Virtual drives of a system: insertion and ejection of images, which are complete only when the drive reports them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sushy.exceptions
from sushy import VirtualMediaType
from sushy.resources.manager.virtual_media import VirtualMedia
from sushy.resources.system.system import System

from baremetal_interfaces import Cancelled, DriverError, NotSupported, Task, UnexpectedAnswer, VirtualMediaDevice
from baremetal_redfish.errors import describe_error, is_busy
from baremetal_redfish.image import ImageURL, redact_url

_SENSOR_TYPES = {
    VirtualMediaDevice.CDROM: frozenset({VirtualMediaType.CD, VirtualMediaType.DVD}),
    VirtualMediaDevice.DISK: frozenset({VirtualMediaType.USB_STICK}),
    VirtualMediaDevice.FLOPPY: frozenset({VirtualMediaType.FLOPPY}),
}
_KINDS = {theirs: ours for ours, types in _SENSOR_TYPES.items() for theirs in types}
_PROTOCOLS = {"nfs": "NFS"}
"""URL scheme -> Redfish's transfer protocol, for the schemes whose protocol is sent with every insertion.

For HTTP and HTTPS the protocol is sent only if a service asks for it, because some services refuse it.
"""


class ImageRefused(DriverError):
    """The BMC refused the image, or the drive did not report the change in time."""


@dataclass(frozen=True)
class InsertionLimits:
    """Time limits of virtual media, in seconds.

    *virtual_media_timeout* is the time in which a drive must report an accepted insertion or ejection.
    *virtual_media_poll_interval* is the time between two reads of the drive.
    """

    virtual_media_timeout: float = 60.0
    virtual_media_poll_interval: float = 1.0


class VirtualDrives:
    """The virtual drives of *system*, usable as long as its session is borrowed."""

    def __init__(self, task: Task, system: System, limits: InsertionLimits) -> None:
        self._task = task
        self._system = system
        self._limits = limits

    def insert(self, device: VirtualMediaDevice, image: ImageURL) -> None:
        """Insert *image* into the first drive for *device*, in place of any other image, and wait until the drive reports it.

        After a failure the image is ejected. Raises :class:`ImageRefused` if the BMC cannot use the image, and NotSupported if
        the system has no drive for *device*.
        """
        drive = self._find_drive(device)
        self._eject(drive)
        try:
            with _translate_refusals():
                self._insert(drive, image)
                self._wait_for(drive, inserted=True)
        except ImageRefused as exc:
            self._eject_after_failure(drive)
            wrong = f"the BMC does not take {image} into {drive.path}: {image.scrub(str(exc))}"
            remedy = "check that the URL is right, and that the BMC can reach it from its network and trusts its certificate"
            raise ImageRefused(f"{wrong}; {remedy}") from None
        except BaseException:
            self._eject_after_failure(drive)
            raise

    def eject(self, devices: Iterable[VirtualMediaDevice] | None) -> None:
        """Eject the images of the drives for *devices*, or of all drives if None. A missing drive or image is not an error."""
        wanted = set(VirtualMediaDevice if devices is None else devices)
        for drive in self._iterate_drives():
            if wanted & _get_kinds(drive):
                self._eject(drive)

    def describe(self) -> Sequence[Mapping[str, Any]]:
        """Return each drive as ``{"media_types": [...], "inserted": bool, "image": url}``. URLs have no account and no query."""
        return [
            {
                "media_types": sorted(kind.value for kind in _get_kinds(drive)),
                "inserted": _is_inserted(drive),
                "image": redact_url(drive.image),
            }
            for drive in self._iterate_drives()
        ]

    def _find_drive(self, device: VirtualMediaDevice) -> VirtualMedia:
        for drive in self._iterate_drives():
            if device in _get_kinds(drive):
                return drive
        raise NotSupported(f"the BMC offers no virtual {device} for the system {self._system.path}")

    def _iterate_drives(self) -> Iterator[VirtualMedia]:
        """Yield the system's own drives or, at older services, those of its managers."""
        found = self._read_members(self._system)
        if not found:
            with contextlib.suppress(sushy.exceptions.MissingAttributeError):
                found = [drive for manager in self._system.managers for drive in self._read_members(manager)]
        yield from found

    def _read_members(self, owner: Any) -> list[VirtualMedia]:
        try:
            return list(owner.virtual_media.get_members())
        except (sushy.exceptions.MissingAttributeError, sushy.exceptions.ResourceNotFoundError):
            return []

    def _insert(self, drive: VirtualMedia, image: ImageURL) -> None:
        drive.insert_media(
            image.url,
            username=image.username,
            password=image.password,
            transfer_protocol=_PROTOCOLS.get(image.scheme),
        )

    def _eject(self, drive: VirtualMedia) -> None:
        """Eject the image of *drive*, and read the drive afterwards: sushy suppresses many refusals of an ejection."""
        if not _is_inserted(drive):
            return
        drive.eject_media()
        try:
            self._wait_for(drive, inserted=False)
        except ImageRefused:
            raise UnexpectedAnswer(f"the BMC does not eject the image of {drive.path} ({redact_url(drive.image)})") from None

    def _eject_after_failure(self, drive: VirtualMedia) -> None:
        """Eject a partly inserted image after a failure. An error of the ejection must not hide the failure."""
        try:
            drive.eject_media()
        except Exception as exc:
            self._task.log.warning("could not empty %s after a failure: %s", drive.path, type(exc).__name__)

    def _wait_for(self, drive: VirtualMedia, inserted: bool) -> None:
        limit = self._task.deadline.within(self._limits.virtual_media_timeout)
        while True:
            drive.refresh()
            if _is_inserted(drive) is inserted:
                return
            if self._task.cancelled:
                raise Cancelled(f"the task was cancelled before the virtual drive {drive.path} reported its change")
            if limit.expired:
                state = "inserted" if inserted else "ejected"
                raise ImageRefused(f"the image is not {state} after {self._limits.virtual_media_timeout:g} s")
            time.sleep(min(self._limits.virtual_media_poll_interval, limit.remaining()))


@contextlib.contextmanager
def _translate_refusals() -> Iterator[None]:
    """Turn a service's refusal of an image into :class:`ImageRefused`.

    A drive that cannot be filled becomes NotSupported. Refused logins, broken connections and busy services keep their errors.
    """
    try:
        yield
    except (sushy.exceptions.AccessError, sushy.exceptions.ConnectionError):
        raise
    except sushy.exceptions.HTTPError as exc:
        if is_busy(exc):
            raise
        raise ImageRefused(describe_error(exc)) from None
    except sushy.exceptions.MissingActionError:
        raise NotSupported("the BMC's virtual drive does not accept images") from None


def _get_kinds(drive: VirtualMedia) -> set[VirtualMediaDevice]:
    return {_KINDS[medium] for medium in drive.media_types or () if medium in _KINDS}


def _is_inserted(drive: VirtualMedia) -> bool:
    """Return whether a drive has an image. Services that omit ``Inserted`` report only the URL of the image."""
    return bool(drive.image) if drive.inserted is None else bool(drive.inserted)
