"""Plan of a Redfish test service: a serializable description that the command passes to its child processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from baremetal_fake.bmc_account import Account
from baremetal_fake.faults import FaultPlan
from baremetal_fake.machine import Timings
from baremetal_fake.rack import Rack
from baremetal_fake.redfish.certificate import Certificate
from baremetal_fake.redfish.options import BMCOptions
from baremetal_fake.redfish.service import RedfishService


@dataclass(frozen=True)
class ServicePlan:
    """Description of a Redfish test service: its machines, their addresses, and the options of their BMCs.

    Times are in seconds.
    """

    names: tuple[str, ...]
    addresses: tuple[str, ...] = ("127.0.0.1",)
    port: int = 0
    certificate: tuple[str, str] | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    latency: float = 0.0
    idle_timeout: float | None = None
    session_timeout: float = 1800.0
    session_limit: int = 64
    lockout_after: int | None = None
    parallel_limit: int | None = None
    strict_power: bool = False
    fetch_images: bool = True
    power_seconds: float = 0.0
    faults: tuple[tuple[str, list[dict[str, Any]]], ...] = ()
    """Pairs of a pattern of machine names and the fault plan (JSON) of these machines."""

    def to_json(self) -> str:
        """Return the plan as one line of JSON, including the password in clear text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> ServicePlan:
        """Return the plan in *line*, which :meth:`to_json` encoded."""
        values = json.loads(line)
        certificate = values["certificate"]
        return cls(
            **{
                **values,
                "names": tuple(values["names"]),
                "addresses": tuple(values["addresses"]),
                "certificate": None if certificate is None else tuple(certificate),
                "faults": tuple((pattern, plan) for pattern, plan in values["faults"]),
            }
        )

    def shares(self, count: int) -> list[ServicePlan]:
        """Split the plan into *count* or fewer plans, each with a part of the machines and their addresses.

        The plan must have one address for each machine.
        """
        size = -(-len(self.names) // count)
        starts = range(0, len(self.names), size)
        return [replace(self, names=self.names[at : at + size], addresses=self.addresses[at : at + size]) for at in starts]

    def service(self) -> RedfishService:
        """Return a new Redfish test service for this plan. The caller starts it."""
        timings = Timings(self.power_seconds, self.power_seconds, self.power_seconds)
        rack = Rack("redfish", timings=timings)
        for pattern, faults in self.faults:
            rack.inject(FaultPlan.from_json(faults), pattern)
        account = None if self.username is None else Account(self.username, self.password or "")
        return RedfishService(
            self.names,
            addresses=self.addresses,
            port=self.port,
            tls=Certificate(*self.certificate) if self.certificate else False,
            latency=self.latency,
            idle_timeout=self.idle_timeout,
            options=BMCOptions(
                account=account,
                session_timeout=self.session_timeout,
                session_limit=self.session_limit,
                strict_power=self.strict_power,
                fetch_images=self.fetch_images,
                lockout_after=self.lockout_after,
                parallel_limit=self.parallel_limit,
            ),
            rack=rack,
        )
