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
    """Which outlet of which PDU feeds the machine."""

    pdu_address: str = option("URL of the PDU: http://host[:port].")
    pdu_outlet: int = option("Number of the outlet that feeds the machine.", minimum=1)
    pdu_token: str = option("Token of the PDU's API.", secret=True)

    def check(self) -> list[Problem]:
        """What no type can say."""
        parts = urlsplit(self.pdu_address)
        if parts.scheme != "http" or not parts.hostname:
            return [Problem("driver_info/pdu_address", f"{self.pdu_address!r} is not valid", "a URL such as http://10.0.0.9")]
        return []

    def endpoint(self) -> Endpoint:
        """Machines at one PDU share its cap and its session."""
        parts = urlsplit(self.pdu_address)
        return Endpoint(parts.scheme, parts.hostname or "", parts.port)


# [connector]
class TokenRefused(Exception):
    """The PDU does not know the token."""


class PDUConnector(Connector[HTTPSession]):
    """Opens a connection to a PDU."""

    def open(self, info: PDUInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> HTTPSession:
        """The token goes with every request; the first one shows whether it is right."""
        where = info.endpoint()
        session = HTTPSession(where.scheme, where.host, where.port, headers={"X-PDU-Token": info.pdu_token})
        try:
            ask(session, "GET", info.pdu_outlet, deadline)
        except BaseException:
            session.close()
            raise
        return session

    def close(self, session: HTTPSession, deadline: Deadline) -> None:
        """There is no login to end."""
        session.close()

    def classify(self, exc: Exception) -> Fault:
        """What an exception means to whoever drives the machine."""
        if isinstance(exc, TokenRefused):
            return Fault.AUTH
        unreachable = isinstance(exc, HTTPSessionError) and not isinstance(exc, BadAnswer)
        return Fault.UNREACHABLE if unreachable else Fault.OTHER


# [ask]
def ask(session: HTTPSession, method: str, outlet: int, deadline: Deadline, **command: str) -> PowerState:
    """One request about an outlet, and the state that it is in."""
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
    """Switches the outlet. A machine that is at more than one is not for this plugin."""

    contract_version = (1, 0)
    info_type = PDUInfo
    connector = PDUConnector
    supported_states = frozenset({PowerState.ON, PowerState.OFF})

    def get_power_state(self, task: Task) -> PowerState:
        """What the outlet says."""
        with task.session(PDUConnector) as session:
            return ask(session, "GET", task.info("power").pdu_outlet, task.deadline)

    def set_power_state(self, task: Task, state: PowerState) -> None:
        """Send the command; whether it had an effect is seen by whoever called."""
        if state not in self.supported_states:
            raise NotSupported(f"an outlet cannot be set to {state.value!r}")
        with task.session(PDUConnector) as session:
            wanted = "on" if state is PowerState.ON else "off"
            ask(session, "PUT", task.info("power").pdu_outlet, task.deadline, state=wanted)


# [hardware]
class PDUHardware(HardwareType):
    """Machines without a BMC, at the outlets of a PDU."""

    contract_version = (1, 0)
    power = ("pdu",)
