"""Connectors: how a plugin opens and closes sessions with a BMC.

The runtime decides which callers share a session, when it is renewed, and when it is closed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    import ssl

    from baremetal_interfaces.deadline import Deadline

S = TypeVar("S")
"""The session type of a device library."""


class TLSOptions(NamedTuple):
    """TLS settings for the connections to a BMC.

    *ca_file* is a PEM file or a directory of hashed certificates (``openssl rehash``); None stands for the CA certificates
    of the system. *client_cert* and *client_key* are PEM files. *minimum_version* is ``TLSv1``, ``TLSv1.1``, ``TLSv1.2`` or
    ``TLSv1.3``. *ciphers* is an OpenSSL cipher list. With *verify* False the certificate of the BMC is not checked.
    """

    verify: bool = True
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    minimum_version: str | None = None
    ciphers: str | None = None


class Endpoint(NamedTuple):
    """The address of a BMC and the account used there.

    *scheme* may be empty, and *port* is None for the default port. The runtime uses the endpoint as the key for the limit on
    requests in flight, for circuit breakers, and for shared sessions.
    """

    scheme: str
    host: str
    port: int | None = None
    account: str | None = None
    tls: TLSOptions | None = None

    def __str__(self) -> str:
        # Imported here, because the pool of threads imports this module and needs no addresses.
        from baremetal_interfaces.addresses import build_url, format_netloc

        if not self.scheme:
            return format_netloc(self.host, self.port)
        return build_url(self.scheme, self.host, self.port)


class MachineAddress(NamedTuple):
    """The address of one machine: that of its *bmc*, and the *machine* among those of the BMC.

    *bmc* is a host, with a port if that is not the default, in lower case. None for *machine* stands for the only machine of the
    BMC.
    """

    bmc: str
    machine: str | None = None

    def __str__(self) -> str:
        return self.bmc if self.machine is None else f"{self.bmc} {self.machine}".rstrip()


class Fault(Enum):
    """The meaning of an exception of a device library. It determines the reaction of the runtime. Values are descriptions."""

    AUTH = "the credentials are refused"
    EXPIRED = "the session is no longer valid, and a new login may cure it"
    UNREACHABLE = "nothing answers"
    UNANSWERED = "the BMC was reached, and it or a part behind it did not answer the request"
    UNRESOLVED = "the host name was not resolved"
    BUSY = "the BMC asks to come back later"
    OTHER = "anything else"


class Connector(ABC, Generic[S]):
    """Opens and closes the sessions of one device library. All threads of a conductor share one instance."""

    max_in_flight: ClassVar[int] = 1
    """Maximum number of requests in flight at one BMC, over all its sessions, unless the operator configures another number."""

    shareable: ClassVar[bool] = False
    """Whether several threads may use a session at the same time. If True, the session must be thread-safe, and
    :attr:`takes_turns` should be True. If False, a session has one borrower at a time."""

    takes_turns: ClassVar[bool] = False
    """Whether the sessions take a request slot for each request (:func:`~baremetal_interfaces.request_slot`).

    If False, a borrower holds one slot until it returns the session, also if the sessions are :attr:`shareable`.
    """

    loggers: ClassVar[tuple[str, ...]] = ()
    """Names of loggers of the device library. The runtime removes secrets from their lines."""

    @abstractmethod
    def open(self, info: Any, tls: ssl.SSLContext | None, deadline: Deadline) -> S:
        """Log in exactly once, without a retry, and return the session.

        *info* is the typed ``driver_info`` of the interface that borrows the session. *tls* is a shared context if the
        endpoint has TLS options, else None. Exceptions of the device library may pass: :meth:`classify` interprets them.
        """

    def session_key(self, info: Any) -> Hashable:
        """Return the values of *info* that a shared session depends on, such as the login method.

        Tasks share a session only if endpoint, secrets and this key are equal.
        """
        return None

    def failure_scope(self, info: Any) -> Hashable:
        """Return the part behind the BMC that the requests of the node with *info* are for, such as a system or a controller.

        An unanswered request (``Fault.UNANSWERED``) counts against nodes with the same endpoint, credentials and scope only.
        """
        return None

    def session_secrets(self, session: S) -> tuple[str, ...]:
        """Return the secrets of an open session, such as its token. The runtime removes them from logs and errors."""
        return ()

    @abstractmethod
    def close(self, session: S, deadline: Deadline) -> None:
        """Log out and release all resources of *session*, which may be broken already, by *deadline*."""

    @abstractmethod
    def classify(self, exc: Exception) -> Fault:
        """Return the meaning of *exc*, which :meth:`open` or the use of a session raised; ``Fault.OTHER`` if it is unknown."""
