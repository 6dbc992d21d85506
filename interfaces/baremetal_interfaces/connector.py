"""How a plugin opens a session at a BMC. Who shares it, when it is renewed and closed, is the runtime's work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    import ssl

    from baremetal_interfaces.deadline import Deadline

S = TypeVar("S")
"""The session of one device library."""


class TLSOptions(NamedTuple):
    """How to trust a BMC and how to be trusted by it. Paths name PEM files; *ca_file* may be a directory, too."""

    verify: bool = True
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    minimum_version: str | None = None
    ciphers: str | None = None


class Endpoint(NamedTuple):
    """Where a BMC is and as whom it is spoken to: the key of the cap in flight, of the breaker and of the session."""

    scheme: str
    host: str
    port: int | None = None
    account: str | None = None
    tls: TLSOptions | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{host}{port}" if self.scheme else f"{host}{port}"


class Fault(Enum):
    """What an exception of a device library means to the runtime."""

    AUTH = "the credentials are refused"
    EXPIRED = "the session is no longer valid, and a new login may cure it"
    UNREACHABLE = "nothing answers"
    BUSY = "the BMC asks to come back later"
    OTHER = "anything else"


class Connector(ABC, Generic[S]):
    """Opens and closes the sessions of one device library. One instance serves all threads of a conductor."""

    max_in_flight: ClassVar[int] = 1
    """Requests that one BMC is sent at a time, unless the operator says otherwise."""

    shareable: ClassVar[bool] = False
    """Whether several threads may use a session at the same time, because the session itself takes a slot for each request.
    A session that is not shareable has one borrower at a time."""

    takes_turns: ClassVar[bool] = False
    """Whether its sessions take a request slot for each request (:func:`~baremetal_interfaces.request_slot`). The borrower of
    a session of another connector holds one slot for as long as it has the session."""

    loggers: ClassVar[tuple[str, ...]] = ()
    """Loggers of the device library, whose lines may hold secrets."""

    @abstractmethod
    def open(self, info: Any, tls: ssl.SSLContext | None, deadline: Deadline) -> S:
        """Log in exactly once, without a retry, and give back the session.

        *info* is the typed ``driver_info`` of the interface that borrows. *tls* is a shared context where the endpoint
        has TLS options. Whatever the device library raises may be raised; :meth:`classify` tells what it means.
        """

    def session_key(self, info: Any) -> Hashable:
        """What of *info*, beside endpoint and secrets, makes a session another one: how it logs in, for instance."""
        return None

    def session_secrets(self, session: S) -> tuple[str, ...]:
        """What of an open session must not be seen in logs and errors: its token, for one."""
        return ()

    @abstractmethod
    def close(self, session: S, deadline: Deadline) -> None:
        """Log out and free the session. It may be broken already."""

    @abstractmethod
    def classify(self, exc: Exception) -> Fault:
        """Tell what *exc*, raised by :meth:`open` or while the session was used, means."""
