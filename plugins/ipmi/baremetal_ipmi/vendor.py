"""Vendor interface for IPMI: methods for raw commands, a restart of the BMC, and its event log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem, Task, VendorInterface, passthru
from baremetal_ipmi.connector import IPMIConnector, borrow_controller
from baremetal_ipmi.event_log import clear_events, read_events
from baremetal_ipmi.info import IPMIInfo

_APPLICATION, _COLD_RESET, _WARM_RESET = 0x06, 0x02, 0x03
_MAX_EVENTS = 1000
_MAX_RAW_BYTES = 64


class IPMIVendor(VendorInterface):
    """Vendor methods by IPMI. ``ipmitool`` is a second name of the interface, for clients of Ironic."""

    info_type = IPMIInfo
    connector = IPMIConnector

    @passthru(
        ["POST"], background=False, description="Send 'raw_bytes': network function, command and data, such as '0x00 0x01'."
    )
    def send_raw(self, task: Task, raw_bytes: Any = None, **others: Any) -> dict[str, str]:
        """Send one command unchanged, and return ``{"data": ...}`` with the response's data as hexadecimal digits."""
        _refuse_unknown(others, "raw_bytes")
        function, command, *data = _parse_bytes(raw_bytes)
        with borrow_controller(task, self.kind) as session:
            return {"data": session.request(function, command, data, deadline=task.deadline).hex(" ")}

    @passthru(["POST"], description="Restart the BMC; the machine keeps running. With 'warm' false it is a cold start.")
    def bmc_reset(self, task: Task, warm: Any = True, **others: Any) -> None:
        """Restart the BMC, which ends its sessions: a warm reset, or a cold one if *warm* is false. The machine keeps running.

        A BMC that restarts need not answer. Return when it has answered or is silent.
        """
        _refuse_unknown(others, "warm")
        wanted = {True: True, False: False, "true": True, "false": False}.get(warm.lower() if isinstance(warm, str) else warm)
        if wanted is None:
            raise InvalidInput([Problem("warm", f"{warm!r} is not valid", "it has to be true or false")])
        with borrow_controller(task, self.kind) as session:
            session.request_restart(_APPLICATION, _WARM_RESET if wanted else _COLD_RESET, deadline=task.deadline)

    @passthru(["GET"], background=False, description="Return the oldest 'limit' events of the BMC's event log, oldest first.")
    def get_event_log(self, task: Task, limit: Any = _MAX_EVENTS, **others: Any) -> dict[str, Any]:
        """Return the *limit* oldest events of the log as ``{"events": [...]}``. Raises InvalidInput for an invalid *limit*."""
        _refuse_unknown(others, "limit")
        text = str(limit)
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MAX_EVENTS):
            raise InvalidInput([Problem("limit", f"{limit!r} is not valid", f"an integer from 1 to {_MAX_EVENTS}")])
        with borrow_controller(task, self.kind) as session:
            return {"events": read_events(session, int(text), task.deadline)}

    @passthru(["POST", "DELETE"], background=False, description="Erase the BMC's event log.")
    def clear_event_log(self, task: Task, **others: Any) -> None:
        """Erase the event log, and wait until the erasure is complete. The events cannot be restored."""
        _refuse_unknown(others, "no arguments")
        with borrow_controller(task, self.kind) as session:
            clear_events(session, task.deadline)


def _refuse_unknown(others: Mapping[str, Any], allowed: str) -> None:
    if others:
        raise InvalidInput([Problem(name, "is not known", f"allowed are {allowed}") for name in others])


def _parse_bytes(text: Any) -> list[int]:
    wrong = InvalidInput([Problem("raw_bytes", f"{text!r} is not valid", "two or more bytes, such as '0x00 0x01'")])
    if not isinstance(text, str):
        raise wrong
    try:
        found = [int(word, 0) for word in text.split()]
    except ValueError:
        raise wrong from None
    if not 2 <= len(found) <= _MAX_RAW_BYTES or not all(0 <= byte <= 0xFF for byte in found):
        raise wrong
    if found[0] > 0x3E or found[0] & 1:
        raise InvalidInput([Problem("raw_bytes", f"{found[0]:#04x} is not a network function", "an even number up to 0x3e")])
    return found
