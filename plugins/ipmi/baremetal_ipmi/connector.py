"""Connector for IPMI: login at a BMC, and sessions at the BMC itself and at the controllers behind it."""

from __future__ import annotations

import errno
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from baremetal_interfaces import Connector, Deadline, Fault, Kind, Task, request_slot
from baremetal_ipmi.errors import BMCFull, LoginRefused, NoAnswer, SessionLost
from baremetal_ipmi.info import PRIVILEGE_LEVELS, IPMIInfo
from baremetal_ipmi.session import IPMISession, Login
from baremetal_ipmi.wire import Wire

if TYPE_CHECKING:
    import ssl

_LOCAL_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EBADF})
"""Socket errors of this process or host, which say nothing about the BMC."""


class IPMIConnector(Connector[IPMISession]):
    """Opens RMCP+ sessions. A BMC processes one command at a time and has few sessions."""

    max_in_flight = 1
    shareable = True
    takes_turns = True

    def open(self, info: IPMIInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> IPMISession:
        """Log in exactly once with the account of *info*, and return the session at the BMC itself."""
        with request_slot(deadline):
            wire = Wire(
                info.endpoint().host,
                info.ipmi_port,
                username=info.ipmi_username,
                password=info.ipmi_password,
                key=bytes.fromhex(info.ipmi_hex_kg_key) if info.ipmi_hex_kg_key else None,
                privilege=PRIVILEGE_LEVELS[info.ipmi_priv_level],
                suite=info.ipmi_cipher_suite,
                deadline=deadline,
            )
        return Login(wire).get_session()

    def session_key(self, info: IPMIInfo) -> Hashable:
        """Return the privilege level and the cipher suite. One login serves all controllers behind a BMC."""
        return (info.ipmi_priv_level, info.ipmi_cipher_suite)

    def close(self, session: IPMISession, deadline: Deadline) -> None:
        """Send Close Session and release the socket, without waiting for the response."""
        session.close(deadline)

    def classify(self, exc: Exception) -> Fault:
        """Return the fault for an exception of a login, a session or its socket.

        Socket errors of this host, such as too many open files, are ``OTHER``: they say nothing about the BMC.
        """
        meanings = {LoginRefused: Fault.AUTH, SessionLost: Fault.EXPIRED, NoAnswer: Fault.UNREACHABLE, BMCFull: Fault.BUSY}
        for error, fault in meanings.items():
            if isinstance(exc, error):
                return fault
        if isinstance(exc, OSError) and exc.errno not in _LOCAL_ERRNOS:
            return Fault.UNREACHABLE
        return Fault.OTHER


@contextmanager
def borrow_controller(task: Task, kind: Kind) -> Iterator[IPMISession]:
    """Borrow a session at the controller in the ``driver_info`` of the interface of *kind*: the BMC, or one behind it."""
    with task.session(IPMIConnector) as session:
        yield session.get_for_route(task.info(kind).build_route())
