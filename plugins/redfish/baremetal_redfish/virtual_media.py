"""Virtual media of a system: choice of the drives, insertion and ejection of images."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sushy.exceptions

from baremetal_interfaces import (
    BareMetalError,
    BMCBusy,
    Cancelled,
    DriverError,
    InvalidInput,
    Kind,
    NotSupported,
    Problem,
    Task,
    UnexpectedAnswer,
    VirtualMediaDevice,
)
from baremetal_redfish.errors import describe_error, is_busy
from baremetal_redfish.image import ImageURL
from baremetal_redfish.links import get_nested, get_objects, get_path
from baremetal_redfish.machine import borrow_session
from baremetal_redfish.related_resources import find_managers
from baremetal_redfish.resource_reader import ResourceReader
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.virtual_drive import ChangeNotReported, VirtualDrive

_RETRY_TIMEOUT_S = 20.0
"""Time in which a refused insertion is repeated after an ejection, in seconds."""
_MAX_ATTEMPTS = 3
"""Number of insertions after errors of the service, if no image was ejected before."""


class ImageRefused(DriverError):
    """The BMC refused the image, or the drive did not report the change in time."""


class _DriveRefused(Exception):
    """One drive refused the image. *lacks_action* is True if it takes no images at all."""

    def __init__(self, drive: VirtualDrive, reason: str, *, lacks_action: bool = False) -> None:
        super().__init__(reason)
        self.drive = drive
        self.reason = reason
        self.lacks_action = lacks_action


@dataclass(frozen=True)
class InsertionLimits:
    """Time limits of virtual media, in seconds.

    *virtual_media_timeout* is the time in which a drive must report an accepted insertion or ejection.
    *virtual_media_poll_interval* is the time between two reads of the drive.
    """

    virtual_media_timeout: float = 60.0
    virtual_media_poll_interval: float = 1.0


@contextmanager
def borrow_drives(task: Task, kind: Kind, limits: InsertionLimits) -> Iterator[VirtualDrives]:
    """Borrow a session, and yield the virtual drives of the task's system. *kind* is the calling interface."""
    info = task.info(kind)
    with borrow_session(task) as session:
        system = session.read_document(info.system_path)
        yield VirtualDrives(task, session, system, selected=info.redfish_virtual_media_id, limits=limits)


class VirtualDrives:
    """The virtual drives of *system*, the document of a system. *selected* is the drive in the node's ``driver_info``."""

    def __init__(
        self, task: Task, session: RedfishSession, system: Mapping[str, Any], *, selected: str | None, limits: InsertionLimits
    ) -> None:
        self._task = task
        self._session = session
        self._system = system
        self._selected = selected
        self._limits = limits
        self._reader = ResourceReader(session, task, "the list of virtual drives")

    def insert(self, device: VirtualMediaDevice, image: ImageURL) -> None:
        """Insert *image* into a drive for *device*, in place of any other image, and wait until the drive reports it.

        If a drive refuses the image, the next one is tried: some are for the console of the BMC only. After a failure the image
        is ejected. Raises :class:`ImageRefused` if no drive takes the image, and NotSupported if the system has no drive for
        *device*.
        """
        drives = self._choose_drives(device)
        has_ejected = any([self._empty(drive) for drive in drives])
        refusals: list[_DriveRefused] = []
        for drive in drives:
            try:
                self._insert_into(drive, image, has_ejected)
                return
            except _DriveRefused as exc:
                self._task.log.info("virtual drive %s does not take the image: %s", drive.path, image.scrub(exc.reason))
                refusals.append(exc)
        raise self._build_refusal(refusals, image)

    def eject(self, devices: Iterable[VirtualMediaDevice] | None) -> None:
        """Eject the images of the drives for *devices*, or of all drives if None. A missing drive or image is not an error.

        The drives of the system and those of its managers are emptied: some services know an image in one place only.
        """
        wanted = set(VirtualMediaDevice if devices is None else devices)
        for drive in [*self._list_own(), *self._list_of_managers()]:
            if wanted & drive.kinds and drive.holds_image:
                # The ejection from the system's drive may have emptied the manager's.
                drive.refresh()
                self._eject(drive)

    def describe(self) -> Sequence[Mapping[str, Any]]:
        """Return each drive as ``{"media_types": [...], "inserted": bool, "image": url}``. URLs have no account and no query."""
        return [
            {
                "media_types": sorted(kind.value for kind in drive.kinds),
                "inserted": drive.holds_image,
                "image": drive.image,
            }
            for drive in self._list_own() or self._list_of_managers()
        ]

    def _choose_drives(self, device: VirtualMediaDevice) -> list[VirtualDrive]:
        """Return the drives to try for *device*, those for remote images first.

        They are the drive that the node selects, or those of the system, or at older services those of its manager.
        """
        if self._selected:
            return [self._find_selected(self._selected, device)]
        found = [drive for drive in self._list_own() if device in drive.kinds]
        if not found:
            found = self._choose_manager_drives(device)
        if not found:
            raise NotSupported(f"the BMC offers no virtual {device} for the system {get_path(self._system)}")
        return sorted(found, key=lambda drive: drive.rank)

    def _find_selected(self, selected: str, device: VirtualMediaDevice) -> VirtualDrive:
        """Return the drive with the path or identifier *selected*, of the system before those of its managers."""
        own, others = self._list_own(), self._list_of_managers()
        for drives in (own, others):
            found = [drive for drive in drives if selected.rstrip("/") in drive.names]
            if len(found) == 1 and device in found[0].kinds:
                return found[0]
            if len(found) > 1:
                raise self._build_selection_error(f"{selected!r} is the identifier of several drives", found)
        wrong = f"no virtual {device} has the path or identifier {selected!r}"
        raise self._build_selection_error(wrong, [drive for drive in [*own, *others] if device in drive.kinds])

    def _choose_manager_drives(self, device: VirtualMediaDevice) -> list[VirtualDrive]:
        """Return the drives of the only manager that has any for *device*.

        Among several, managers of this system and BMCs have precedence. Raises InvalidInput if more than one remains.
        """
        offers = [(manager, drives) for manager, drives in self._iterate_manager_drives(device)]
        for is_preferred in (self._manages_system, _is_bmc):
            preferred = [(manager, drives) for manager, drives in offers if is_preferred(manager)]
            offers = preferred or offers
        if len(offers) > 1:
            drives = [drive for _, drives in offers for drive in drives]
            raise self._build_selection_error(f"is needed, because several managers offer a virtual {device}", drives)
        return offers[0][1] if offers else []

    def _iterate_manager_drives(self, device: VirtualMediaDevice) -> Iterator[tuple[Mapping[str, Any], list[VirtualDrive]]]:
        for manager in find_managers(self._session, self._system):
            drives = [drive for drive in self._read_members(manager) if device in drive.kinds]
            if drives:
                yield manager, drives

    def _manages_system(self, manager: Mapping[str, Any]) -> bool:
        paths = {get_path(link) for link in get_objects(get_nested(manager, "Links", "ManagerForServers"))}
        return get_path(self._system) in paths

    def _list_own(self) -> list[VirtualDrive]:
        return self._read_members(self._system)

    def _list_of_managers(self) -> list[VirtualDrive]:
        found = [drive for manager in find_managers(self._session, self._system) for drive in self._read_members(manager)]
        return list({drive.path: drive for drive in found}.values())

    def _read_members(self, owner: Mapping[str, Any]) -> list[VirtualDrive]:
        """Return the drives of a system or manager. A drive that cannot be read is left out and logged."""
        found = []
        for reference in self._reader.member_references(owner.get("VirtualMedia")):
            path = get_path(reference)
            if path is None:
                continue
            try:
                found.append(VirtualDrive(self._session.transport, path))
            except sushy.exceptions.SushyError as exc:
                if isinstance(exc, sushy.exceptions.AccessError | sushy.exceptions.ConnectionError):
                    raise
                self._task.log.warning("virtual drive %s is left out: %s", path, exc)
        return found

    def _insert_into(self, drive: VirtualDrive, image: ImageURL, has_ejected: bool) -> None:
        """Insert *image* into one drive and wait until it reports it. Raises ``_DriveRefused`` if the drive refuses it."""
        try:
            self._send_insertion(drive, image, has_ejected)
            self._wait_for(drive, holds_image=True)
        except _DriveRefused:
            self._eject_after_failure(drive)
            raise
        except ChangeNotReported as exc:
            self._eject_after_failure(drive)
            raise ImageRefused(_describe_refusal(drive, image, str(exc))) from None
        except BaseException:
            self._eject_after_failure(drive)
            raise

    def _send_insertion(self, drive: VirtualDrive, image: ImageURL, has_ejected: bool) -> None:
        """Send the insertion, again if the service fails: an ejection before may not be complete.

        The record of the behavior is https://storyboard.openstack.org/#!/story/2008504.
        """
        limit = self._task.deadline.within(min(_RETRY_TIMEOUT_S, self._limits.virtual_media_timeout))
        attempts = 0
        while True:
            attempts += 1
            try:
                drive.insert(image)
                return
            except (sushy.exceptions.AccessError, sushy.exceptions.ConnectionError):
                raise
            except sushy.exceptions.MissingActionError:
                raise _DriveRefused(drive, "the virtual drive does not accept images", lacks_action=True) from None
            except sushy.exceptions.HTTPError as exc:
                is_transient = exc.status_code >= 500 or exc.status_code == 409 or is_busy(exc)
                is_over = limit.expired if has_ejected else attempts >= _MAX_ATTEMPTS or limit.expired
                if not is_transient or is_over:
                    if is_busy(exc):
                        raise
                    raise _DriveRefused(drive, describe_error(exc), lacks_action=exc.status_code == 405) from None
            self._pause(drive)

    def _pause(self, drive: VirtualDrive) -> None:
        if self._task.cancelled:
            raise Cancelled(f"the task was cancelled before the virtual drive {drive.path} took the image")
        time.sleep(min(self._limits.virtual_media_poll_interval, self._task.deadline.remaining()))

    def _empty(self, drive: VirtualDrive) -> bool:
        """Eject the image of a drive before an insertion, and return whether it had one.

        A refusal is logged: the insertion shows whether the drive is usable.
        """
        if not drive.holds_image:
            return False
        try:
            self._eject(drive)
        except (sushy.exceptions.AccessError, sushy.exceptions.ConnectionError):
            raise
        except (sushy.exceptions.SushyError, UnexpectedAnswer, BMCBusy) as exc:
            self._task.log.warning("virtual drive %s could not be emptied: %s", drive.path, exc)
        return True

    def _eject(self, drive: VirtualDrive) -> None:
        """Eject the image of *drive*, and wait until the drive reports it."""
        if not drive.holds_image or not drive.eject():
            return
        try:
            self._wait_for(drive, holds_image=False)
        except ChangeNotReported:
            raise UnexpectedAnswer(f"the BMC does not eject the image of {drive.path} ({drive.image})") from None

    def _eject_after_failure(self, drive: VirtualDrive) -> None:
        """Eject a partly inserted image after a failure. An error of the ejection must not hide the failure."""
        try:
            drive.refresh()
            if drive.holds_image:
                drive.eject()
        except Exception as exc:
            self._task.log.warning("could not empty %s after a failure: %s", drive.path, type(exc).__name__)

    def _wait_for(self, drive: VirtualDrive, *, holds_image: bool) -> None:
        timeout = self._limits.virtual_media_timeout
        drive.wait_for(
            holds_image=holds_image,
            task=self._task,
            limit=self._task.deadline.within(timeout),
            interval=self._limits.virtual_media_poll_interval,
            timeout=timeout,
        )

    def _build_refusal(self, refusals: Sequence[_DriveRefused], image: ImageURL) -> BareMetalError:
        """Return the error for an image that all drives refused: the first reason that is about the image, if any."""
        first = next((refusal for refusal in refusals if not refusal.lacks_action), None)
        if first is None:
            paths = ", ".join(refusal.drive.path for refusal in refusals)
            return NotSupported(f"the BMC's virtual drives do not accept images: {paths}")
        others = f" ({len(refusals) - 1} other drives refuse it too)" if len(refusals) > 1 else ""
        return ImageRefused(_describe_refusal(first.drive, image, first.reason + others))

    def _build_selection_error(self, wrong: str, drives: Sequence[VirtualDrive]) -> InvalidInput:
        allowed = "the drives are " + (", ".join(drive.path for drive in drives) or "none")
        return InvalidInput([Problem("driver_info/redfish_virtual_media_id", wrong, allowed)])


def _is_bmc(manager: Mapping[str, Any]) -> bool:
    return manager.get("ManagerType") == "BMC"


def _describe_refusal(drive: VirtualDrive, image: ImageURL, reason: str) -> str:
    remedy = "check that the URL is right, and that the BMC can reach it from its network and trusts its certificate"
    return f"the BMC does not take {image} into {drive.path}: {image.scrub(reason)}; {remedy}"
