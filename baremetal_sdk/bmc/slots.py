"""Request slots: the limit on the requests in flight at one BMC, over all its users."""

from __future__ import annotations

import threading
from collections import deque

from baremetal_interfaces import BMCBusy, Deadline, Endpoint

_DEFAULT_PORTS = {"http": 80, "https": 443}

SCOPE_ADDRESS, SCOPE_SYSTEM = "address", "system"
"""Scope of a limit: all requests to one address and port, or those for one system behind an address."""
_BUSY_RETRY_S = 5.0
"""Seconds after which a caller that got no slot should try again."""


class SlotTaken(BMCBusy):
    """No request slot at the BMC became free in time, or the login of another borrower took too long. Nothing was sent."""


def make_slot_taken(endpoint: Endpoint) -> SlotTaken:
    """Return the error for a caller that got no slot at the BMC in time."""
    return SlotTaken(
        f"the BMC at {endpoint} serves other requests, and no request slot became free in time; try again later",
        retry_after=_BUSY_RETRY_S,
    )


def bmc_address(endpoint: Endpoint) -> tuple[str, int | None]:
    """Return the host and port that identify a BMC. Endpoints that differ in account, TLS or scheme may be one BMC."""
    return endpoint.host.lower(), endpoint.port or _DEFAULT_PORTS.get(endpoint.scheme)


class RequestSemaphore:
    """A fair semaphore that counts the requests in flight at one BMC. Thread-safe.

    Each caller brings its own limit, because nodes behind one address may allow different numbers of requests.
    """

    __slots__ = ("__weakref__", "_in_flight", "_lock", "endpoint", "waiters")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._lock = threading.Lock()
        self._in_flight = 0
        self.waiters: deque[tuple[threading.Lock, int]] = deque()
        """Callers that wait, in order: a held lock, which is released to admit the caller, and the caller's limit."""

    def take(self, limit: int, deadline: Deadline) -> None:
        """Wait until fewer than *limit* requests are in flight and take a slot; raise ``SlotTaken`` at *deadline*."""
        with self._lock:
            # A caller never overtakes those that wait, even if its own limit would admit it.
            if self._in_flight < limit and not self.waiters:
                self._in_flight += 1
                return
            # A lock for each waiter instead of one condition: give() wakes exactly the caller that it admits.
            admitted = threading.Lock()
            admitted.acquire()
            waiter = (admitted, limit)
            self.waiters.append(waiter)
        if admitted.acquire(timeout=deadline.remaining()):
            return
        with self._lock:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
                raise make_slot_taken(self.endpoint)
        # give() admitted this caller between the timeout and the lock: the slot is taken.

    def give(self) -> None:
        """Release a slot, and admit the waiters in their order for as long as their limits allow it."""
        with self._lock:
            self._in_flight -= 1
            while self.waiters and self._in_flight < self.waiters[0][1]:
                # Counted here and not by the waiter: otherwise another caller could take the slot before it wakes.
                self._in_flight += 1
                self.waiters.popleft()[0].release()

    @property
    def in_flight(self) -> int:
        """Number of requests in flight at the BMC."""
        return self._in_flight


class RequestLimiter:
    """The request slots of one borrower: the semaphore of the BMC with the limit of the borrower's node."""

    __slots__ = ("limit", "semaphore")

    def __init__(self, semaphore: RequestSemaphore, limit: int) -> None:
        self.semaphore = semaphore
        self.limit = limit

    def take(self, deadline: Deadline) -> None:
        """Wait for a slot and take it; raise ``SlotTaken`` if none is free by *deadline*."""
        self.semaphore.take(self.limit, deadline)

    def give(self) -> None:
        """Release the slot."""
        self.semaphore.give()


class HeldSlot:
    """The request slots of a borrower that holds one slot while it borrows a session. Each request uses that slot.

    A nested borrow with the same *owner* shares the slot. The owner, usually a task, would otherwise wait for itself.
    """

    __slots__ = ("owner", "semaphore")

    def __init__(self, semaphore: RequestSemaphore, owner: object) -> None:
        self.semaphore = semaphore
        self.owner = owner

    def take(self, deadline: Deadline) -> None:
        """Do nothing: the borrower already holds the slot."""

    def give(self) -> None:
        """Do nothing: the slot is released when the borrower releases its session."""
