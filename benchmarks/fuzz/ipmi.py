"""Malformed IPMI packets that reach established sessions.

The simulated BMC signs and encrypts its packets with the keys of the session. The messages inside have wrong lengths, codes and
contents, so that the client accepts the packet and has to read the message. Other packets are changed outside of the encryption.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from baremetal_fake.ipmi import IPMIService
from baremetal_fake.ipmi.bmc import IPMIBMC, Reply
from baremetal_fake.ipmi.cipher import DecryptionError, decrypt, encrypt
from baremetal_fake.ipmi.messages import (
    AUTHENTICATED,
    ENCRYPTED,
    IPMI_MESSAGE,
    BadMessage,
    Packet,
    checksum,
    read_packet,
    rmcp_plus,
    with_trailer,
)  # fmt: skip
from baremetal_fake.ipmi.sessions import Session
from benchmarks.api_connection import APIConnection, Unanswered
from benchmarks.crashes.verify import find_stuck_nodes
from benchmarks.fuzz.rules import INTERNAL_ERRORS, Limits, Rules
from benchmarks.fuzz.service import FuzzedService
from benchmarks.report import Report

CALL_TIMEOUT_S = 2.0
DEADLINE_S = CALL_TIMEOUT_S + 3.0
"""Time in seconds in which each request has to be answered: a call to the BMC, and waiting on a loaded machine."""
NODES = 12
_OPTIONS = f"""
[DEFAULT]
enabled_hardware_types = ipmi
[conductor]
bmc_call_timeout = {CALL_TIMEOUT_S}
power_state_change_timeout = 5
sync_power_state_interval = 1
[sensor_data]
send_sensor_data = true
interval = 2
[metrics]
endpoint = none
"""
REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "management/boot_device", None),
    ("GET", "management/boot_device/supported", None),
    ("PUT", "management/boot_device", {"boot_device": "pxe", "persistent": False}),
    ("PUT", "management/boot_device", {"boot_device": "disk", "persistent": True}),
    ("PUT", "states/power", {"target": "power on"}),
    ("PUT", "states/power", {"target": "power off"}),
    ("PUT", "states/power", {"target": "rebooting"}),
    ("PUT", "states/provision", {"target": "manage"}),
    ("PUT", "states/provision", {"target": "provide"}),
    ("GET", "management/indicators", None),
    ("PUT", "management/inject_nmi", {}),
    ("POST", "vendor_passthru?method=send_raw", {"raw_bytes": "0x00 0x01"}),
    ("GET", "states", None),
)
_REFUSED = b"has refused these credentials"
_PASSWORD = "password"
"""Password of the simulated BMCs."""
_HEADER_BYTES = 6
"""Bytes of an IPMI response before its completion code and data: addresses, function, checksum, sequence, command."""
_SHARE_OUTSIDE = 0.08
"""Share of packets that are changed outside of the encryption. The client drops them and waits until it sends again."""
_KINDS, _WEIGHTS = range(9), (3, 3, 3, 6, 6, 6, 1, 1, 3)
"""Kinds of changes inside, and how often each is chosen. The client drops messages with a wrong header too."""
_ODD_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xC0, 0xC1, 0xD4, 0xFF)


def run_ipmi_fuzz(count: int, seed: int, report: Report, *, plant: bool = False, machines: int = NODES) -> dict[str, Any]:
    """Send at least *count* malformed packets to established sessions and check all rules. Return the figures."""
    rules = Rules(report, DEADLINE_S, Limits(), with_failing_bmcs=True)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ipmi = stack.enter_context(IPMIService(machines))
        mutators = [PacketMutator(ipmi.bmc(index), random.Random(f"{seed}-bmc-{index}")) for index in range(machines)]
        service = stack.enter_context(FuzzedService(directory, _OPTIONS, plant=plant))
        connection = APIConnection(service.url)
        nodes = [_create_node(connection, ipmi.driver_info(index)) for index in range(machines)]
        for node in nodes:
            rules.check_answer("first", connection.request("GET", f"/v1/nodes/{node}/management/boot_device").status, b"", 0.0)
        connection.close()
        rules.end_warm_up(service.pid)
        for mutator in mutators:
            mutator.is_active = True
        _run_clients(service.url, nodes, mutators, count, seed, rules)
        for mutator in mutators:
            mutator.is_active = False
        _check_end(APIConnection(service.url), nodes, rules)
        figures: dict[str, Any] = {
            "packets": sum(mutator.sent for mutator in mutators),
            "inside_sessions": sum(mutator.inside for mutator in mutators),
            "seed": seed,
            "statuses": {str(status): rules.answers[status] for status in sorted(rules.answers)},
            "slowest_s": round(rules.slowest_s, 2),
        }
        if service.is_running:
            figures |= rules.check_process(service.pid, settle_s=30.0)
        rules.check_log(service.log)
    return figures


class PacketMutator:
    """Takes the place of a simulated BMC's method ``receive`` and changes half of its replies while it is active."""

    def __init__(self, bmc: IPMIBMC, chance: random.Random) -> None:
        self.is_active = False
        self.sent = 0
        """Number of malformed packets."""
        self.inside = 0
        """Number of malformed messages in packets that are correctly signed and encrypted for an open session."""
        self._bmc = bmc
        self._receive = bmc.receive
        self._chance = chance
        bmc.receive = self.receive  # type: ignore[method-assign]

    def receive(self, datagram: bytes) -> Reply | None:
        """Return the reply of the BMC, or a malformed one."""
        reply = self._receive(datagram)
        if reply is None or not self.is_active or self._chance.random() < 0.5:
            return reply
        try:
            request, answer = read_packet(datagram), read_packet(reply.datagram)
        except BadMessage:
            return reply
        session = self._bmc.logins.session(request.session_id) if request.session_id else None
        if session is None or not answer.encrypted:
            return reply
        self.sent += 1
        if self._chance.random() < _SHARE_OUTSIDE:
            return reply._replace(datagram=self._mutate_outside(reply.datagram))
        try:
            payload = decrypt(session.keys.encryption, answer.payload)
        except DecryptionError:
            return reply
        self.inside += 1
        return reply._replace(datagram=_sign(session, answer, self._mutate_inside(payload)))

    def _mutate_outside(self, datagram: bytes) -> bytes:
        chance, data = self._chance, bytearray(datagram)
        kind = chance.randrange(5)
        if kind == 0:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[chance.randrange(len(data)) :]
        elif kind == 2:
            data += chance.randbytes(chance.choice((1, 16, 900)))
        elif kind == 3:
            data[14:16] = chance.randbytes(2)
        else:
            data[5] = chance.choice((0x00, 0x11, 0x13, 0x15, 0x40, 0x80, 0xFF))
        return bytes(data)

    def _mutate_inside(self, payload: bytes) -> bytes:
        """Change completion code, data, header or length of an IPMI response. Most results have a right checksum."""
        chance = self._chance
        head, data = bytearray(payload[:_HEADER_BYTES]), bytearray(payload[_HEADER_BYTES:-1])
        (kind,) = chance.choices(_KINDS, _WEIGHTS)
        if kind == 0:
            data = bytearray()
        elif kind == 1:
            del data[chance.randrange(len(data) + 1) :]
        elif kind == 2:
            data += chance.randbytes(chance.choice((1, 8, 60, 200)))
        elif kind == 3:
            data[0:1] = bytes((chance.randrange(1, 256),))
        elif kind == 4 and len(data) > 1:
            data[1:] = chance.randbytes(len(data) - 1)
        elif kind == 5 and data:
            data[chance.randrange(len(data))] = chance.choice(_ODD_BYTES)
        elif kind == 6:
            head[chance.randrange(_HEADER_BYTES)] = chance.choice(_ODD_BYTES)
        elif kind == 7:
            return chance.randbytes(chance.randrange(40))
        else:
            data[1:] = bytes((0xFF,)) * chance.choice((0, 1, 16, 30))
        if kind != 6:
            head[2:3] = checksum(bytes(head[:2]))
        tail = bytes(head[3:]) + bytes(data)
        return bytes(head[:3]) + tail + (checksum(tail) if chance.random() < 0.97 else b"\x55")


def _sign(session: Session, answer: Packet, payload: bytes) -> bytes:
    """Return a packet with *payload* that is encrypted and signed for the session, with the numbers of *answer*."""
    content = encrypt(session.keys.encryption, payload)
    kind = IPMI_MESSAGE | ENCRYPTED | AUTHENTICATED
    packet = with_trailer(rmcp_plus(kind, content, answer.session_id, answer.sequence))
    return packet + session.suite.code(session.keys.integrity, packet[4:])


def _create_node(connection: APIConnection, info: dict[str, Any]) -> str:
    answer = connection.request("POST", "/v1/nodes", {"driver": "ipmi", "driver_info": info})
    if answer.status != 201:
        raise AssertionError(f"cannot create a node: {answer.status} {answer.body[:200]!r}")
    return str(answer.json["uuid"])


def _run_clients(url: str, nodes: list[str], mutators: list[PacketMutator], count: int, seed: int, rules: Rules) -> None:
    """Send requests to all nodes, each by its own client, until enough packets were malformed."""

    def run(number: int) -> None:
        chance, connection = random.Random(f"{seed}-client-{number}"), APIConnection(url)
        while (sent := sum(mutator.sent for mutator in mutators)) < count:
            method, path, body = chance.choice(REQUESTS)
            begin = time.monotonic()
            try:
                answer = connection.request(method, f"/v1/nodes/{nodes[number]}/{path}", body)
            except Unanswered as exc:
                rules.report.add_violation(f"no answer: {exc}"[:200])
                break
            rules.check_answer(f"{method} {path}", answer.status, answer.body, time.monotonic() - begin)
            if _REFUSED in answer.body:
                _write_credentials_again(connection, nodes[number])
            rules.report.progress(min(sent, count - 1), count)
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(nodes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rules.report.progress(count, count)


def _write_credentials_again(connection: APIConnection, node: str) -> None:
    """Write the credentials of a node again, as an operator does after the BMC has refused them.

    A changed answer to the request for a privilege level refuses the credentials, and no more logins are then tried.
    """
    patch = [{"op": "replace", "path": "/driver_info/ipmi_password", "value": _PASSWORD}]
    connection.request("PATCH", f"/v1/nodes/{node}", patch)


def _check_end(connection: APIConnection, nodes: list[str], rules: Rules) -> None:
    """Check that no node is stuck, and that each BMC can be used again."""
    try:
        for stuck in find_stuck_nodes(connection, waiting_is_rest=True):
            rules.report.add_violation(stuck)
        for node in nodes:
            _wait_for_boot_device(connection, node)
    except (Unanswered, AssertionError) as exc:
        rules.report.add_violation(f"the service does not answer at the end: {exc}"[:300])
    finally:
        connection.close()


def _wait_for_boot_device(connection: APIConnection, node: str, timeout_s: float = 90.0) -> None:
    """Wait until the BMC of a node answers. It has few sessions, and keeps one that was lost for 60 seconds."""
    end = time.monotonic() + timeout_s
    while (answer := connection.request("GET", f"/v1/nodes/{node}/management/boot_device")).status != 200:
        if _REFUSED in answer.body:
            _write_credentials_again(connection, node)
        is_internal = any(text in answer.body.lower() for text in INTERNAL_ERRORS)
        if is_internal or time.monotonic() > end:
            raise AssertionError(f"node {node} does not recover: {answer.status} {answer.body[:200]!r}")
        time.sleep(0.5)
