"""Simulated IPMI BMC: it answers datagrams and applies the faults of its machine. The service owns sockets and delays."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from baremetal_fake.bmc_account import BMCCounters
from baremetal_fake.faults import Effect, Fault
from baremetal_fake.ipmi import messages
from baremetal_fake.ipmi.cipher import DecryptionError, decrypt, encrypt
from baremetal_fake.ipmi.commands import Call, Code, CommandError, Operation, Table
from baremetal_fake.ipmi.event_log import EventLog
from baremetal_fake.ipmi.messages import AUTHENTICATED, ENCRYPTED, BadMessage, Packet, Request
from baremetal_fake.ipmi.options import IPMIOptions
from baremetal_fake.ipmi.sessions import LoginTable, Session
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack

BMC_ADDRESS = 0x20
"""Slave address of a BMC on the IPMB."""
_SEND_MESSAGE = (0x06, 0x34)
_NAK_ON_WRITE = 0x83
"""Completion code of Send Message when no controller on the channel acknowledges the message (table 22-19)."""
_SILENT_EFFECTS = frozenset({Effect.HANG, Effect.DROP})
"""Effects of a fault that lose a message. Over UDP, a client cannot distinguish a broken connection from silence."""
_SESSION_COMMANDS = frozenset({(0x06, 0x3B), (0x06, 0x3C)})
"""Commands Set Session Privilege Level and Close Session. They belong to the session, so no fault plan applies to them."""


class Reply(NamedTuple):
    """The datagram that answers a client. It is sent *delay* seconds later than the latency of the service."""

    datagram: bytes
    delay: float = 0.0
    more: tuple[bytes, ...] = ()
    """Further datagrams, sent directly after the first."""


class IPMIBMC:
    """The simulated IPMI BMC of the machine *name*. Only the event loop of its service calls its methods.

    *table* holds the IPMI commands that the BMC supports.
    """

    def __init__(self, rack: Rack, name: str, table: Table, options: IPMIOptions) -> None:
        self.rack = rack
        self.name = name
        self.options = options
        self.counters = BMCCounters()
        self.guid = uuid.UUID(self.machine.inventory.uuid).bytes[::-1] if options.has_guid else bytes(16)
        self.logins = LoginTable(options.access, self.guid, self.counters, rack.clock)
        self.events = EventLog(rack.clock, options.first_event_number)
        self.sensors = options.sensors
        self.sensor_reservation = 0
        self.keeps_boot_flags = False
        self.boot_flags_set_at: float | None = None
        self.last_boot_flags = bytes(5)
        self.identify_until: float | None = None
        self.bridged: dict[tuple[int, int], IPMIBMC] = {}
        """Controllers that Send Message reaches, by channel number and slave address."""
        self.resent = 0
        """Number of packets that the BMC ignored, because their sequence number was not new."""
        self.overruns = 0
        """Number of commands that the BMC refused, because too many commands were in flight."""
        self._table = table
        self._reservations_to_lose = options.lost_reservations
        self._silent_until: float | None = None

    @property
    def machine(self) -> Machine:
        """Simulated machine that the BMC manages."""
        return self.rack.machine(self.name)

    def receive(self, datagram: bytes) -> Reply | None:
        """Process *datagram* from a client, and return the reply, or None if the BMC stays silent.

        The BMC does not answer a datagram that is not valid or not genuine, nor one that a fault loses.
        """
        if self._silent_until is not None and self.rack.clock() < self._silent_until:
            return None
        answer = messages.answer_ping(datagram)
        if answer is not None:
            return Reply(answer)
        try:
            packet = messages.read_packet(datagram)
            fault = self.machine.record_operation("connect")
            if fault is not None and fault.effect in _SILENT_EFFECTS:
                return None
            reply = self._answer(packet)
        except (BadMessage, DecryptionError):
            return None
        if reply is None:
            return None
        return reply._replace(delay=reply.delay + _slowness(fault))

    def check_reservation(self, given: int, valid: int) -> None:
        """Raise CommandError (C5h) if the reservation *given* is not the *valid* one, or if it is to be lost now."""
        is_lost = self._reservations_to_lose > 0
        self._reservations_to_lose -= is_lost
        if is_lost or given != valid:
            raise CommandError(Code.RESERVATION_LOST)

    def restart(self) -> None:
        """End all logins and sessions, and stay silent for as long as the BMC restarts. Some BMCs ignore the command."""
        if self.options.ignores_reset:
            return
        self.logins.clear()
        self._silent_until = self.rack.clock() + self.options.reset_seconds

    def _answer(self, packet: Packet) -> Reply | None:
        """Return the reply to *packet*, a login message or an IPMI command, or None if the BMC stays silent."""
        kind = packet.payload_type
        if kind in (messages.OPEN_REQUEST, messages.RAKP_1, messages.RAKP_3):
            return self._log_in(packet)
        if kind != messages.IPMI_MESSAGE:
            return None
        if packet.session_id == 0:
            return self._answer_outside_session(packet)
        return self._answer_in_session(packet)

    def _log_in(self, packet: Packet) -> Reply | None:
        """Return the reply to a login message: Open Session Request, RAKP message 1 or RAKP message 3."""
        message = packet.payload
        if packet.payload_type == messages.OPEN_REQUEST:
            return Reply(messages.rmcp_plus(messages.OPEN_RESPONSE, self.logins.open(message)))
        if packet.payload_type == messages.RAKP_1:
            return self._answer_rakp_1(message)
        finished = self.logins.finish(message)
        return None if finished is None else Reply(messages.rmcp_plus(*finished))

    def _answer_rakp_1(self, message: bytes) -> Reply | None:
        """Return RAKP message 2, the reply to RAKP message 1. Faults of the operation ``login`` apply to this message."""
        fault = self.machine.record_operation("login")
        if fault is not None and fault.effect in _SILENT_EFFECTS | {Effect.LOSE}:
            return None
        kind, body = self.logins.challenge(message, fault)
        if fault is not None and fault.effect is Effect.WRONG:
            body = body[:6]
        return Reply(messages.rmcp_plus(kind, body), _slowness(fault))

    def _answer_outside_session(self, packet: Packet) -> Reply | None:
        request = messages.read_request(packet.payload)
        answer = self._execute(request, None)
        if answer is None:
            return None
        payload, delay = answer
        if packet.format == messages.FORMAT_NONE:
            return Reply(messages.outside_of_session(payload), delay)
        return Reply(messages.rmcp_plus(messages.IPMI_MESSAGE, payload), delay)

    def _answer_in_session(self, packet: Packet) -> Reply | None:
        session = self.logins.session(packet.session_id)
        if session is None or not _is_genuine(session, packet):
            return None
        # Only a packet with the right integrity code may move the window of sequence numbers.
        if not session.accept_sequence(packet.sequence):
            self.resent += 1
            return None
        request = messages.read_request(decrypt(session.keys.encryption, packet.payload) if packet.encrypted else packet.payload)
        if (request.netfn, request.command) == _SEND_MESSAGE:
            first, *others = (_encrypt_packet(session, payload) for payload in self._forward(request, session))
            return Reply(first, more=tuple(others))
        answer = self._execute(request, session)
        if answer is None:
            return None
        payload, delay = answer
        return Reply(_encrypt_packet(session, payload), delay)

    def _forward(self, request: Request, session: Session) -> list[bytes]:
        """Forward the message in a Send Message *request* to a bridged controller, and return the payloads to send to the client.

        The payloads are the answer to Send Message and the response of that controller, if any. They are one payload if the
        BMC embeds bridged responses, and two otherwise. If no controller has the address, the only payload reports that.
        """
        if not request.data:
            return [messages.response(request, Code.WRONG_LENGTH)]
        message = messages.read_request(request.data[1:])
        controller = self.bridged.get((request.data[0] & 0x0F, message.target))
        if controller is None:
            return [messages.response(request, _NAK_ON_WRITE)]
        if (message.netfn, message.command) == _SEND_MESSAGE:
            answers = controller._forward(message, session)
        else:
            answer = controller._execute(message._replace(target=BMC_ADDRESS), session)
            answers = [] if answer is None else [answer[0]]
        if self.options.embeds_bridged_response and answers:
            return [messages.response(request, Code.OK, answers[-1])]
        return [messages.response(request, Code.OK), *answers]

    def _execute(self, request: Request, session: Session | None) -> tuple[bytes, float] | None:
        """Run the command in *request* under the fault that applies to it.

        Return the payload of the response and its delay in seconds, or None if the BMC stays silent. An error becomes a
        response with a completion code.
        """
        if (request.netfn, request.command) in self.options.ignored_commands:
            return None
        try:
            self._check_load()
            operation, level = self._parse(request, session)
            if (request.netfn, request.command) in _SESSION_COMMANDS or level == 0:
                return messages.response(request, Code.OK, operation.run(None)), 0.0
            fault = self.machine.record_operation(operation.name, **operation.arguments)
            answer = self._carry_out(operation, fault, session)
            if operation.name == "reset_bmc" and not self.options.answers_reset:
                return None
        except CommandError as exc:
            return messages.response(request, exc.code), 0.0
        if answer is None:
            return None
        return messages.response(request, Code.OK, answer), _slowness(fault)

    def _check_load(self) -> None:
        """Raise CommandError (C4h) and count an overrun if more commands are in flight than ``parallel_limit`` allows."""
        limit = self.options.parallel_limit
        if limit is not None and self.counters.in_flight > limit:
            self.overruns += 1
            raise CommandError(Code.OUT_OF_SPACE)

    def _parse(self, request: Request, session: Session | None) -> tuple[Operation, int]:
        """Return the operation of *request* and the privilege level that its command needs.

        Raises CommandError if the command is unknown, is not valid, or exceeds the privilege level of *session* (None: no
        session).
        """
        if request.target != BMC_ADDRESS or request.target_lun:
            raise CommandError(Code.INVALID_LUN)
        command = self._table.get((request.netfn, request.command))
        code = self.options.refused_commands.get((request.netfn, request.command))
        if code is not None:
            raise CommandError(code)
        if command is None:
            raise CommandError(Code.INVALID_COMMAND)
        if command.level > (0 if session is None else session.level):
            raise CommandError(Code.PRIVILEGE)
        return command.parse(Call(self, session, request.data)), command.level

    def _carry_out(self, operation: Operation, fault: Fault | None, session: Session | None) -> bytes | None:
        """Run *operation* under *fault* and return the data of the response, or None if the BMC stays silent.

        Raises CommandError if the command fails, or if the fault answers with an error. Effect ``expire`` ends *session*.
        """
        effect = None if fault is None else fault.effect
        if effect in _SILENT_EFFECTS:
            return None
        if effect is Effect.EXPIRE and session is not None:
            self.logins.close(session.number)
            return None
        if effect is Effect.BUSY:
            raise CommandError(Code.BUSY)
        if effect is Effect.AUTH:
            raise CommandError(Code.PRIVILEGE)
        if effect is Effect.REFUSE:
            raise CommandError(Code.WRONG_STATE)
        if effect is Effect.LOSE and operation.changes:
            return b""
        answer = operation.run(fault)
        if effect is Effect.TRUNCATE:
            return answer[: len(answer) // 2]
        if effect is Effect.WRONG:
            return answer[:1] if len(answer) > 1 else b""
        return answer


def _slowness(fault: Fault | None) -> float:
    """Return the seconds by which *fault* delays an answer; 0 without an effect ``slow``."""
    return fault.seconds if fault is not None and fault.effect is Effect.SLOW else 0.0


def _is_genuine(session: Session, packet: Packet) -> bool:
    """Return whether the integrity code of *packet* matches the session's key. A packet without a code is not genuine."""
    return packet.authenticated and session.suite.code(session.keys.integrity, packet.body) == packet.code


def _encrypt_packet(session: Session, payload: bytes) -> bytes:
    """Return the RMCP+ packet to the client of *session*, with the encrypted *payload* and an integrity code."""
    kind = messages.IPMI_MESSAGE | ENCRYPTED | AUTHENTICATED
    content = encrypt(session.keys.encryption, payload)
    packet = messages.with_trailer(messages.rmcp_plus(kind, content, session.console, session.next_number()))
    # The integrity code covers the packet after the RMCP header of four bytes.
    return packet + session.suite.code(session.keys.integrity, packet[4:])
