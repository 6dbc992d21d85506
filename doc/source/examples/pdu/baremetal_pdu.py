"""baremetal-pdu: power of machines at the outlets of a PDU with an HTTP API."""

from __future__ import annotations

# [imports]
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from baremetal_interfaces import (
    Connector,
    Deadline,
    DriverInfo,
    Endpoint,
    Fault,
    HardwareType,
    InvalidInput,
    NotSupported,
    PowerInterface,
    PowerState,
    Problem,
    Task,
    UnexpectedAnswer,
    option,
)
from baremetal_interfaces.http import BadAnswer, HTTPSession, HTTPSessionError


# [info]
@dataclass(frozen=True)
class PDUInfo(DriverInfo):
    """Options of a machine: the PDU and its outlet."""

    pdu_address: str = option("URL of the PDU: http://host[:port].")
    pdu_outlet: int = option("Number of the outlet that feeds the machine.", minimum=1)
    pdu_token: str = option("Token of the PDU's API.", secret=True)

    def check(self) -> list[Problem]:
        """Return the problems that the types of the options cannot express."""
        parts = urlsplit(self.pdu_address)
        if parts.scheme != "http" or not parts.hostname:
            return [Problem("driver_info/pdu_address", f"{self.pdu_address!r} is not valid", "a URL such as http://10.0.0.9")]
        return []

    def endpoint(self) -> Endpoint:
        """Return the address of the PDU. Machines with the same endpoint share its session and request limit."""
        parts = urlsplit(self.pdu_address)
        return Endpoint(parts.scheme, parts.hostname or "", parts.port)


# [connector]
class TokenRefused(Exception):
    """The PDU rejected the token."""


class PDUConnector(Connector[HTTPSession]):
    """Opens a connection to a PDU."""

    def open(self, info: PDUInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> HTTPSession:
        """Open a session. A first request checks the token, which goes with every request."""
        where = info.endpoint()
        session = HTTPSession(where.scheme, where.host, where.port, headers={"X-PDU-Token": info.pdu_token})
        try:
            ask(session, "GET", info.pdu_outlet, deadline)
        except BaseException:
            session.close()
            raise
        return session

    def close(self, session: HTTPSession, deadline: Deadline) -> None:
        """Close the connection. The PDU has no login to end."""
        session.close()

    def classify(self, exc: Exception) -> Fault:
        """Map an exception to a fault."""
        if isinstance(exc, TokenRefused):
            return Fault.AUTH
        unreachable = isinstance(exc, HTTPSessionError) and not isinstance(exc, BadAnswer)
        return Fault.UNREACHABLE if unreachable else Fault.OTHER


# [ask]
def ask(session: HTTPSession, method: str, outlet: int, deadline: Deadline, **command: str) -> PowerState:
    """Send one request about an outlet and return the state of the outlet."""
    answer = session.request(method, f"/outlets/{outlet}", json=command or None, deadline=deadline)
    if answer.status == 401:
        raise TokenRefused("the PDU refuses the token")
    if answer.status == 404:
        raise InvalidInput([Problem("driver_info/pdu_outlet", f"{outlet} does not exist", "the number of an outlet of this PDU")])
    value = answer.json()
    if answer.status != 200 or not isinstance(value, dict):
        raise UnexpectedAnswer(f"the PDU answers {method} of outlet {outlet} with status {answer.status}")
    return {"on": PowerState.ON, "off": PowerState.OFF}.get(str(value.get("state")), PowerState.UNKNOWN)


# [power]
class PDUPower(PowerInterface):
    """Power through one outlet. This plugin does not support machines with several outlets."""

    contract_version = (1, 0)
    info_type = PDUInfo
    connector = PDUConnector
    supported_states = frozenset({PowerState.ON, PowerState.OFF})

    def get_power_state(self, task: Task) -> PowerState:
        """Return the state of the outlet."""
        with task.session(PDUConnector) as session:
            return ask(session, "GET", task.info("power").pdu_outlet, task.deadline)

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send the command. The runtime checks the effect."""
        if state not in self.supported_states:
            raise NotSupported(f"an outlet cannot be set to {state.value!r}")
        with task.session(PDUConnector) as session:
            wanted = "on" if state is PowerState.ON else "off"
            ask(session, "PUT", task.info("power").pdu_outlet, task.deadline, state=wanted)


# [hardware]
class PDUHardware(HardwareType):
    """Machines without a BMC that a PDU switches."""

    contract_version = (1, 0)
    power = ("pdu",)
