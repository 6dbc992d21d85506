"""One virtual drive of a system: its state, and the requests that change it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sushy.exceptions
from sushy import VirtualMediaType
from sushy.resources.manager.virtual_media import VirtualMedia

from baremetal_interfaces import Cancelled, Deadline, DriverError, Task, VirtualMediaDevice
from baremetal_redfish.errors import get_message_ids
from baremetal_redfish.image import ImageURL, redact_url
from baremetal_redfish.links import get_nested, get_text
from baremetal_redfish.transport import Transport

_MEDIA_TYPES = {
    VirtualMediaDevice.CDROM: frozenset({VirtualMediaType.CD, VirtualMediaType.DVD}),
    VirtualMediaDevice.DISK: frozenset({VirtualMediaType.USB_STICK}),
    VirtualMediaDevice.FLOPPY: frozenset({VirtualMediaType.FLOPPY}),
}
_KINDS = {theirs: ours for ours, types in _MEDIA_TYPES.items() for theirs in types}
_PROTOCOLS = {"nfs": "NFS"}
"""URL scheme -> Redfish's transfer protocol, for the schemes whose protocol is sent with every insertion.

For HTTP and HTTPS the protocol is sent only if a service asks for it, because some services refuse it.
"""
_INSERT, _EJECT = "#VirtualMedia.InsertMedia", "#VirtualMedia.EjectMedia"
_EMPTY_MESSAGES = ("NoVirtualMediaConnectionAvailable", "VRM0009")
"""Messages of iLO and iDRAC that no image is connected, whatever the drive reports."""
_CONSOLE, _NOT_CONNECTED = "Applet", "NotConnected"


class ChangeNotReported(DriverError):
    """The drive did not report an accepted insertion or ejection in time."""


class VirtualDrive:
    """The virtual drive at *path*, as it was when it was read last."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._model = VirtualMedia(transport, path)
        self.path = path

    @property
    def document(self) -> Mapping[str, Any]:
        """The drive's JSON document."""
        document: Mapping[str, Any] = self._model.json
        return document

    @property
    def kinds(self) -> set[VirtualMediaDevice]:
        """The devices that the drive can be."""
        return {_KINDS[medium] for medium in self._model.media_types or () if medium in _KINDS}

    @property
    def names(self) -> tuple[str, ...]:
        """The path and the identifier, by which a node selects the drive."""
        return tuple(filter(None, (self.path, get_text(self.document.get("Id")))))

    @property
    def image(self) -> str:
        """The URL of the image, without its account and its query; empty without an image."""
        return redact_url(self.document.get("Image"))

    @property
    def holds_image(self) -> bool:
        """Whether the drive has an image. Services that omit ``Inserted`` report only the URL of the image.

        On some services the flag stays set after the image has gone: https://bugs.launchpad.net/ironic/+bug/2114737
        """
        image, inserted = self.document.get("Image"), self.document.get("Inserted")
        if not isinstance(inserted, bool):
            return bool(image)
        return inserted and (bool(image) or self.document.get("ConnectedVia") != _NOT_CONNECTED)

    @property
    def rank(self) -> tuple[bool, bool]:
        """Sort key by which drives for remote images precede those of the console and those without an action to insert."""
        return get_nested(self.document, "Actions", _INSERT) is None, self.document.get("ConnectedVia") == _CONSOLE

    def insert(self, image: ImageURL) -> None:
        """Request the insertion of *image*."""
        self._model.insert_media(
            image.url, username=image.username, password=image.password, transfer_protocol=_PROTOCOLS.get(image.scheme)
        )

    def eject(self) -> bool:
        """Request the ejection of the image, and return whether the drive will report the change.

        A refusal is no error if the service says that no image is there, or if the drive is empty after it.
        """
        try:
            self._send_ejection()
        except sushy.exceptions.HTTPError as exc:
            if isinstance(exc, sushy.exceptions.AccessError):
                raise
            if any(name in identifier for identifier in get_message_ids(exc) for name in _EMPTY_MESSAGES):
                return False
            self.refresh()
            if self.holds_image:
                raise
        return True

    def refresh(self) -> None:
        """Read the drive again."""
        self._model.invalidate()
        self._model.refresh()

    def wait_for(self, *, holds_image: bool, task: Task, limit: Deadline, interval: float, timeout: float) -> None:
        """Read the drive each *interval* seconds until it has an image, or none.

        Raises :class:`ChangeNotReported` at *limit*, which is *timeout* seconds from the start, and ``Cancelled``.
        """
        while True:
            self.refresh()
            if self.holds_image is holds_image:
                return
            if task.cancelled:
                raise Cancelled(f"the task was cancelled before the virtual drive {self.path} reported its change")
            if limit.expired:
                state = "inserted" if holds_image else "ejected"
                raise ChangeNotReported(f"the image is not {state} after {timeout:g} s")
            time.sleep(min(interval, limit.remaining()))

    def _send_ejection(self) -> None:
        target = get_nested(self.document, "Actions", _EJECT, "target")
        if not isinstance(target, str):
            self._transport.change(self.path, {"Image": None, "Inserted": False})
            return
        try:
            self._transport.post(target)
        except sushy.exceptions.HTTPError as exc:
            # HPE iLO wants an empty object.
            if exc.status_code not in (400, 415):
                raise
            self._transport.post(target, {})
