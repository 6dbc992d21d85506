"""What clients ask of IPMI machines beside the Bare Metal API's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem, Task, VendorInterface, passthru
from baremetal_ipmi.connector import IPMIConnector, asked
from baremetal_ipmi.event_log import clear_events, read_events
from baremetal_ipmi.info import IPMIInfo

_APPLICATION, _COLD_RESET, _WARM_RESET = 0x06, 0x02, 0x03
_MOST_EVENTS = 1000
_LONGEST = 64


class IPMIVendor(VendorInterface):
    """Raw commands, a restart of the BMC, and its event log. ``ipmitool`` is another name of it."""

    info_type = IPMIInfo
    connector = IPMIConnector

    @passthru(
        ["POST"], background=False, description="Send 'raw_bytes': network function, command and data, such as '0x00 0x01'."
    )
    def send_raw(self, task: Task, raw_bytes: Any = None, **others: Any) -> dict[str, str]:
        """Send one command as it is; what comes back, in hexadecimal digits."""
        _refuse(others, "raw_bytes")
        function, command, *data = _bytes_in(raw_bytes)
        with asked(task, self.kind) as session:
            return {"data": session.request(function, command, data, deadline=task.deadline).hex(" ")}

    @passthru(["POST"], description="Restart the BMC; the machine goes on. With 'warm' false it is a cold start.")
    def bmc_reset(self, task: Task, warm: Any = True, **others: Any) -> None:
        """Restart the BMC; its sessions end."""
        _refuse(others, "warm")
        wanted = {True: True, False: False, "true": True, "false": False}.get(warm.lower() if isinstance(warm, str) else warm)
        if wanted is None:
            raise InvalidInput([Problem("warm", f"{warm!r} is not valid", "it has to be true or false")])
        with asked(task, self.kind) as session:
            session.request(_APPLICATION, _WARM_RESET if wanted else _COLD_RESET, deadline=task.deadline)

    @passthru(["GET"], background=False, description="The BMC's log of system events, the oldest first; 'limit' of them.")
    def get_event_log(self, task: Task, limit: Any = _MOST_EVENTS, **others: Any) -> dict[str, Any]:
        """The events, as far as IPMI itself gives them a meaning."""
        _refuse(others, "limit")
        text = str(limit)
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_EVENTS):
            raise InvalidInput([Problem("limit", f"{limit!r} is not valid", f"an integer from 1 to {_MOST_EVENTS}")])
        with asked(task, self.kind) as session:
            return {"events": read_events(session, int(text), task.deadline)}

    @passthru(["POST", "DELETE"], background=False, description="Erase the BMC's log of system events.")
    def clear_event_log(self, task: Task, **others: Any) -> None:
        """Erase it, for good."""
        _refuse(others, "no arguments")
        with asked(task, self.kind) as session:
            clear_events(session, task.deadline)


def _refuse(others: Mapping[str, Any], allowed: str) -> None:
    if others:
        raise InvalidInput([Problem(name, "is not known", f"known are {allowed}") for name in others])


def _bytes_in(text: Any) -> list[int]:
    wrong = InvalidInput([Problem("raw_bytes", f"{text!r} is not valid", "two or more bytes, such as '0x00 0x01'")])
    if not isinstance(text, str):
        raise wrong
    try:
        found = [int(word, 0) for word in text.split()]
    except ValueError:
        raise wrong from None
    if not 2 <= len(found) <= _LONGEST or not all(0 <= one <= 0xFF for one in found):
        raise wrong
    if found[0] > 0x3E or found[0] & 1:
        raise InvalidInput([Problem("raw_bytes", f"{found[0]:#04x} is no network function", "an even number up to 0x3e")])
    return found
