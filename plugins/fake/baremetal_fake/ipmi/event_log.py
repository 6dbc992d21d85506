"""System Event Log (SEL) of a simulated IPMI BMC (IPMI 2.0, chapters 31 and 32)."""

from __future__ import annotations

from collections.abc import Callable

CAPACITY = 512
"""Maximum number of records in the log."""
RECORD_BYTES = 16
LAST_RECORD = 0xFFFF
"""Record number that means the last record in a request, and "no further record" in an answer."""
POWER_STATE_SENSOR, POWER_STATE_TYPE = 0xF0, 0x22
"""Number and type (System ACPI Power State) of the sensor whose events the BMC logs for power commands."""

_SYSTEM_EVENT_RECORD = 0x02
_EPOCH_S = 1_700_000_000
"""Unix time in seconds that the log's clock shows when the clock of the service shows zero."""


class EventLog:
    """The System Event Log: records of 16 bytes, the oldest first. A full log drops its oldest record.

    Not thread-safe: only the event loop of its service uses the log.
    """

    def __init__(self, clock: Callable[[], float], first_number: int = 1) -> None:
        self._clock = clock
        self._first_number = self._next_number = first_number
        self._erased_at = self._added_at = 0
        self.reservation = 0
        self.records: dict[int, bytes] = {}

    def now(self) -> int:
        """Return the time of the log's clock as Unix time in seconds."""
        return _EPOCH_S + int(self._clock())

    def add_event(self, sensor_type: int, sensor: int, offset: int, asserted: bool = True) -> int:
        """Add a discrete event of sensor number *sensor* and return its record number.

        *asserted* is false if the state has ended.
        """
        direction = 0x6F if asserted else 0xEF
        event = bytes((0x20, 0x00, 0x04, sensor_type, sensor, direction, offset, 0xFF, 0xFF))
        return self.add(bytes((_SYSTEM_EVENT_RECORD,)) + self.now().to_bytes(4, "little") + event)

    def add(self, content: bytes) -> int:
        """Add a record and return its number. *content* is the record without the number; it is padded or cut to 14 bytes."""
        number = self._next_number
        # 0 and FFFFh stand for the first and the last record, so numbers run from 1 to FFFEh.
        self._next_number = number % (LAST_RECORD - 1) + 1
        self.records[number] = number.to_bytes(2, "little") + content.ljust(RECORD_BYTES - 2, b"\0")[: RECORD_BYTES - 2]
        if len(self.records) > CAPACITY:
            del self.records[next(iter(self.records))]
        self._added_at = self.now()
        return number

    def clear(self) -> None:
        """Delete all records, and note the time of the erasure."""
        self.records.clear()
        if not self._first_number:
            self._next_number = 0
        self._erased_at = self.now()

    def info(self) -> bytes:
        """Return the data of the answer to Get SEL Info.

        The data holds the version 1.5, the number of records, the free bytes, and the times of the last addition and
        erasure. A flag says that Reserve SEL is supported.
        """
        free = (CAPACITY - len(self.records)) * RECORD_BYTES
        times = self._added_at.to_bytes(4, "little") + self._erased_at.to_bytes(4, "little")
        return b"\x51" + len(self.records).to_bytes(2, "little") + min(free, 0xFFFE).to_bytes(2, "little") + times + b"\x02"

    def find(self, number: int) -> tuple[int, bytes] | None:
        """Return the number of the record after record *number*, and record *number* itself; None if it does not exist.

        In *number*, 0 means the first record and FFFFh the last. In the result, FFFFh means that no record follows.
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
