"""pyghmi's state machine of an RMCP+ session, with waiting of our own under it.

pyghmi's usual session shares sockets and a thread between all BMCs of a process and waits with ``select()``, which fails
once there are more than 1,024 files open; its simple session has none of that, and no timeouts either. It is the simple
one that is used here, for its messages and its cryptography alone: the socket, the waiting and the end of both are
here. This is the one module that knows pyghmi, whose session is not a published interface.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import Any, NoReturn

from pyghmi.ipmi.private import simplesession

from baremetal_interfaces import Deadline, check_send
from baremetal_ipmi.errors import BMCFull, IPMIError, LoginRefused, NoAnswer
from baremetal_ipmi.route import SEND_MESSAGE, Route

LOGIN_SECONDS = 10.0
"""How long a BMC may take over one message of the login itself, which is sent only once."""

_ANSWER_BYTES = 3000
_SHORTEST_MESSAGE = 14
_RMCP_PLUS = 6
_APPLICATION_ANSWER = 7
_SHA1, _SHA256 = 1, 256
_HASH_OF_SUITE = {3: _SHA1, 17: _SHA256}
_LOGGING_IN = frozenset({"EXPECTINGRAKP2", "EXPECTINGRAKP4"})

_NO_ROOM = frozenset({0x01, 0x0B})
"""RMCP+ status codes (IPMI 2.0, table 13-15) that say: not now."""

_NOT_YOU = frozenset({0x00, 0x09, 0x0A, 0x0C, 0x0D, 0x0E, 0x0F})
"""Those that are about the account; 0 where the mistake was found on this side."""


class Wire(simplesession.Session):  # type: ignore[misc]
    """One login at one BMC. A session belongs to one thread at a time."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        username: str,
        password: str,
        key: bytes | None,
        privilege: int,
        suite: int | None,
        deadline: Deadline,
    ) -> None:
        """Log in, exactly once. Raises :class:`~baremetal_ipmi.errors.IPMIError` or :class:`OSError`."""
        self.deadline = deadline
        self._first_hash = _HASH_OF_SUITE.get(suite or 17, _SHA256)
        self._only_hash = suite is not None
        self._status = 0
        self._retry_at = self._sent_at = 0.0
        self._peer: Any = None
        self._poll = select.poll()
        self.socket: socket.socket | None = None
        try:
            super().__init__(host, username, password, port=port, kg=key, privlevel=privilege)
        except BaseException:
            self.free()
            raise
        # There is nobody who would send keep-alives, and the entry would keep this session, with its keys, for ever.
        simplesession.Session.keepalive_sessions.pop(self, None)

    def free(self) -> None:
        """Give back the socket; the BMC is not told."""
        self.logged = 0
        simplesession.Session.keepalive_sessions.pop(self, None)
        if self.socket is not None:
            self.socket.close()

    def _make_ipmi_payload(
        self, netfn: int, command: int, bridge_request: Route | None = None, data: Any = (), rslun: int = 0
    ) -> bytearray:
        payload: bytearray = super()._make_ipmi_payload(netfn, command, None, data, rslun)
        if bridge_request is None:
            return payload
        # Each controller on the way says that it has handed the message on, and the last one to answer is the one that is asked.
        handed_on = (_APPLICATION_ANSWER, self.seqlun, SEND_MESSAGE)
        self.request_entry.extend([handed_on] * (1 if bridge_request.transit is None else 2))
        return bridge_request.message(netfn, command, data, self.seqlun, rslun)

    def say_goodbye(self) -> None:
        """End the session at the BMC, whatever is still unanswered; nothing is waited for."""
        self.lastpayload = None
        self.pendingpayloads.clear()
        self.incommand = False
        self.logout()

    def wait_for_rsp(self, timeout: float | None = None, callout: bool = True) -> None:
        """Wait for one answer, send again what was not answered, and give up at the deadline."""
        if self.deadline.expired:
            raise NoAnswer("no answer in time")
        until_retry = self._retry_at - time.monotonic()
        if self._poll.poll(1000.0 * max(0.0, min(until_retry, self.deadline.remaining()))):
            self.process_pktqueue()
        elif time.monotonic() >= self._retry_at:
            self._go_on_after_silence()

    def awaitresponse(self, retry: bool) -> None:
        """Wait until the command at hand is answered."""
        while retry and self.lastresponse is None and self.logged:
            self.wait_for_rsp()

    def process_pktqueue(self) -> None:
        """Take what has arrived. A message that cannot be read is dropped, as the protocol asks for."""
        assert self.socket is not None
        while True:
            try:
                message = bytearray(self.socket.recv(_ANSWER_BYTES, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return
            if len(message) < _SHORTEST_MESSAGE or message[0] != 6 or message[2:4] != b"\xff\x07":
                continue
            if self.authtype == _RMCP_PLUS and message[4] != _RMCP_PLUS:
                continue
            if not self.logged:
                # Messages outside of a session have no number. pyghmi remembers the number of a message before it knows
                # that the message is genuine, and a great one would make it drop all that follow.
                self.remseqnumber = 0
            try:
                self._handle_ipmi_packet(message, sockaddr=self._peer, qent=None)
            except (IndexError, struct.error):
                continue

    def onlogon(self, parameter: dict[str, Any]) -> None:
        """The login is over, one way or the other."""
        if "error" in parameter:
            self._refuse(str(parameter["error"]))
        super().onlogon(parameter)

    def login(self) -> None:
        """Begin. No second login is tried when this one fails."""
        super().login()
        self.logontries = 0

    def _refuse(self, error: str) -> NoReturn:
        if error.startswith("timeout"):
            raise NoAnswer("no answer")
        if self._status in _NO_ROOM:
            raise BMCFull(error)
        # Before the first message that depends on the account nothing is known about it.
        about_account = self.sessioncontext in (*_LOGGING_IN, "FAILED", "ESTABLISHED") and self._status in _NOT_YOU
        raise (LoginRefused if about_account else IPMIError)(error)

    def _assignsocket(self) -> socket.socket:
        """A socket that takes messages from the BMC alone, and is told when nothing listens there."""
        failure: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(self.bmc, self.port, type=socket.SOCK_DGRAM):
            made = socket.socket(family, kind, protocol)
            try:
                made.connect(address)
            except OSError as exc:
                made.close()
                failure = exc
                continue
            self._peer = address
            self._poll.register(made, select.POLLIN)
            return made
        raise failure or OSError(f"{self.bmc} has no address")

    def _initsession(self) -> None:
        super()._initsession()
        self.attemptedhash = self._first_hash

    def _xmit_packet(self, retry: bool = True, delay_xmit: float | None = None, timeout: float | None = None) -> None:
        if self.sequencenumber:
            self.sequencenumber += 1
        assert self.socket is not None
        check_send()
        self.socket.send(self.netpacket)
        check_send(sent=True)
        self._sent_at = time.monotonic()
        self._retry_at = self._sent_at + (self.timeout if timeout is None else timeout)

    def _go_on_after_silence(self) -> None:
        if self.sessioncontext not in _LOGGING_IN:
            self._timedout()
        elif time.monotonic() - self._sent_at > LOGIN_SECONDS:
            raise NoAnswer("the BMC began a login and did not finish it")
        else:
            # Sent again, it would count as another login, and those may lock an account.
            self._retry_at = time.monotonic() + 1.0

    def _mark_broken(self, error: str | None = None) -> None:
        """Leave the session as it is: whoever waits for it is told by an exception."""
        self.lastpayload = None
        self.logged = 0
        self.logging = False
        self.errormsg = error
        self.broken = True

    def _got_rmcp_response(self, data: bytearray) -> Any:
        self._take_status(data)
        if self._status and self._only_hash:
            raise IPMIError("the BMC does not know the cipher suite that ipmi_cipher_suite asks for")
        return super()._got_rmcp_response(data)

    def _got_rakp2(self, data: bytearray) -> Any:
        self._take_status(data)
        return super()._got_rakp2(data)

    def _got_rakp4(self, data: bytearray) -> Any:
        self._take_status(data)
        return super()._got_rakp4(data)

    def _take_status(self, data: bytearray) -> None:
        """Remember the status code of an answer to the message that was sent last; what is late or foreign has none."""
        if data[0] == self.rmcptag:
            self._status = data[1]

    def _relog(self) -> NoReturn:
        raise NoAnswer("the BMC forgot the login that it had begun")

    def _get_session_challenge(self) -> NoReturn:
        raise IPMIError("the BMC speaks IPMI 1.5 only, and IPMI 2.0 is needed")
