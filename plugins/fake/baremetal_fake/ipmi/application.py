"""IPMI application commands of a simulated BMC: device identity, reset, capabilities and sessions (IPMI 2.0, chapters 20, 22)."""

from __future__ import annotations

from baremetal_fake.ipmi.cipher import SUITES
from baremetal_fake.ipmi.commands import Call, Code, Command, CommandError, Level, Operation, Table, make_change, make_reader

APPLICATION = 0x06
"""IPMI network function of the application commands."""
DEVICE_ID = bytes((0x20, 0x01, 0x02, 0x10, 0x02, 0x87, 0x00, 0x00, 0x00, 0x01, 0x00))
"""Answer to Get Device ID: device 32, firmware 2.10, IPMI 2.0, manufacturer 0 (unspecified), product 1.

It says that the BMC supports sensors, the SDR repository, the SEL and chassis commands.
"""

_LAN_CHANNEL = 0x01
_CIPHER_RECORDS_PART_BYTES = 16


def commands() -> Table:
    """Return the table of the IPMI application commands that the simulated BMC supports."""
    return {
        (APPLICATION, 0x01): make_reader("get_device", lambda call: DEVICE_ID),
        (APPLICATION, 0x02): Command(Level.ADMINISTRATOR, _reset),
        (APPLICATION, 0x03): Command(Level.ADMINISTRATOR, _reset),
        (APPLICATION, 0x08): make_reader("get_device", lambda call: call.bmc.guid),
        (APPLICATION, 0x37): make_reader("get_device", lambda call: call.bmc.guid),
        (APPLICATION, 0x38): make_reader("get_capabilities", _get_authentication_capabilities, Level.NONE),
        (APPLICATION, 0x54): make_reader("get_capabilities", _get_cipher_suites, Level.NONE),
        (APPLICATION, 0x3B): Command(Level.CALLBACK, _set_privilege_level),
        (APPLICATION, 0x3C): Command(Level.CALLBACK, _close_session),
    }


def _reset(call: Call) -> Operation:
    """Return the operation that restarts the BMC: its sessions end, and the machine's power does not change."""
    return make_change("reset_bmc", call.bmc.restart)


def _get_authentication_capabilities(call: Call) -> bytes:
    """Return the answer to Get Channel Authentication Capabilities (table 22-15).

    It says that the BMC speaks only IPMI 2.0, whether the account has a user name, and whether the BMC has a key.
    """
    access = call.bmc.options.access
    account_kind = 0x04 if access.account.username else 0x02
    return bytes((_LAN_CHANNEL, 0x80, account_kind | (0x20 if access.key else 0), 0x02, 0, 0, 0, 0))


def _get_cipher_suites(call: Call) -> bytes:
    """Return the 16 bytes with the requested index from the records of the offered cipher suites (table 22-17)."""
    index = call.require(3)[2] & 0x3F
    suites = [SUITES[number] for number in call.bmc.options.access.suites]
    # The upper bits of a byte tag the kind of algorithm that the lower six bits name.
    records = b"".join(
        bytes((0xC0, suite.number, suite.authentication, 0x40 | suite.integrity, 0x80 | suite.confidentiality))
        for suite in suites
    )
    start = index * _CIPHER_RECORDS_PART_BYTES
    return bytes((_LAN_CHANNEL,)) + records[start : start + _CIPHER_RECORDS_PART_BYTES]


def _set_privilege_level(call: Call) -> Operation:
    """Raise the session's privilege level to the requested one, and return the operation that answers with the present level.

    Raises CommandError if the level exceeds the limit of the login or of the account. Level 0 only asks for the present
    level.
    """
    level, session = call.require(1)[0] & 0x0F, call.session
    assert session is not None
    if level > session.highest:
        # 81h: the level exceeds the limit of the account; 80h: it exceeds the limit that the login asked for.
        raise CommandError(0x80 + (level > call.bmc.options.access.highest_level))
    session.level = level or session.level
    return Operation("set_level", lambda _: bytes((session.level,)))


def _close_session(call: Call) -> Operation:
    """Return the operation that ends the session with the requested number.

    It raises CommandError if the session does not exist.
    """
    number = int.from_bytes(call.require(4)[:4], "little")

    def close() -> bytes:
        if not call.bmc.logins.close(number):
            raise CommandError(Code.NOT_PRESENT)
        return b""

    return Operation("logout", lambda _: close(), changes=True)
