"""One borrower's use of a session: its turn at the BMC, the breaker, and errors without secrets."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

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
)
from baremetal_interfaces.faults import translate
from baremetal_interfaces.sending import current_slots, use_slots
from baremetal_sdk.bmc.sessions import BMC, Key, PooledSession
from baremetal_sdk.bmc.slots import HeldSlot, RequestLimiter, SlotTaken
from baremetal_sdk.observability.redaction import begin_secret, end_secret

if TYPE_CHECKING:
    from baremetal_sdk.bmc.access import BMCAccess

_BREAKING = (BMCUnreachable, AuthenticationFailed)
"""Errors after which a session is not given to anybody else."""
_NOW = Deadline(0.0)


class SessionExpired(AuthenticationFailed):
    """The BMC ended a session that had worked: a new login may cure it."""


class BMCCredential(NamedTuple):
    """One credential at one BMC: whose sessions are lent, what they are made of, and how many requests at a time."""

    bmc: BMC
    key: Key
    connector: Connector[Any]
    info: DriverInfo
    secrets: tuple[str, ...]
    slots: RequestLimiter


class Lending(AbstractContextManager[Any]):
    """A session for as long as the block lasts. What the block raises comes out translated."""

    __slots__ = (
        "_access",
        "_account",
        "_asking",
        "_deadline",
        "_kept",
        "_masked",
        "_masked_too",
        "_owner",
        "_probe",
        "_turn",
        "_turns",
        "_wait",
    )

    def __init__(self, access: BMCAccess, account: BMCCredential, deadline: Deadline, wait: bool, owner: object) -> None:
        self._access = access
        self._account = account
        self._deadline = deadline
        self._wait = wait
        self._owner = owner
        self._asking = self._probe = False
        self._turn: RequestLimiter | None = None
        self._turns: use_slots | None = None
        self._kept: PooledSession | None = None
        self._masked: Token[tuple[str, ...]] | None = None
        self._masked_too: Token[tuple[str, ...]] | None = None

    def __enter__(self) -> Any:
        account = self._account
        account.bmc.connect_breaker.check()
        self._masked = begin_secret(account.secrets)
        try:
            self._take_turn()
            self._probe = account.bmc.connect_breaker.begin()
            self._asking = True
            kept = self._kept = self._access.session(account, self._deadline, wait=self._wait)
            self._masked_too = begin_secret(account.connector.session_secrets(kept.session))
        except BaseException as exc:
            self._end(exc)
            raise self._worded(exc) from None
        return kept.session

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        error = self._translated(exc) if isinstance(exc, Exception) else exc
        if self._kept is not None:
            if error is None and self._kept.doubted:
                self._access.accepted(self._account, self._kept)
            elif isinstance(exc, Exception) and self._is_refusal(exc):
                self._access.refused(self._account)
            self._access.give_back(self._account, self._kept, broken=error is not None and self._breaks(error))
        self._end(error)
        worded = None if error is None else self._worded(error)
        if worded is not exc and worded is not None:
            raise worded from None

    def _is_refusal(self, exc: Exception) -> bool:
        """Whether the BMC has refused the credential of a request; what is said by others has been counted by them."""
        return not isinstance(exc, BareMetalError) and self._account.connector.classify(exc) is Fault.AUTH

    def _breaks(self, error: BaseException) -> bool:
        """Whether the session is spoilt. Where others use it, too, that the time of one is over says nothing about it."""
        if isinstance(error, DeadlineExceeded):
            return not self._account.connector.shareable
        return isinstance(error, _BREAKING) or not isinstance(error, Exception)

    def _take_turn(self) -> None:
        """Have turns given for each request, or take one for all of the block; who has one already needs no other."""
        turns, current = self._account.slots, current_slots()
        if isinstance(current, HeldSlot) and current.gate is turns.gate and current.owner is self._owner is not None:
            return
        connector = self._account.connector
        if self._wait and (connector.takes_turns or connector.shareable):
            self._turns = use_slots(turns)
        else:
            turns.take(self._deadline if self._wait else _NOW)
            self._turn = turns
            self._turns = use_slots(HeldSlot(turns.gate, self._owner))
        self._turns.__enter__()

    def _end(self, outcome: BaseException | None) -> None:
        if self._asking:
            self._account.bmc.connect_breaker.end(self._probe, outcome)
        if self._turns is not None:
            self._turns.__exit__(None, None, None)
        if self._turn is not None:
            self._turn.give()
        for token in (self._masked_too, self._masked):
            if token is not None:
                end_secret(token)

    def _translated(self, exc: Exception) -> BareMetalError:
        connector = self._account.connector
        kept = self._kept
        tokens = () if kept is None else connector.session_secrets(kept.session)
        secrets = (*self._account.secrets, *tokens)
        error = translate(exc, connector=connector, endpoint=self._account.bmc.endpoint, secrets=secrets)
        if not isinstance(exc, BareMetalError) and connector.classify(exc) is Fault.EXPIRED:
            return SessionExpired(error.message)
        return error

    def _worded(self, error: BaseException) -> BaseException:
        """What who waited is told: a turn that did not come is a BMC that is busy."""
        if isinstance(error, SlotTaken) and self._wait:
            return BMCBusy(error.message, retry_after=error.retry_after)
        return error
