"""A BMC's log of system events (SEL; IPMI 2.0, chapters 31 and 32)."""

from __future__ import annotations

from collections.abc import Callable

from baremetal_fake.ipmi.commands import Call, Code, Command, Level, Operation, Refused, Table, changing, reading

STORAGE = 0x0A
CAPACITY = 512
_RECORD = 16
_SYSTEM_EVENT = 0x02
_LAST = 0xFFFF
_EPOCH = 1_700_000_000
"""What the log's clock shows when the service's shows zero."""
_CLEARED = 0x01

POWER_STATE_SENSOR, POWER_STATE_TYPE = 0xF0, 0x22
"""The sensor of the events that power commands leave: system ACPI power state, S0 and S5."""


class EventLog:
    """Records of sixteen bytes, the oldest first. The oldest goes when it is full."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = 1
        self._erased_at = self._added_at = 0
        self.reservation = 0
        self.records: dict[int, bytes] = {}

    def now(self) -> int:
        """The time on the log's clock, in seconds since 1970."""
        return _EPOCH + int(self._clock())

    def add_event(self, sensor_type: int, sensor: int, offset: int, asserted: bool = True) -> int:
        """Note a discrete event of a sensor; the number of its record."""
        direction = 0x6F if asserted else 0xEF
        event = bytes((0x20, 0x00, 0x04, sensor_type, sensor, direction, offset, 0xFF, 0xFF))
        return self.add(bytes((_SYSTEM_EVENT,)) + self.now().to_bytes(4, "little") + event)

    def add(self, content: bytes) -> int:
        """Add a record without its number; give back the number."""
        number, self._next = self._next, self._next % (_LAST - 1) + 1
        self.records[number] = number.to_bytes(2, "little") + content.ljust(_RECORD - 2, b"\0")[: _RECORD - 2]
        if len(self.records) > CAPACITY:
            del self.records[next(iter(self.records))]
        self._added_at = self.now()
        return number

    def clear(self) -> None:
        """Leave nothing."""
        self.records.clear()
        self._erased_at = self.now()

    def info(self) -> bytes:
        """Version 1.5, how many, room, when something was added and erased, and that it can be reserved."""
        room = (CAPACITY - len(self.records)) * _RECORD
        times = self._added_at.to_bytes(4, "little") + self._erased_at.to_bytes(4, "little")
        return b"\x51" + len(self.records).to_bytes(2, "little") + min(room, 0xFFFE).to_bytes(2, "little") + times + b"\x02"

    def entry(self, number: int) -> tuple[int, bytes]:
        """The number of the record after *number* (0: the first, 0xFFFF: the last), and that record itself."""
        numbers = list(self.records)
        if not numbers:
            raise Refused(Code.NOT_PRESENT)
        found = {0: numbers[0], _LAST: numbers[-1]}.get(number, number)
        if found not in self.records:
            raise Refused(Code.NOT_PRESENT)
        at = numbers.index(found) + 1
        return numbers[at] if at < len(numbers) else _LAST, self.records[found]


def commands() -> Table:
    """The commands of this module."""
    return {
        (STORAGE, 0x40): reading("get_sel", lambda call: call.bmc.events.info()),
        (STORAGE, 0x42): reading("get_sel", _reserve),
        (STORAGE, 0x43): reading("get_sel", _entry),
        (STORAGE, 0x44): Command(Level.OPERATOR, _add),
        (STORAGE, 0x47): Command(Level.OPERATOR, _clear),
        (STORAGE, 0x48): reading("get_sel_time", lambda call: call.bmc.events.now().to_bytes(4, "little")),
    }


def _reserve(call: Call) -> bytes:
    events = call.bmc.events
    events.reservation = events.reservation % _LAST + 1
    return events.reservation.to_bytes(2, "little")


def _entry(call: Call) -> bytes:
    data = call.need(6)
    following, record = call.bmc.events.entry(int.from_bytes(data[2:4], "little"))
    offset, count = data[4], data[5]
    if offset >= _RECORD:
        raise Refused(Code.OUT_OF_RANGE)
    return following.to_bytes(2, "little") + record[offset : None if count == 0xFF else offset + count]


def _add(call: Call) -> Operation:
    content = call.need(_RECORD)[2:_RECORD]
    return Operation("add_event", lambda _: call.bmc.events.add(content).to_bytes(2, "little"), changes=True)


def _clear(call: Call) -> Operation:
    data = call.need(6)
    if data[2:5] != b"CLR" or data[5] not in (0x00, 0xAA):
        raise Refused(Code.INVALID_FIELD)
    if int.from_bytes(data[:2], "little") != call.bmc.events.reservation:
        raise Refused(Code.RESERVATION_LOST)
    if data[5] == 0x00:
        return Operation("get_sel", lambda _: bytes((_CLEARED,)))
    cleared = changing("clear_sel", call.bmc.events.clear)
    return Operation("clear_sel", lambda fault: cleared.run(fault) + bytes((_CLEARED,)), changes=True)
