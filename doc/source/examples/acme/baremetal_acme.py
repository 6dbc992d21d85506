"""baremetal-acme: power control for Acme BMCs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import acme

from baremetal_interfaces import Connector, Deadline, DriverInfo, Fault, HardwareType, PowerInterface, PowerState, Task, option


@dataclass(frozen=True)
class AcmeInfo(DriverInfo):
    """Options of an Acme machine."""

    acme_address: str = option("Host name or IP address of the BMC.")
    acme_port: int = option("TCP port of the BMC.", default=6230, minimum=1, maximum=65535)
    acme_password: str = option("Password of the BMC.", secret=True)


class AcmeConnector(Connector[acme.Client]):
    """Login, logout and classification of errors. The runtime shares and renews sessions."""

    def open(self, info: AcmeInfo, tls: ssl.SSLContext | None, deadline: Deadline) -> acme.Client:
        return acme.Client(info.acme_address, info.acme_port, info.acme_password, timeout=deadline.remaining())

    def close(self, session: acme.Client, deadline: Deadline) -> None:
        session.logout()

    def classify(self, exc: Exception) -> Fault:
        if isinstance(exc, acme.LoginRefused):
            return Fault.AUTH
        return Fault.UNREACHABLE if isinstance(exc, OSError) else Fault.OTHER


class AcmePower(PowerInterface):
    """Power commands and reads. The runtime waits until the state has changed."""

    info_type = AcmeInfo
    connector = AcmeConnector
    supported_states = frozenset({PowerState.ON, PowerState.OFF})

    def get_power_state(self, task: Task) -> PowerState:
        with task.session(AcmeConnector) as bmc:
            return PowerState.ON if bmc.is_on() else PowerState.OFF

    def set_power_state(self, task: Task, state: PowerState) -> None:
        with task.session(AcmeConnector) as bmc:
            bmc.chassis("on" if state is PowerState.ON else "off")


class AcmeHardware(HardwareType):
    """Acme machines whose BMC speaks the line protocol."""

    power = ("acme",)
    deploy = ("ramdisk", "fake")
