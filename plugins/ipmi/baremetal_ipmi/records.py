"""Reading of records from the sensor repository and the event log of a BMC (IPMI 2.0, 31.5 and 33.12).

One request reads a whole record if the BMC allows that. Some BMCs return 16 or 8 bytes at most. Reading in parts requires a
reservation. A BMC has only one reservation for all clients (33.11), so that each client cancels that of the others.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from baremetal_interfaces import Deadline
from baremetal_ipmi.errors import BMCFull, CommandRefused, IPMIError
from baremetal_ipmi.session import IPMISession

STORAGE = 0x0A
"""Network function of the storage commands."""
NOT_PRESENT = 0xCB
"""Completion code for a record that does not exist."""
MAX_RESERVATIONS = 16
"""Number of lost reservations after which an operation fails."""

_RESERVATION_LOST, _INVALID_COMMAND = 0xC5, 0xC1
_SIZE_CODES = frozenset({0xC7, 0xC8, 0xCA, 0xFF})
"""Completion codes of BMCs that do not return the requested number of bytes."""
_WHOLE_RECORD = 0xFF
_PART_SIZES = (16, 8)
_NO_RESERVATION = b"\0\0"
_MAX_PAUSE_S = 0.2


@dataclass(frozen=True)
class Repository:
    """Commands and layout of a repository.

    *name* and *record* are words for errors. *get_length* returns the length of a record from its first bytes, and
    *header_bytes* is the number of bytes that it needs.
    """

    name: str
    record: str
    reserve: int
    get: int
    header_bytes: int
    get_length: Callable[[bytes], int]


class RecordUnreadable(IPMIError):
    """The BMC returned the start of a record and refuses the rest. *following* is the number of the next record."""

    def __init__(self, message: str, following: int) -> None:
        super().__init__(message)
        self.following = following


class ReservationLost(CommandRefused):
    """Another client, or a change of the repository, has cancelled the reservation."""


def reserve(session: IPMISession, repository: Repository, deadline: Deadline) -> bytes:
    """Return a new reservation. It is zero if the BMC has no such command, because it then requires none (31.4)."""
    try:
        return session.request(STORAGE, repository.reserve, deadline=deadline)[:2].ljust(2, b"\0")
    except CommandRefused as exc:
        if exc.code != _INVALID_COMMAND:
            raise
        return _NO_RESERVATION


def request_reserved(session: IPMISession, command: int, data: bytes, deadline: Deadline) -> bytes:
    """Send a storage command whose *data* begins with a reservation. Raises ReservationLost if the reservation is cancelled."""
    try:
        return session.request(STORAGE, command, data, deadline=deadline)
    except CommandRefused as exc:
        if exc.code == _RESERVATION_LOST:
            raise ReservationLost(exc.code, str(exc)) from None
        raise


def wait_for_reservation(repository: Repository, lost: int, deadline: Deadline) -> None:
    """Wait before the reservation that follows *lost* cancelled ones. Raises BMCFull after too many.

    The random pause lets the other client finish, so that the two do not keep cancelling the reservation of each other.
    """
    if lost >= MAX_RESERVATIONS or deadline.expired:
        reason = f"the BMC has cancelled the reservation {lost} times"
        raise BMCFull(f"the {repository.name} was not accessed: {reason}, probably for another client; try again later")
    time.sleep(min(random.uniform(0, _MAX_PAUSE_S), deadline.remaining()))


class RecordReader:
    """Reads the records of one repository of one controller. It remembers the size of the reads for later sessions."""

    def __init__(self, session: IPMISession, repository: Repository, deadline: Deadline) -> None:
        self._session = session
        self._repository = repository
        self._deadline = deadline
        self._reservation: bytes | None = None
        self._size = session.get_read_size(repository.get, _WHOLE_RECORD)

    def read(self, number: int) -> tuple[int, bytes]:
        """Return the number of the next record, and the record *number*.

        Raises RecordUnreadable if the BMC refuses a part of the record, BMCFull if the BMC keeps cancelling the
        reservation, and CommandRefused otherwise.
        """
        answer = self._read_whole(number) if self._size == _WHOLE_RECORD else None
        if answer is None:
            answer = self._read_in_parts(number)
        return int.from_bytes(answer[:2], "little"), answer[2:]

    def _read_whole(self, number: int) -> bytes | None:
        """Return the answer with the whole record, or None if it has to be read in parts."""
        try:
            answer = self._request(_NO_RESERVATION, number, 0, _WHOLE_RECORD)
        except CommandRefused as exc:
            if exc.code == NOT_PRESENT:
                raise
        else:
            length = self._repository.get_length(answer[2:])
            if len(answer) - 2 >= length:
                return answer[: 2 + length]
        self._size = _PART_SIZES[0]
        return None

    def _read_in_parts(self, number: int) -> bytes:
        lost = 0
        while True:
            try:
                if self._reservation is None:
                    self._reservation = reserve(self._session, self._repository, self._deadline)
                answer = self._read_under_reservation(self._reservation, number)
            except ReservationLost:
                self._reservation = None
                lost += 1
                wait_for_reservation(self._repository, lost, self._deadline)
            else:
                self._session.set_read_size(self._repository.get, self._size)
                return answer

    def _read_under_reservation(self, reservation: bytes, number: int) -> bytes:
        answer = self._read_part(reservation, number, 0, self._repository.header_bytes)
        # The first two bytes of each response are the number of the next record, not a part of this one.
        following, record = answer[:2], answer[2:]
        while (missing := self._repository.get_length(record) - len(record)) > 0:
            try:
                record += self._read_part(reservation, number, len(record), missing)[2:]
            except ReservationLost:
                raise
            except CommandRefused as exc:
                raise RecordUnreadable(
                    f"{self._repository.record} {number} cannot be read: {exc}", int.from_bytes(following, "little")
                ) from None
        return following + record

    def _read_part(self, reservation: bytes, number: int, offset: int, wanted: int) -> bytes:
        """Return *wanted* bytes of a record, or fewer if the BMC refuses as many."""
        while True:
            count = min(wanted, self._size)
            try:
                return self._request(reservation, number, offset, count)[: 2 + count]
            except CommandRefused as exc:
                smaller = next((size for size in _PART_SIZES if size < count), None)
                if exc.code not in _SIZE_CODES or smaller is None:
                    raise
                self._size = smaller

    def _request(self, reservation: bytes, number: int, offset: int, count: int) -> bytes:
        data = reservation + number.to_bytes(2, "little") + bytes((offset, count))
        answer = request_reserved(self._session, self._repository.get, data, self._deadline)
        if len(answer) < 3:
            raise IPMIError(f"{self._repository.record} {number} is truncated")
        return answer
