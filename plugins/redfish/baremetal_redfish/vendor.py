"""What clients ask of Redfish machines beside the Bare Metal API's own words: subscriptions to events, and empty drives."""

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
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.info import RedfishInfo
from baremetal_redfish.links import below, follow, members, path_of, root
from baremetal_redfish.machine import blaming, borrowed, system_of
from baremetal_redfish.session import RedfishSession
from baremetal_redfish.virtual_media import InsertionLimits, VirtualDrives

_SHOWN = ("Id", "Context", "Destination", "EventTypes", "Protocol")
_DEVICES = {"cdrom": VirtualMediaDevice.CDROM, "floppy": VirtualMediaDevice.FLOPPY, "disk": VirtualMediaDevice.DISK}


class RedfishVendor(VendorInterface):
    """The methods that clients of Redfish nodes know by name; Metal3 is one."""

    info_type = RedfishInfo
    connector = RedfishConnector
    options_type = InsertionLimits
    options: InsertionLimits

    @passthru(["POST"], background=False, description="Eject what is in the virtual drives, or in those of 'boot_device'.")
    def eject_vmedia(self, task: Task, boot_device: Any = None, **others: Any) -> None:
        """Empty the drives of a kind (``cdrom``, ``floppy`` or ``disk``), or all."""
        _refuse(others, "boot_device")
        if boot_device is not None and boot_device not in _DEVICES:
            raise InvalidInput([Problem("boot_device", f"{boot_device!r} is not valid", "one of " + ", ".join(_DEVICES))])
        with system_of(task, self.kind) as system:
            VirtualDrives(task, system, self.options).eject(None if boot_device is None else [_DEVICES[boot_device]])

    @passthru(["POST"], background=False, description="Have the BMC send its events to the https URL 'Destination'.")
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
        """Subscribe, and tell what the service made of it. The headers may hold secrets and are never shown again."""
        _refuse(others, "Destination, EventTypes, Context, Protocol, HttpHeaders")
        wanted = _subscription(Destination, EventTypes, Context, Protocol, HttpHeaders)
        with borrowed(task) as session:
            collection = _subscriptions(session)
            with blaming("Destination", urlsplit(Destination).hostname):
                answer = session.transport.post(path_of(collection) or "", wanted)
            made = follow(session, {"@odata.id": answer.headers.get("Location")})
            return _shown(made or (answer.json() if answer.content else wanted))

    @passthru(["DELETE"], background=False, description="End the subscription 'id'.")
    def delete_subscription(self, task: Task, id: Any = None, **others: Any) -> None:
        """Unsubscribe."""
        _refuse(others, "id")
        with borrowed(task) as session:
            session.transport.delete(self._path(session, id))

    @passthru(["GET"], background=False, description="All subscriptions to the BMC's events.")
    def get_all_subscriptions(self, task: Task, **others: Any) -> dict[str, Any]:
        """What is subscribed, by whomever."""
        with borrowed(task) as session:
            found = [_shown(one) for one in members(session, _subscriptions(session))]
        return {"Members": found, "Members@odata.count": len(found)}

    @passthru(["GET"], background=False, description="The subscription 'id'.")
    def get_subscription(self, task: Task, id: Any = None, **others: Any) -> dict[str, Any]:
        """One of them."""
        _refuse(others, "id")
        with borrowed(task) as session:
            return _shown(session.transport.document(self._path(session, id)))

    def _path(self, session: RedfishSession, identifier: Any) -> str:
        if not isinstance(identifier, str) or not identifier:
            raise InvalidInput([Problem("id", f"{identifier!r} is not valid", "the identifier of a subscription")])
        for member in members(session, _subscriptions(session)):
            if identifier == str(member.get("Id")):
                return path_of(member) or ""
        raise NotFound(f"there is no subscription {identifier} at this BMC")


def _subscriptions(session: RedfishSession) -> dict[str, str]:
    """The reference to the collection."""
    try:
        service = follow(session, root(session).get("EventService"))
    except sushy.exceptions.ResourceNotFoundError:
        service = None
    reference = below(service, "Subscriptions")
    if path_of(reference) is None:
        raise NotSupported("the BMC offers no subscriptions to its events")
    return dict(reference)


def _shown(subscription: Mapping[str, Any]) -> dict[str, Any]:
    return {name: subscription[name] for name in _SHOWN if name in subscription}


def _refuse(others: Mapping[str, Any], allowed: str) -> None:
    if others:
        raise InvalidInput([Problem(name, "is not known", f"known are {allowed}") for name in others])


def _subscription(destination: Any, types: Any, context: Any, protocol: Any, headers: Any) -> dict[str, Any]:
    problems: list[Problem] = []
    if not isinstance(destination, str) or urlsplit(destination).scheme not in ("http", "https"):
        problems.append(Problem("Destination", "is not valid", "it has to be a URL, of https at most services"))
    if not isinstance(types, list | tuple) or not types or not all(isinstance(one, str) for one in types):
        problems.append(Problem("EventTypes", f"{types!r} is not valid", "a list of names of event types"))
    for name, value in (("Context", context), ("Protocol", protocol)):
        if not isinstance(value, str):
            problems.append(Problem(name, f"{value!r} is not valid", "it has to be a text"))
    if not isinstance(headers, list | tuple) or not all(isinstance(one, Mapping) for one in headers):
        problems.append(Problem("HttpHeaders", "are not valid", "a list of objects of header -> value"))
    if problems:
        raise InvalidInput(problems)
    given = {"Destination": destination, "EventTypes": list(types), "Context": context, "Protocol": protocol}
    return {**given, "HttpHeaders": [dict(one) for one in headers]} if headers else given
