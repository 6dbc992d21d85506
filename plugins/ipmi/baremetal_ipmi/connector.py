"""How a session at a BMC is opened."""

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

_OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EBADF})
"""Errors of the socket that say nothing about the BMC."""


class IPMIConnector(Connector[IPMISession]):
    """Logs in over RMCP+. A BMC answers one command at a time and has room for few sessions."""

    max_in_flight = 1
    shareable = True
    takes_turns = True

    def open(self, info: IPMIInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> IPMISession:
        """Log in once."""
        with request_slot(deadline):
            wire = Wire(
                info.ipmi_address,
                info.ipmi_port,
                username=info.ipmi_username,
                password=info.ipmi_password,
                key=bytes.fromhex(info.ipmi_hex_kg_key) if info.ipmi_hex_kg_key else None,
                privilege=PRIVILEGE_LEVELS[info.ipmi_priv_level],
                suite=info.ipmi_cipher_suite,
                deadline=deadline,
            )
        return Login(wire).session()

    def session_key(self, info: IPMIInfo) -> Hashable:
        """How it logs in. All controllers behind a BMC are asked over one login."""
        return (info.ipmi_priv_level, info.ipmi_cipher_suite)

    def close(self, session: IPMISession, deadline: Deadline) -> None:
        """Log out; nothing is waited for."""
        session.close(deadline)

    def classify(self, exc: Exception) -> Fault:
        """What an error of a session or of its socket means."""
        meanings = {LoginRefused: Fault.AUTH, SessionLost: Fault.EXPIRED, NoAnswer: Fault.UNREACHABLE, BMCFull: Fault.BUSY}
        for error, fault in meanings.items():
            if isinstance(exc, error):
                return fault
        if isinstance(exc, OSError) and exc.errno not in _OUR_OWN:
            return Fault.UNREACHABLE
        return Fault.OTHER


@contextmanager
def asked(task: Task, kind: Kind) -> Iterator[IPMISession]:
    """A session at the controller that is the node's: the BMC itself, or one behind it."""
    with task.session(IPMIConnector) as session:
        yield session.towards(task.info(kind).route())
