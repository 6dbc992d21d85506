"""IPMI commands of a simulated BMC that read, fill and clear the System Event Log (IPMI 2.0, chapter 31)."""

from __future__ import annotations

from baremetal_fake.ipmi.commands import Call, Code, Command, CommandError, Level, Operation, Table, make_change, make_reader
from baremetal_fake.ipmi.event_log import LAST_RECORD, RECORD_BYTES

STORAGE = 0x0A
"""IPMI network function of the storage commands."""
_INITIATE_ERASE, _GET_ERASE_STATUS = 0xAA, 0x00
_ERASE_COMPLETED = 0x01
_WHOLE_RECORD = 0xFF


def commands() -> Table:
    """Return the table of the IPMI commands of the System Event Log that the simulated BMC supports."""
    return {
        (STORAGE, 0x40): make_reader("get_sel", lambda call: call.bmc.events.info()),
        (STORAGE, 0x42): make_reader("get_sel", _reserve),
        (STORAGE, 0x43): make_reader("get_sel", _get_entry),
        (STORAGE, 0x44): Command(Level.OPERATOR, _add_entry),
        (STORAGE, 0x47): Command(Level.OPERATOR, _clear),
        (STORAGE, 0x48): make_reader("get_sel_time", lambda call: call.bmc.events.now().to_bytes(4, "little")),
    }


def _reserve(call: Call) -> bytes:
    """Make a new reservation of the log and return its number. The previous reservation is no longer valid."""
    events = call.bmc.events
    events.reservation = events.reservation % 0xFFFF + 1
    return events.reservation.to_bytes(2, "little")


def _get_entry(call: Call) -> bytes:
    """Return the number of the next record and the requested bytes of a record; raise CommandError if no such record exists."""
    data = call.require(6)
    found = call.bmc.events.find(int.from_bytes(data[2:4], "little"))
    if found is None:
        raise CommandError(Code.NOT_PRESENT)
    following, record = found
    if following == LAST_RECORD and call.bmc.options.circular_event_log:
        following = next(iter(call.bmc.events.records))
    offset, count = data[4], data[5]
    if offset >= RECORD_BYTES:
        raise CommandError(Code.OUT_OF_RANGE)
    return following.to_bytes(2, "little") + record[offset : None if count == _WHOLE_RECORD else offset + count]


def _add_entry(call: Call) -> Operation:
    content = call.require(RECORD_BYTES)[2:RECORD_BYTES]
    return Operation("add_event", lambda _: call.bmc.events.add(content).to_bytes(2, "little"), changes=True)


def _clear(call: Call) -> Operation:
    """Return the operation that clears the log or reads the progress of a clear; raise CommandError if the reservation is old."""
    data = call.require(6)
    if data[2:5] != b"CLR" or data[5] not in (_GET_ERASE_STATUS, _INITIATE_ERASE):
        raise CommandError(Code.INVALID_FIELD)
    call.bmc.check_reservation(int.from_bytes(data[:2], "little"), call.bmc.events.reservation)
    if data[5] == _GET_ERASE_STATUS:
        return Operation("get_sel", lambda _: bytes((_ERASE_COMPLETED,)))
    clear = make_change("clear_sel", call.bmc.events.clear)
    return Operation("clear_sel", lambda fault: clear.run(fault) + bytes((_ERASE_COMPLETED,)), changes=True)
