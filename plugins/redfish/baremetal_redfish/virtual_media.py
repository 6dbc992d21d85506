"""The virtual drives of a system: what is inserted there is read back before it counts as done."""

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
from baremetal_redfish.errors import is_busy, what_it_said
from baremetal_redfish.image import ImageURL, shown

_TYPES = {
    VirtualMediaDevice.CDROM: frozenset({VirtualMediaType.CD, VirtualMediaType.DVD}),
    VirtualMediaDevice.DISK: frozenset({VirtualMediaType.USB_STICK}),
    VirtualMediaDevice.FLOPPY: frozenset({VirtualMediaType.FLOPPY}),
}
_KINDS = {theirs: ours for ours, types in _TYPES.items() for theirs in types}
_PROTOCOLS = {"nfs": "NFS"}
"""Said from the beginning; for HTTP and HTTPS only where a service asks for it, for some refuse to be told."""


class ImageRefused(DriverError):
    """The BMC did not take the image; the drive is empty."""


@dataclass(frozen=True)
class InsertionLimits:
    """How long a BMC may take to show an image, or an ejection, that it has accepted; in seconds."""

    virtual_media_timeout: float = 60.0
    virtual_media_poll_interval: float = 1.0


class VirtualDrives:
    """The virtual drives of one system, within one borrowed session."""

    def __init__(self, task: Task, system: System, limits: InsertionLimits) -> None:
        self._task = task
        self._system = system
        self._limits = limits

    def insert(self, device: VirtualMediaDevice, image: ImageURL) -> None:
        """Insert *image*, in place of what is there, into the first drive of that kind and see that it is there.

        Raises :class:`ImageRefused` and leaves the drive empty when the BMC cannot take it.
        """
        drive = self._first(device)
        self._empty(drive)
        try:
            with _refusals():
                self._put(drive, image)
                self._wait_for(drive, inserted=True)
        except ImageRefused as exc:
            self._clear(drive)
            wrong = f"the BMC does not take {image} into {drive.path}: {image.scrubbed(str(exc))}"
            remedy = "check that the URL is right and that the BMC can reach it, from its own network and with its own trust"
            raise ImageRefused(f"{wrong}; {remedy}") from None
        except BaseException:
            self._clear(drive)
            raise

    def eject(self, devices: Iterable[VirtualMediaDevice] | None) -> None:
        """Empty the drives of those kinds, or all. A system without virtual drives has nothing to eject."""
        wanted = set(VirtualMediaDevice if devices is None else devices)
        for drive in self._drives():
            if wanted & _kinds(drive):
                self._empty(drive)

    def described(self) -> Sequence[Mapping[str, Any]]:
        """Each drive: its kinds, whether something is inserted, and what."""
        return [
            {
                "media_types": sorted(kind.value for kind in _kinds(drive)),
                "inserted": _is_inserted(drive),
                "image": shown(drive.image),
            }
            for drive in self._drives()
        ]

    def _first(self, device: VirtualMediaDevice) -> VirtualMedia:
        for drive in self._drives():
            if device in _kinds(drive):
                return drive
        raise NotSupported(f"the BMC offers no virtual {device} for the system {self._system.path}")

    def _drives(self) -> Iterator[VirtualMedia]:
        """The system's own drives; where it has none, as in older services, those of its managers."""
        found = self._members(self._system)
        if not found:
            with contextlib.suppress(sushy.exceptions.MissingAttributeError):
                found = [drive for manager in self._system.managers for drive in self._members(manager)]
        yield from found

    def _members(self, owner: Any) -> list[VirtualMedia]:
        try:
            return list(owner.virtual_media.get_members())
        except (sushy.exceptions.MissingAttributeError, sushy.exceptions.ResourceNotFoundError):
            return []

    def _put(self, drive: VirtualMedia, image: ImageURL) -> None:
        drive.insert_media(
            image.url,
            username=image.username,
            password=image.password,
            transfer_protocol=_PROTOCOLS.get(image.scheme),
        )

    def _empty(self, drive: VirtualMedia) -> None:
        """Eject what is in *drive*. sushy passes over many refusals of it, so that only the next read tells."""
        if not _is_inserted(drive):
            return
        drive.eject_media()
        try:
            self._wait_for(drive, inserted=False)
        except ImageRefused:
            raise UnexpectedAnswer(f"the BMC does not eject what is in {drive.path} ({shown(drive.image)})") from None

    def _clear(self, drive: VirtualMedia) -> None:
        """Leave nothing half inserted; what goes wrong here must not hide what went wrong before."""
        try:
            drive.eject_media()
        except Exception as exc:
            self._task.log.warning("%s could not be emptied after a failure: %s", drive.path, type(exc).__name__)

    def _wait_for(self, drive: VirtualMedia, inserted: bool) -> None:
        limit = self._task.deadline.within(self._limits.virtual_media_timeout)
        while True:
            drive.refresh()
            if _is_inserted(drive) is inserted:
                return
            if self._task.cancelled:
                raise Cancelled(f"told to stop while waiting for {drive.path}")
            if limit.expired:
                state = "inserted" if inserted else "ejected"
                raise ImageRefused(f"it is not {state} after {self._limits.virtual_media_timeout:g} s")
            time.sleep(min(self._limits.virtual_media_poll_interval, limit.remaining()))


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a service answers to an image that it cannot use into :class:`ImageRefused`."""
    try:
        yield
    except (sushy.exceptions.AccessError, sushy.exceptions.ConnectionError):
        raise
    except sushy.exceptions.HTTPError as exc:
        if is_busy(exc):
            raise
        raise ImageRefused(what_it_said(exc)) from None
    except sushy.exceptions.MissingActionError:
        raise NotSupported("the BMC's virtual drive cannot be given an image") from None


def _kinds(drive: VirtualMedia) -> set[VirtualMediaDevice]:
    return {_KINDS[one] for one in drive.media_types or () if one in _KINDS}


def _is_inserted(drive: VirtualMedia) -> bool:
    """Services that leave out ``Inserted`` tell by the image's URL."""
    return bool(drive.image) if drive.inserted is None else bool(drive.inserted)
