"""The steps of borrowing a session: take a request slot, get or open a session, record the outcome, and release both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from baremetal_interfaces import (
    AuthenticationFailed,
    BareMetalError,
    BMCBusy,
    BMCUnreachable,
    Connector,
    Deadline,
    DeadlineExceeded,
    DriverInfo,
    Fault,
    RequestUnanswered,
)
from baremetal_interfaces.faults import translate
from baremetal_interfaces.sending import current_slots, use_slots
from baremetal_sdk.bmc.connect_breakers import BMCBackedOff, ConnectAttempt, ConnectBreaker
from baremetal_sdk.bmc.sessions import BMC, PooledSession, SessionKey
from baremetal_sdk.bmc.slots import HeldSlot, RequestLimiter, SlotTaken
from baremetal_sdk.observability.redaction import redact

if TYPE_CHECKING:
    import ssl

_BREAKING_ERRORS = (BMCUnreachable, AuthenticationFailed)
"""Errors after which a session is not lent again."""
_EXPIRED_DEADLINE = Deadline(0.0)


class SessionExpired(AuthenticationFailed):
    """The BMC ended a session that had worked. A new login may help."""


class BMCCredential(NamedTuple):
    """One credential at one BMC, with the prepared arguments of a borrow: session key, connector, options, secrets and limit."""

    bmc: BMC
    key: SessionKey
    connector: Connector[Any]
    info: DriverInfo
    secrets: tuple[str, ...]
    """Values to mask in errors and logs."""
    slots: RequestLimiter
    way_breaker: ConnectBreaker
    """Breaker for requests with this credential to one part behind the BMC. That of the address is ``bmc.connect_breaker``."""

    @property
    def retry_delay(self) -> float:
        """Seconds until the breakers allow the next request; 0 if they allow it now."""
        return max(self.bmc.connect_breaker.retry_delay, self.way_breaker.retry_delay)


class SessionSource(Protocol):
    """The methods of ``BMCAccess`` that a borrow calls."""

    def prepare_login(self, credential: BMCCredential, deadline: Deadline) -> ssl.SSLContext | None:
        """Return the TLS context for a login, or None if the endpoint has no TLS options or no login is needed."""

    def acquire_session(
        self, credential: BMCCredential, deadline: Deadline, *, tls: ssl.SSLContext | None, wait: bool
    ) -> PooledSession:
        """Return a session for one more borrower, after a login if needed; ``SlotTaken`` if another login takes too long."""

    def release_session(self, credential: BMCCredential, pooled: PooledSession, *, is_broken: bool) -> None:
        """End one borrower's use of a session. A broken session is closed after its last borrower."""

    def record_accepted(self, credential: BMCCredential, pooled: PooledSession) -> None:
        """Delete the count of refused logins of a credential, because the BMC has accepted it now."""

    def record_refused(self, credential: BMCCredential) -> None:
        """Count a refusal of the credential by the BMC, at a request over an open session."""


@contextmanager
def borrow_session(
    source: SessionSource, credential: BMCCredential, deadline: Deadline, *, wait: bool, owner: object
) -> Iterator[Any]:
    """Lend a session for the duration of a ``with`` block.

    Each ``Exception`` of the block is raised as an error of the contract, without secrets. Without *wait*, ``SlotTaken`` is
    raised at once if the borrower would have to wait for a slot or for another login. With *wait*, ``BMCBusy`` is raised if
    the wait reaches *deadline*. *owner* is explained at ``BMCAccess.borrow_with``.
    """
    # Before the wait for a slot: callers of an unreachable BMC fail at once and do not queue up.
    credential.bmc.connect_breaker.check()
    credential.way_breaker.check()
    # Also before it: a file system that hangs must not occupy a slot of the BMC, which other nodes may share.
    tls = source.prepare_login(credential, deadline)
    attempt = ConnectAttempt(credential.bmc.connect_breaker, credential.way_breaker, deadline)
    try:
        # The slot comes before the attempt. A probe would otherwise block all other callers while it waits.
        with redact(credential.secrets), _limit_requests(credential, deadline, attempt, wait=wait, owner=owner), attempt:
            pooled = source.acquire_session(credential, deadline, tls=tls, wait=wait)
            yield from _lend(source, credential, pooled)
    except SlotTaken as exc:
        # Outside of the attempt, which has to see that the BMC was not asked.
        if not wait:
            raise
        raise BMCBusy(exc.message, retry_after=exc.retry_after) from None
    except BMCBackedOff as exc:
        raise BMCUnreachable(exc.message, retry_after=exc.retry_after) from None


def _lend(source: SessionSource, credential: BMCCredential, pooled: PooledSession) -> Iterator[Any]:
    """Yield the session once, translate the error of the borrower, and release the session."""
    connector = credential.connector
    try:
        secrets = (*credential.secrets, *connector.session_secrets(pooled.session))
    except BaseException as exc:
        source.release_session(credential, pooled, is_broken=True)
        if not isinstance(exc, Exception):
            raise
        raise _translate(exc, credential, credential.secrets) from None
    is_broken = False
    # The mask also covers the release, because the log-out may write the session's token to a log.
    with redact(secrets):
        try:
            yield pooled.session
            if pooled.is_doubted:
                source.record_accepted(credential, pooled)
        except Exception as exc:
            if _is_refused_request(exc, connector):
                source.record_refused(credential)
            error = _translate(exc, credential, secrets)
            is_broken = _breaks_session(error, connector)
            raise error from None
        except BaseException:
            # The borrower was interrupted, perhaps in the middle of an answer.
            is_broken = True
            raise
        finally:
            source.release_session(credential, pooled, is_broken=is_broken)


def _limit_requests(
    credential: BMCCredential, deadline: Deadline, attempt: ConnectAttempt, *, wait: bool, owner: object
) -> AbstractContextManager[None]:
    """Return a context manager for the request slots of a borrow.

    It provides a slot for each request if the borrower may wait and its connector takes turns. Otherwise it holds one slot for
    all requests. If the same owner already holds a slot in this context, it does nothing.
    """
    limiter, connector, current = credential.slots, credential.connector, current_slots()
    holds_slot_here = isinstance(current, HeldSlot) and current.semaphore is limiter.semaphore and current.owner is owner
    if holds_slot_here and owner is not None:
        # The same task would otherwise wait for itself.
        return nullcontext()
    if wait and connector.takes_turns:
        return use_slots(_TimedSlots(limiter, attempt))
    return _hold_one_slot(limiter, deadline if wait else _EXPIRED_DEADLINE, owner)


class _TimedSlots:
    """The request slots of a borrow. The time that the BMC has for its answer starts when a request gets its slot."""

    __slots__ = ("_attempt", "_limiter")

    def __init__(self, limiter: RequestLimiter, attempt: ConnectAttempt) -> None:
        self._limiter = limiter
        self._attempt = attempt

    def take(self, deadline: Deadline) -> None:
        """Wait for a slot and take it.

        Raises ``SlotTaken`` if none is free by *deadline*, and ``BMCBackedOff`` if the BMC was backed off meanwhile.
        """
        self._limiter.take(deadline)
        try:
            self._attempt.restart()
        except BMCBackedOff:
            self._limiter.give()
            raise

    def give(self) -> None:
        """Release the slot."""
        self._limiter.give()


@contextmanager
def _hold_one_slot(limiter: RequestLimiter, deadline: Deadline, owner: object) -> Iterator[None]:
    """Hold one slot for all requests of the block. Raise ``SlotTaken`` if no slot is free by *deadline*."""
    limiter.take(deadline)
    try:
        with use_slots(HeldSlot(limiter.semaphore, owner)):
            yield
    finally:
        limiter.give()


def _is_refused_request(exc: Exception, connector: Connector[Any]) -> bool:
    """Return whether the BMC refused the credential of a request.

    An error of the contract comes from an inner borrow, which has recorded the refusal.
    """
    return not isinstance(exc, BareMetalError) and connector.classify(exc) is Fault.AUTH


def _translate(exc: Exception, credential: BMCCredential, secrets: tuple[str, ...]) -> BareMetalError:
    """Return the error of the contract for an error of the block, with the *secrets* masked."""
    connector = credential.connector
    error = translate(exc, connector=connector, endpoint=credential.bmc.endpoint, secrets=secrets)
    if not isinstance(exc, BareMetalError) and connector.classify(exc) is Fault.EXPIRED:
        return SessionExpired(error.message)
    return error


def _breaks_session(error: BareMetalError, connector: Connector[Any]) -> bool:
    """Return whether the session must not be lent again after this error.

    An exceeded deadline or an unanswered request of one borrower says nothing about a shared session. A session of a single
    borrower may be in the middle of an answer.
    """
    if isinstance(error, DeadlineExceeded | RequestUnanswered | BMCBackedOff):
        return not connector.shareable
    return isinstance(error, _BREAKING_ERRORS)
