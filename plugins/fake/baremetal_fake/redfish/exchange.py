"""What a handler is given and what it gives back.

A handler only looks at the request: it raises, or returns an operation. The operation passes the fault plan of the
machine before it is run, which is why it is not simply carried out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from baremetal_fake.faults import Effect, Fault
from baremetal_fake.machine import Machine
from baremetal_fake.redfish.message import Answer, Request

if TYPE_CHECKING:
    from baremetal_fake.redfish.bmc import RedfishBMC

ROOT = "/redfish/v1"


@dataclass
class Exchange:
    """One request at one BMC. *names* are the parts of the path that stand for something, a machine's name first."""

    bmc: RedfishBMC
    request: Request
    names: tuple[str, ...] = ()

    @property
    def machine(self) -> Machine:
        """The machine that the path names; RedfishError where the BMC has none of that name."""
        return self.bmc.machine(self.names[0])

    def json(self) -> dict[str, Any]:
        """The body as an object."""
        return self.request.json()


Run = Callable[[Fault | None], Answer | Awaitable[Answer]]
"""Carries an operation out. The fault is one that changes *how* it takes effect (late, bounce), or None."""


@dataclass
class Operation:
    """What a request asks for, under the name that fault plans and logs know it by."""

    name: str
    run: Run
    arguments: Mapping[str, Any] = field(default_factory=dict)


Handler = Callable[[Exchange], Operation]


def reading(name: str, resource: Callable[[Exchange], Mapping[str, Any]]) -> Handler:
    """A handler that answers with what *resource* gives."""

    def handle(exchange: Exchange) -> Operation:
        return Operation(name, lambda fault: Answer(body=resource(exchange)))

    return handle


def command(name: str, effect: Callable[[Fault | None], None], **arguments: Any) -> Operation:
    """An operation that takes effect and is answered without content."""

    def run(fault: Fault | None) -> Answer:
        if fault is None or fault.effect is not Effect.LOSE:
            effect(fault)
        return Answer(204)

    return Operation(name, run, arguments)


def link(*segments: str) -> dict[str, str]:
    """A reference to the resource below the root at *segments*."""
    return {"@odata.id": "/".join((ROOT, *segments))}


def collection(path: tuple[str, ...], kind: str, name: str, members: list[str]) -> dict[str, Any]:
    """A collection of the resources *members* below *path*."""
    return {
        **link(*path),
        "@odata.type": f"#{kind}.{kind}",
        "Name": name,
        "Members@odata.count": len(members),
        "Members": [link(*path, member) for member in members],
    }
