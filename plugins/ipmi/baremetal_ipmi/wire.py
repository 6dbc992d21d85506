"""RMCP+ session with a BMC: pyghmi's protocol code, with the socket, deadlines and retries of this plugin.

pyghmi's usual session shares sockets and a thread between all BMCs of a process. It waits with ``select()``, which fails
once more than 1,024 files are open. Its simple session shares nothing but has no timeouts. The class here uses the simple
session for messages and cryptography, and replaces the socket, the waiting and the end of both.

No other module imports pyghmi, whose session is not a published interface.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from pyghmi.ipmi.private import simplesession

from baremetal_interfaces import Deadline, check_send
from baremetal_interfaces.http.socket import Address, resolve
from baremetal_ipmi.errors import (
    BMCFull,
    CommandUnanswered,
    IPMIError,
    LevelRefused,
    LoginRefused,
    NoAnswer,
    SuiteRefused,
    TargetUnanswered,
)
from baremetal_ipmi.route import SEND_MESSAGE, Route
from baremetal_ipmi.traits import BMCTraits

LOGIN_TIMEOUT_S = 10.0
"""Seconds to wait for the response to one message of a login. These messages are sent only once."""

TARGET_TIMEOUT_S = 3.0
"""Seconds to wait for a controller behind the BMC after the BMC has taken the message for it. Meanwhile the BMC serves no other
command of this conductor."""

_MAX_RESPONSE_BYTES = 3000
_MIN_MESSAGE_BYTES = 14
_RMCP_PLUS = 6
_APPLICATION_RESPONSE = 7
_SHA1, _SHA256 = 1, 256
_SUITE_HASHES = {3: _SHA1, 17: _SHA256}
_SUITE_ALGORITHMS = {_SHA1: (1, 1, 1), _SHA256: (3, 4, 1)}
"""Algorithms of authentication, integrity and confidentiality (IPMI 2.0, tables 13-17 to 13-19), by the value of pyghmi."""
_OPEN_INTERVALS_S = (1.0, 1.5, 2.0)
"""Seconds to wait for the answer to the first and the following requests for a cipher suite."""
_PROTECTED = 0xC0
"""Flags of a message with integrity code and encryption."""
_LOGIN_STATES = frozenset({"EXPECTINGRAKP2", "EXPECTINGRAKP4"})

_BUSY_STATUSES = frozenset({0x01, 0x0B})
"""RMCP+ status codes of a temporary lack of resources (IPMI 2.0, table 13-15)."""

_LEVEL_STATUSES = frozenset({0x09, 0x0A})
"""RMCP+ status codes of a privilege level that the BMC does not grant."""
_UNAUTHORIZED_NAME = 0x0D

_ACCOUNT_STATUSES = frozenset({0x00, 0x09, 0x0A, 0x0C, 0x0D, 0x0E, 0x0F})
"""RMCP+ status codes of a refused account. Status 0 stands for an error that this side found in the BMC's message."""


_LEVEL_ADVICE = "set ipmi_priv_level to a level that the account has, such as OPERATOR"


class Wire(simplesession.Session):  # type: ignore[misc]
    """One login at one BMC. Only one thread may use it at a time."""

    seqlun: int
    """Sequence number of the next command; a field of pyghmi's class."""

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
        addresses: Sequence[Address] = (),
        traits: BMCTraits | None = None,
    ) -> None:
        """Log in, exactly once. *addresses* are those of *host*, and *traits* its behavior, if they are known already.

        Raises :class:`~baremetal_ipmi.errors.IPMIError` if the login fails, and :class:`OSError` if the socket fails.
        """
        self.deadline = deadline
        self.traits = BMCTraits() if traits is None else traits
        self._first_hash = _SUITE_HASHES.get(suite or 17, _SHA256)
        self._only_hash = suite is not None
        self._open_requests = 0
        self._is_silent = False
        """Whether the BMC did not answer the requests for suite 17."""
        self._status = 0
        self._retry_at = self._sent_at = 0.0
        self._has_answered = False
        self._addresses = addresses or resolve(host, port, deadline, kind=socket.SOCK_DGRAM)
        self._confirmation: tuple[int, int, int] | None = None
        self._target_deadline: Deadline | None = None
        """Time until which the controller behind the BMC has to answer; None until the BMC has taken the message for it."""
        self._peer: Any = None
        self._poll = select.poll()
        self.socket: socket.socket | None = None
        try:
            super().__init__(host, username, password, port=port, kg=key, privlevel=privilege)
        except BaseException:
            self.release_socket()
            raise
        if self.attemptedhash == _SHA256:
            self.traits.accepts_suite_17, self.traits.ignores_suite_17 = True, False
        elif self._is_silent:
            self.traits.ignores_suite_17 = True
        # pyghmi lists every session for its keep-alives. Nothing sends them here, and the entry would keep the session and
        # its keys for ever.
        simplesession.Session.keepalive_sessions.pop(self, None)

    def release_socket(self) -> None:
        """Close the socket without a message to the BMC."""
        self.logged = 0
        simplesession.Session.keepalive_sessions.pop(self, None)
        if self.socket is not None:
            self.socket.close()

    def _make_ipmi_payload(
        self, netfn: int, command: int, bridge_request: Route | None = None, data: Any = (), rslun: int = 0
    ) -> bytearray:
        payload: bytearray = super()._make_ipmi_payload(netfn, command, None, data, rslun)
        self._confirmation = self._target_deadline = None
        if bridge_request is None:
            return payload
        # Each controller on the route confirms Send Message before the target's response arrives. pyghmi drops responses that
        # it does not expect.
        self._confirmation = (_APPLICATION_RESPONSE, self.seqlun, SEND_MESSAGE)
        self.request_entry.extend([self._confirmation] * (1 if bridge_request.transit is None else 2))
        return bridge_request.build_message(netfn, command, data, self.seqlun, rslun)

    def _remove_request_entry(self, entry: Any = ()) -> None:
        super()._remove_request_entry(entry)
        if entry == self._confirmation and self._target_deadline is None:
            self._target_deadline = self.deadline.within(TARGET_TIMEOUT_S)

    def abandon_command(self) -> None:
        """Give up the current command so that the session can send others. Its late response will not be expected."""
        self.request_entry.clear()
        self.seqlun = (self.seqlun + 1) & 0x3F
        self.lastpayload = None
        self.incommand = False
        self._confirmation = self._target_deadline = None

    def send_close(self) -> None:
        """Send Close Session without waiting for the response, even if a command is unanswered."""
        self.lastpayload = None
        self.pendingpayloads.clear()
        self.incommand = False
        self.logout()

    def wait_for_rsp(self, timeout: float | None = None, callout: bool = True) -> None:
        """Wait for one response. Repeat the request after silence of the BMC.

        Raises NoAnswer or CommandUnanswered at the deadline, and TargetUnanswered if a controller behind the BMC is silent.
        pyghmi passes *timeout* and *callout*; they have no effect here.
        """
        deadline = self._target_deadline or self.deadline
        if deadline.expired:
            if deadline is self._target_deadline:
                self.abandon_command()
                raise TargetUnanswered("the BMC took the command for the controller behind it, which did not answer")
            raise self._make_unanswered("the BMC did not answer before the deadline")
        until_retry = self._retry_at - time.monotonic()
        if self._poll.poll(1000.0 * max(0.0, min(until_retry, deadline.remaining()))):
            self.process_pktqueue()
        elif time.monotonic() >= self._retry_at:
            self._handle_silence()

    def awaitresponse(self, retry: bool) -> None:
        """Wait until the current command is answered or the session breaks. Return at once if *retry* is false."""
        while retry and self.lastresponse is None and self.logged:
            self.wait_for_rsp()

    def process_pktqueue(self) -> None:
        """Process all received messages. Unreadable messages are dropped, as the protocol requires."""
        assert self.socket is not None
        while True:
            try:
                message = bytearray(self.socket.recv(_MAX_RESPONSE_BYTES, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return
            self._has_answered = True
            if len(message) < _MIN_MESSAGE_BYTES or message[0] != 6 or message[2:4] != b"\xff\x07":
                continue
            if self.authtype == _RMCP_PLUS and message[4] != _RMCP_PLUS:
                continue
            if self.confalgo and not message[5] & 0x3F and message[5] & _PROTECTED != _PROTECTED:
                # pyghmi would accept a response without encryption.
                continue
            if not self.logged:
                # Messages outside a session have no sequence number. pyghmi stores the number before it verifies the message,
                # so that a forged high number would make it drop all later messages.
                self.remseqnumber = 0
            try:
                self._handle_ipmi_packet(message, sockaddr=self._peer, qent=None)
            except (IndexError, struct.error):
                continue

    def onlogon(self, parameter: dict[str, Any]) -> None:
        """Finish the login. Raises the error of a failed login."""
        if "error" in parameter:
            advice = f"; {_LEVEL_ADVICE}" if self.sessioncontext == "ESTABLISHED" else ""
            self._raise_login_error(f"{parameter['error']}{advice}")
        super().onlogon(parameter)

    def login(self) -> None:
        """Start the login. A failed login is not repeated, because failures may lock the account."""
        super().login()
        # pyghmi repeats a refused login as often as this counter allows.
        self.logontries = 0

    def _make_unanswered(self, message: str) -> CommandUnanswered | NoAnswer:
        """Return the error for a message without a response. A BMC that answered before may have dropped it for its content."""
        return CommandUnanswered(message) if self._has_answered else NoAnswer(message)

    def _raise_login_error(self, error: str) -> NoReturn:
        if error.startswith("timeout"):
            raise self._make_unanswered("the login failed: the BMC did not answer")
        if self._status in _BUSY_STATUSES:
            raise BMCFull(error)
        # Errors before the first message that depends on the account say nothing about the account.
        about_account = self.sessioncontext in (*_LOGIN_STATES, "FAILED", "ESTABLISHED") and self._status in _ACCOUNT_STATUSES
        raise (LoginRefused if about_account else IPMIError)(error)

    def _assignsocket(self) -> socket.socket:
        """Return a socket connected to the BMC: it receives only the BMC's messages, and the ICMP error of a closed port."""
        failure: OSError | None = None
        # They were resolved before, because pyghmi holds a lock of all its sessions here.
        for family, kind, protocol, _, address in self._addresses:
            candidate = socket.socket(family, kind, protocol)
            try:
                candidate.connect(address)
            except OSError as exc:
                candidate.close()
                failure = exc
                continue
            self._peer = address
            self._poll.register(candidate, select.POLLIN)
            return candidate
        raise failure or OSError(f"{self.bmc} has no address")

    def _initsession(self) -> None:
        super()._initsession()
        # pyghmi starts with SHA-256 and falls back to SHA-1 unless _got_rmcp_response refuses it.
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

    def _handle_silence(self) -> None:
        if self._target_deadline is not None:
            # The BMC has taken the message. Another one might make the controller run the command twice.
            self._retry_at = time.monotonic() + 1.0
        elif self.sessioncontext == "OPENSESSION":
            self._repeat_open_request()
        elif self.sessioncontext not in _LOGIN_STATES:
            self._timedout()
        elif time.monotonic() - self._sent_at > LOGIN_TIMEOUT_S:
            raise CommandUnanswered("the login failed: the BMC started it and did not complete it")
        else:
            # The BMC would count a repeated message as another login, which may lock the account.
            self._retry_at = time.monotonic() + 1.0

    def _mark_broken(self, error: str | None = None) -> None:
        """Mark the session as broken, without the logout of pyghmi's method. Waiting callers receive an exception."""
        self.lastpayload = None
        self.logged = 0
        self.logging = False
        self.errormsg = error
        self.broken = True

    def _open_rmcpplus_request(self) -> None:
        super()._open_rmcpplus_request()
        # Half of the time stays for suite 3.
        interval = min(_OPEN_INTERVALS_S[self._open_requests], self.deadline.remaining() / (2.0 * len(_OPEN_INTERVALS_S)))
        self._retry_at = self._sent_at + interval
        self._open_requests += 1

    def _repeat_open_request(self) -> None:
        """Request the cipher suite again after silence, or the next suite. Nothing of the account was sent yet."""
        max_requests = 1 if self.traits.ignores_suite_17 and self.attemptedhash == _SHA256 else len(_OPEN_INTERVALS_S)
        if self._open_requests < max_requests:
            self.lastpayload = None
            self._open_rmcpplus_request()
            return
        number = 17 if self.attemptedhash == _SHA256 else 3
        error = f"the login failed: the BMC did not answer the requests for cipher suite {number}"
        if self._only_hash:
            raise CommandUnanswered(f"{error} of ipmi_cipher_suite; set 3 or 17, or remove the option")
        if self.attemptedhash != _SHA256:
            raise CommandUnanswered(error)
        self._is_silent = True
        self._request_suite_3(CommandUnanswered, error)

    def _request_suite_3(self, kind: type[IPMIError], error: str) -> None:
        """Request cipher suite 3 in place of 17, unless the BMC has accepted 17 before. Raises *kind* then.

        Requests and answers are not authenticated, so that anyone in the network can suppress or forge them.
        """
        if self.traits.accepts_suite_17:
            reason = "suite 3 is not tried, because the BMC accepted 17 before"
            raise kind(f"{error}; {reason}; set ipmi_cipher_suite to 3 to use the weaker suite")
        self.attemptedhash = _SHA1
        self._open_requests = 0
        self._open_rmcpplus_request()

    def _got_rmcp_response(self, data: bytearray) -> Any:
        self._record_status(data)
        if self.sessioncontext != "OPENSESSION" or data[0] != self.rmcptag:
            return None
        algorithms = tuple(byte & 0x3F for byte in data[16:33:8])
        is_refused = bool(self._status) or algorithms != _SUITE_ALGORITHMS[self.attemptedhash]
        if not is_refused or self._status in _BUSY_STATUSES:
            # pyghmi would request suite 3 from a BMC that is busy.
            if self._status:
                raise BMCFull("the BMC has no capacity for another session")
            return super()._got_rmcp_response(data)
        if self._only_hash:
            error = "the BMC does not support the cipher suite of ipmi_cipher_suite"
            raise SuiteRefused(f"{error}; set 3 or 17, or remove the option")
        if self.attemptedhash != _SHA256:
            raise SuiteRefused("the BMC supports neither cipher suite 17 nor 3; configure one of them in the BMC")
        self._request_suite_3(SuiteRefused, "the BMC refuses cipher suite 17")
        return None

    def _got_rakp2(self, data: bytearray) -> Any:
        self._record_status(data)
        self._check_level(data)
        return super()._got_rakp2(data)

    def _got_rakp4(self, data: bytearray) -> Any:
        self._record_status(data)
        self._check_level(data)
        return super()._got_rakp4(data)

    def _check_level(self, data: bytearray) -> None:
        """Raise the error of a privilege level that the BMC does not grant. Late and foreign messages are ignored."""
        if self.sessioncontext not in _LOGIN_STATES or data[0] != self.rmcptag:
            return
        if self._status in _LEVEL_STATUSES:
            raise LevelRefused(f"the BMC does not grant the privilege level of ipmi_priv_level; {_LEVEL_ADVICE}")
        if self._status == _UNAUTHORIZED_NAME:
            # Some BMCs report a refused level in this way. The account is more likely, and further attempts might lock it.
            raise LoginRefused(
                f"the BMC does not know the account, or not with the privilege level of ipmi_priv_level; {_LEVEL_ADVICE}"
            )

    def _record_status(self, data: bytearray) -> None:
        """Record the status code of a response to the last request. Late and foreign messages are ignored."""
        if data[0] == self.rmcptag:
            self._status = data[1]

    def _relog(self) -> NoReturn:
        """Fail the login, which pyghmi's method would start again."""
        raise CommandUnanswered("the login failed: the BMC lost it while it was in progress")

    def _get_session_challenge(self) -> NoReturn:
        """Refuse a login by IPMI 1.5, which pyghmi starts if the BMC does not announce IPMI 2.0."""
        raise IPMIError("the BMC supports only IPMI 1.5; IPMI 2.0 is required")
