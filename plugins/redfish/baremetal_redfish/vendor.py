"""Vendor interface for Redfish: methods for event subscriptions at the BMC, and for the ejection of virtual media."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import sushy.exceptions

from baremetal_interfaces import (
    InvalidInput,
    NotFound,
    NotSupported,
    Problem,
    Task,
    VendorInterface,
    VirtualMediaDevice,
    passthru,
)
from baremetal_interfaces.addresses import is_http_url
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import follow, get_nested, get_path, iterate_members, read_root
from baremetal_redfish.machine import borrow_session, translate_refusal
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.virtual_media import InsertionLimits, borrow_drives

_PUBLIC_FIELDS = ("Id", "Context", "Destination", "EventTypes", "Protocol")
_DEVICES = {"cdrom": VirtualMediaDevice.CDROM, "floppy": VirtualMediaDevice.FLOPPY, "disk": VirtualMediaDevice.DISK}


class RedfishVendor(VendorInterface):
    """Vendor methods that clients of Redfish nodes, such as Metal3, call by name."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = InsertionLimits
    options: InsertionLimits

    @passthru(["POST"], background=False, description="Eject virtual media from all drives, or from those of 'boot_device'.")
    def eject_vmedia(self, task: Task, boot_device: Any = None, **others: Any) -> None:
        """Eject the images of the drives of one kind (``cdrom``, ``floppy`` or ``disk``), or of all drives if None."""
        _refuse_unknown(others, "boot_device")
        if boot_device is not None and boot_device not in _DEVICES:
            raise InvalidInput([Problem("boot_device", f"{boot_device!r} is not valid", "one of " + ", ".join(_DEVICES))])
        with borrow_drives(task, self.kind, self.options) as drives:
            drives.eject(None if boot_device is None else [_DEVICES[boot_device]])

    @passthru(["POST"], background=False, description="Subscribe the https URL 'Destination' to the BMC's events.")
    def create_subscription(
        self,
        task: Task,
        Destination: Any = None,
        EventTypes: Any = ("Alert",),
        Context: Any = "",
        Protocol: Any = "Redfish",
        HttpHeaders: Any = (),
        **others: Any,
    ) -> dict[str, Any]:
        """Create a subscription to the BMC's events and return its public fields.

        *HttpHeaders* may contain secrets and are never returned.
        """
        _refuse_unknown(others, "Destination, EventTypes, Context, Protocol, HttpHeaders")
        wanted = _build_subscription(
            destination=Destination, types=EventTypes, context=Context, protocol=Protocol, headers=HttpHeaders
        )
        with borrow_session(task) as session:
            collection = _find_subscriptions(session)
            with translate_refusal("Destination", urlsplit(Destination).hostname):
                response = session.transport.post(get_path(collection) or "", wanted)
            made = follow(session, {"@odata.id": response.headers.get("Location")})
            return _select_public_fields(made or (response.json() if response.content else wanted))

    @passthru(["DELETE"], background=False, description="Delete the subscription 'id'.")
    def delete_subscription(self, task: Task, id: Any = None, **others: Any) -> None:
        """Delete the subscription with the identifier *id*. Raises NotFound if the BMC does not have it."""
        _refuse_unknown(others, "id")
        with borrow_session(task) as session:
            session.transport.delete(self._find_subscription_path(session, id))

    @passthru(["GET"], background=False, description="List all subscriptions to the BMC's events.")
    def get_all_subscriptions(self, task: Task, **others: Any) -> dict[str, Any]:
        """Return the public fields of all subscriptions at the BMC, including those of other clients."""
        with borrow_session(task) as session:
            subscriptions = iterate_members(session, _find_subscriptions(session))
            found = [_select_public_fields(subscription) for subscription in subscriptions]
        return {"Members": found, "Members@odata.count": len(found)}

    @passthru(["GET"], background=False, description="Show the subscription 'id'.")
    def get_subscription(self, task: Task, id: Any = None, **others: Any) -> dict[str, Any]:
        """Return the public fields of the subscription *id*. Raises NotFound if the BMC does not have it."""
        _refuse_unknown(others, "id")
        with borrow_session(task) as session:
            return _select_public_fields(session.transport.read_document(self._find_subscription_path(session, id)))

    def _find_subscription_path(self, session: RedfishSession, identifier: Any) -> str:
        if not isinstance(identifier, str) or not identifier:
            raise InvalidInput([Problem("id", f"{identifier!r} is not valid", "the identifier of a subscription")])
        for member in iterate_members(session, _find_subscriptions(session)):
            if identifier == str(member.get("Id")):
                return get_path(member) or ""
        raise NotFound(f"subscription {identifier} does not exist at this BMC")


def _find_subscriptions(session: RedfishSession) -> dict[str, str]:
    """Return the reference to the collection of subscriptions. Raises NotSupported if the BMC has none."""
    try:
        service = follow(session, read_root(session).get("EventService"))
    except sushy.exceptions.ResourceNotFoundError:
        service = None
    reference = get_nested(service, "Subscriptions")
    if get_path(reference) is None:
        raise NotSupported("the BMC offers no event subscriptions")
    return dict(reference)


def _select_public_fields(subscription: Mapping[str, Any]) -> dict[str, Any]:
    return {name: subscription[name] for name in _PUBLIC_FIELDS if name in subscription}


def _refuse_unknown(others: Mapping[str, Any], allowed: str) -> None:
    if others:
        raise InvalidInput([Problem(name, "is not known", f"allowed are {allowed}") for name in others])


def _build_subscription(destination: Any, types: Any, context: Any, protocol: Any, headers: Any) -> dict[str, Any]:
    problems: list[Problem] = []
    if not isinstance(destination, str) or not is_http_url(destination):
        problems.append(Problem("Destination", "is not valid", "it has to be a URL, and most services require https"))
    if not isinstance(types, list | tuple) or not types or not all(isinstance(kind, str) for kind in types):
        problems.append(Problem("EventTypes", f"{types!r} is not valid", "a list of event types"))
    for name, value in (("Context", context), ("Protocol", protocol)):
        if not isinstance(value, str):
            problems.append(Problem(name, f"{value!r} is not valid", "it has to be a string"))
    if not isinstance(headers, list | tuple) or not all(isinstance(header, Mapping) for header in headers):
        problems.append(Problem("HttpHeaders", "are not valid", "a list of objects of header -> value"))
    if problems:
        raise InvalidInput(problems)
    given = {"Destination": destination, "EventTypes": list(types), "Context": context, "Protocol": protocol}
    return {**given, "HttpHeaders": [dict(header) for header in headers]} if headers else given
