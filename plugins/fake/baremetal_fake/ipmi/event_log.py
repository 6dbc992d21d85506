"""The System Event Log (SEL) of a simulated BMC (IPMI 2.0, chapters 31 and 32)."""

from __future__ import annotations

from collections.abc import Callable

CAPACITY = 512
"""Maximum number of records."""
RECORD_BYTES = 16
LAST_RECORD = 0xFFFF
"""Record number that stands for the last record in a request, and for "no further record" in an answer."""
POWER_STATE_SENSOR, POWER_STATE_TYPE = 0xF0, 0x22
"""Number and type (System ACPI Power State) of the sensor whose events power commands log."""

_SYSTEM_EVENT_RECORD = 0x02
_EPOCH_S = 1_700_000_000
"""Unix time in seconds that the log's clock shows when the service's clock shows zero."""


class EventLog:
    """Records of 16 bytes, the oldest first. A full log drops its oldest record.

    Not thread-safe: only the event loop of its service uses it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_number = 1
        self._erased_at = self._added_at = 0
        self.reservation = 0
        self.records: dict[int, bytes] = {}

    def now(self) -> int:
        """Return the time of the log's clock, as Unix time in seconds."""
        return _EPOCH_S + int(self._clock())

    def add_event(self, sensor_type: int, sensor: int, offset: int, asserted: bool = True) -> int:
        """Add a discrete event of a sensor and return its record number."""
        direction = 0x6F if asserted else 0xEF
        event = bytes((0x20, 0x00, 0x04, sensor_type, sensor, direction, offset, 0xFF, 0xFF))
        return self.add(bytes((_SYSTEM_EVENT_RECORD,)) + self.now().to_bytes(4, "little") + event)

    def add(self, content: bytes) -> int:
        """Add a record and return its number. *content* is the record without the number, padded or cut to 14 bytes."""
        number = self._next_number
        # 0 and FFFFh stand for the first and the last record, so numbers run from 1 to FFFEh.
        self._next_number = number % (LAST_RECORD - 1) + 1
        self.records[number] = number.to_bytes(2, "little") + content.ljust(RECORD_BYTES - 2, b"\0")[: RECORD_BYTES - 2]
        if len(self.records) > CAPACITY:
            del self.records[next(iter(self.records))]
        self._added_at = self.now()
        return number

    def clear(self) -> None:
        """Delete all records."""
        self.records.clear()
        self._erased_at = self.now()

    def info(self) -> bytes:
        """Return the answer to Get SEL Info.

        It holds the version 1.5, the number of records, the free bytes, the times of the last addition and erasure, and a
        flag that Reserve SEL is supported.
        """
        free = (CAPACITY - len(self.records)) * RECORD_BYTES
        times = self._added_at.to_bytes(4, "little") + self._erased_at.to_bytes(4, "little")
        return b"\x51" + len(self.records).to_bytes(2, "little") + min(free, 0xFFFE).to_bytes(2, "little") + times + b"\x02"

    def find(self, number: int) -> tuple[int, bytes] | None:
        """Return the number that follows record *number*, and the record itself; None if the record does not exist.

        The number 0 stands for the first record and FFFFh for the last.
        """
        numbers = list(self.records)
        if not numbers:
            return None
        number = {0: numbers[0], LAST_RECORD: numbers[-1]}.get(number, number)
        if number not in self.records:
            return None
        position = numbers.index(number) + 1
        following = numbers[position] if position < len(numbers) else LAST_RECORD
        return following, self.records[number]
