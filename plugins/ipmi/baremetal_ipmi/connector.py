"""Connector for IPMI: login at a BMC, and sessions at the BMC itself and at the controllers behind it."""

from __future__ import annotations

import socket
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from baremetal_interfaces import Connector, Deadline, Fault, Kind, Task, request_slot
from baremetal_interfaces.http import NameLookupFailed
from baremetal_interfaces.http.socket import LOCAL_ERRNOS, resolve
from baremetal_ipmi.errors import BMCFull, CommandUnanswered, LoginRefused, NoAnswer, SessionLost
from baremetal_ipmi.info import PRIVILEGE_LEVELS, IPMIInfo
from baremetal_ipmi.session import IPMISession, Login
from baremetal_ipmi.traits import TraitsCache
from baremetal_ipmi.wire import Wire

if TYPE_CHECKING:
    import ssl

_FAULTS: dict[type[Exception], Fault] = {
    LoginRefused: Fault.AUTH,
    SessionLost: Fault.EXPIRED,
    NoAnswer: Fault.UNREACHABLE,
    CommandUnanswered: Fault.UNANSWERED,
    BMCFull: Fault.BUSY,
    NameLookupFailed: Fault.UNRESOLVED,
}


class IPMIConnector(Connector[IPMISession]):
    """Opens RMCP+ sessions. A BMC processes one command at a time and has few sessions."""

    max_in_flight = 1
    shareable = True
    takes_turns = True
    traits: ClassVar[TraitsCache] = TraitsCache()
    """Behavior of the BMCs. Sessions come and go, and a BMC keeps its limits."""

    def open(self, info: IPMIInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> IPMISession:
        """Log in exactly once with the account of *info*, and return the session at the BMC itself."""
        # Before the slot is taken, because a name lookup may hang.
        addresses = resolve(info.ipmi_address, info.ipmi_port, deadline, kind=socket.SOCK_DGRAM)
        with request_slot(deadline):
            wire = Wire(
                info.endpoint().host,
                info.ipmi_port,
                username=info.ipmi_username,
                password=info.ipmi_password,
                key=bytes.fromhex(info.ipmi_hex_kg_key) if info.ipmi_hex_kg_key else None,
                privilege=PRIVILEGE_LEVELS[info.ipmi_priv_level],
                suite=info.ipmi_cipher_suite,
                addresses=addresses,
                deadline=deadline,
                traits=self.traits.get(info.endpoint().host, info.ipmi_port),
            )
        return Login(wire).get_session()

    def session_key(self, info: IPMIInfo) -> Hashable:
        """Return the privilege level and the cipher suite. One login serves all controllers behind a BMC."""
        return (info.ipmi_priv_level, info.ipmi_cipher_suite)

    def failure_scope(self, info: IPMIInfo) -> Hashable:
        """Return the route to the controller: one that does not answer says nothing about the BMC and its other controllers."""
        return info.build_route()

    def close(self, session: IPMISession, deadline: Deadline) -> None:
        """Send Close Session and release the socket, without waiting for the response."""
        session.close(deadline)

    def classify(self, exc: Exception) -> Fault:
        """Return the fault for an exception of a login, a session or its socket.

        Socket errors of this host, such as too many open files, are ``OTHER``: they say nothing about the BMC.
        """
        fault = next((fault for error, fault in _FAULTS.items() if isinstance(exc, error)), None)
        if fault is not None:
            return fault
        return Fault.UNREACHABLE if isinstance(exc, OSError) and exc.errno not in LOCAL_ERRNOS else Fault.OTHER


@contextmanager
def borrow_controller(task: Task, kind: Kind) -> Iterator[IPMISession]:
    """Borrow a session at the controller in the ``driver_info`` of the interface of *kind*: the BMC, or one behind it."""
    with task.session(IPMIConnector) as session:
        yield session.get_for_route(task.info(kind).build_route())
