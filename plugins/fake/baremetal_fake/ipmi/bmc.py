"""One IPMI BMC: what it says to each datagram, and what goes wrong on the way. Sockets and time are elsewhere."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import NamedTuple

from baremetal_fake.bmc_account import BMCCounters
from baremetal_fake.faults import Effect, Fault
from baremetal_fake.ipmi import messages
from baremetal_fake.ipmi.cipher import CannotDecrypt, decrypt, encrypt
from baremetal_fake.ipmi.commands import Call, Code, Operation, Refused, Table
from baremetal_fake.ipmi.event_log import EventLog
from baremetal_fake.ipmi.messages import AUTHENTICATED, ENCRYPTED, BadMessage, Packet, Request
from baremetal_fake.ipmi.sensors import SENSORS, Sensor
from baremetal_fake.ipmi.sessions import AccessOptions, LoginTable, Session
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack

BMC_ADDRESS = 0x20
_SEND_MESSAGE = (0x06, 0x34)
_NOT_ACKNOWLEDGED = 0x83
"""The completion code of Send Message where nobody on the channel takes it (table 22-19)."""
_SILENT = frozenset({Effect.HANG, Effect.DROP})
_SESSION_COMMANDS = frozenset({(0x06, 0x3B), (0x06, 0x3C)})
"""Raising the privilege and closing belong to the session; no session limit or fault of a machine's own counts them."""


@dataclass(frozen=True)
class IPMIOptions:
    """How the BMCs of a service behave."""

    access: AccessOptions = field(default_factory=AccessOptions)
    strict_power: bool = False
    """Whether a power command that changes nothing is refused."""
    uefi: bool = True
    """Whether it can be told to boot by UEFI."""
    sensors: tuple[Sensor, ...] = SENSORS
    whole_sensor_records: bool = False
    """Whether a sensor's record is given at one go; else it is read in parts, under a reservation that one client has."""
    answers_within: bool = False
    """Whether the answer of who is behind it comes within that to Send Message; else it comes after it."""
    parallel_limit: int | None = None
    """A command that comes while as many are being worked on is refused as one that the BMC has no room for (C4h)."""


class Reply(NamedTuple):
    """A datagram to send back, and how many seconds later than usual."""

    datagram: bytes
    delay: float = 0.0
    more: tuple[bytes, ...] = ()
    """Datagrams that follow it."""


class IPMIBMC:
    """The BMC of one machine. Its methods are called on the event loop of its service."""

    def __init__(self, rack: Rack, name: str, table: Table, options: IPMIOptions) -> None:
        self.rack = rack
        self.name = name
        self.options = options
        self.counters = BMCCounters()
        self.guid = uuid.UUID(self.machine.inventory.uuid).bytes[::-1]
        self.logins = LoginTable(options.access, self.guid, self.counters, rack.clock)
        self.events = EventLog(rack.clock)
        self.sensors = options.sensors
        self.sensor_reservation = 0
        self.keeps_boot_flags = False
        """Whether boot flags outlive 60 seconds without a power command."""
        self.boot_flags_at: float | None = None
        self.identify_until: float | None = None
        self.behind: dict[tuple[int, int], IPMIBMC] = {}
        """Channel and address there -> the controller to which it hands messages on."""
        self.resent = 0
        """Messages that came a second time."""
        self.overruns = 0
        """Commands that were refused because too many were being worked on."""
        self._table = table

    @property
    def machine(self) -> Machine:
        """Its machine."""
        return self.rack.machine(self.name)

    def receive(self, datagram: bytes) -> Reply | None:
        """What it says to *datagram*; None where it says nothing."""
        answer = messages.pong(datagram)
        if answer is not None:
            return Reply(answer)
        try:
            packet = messages.read_packet(datagram)
            fault = self.machine.admit("connect")
            if fault is not None and fault.effect in _SILENT:
                return None
            reply = self._answer(packet)
        except (BadMessage, CannotDecrypt):
            return None
        late = fault.seconds if fault is not None and fault.effect is Effect.SLOW else 0.0
        return reply and reply._replace(delay=reply.delay + late)

    def _answer(self, packet: Packet) -> Reply | None:
        kind = packet.payload_type
        if kind in (messages.OPEN_REQUEST, messages.RAKP_1, messages.RAKP_3):
            return self._log_in(packet)
        if kind != messages.IPMI_MESSAGE:
            return None
        if packet.session_id == 0:
            return self._outside(packet)
        return self._inside(packet)

    def _log_in(self, packet: Packet) -> Reply | None:
        message = packet.payload
        if packet.payload_type == messages.OPEN_REQUEST:
            return Reply(messages.rmcp_plus(messages.OPEN_RESPONSE, self.logins.open(message)))
        if packet.payload_type == messages.RAKP_1:
            fault = self.machine.admit("login")
            if fault is not None and fault.effect in _SILENT | {Effect.LOSE}:
                return None
            kind, body = self.logins.challenge(message, fault)
            late = fault.seconds if fault is not None and fault.effect is Effect.SLOW else 0.0
            return Reply(messages.rmcp_plus(kind, body if fault is None or fault.effect is not Effect.WRONG else body[:6]), late)
        finished = self.logins.finish(message)
        return finished and Reply(messages.rmcp_plus(*finished))

    def _outside(self, packet: Packet) -> Reply | None:
        request = messages.read_request(packet.payload)
        answer = self._execute(request, None)
        if answer is None:
            return None
        payload, late = answer
        if packet.format == messages.FORMAT_NONE:
            return Reply(messages.outside_of_session(payload), late)
        return Reply(messages.rmcp_plus(messages.IPMI_MESSAGE, payload), late)

    def _inside(self, packet: Packet) -> Reply | None:
        session = self.logins.session(packet.session_id)
        if session is None or not _is_genuine(session, packet):
            return None
        if not session.takes(packet.sequence):
            self.resent += 1
            return None
        request = messages.read_request(decrypt(session.keys.encryption, packet.payload) if packet.encrypted else packet.payload)
        if (request.netfn, request.command) == _SEND_MESSAGE:
            first, *others = (_sealed(session, payload) for payload in self._hand_on(request, session))
            return Reply(first, more=tuple(others))
        answer = self._execute(request, session)
        if answer is None:
            return None
        payload, late = answer
        return Reply(_sealed(session, payload), late)

    def _hand_on(self, request: Request, session: Session) -> list[bytes]:
        """Give a message to who is behind this controller: that it was given, and what comes back."""
        if not request.data:
            return [messages.response(request, Code.WRONG_LENGTH)]
        message = messages.read_request(request.data[1:])
        behind = self.behind.get((request.data[0] & 0x0F, message.target))
        if behind is None:
            return [messages.response(request, _NOT_ACKNOWLEDGED)]
        if (message.netfn, message.command) == _SEND_MESSAGE:
            answers = behind._hand_on(message, session)
        else:
            answer = behind._execute(message._replace(target=BMC_ADDRESS), session)
            answers = [] if answer is None else [answer[0]]
        if self.options.answers_within and answers:
            return [messages.response(request, Code.OK, answers[-1])]
        return [messages.response(request, Code.OK), *answers]

    def _execute(self, request: Request, session: Session | None) -> tuple[bytes, float] | None:
        """The answer and how late it is; None where nothing is answered."""
        try:
            self._check_load()
            operation, level = self._understood(request, session)
            if (request.netfn, request.command) in _SESSION_COMMANDS or level == 0:
                return messages.response(request, Code.OK, operation.run(None)), 0.0
            fault = self.machine.admit(operation.name, **operation.arguments)
            answer = self._carry_out(operation, fault, session)
        except Refused as exc:
            return messages.response(request, exc.code), 0.0
        if answer is None:
            return None
        slow = fault is not None and fault.effect is Effect.SLOW
        return messages.response(request, Code.OK, answer), fault.seconds if fault is not None and slow else 0.0

    def _check_load(self) -> None:
        limit = self.options.parallel_limit
        if limit is not None and self.counters.in_flight > limit:
            self.overruns += 1
            raise Refused(Code.OUT_OF_SPACE)

    def _understood(self, request: Request, session: Session | None) -> tuple[Operation, int]:
        if request.target != BMC_ADDRESS or request.target_lun:
            raise Refused(Code.INVALID_LUN)
        command = self._table.get((request.netfn, request.command))
        if command is None:
            raise Refused(Code.INVALID_COMMAND)
        if command.level > (0 if session is None else session.level):
            raise Refused(Code.PRIVILEGE)
        return command.understand(Call(self, session, request.data)), command.level

    def _carry_out(self, operation: Operation, fault: Fault | None, session: Session | None) -> bytes | None:
        effect = None if fault is None else fault.effect
        if effect in _SILENT:
            return None
        if effect is Effect.EXPIRE and session is not None:
            self.logins.close(session.number)
            return None
        if effect is Effect.BUSY:
            raise Refused(Code.BUSY)
        if effect is Effect.AUTH:
            raise Refused(Code.PRIVILEGE)
        if effect is Effect.REFUSE:
            raise Refused(Code.WRONG_STATE)
        if effect is Effect.LOSE and operation.changes:
            return b""
        answer = operation.run(fault)
        if effect is Effect.TRUNCATE:
            return answer[: len(answer) // 2]
        return answer[:1] if effect is Effect.WRONG and len(answer) > 1 else b"" if effect is Effect.WRONG else answer


def _is_genuine(session: Session, packet: Packet) -> bool:
    return packet.authenticated and session.suite.code(session.keys.integrity, packet.body) == packet.code


def _sealed(session: Session, payload: bytes) -> bytes:
    kind = messages.IPMI_MESSAGE | ENCRYPTED | AUTHENTICATED
    content = encrypt(session.keys.encryption, payload)
    packet = messages.with_trailer(messages.rmcp_plus(kind, content, session.console, session.next_number()))
    return packet + session.suite.code(session.keys.integrity, packet[4:])
