"""The commands about the BMC itself and about sessions (IPMI 2.0, chapters 20 and 22)."""

from __future__ import annotations

from baremetal_fake.ipmi.cipher import SUITES
from baremetal_fake.ipmi.commands import Call, Code, Command, Level, Operation, Refused, Table, changing, reading

APPLICATION = 0x06
DEVICE_ID = bytes((0x20, 0x01, 0x02, 0x10, 0x02, 0x87, 0x00, 0x00, 0x00, 0x01, 0x00))
"""Device 32, firmware 2.10, IPMI 2.0; sensors, SDR, SEL and chassis; no manufacturer (0), product 1."""

_CHANNEL = 0x01
_RECORDS_AT_ONCE = 16


def commands() -> Table:
    """The commands of this module."""
    return {
        (APPLICATION, 0x01): reading("get_device", lambda call: DEVICE_ID),
        (APPLICATION, 0x02): Command(Level.ADMINISTRATOR, _reset),
        (APPLICATION, 0x03): Command(Level.ADMINISTRATOR, _reset),
        (APPLICATION, 0x08): reading("get_device", lambda call: call.bmc.guid),
        (APPLICATION, 0x37): reading("get_device", lambda call: call.bmc.guid),
        (APPLICATION, 0x38): reading("get_capabilities", _capabilities, Level.NONE),
        (APPLICATION, 0x54): reading("get_capabilities", _cipher_suites, Level.NONE),
        (APPLICATION, 0x3B): Command(Level.CALLBACK, _set_level),
        (APPLICATION, 0x3C): Command(Level.CALLBACK, _close),
    }


def _reset(call: Call) -> Operation:
    """Restart the BMC: its sessions are gone afterwards, the machine does not notice."""
    return changing("reset_bmc", call.bmc.logins.clear)


def _capabilities(call: Call) -> bytes:
    """IPMI 2.0 alone, and whether there are named accounts, the one without a name, and a key of the BMC (table 22-15)."""
    access = call.bmc.options.access
    names = 0x04 if access.account.username else 0x02
    return bytes((_CHANNEL, 0x80, names | (0x20 if access.key else 0), 0x02, 0, 0, 0, 0))


def _cipher_suites(call: Call) -> bytes:
    """The list of suites in parts of sixteen bytes (table 22-17)."""
    index = call.need(3)[2] & 0x3F
    offered = [SUITES[number] for number in call.bmc.options.access.suites]
    algorithms = ((one.number, one.authentication, 0x40 | one.integrity, 0x80 | one.confidentiality) for one in offered)
    records = b"".join(bytes((0xC0, *one)) for one in algorithms)
    return bytes((_CHANNEL,)) + records[index * _RECORDS_AT_ONCE : (index + 1) * _RECORDS_AT_ONCE]


def _set_level(call: Call) -> Operation:
    wanted, session = call.need(1)[0] & 0x0F, call.session
    assert session is not None
    if wanted > session.highest:
        raise Refused(0x80 + (wanted > call.bmc.options.access.highest_level))
    session.level = wanted or session.level
    return Operation("set_level", lambda _: bytes((session.level,)))


def _close(call: Call) -> Operation:
    number = int.from_bytes(call.need(4)[:4], "little")

    def close() -> bytes:
        if not call.bmc.logins.close(number):
            raise Refused(Code.NOT_PRESENT)
        return b""

    return Operation("logout", lambda _: close(), changes=True)
