"""The input and the result of a request handler.

A handler only examines the request: it raises an error, or returns an operation. The operation runs later, because the
fault plan of the machine may delay it, change it or replace its answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from baremetal_fake.bmc_account import BMCCounters
from baremetal_fake.faults import Effect, Fault
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack
from baremetal_fake.redfish.message import Answer, Request
from baremetal_fake.redfish.options import BMCOptions
from baremetal_fake.redfish.session_table import SessionTable
from baremetal_fake.redfish.task_table import TaskTable

ROOT = "/redfish/v1"


class BMCState(Protocol):
    """The state of a BMC that handlers read and change.

    The class of BMCs (``RedfishBMC``) calls the handlers. This protocol keeps the handlers from importing that class in turn.
    """

    rack: Rack
    options: BMCOptions
    counters: BMCCounters
    sessions: SessionTable
    tasks: TaskTable
    subscriptions: dict[str, dict[str, Any]]
    """Event subscriptions by identifier."""
    check_image: Callable[[str], Awaitable[None]]
    """Function that raises RedfishError unless the image at a URL exists."""

    @property
    def names(self) -> list[str]:
        """Names of the machines that the BMC manages."""

    def machine(self, name: str) -> Machine:
        """Return the machine *name*; raise RedfishError if the BMC does not manage it."""

    def first_machine(self) -> Machine:
        """Return the first machine, whose fault plan also applies to requests that concern no machine."""

    def accepts(self, username: str | None, password: str | None) -> bool:
        """Return whether the credentials are right."""


@dataclass
class Exchange:
    """A request at a BMC. *names* are the variable parts of the path; the name of a machine comes first."""

    bmc: BMCState
    request: Request
    names: tuple[str, ...] = ()

    @property
    def machine(self) -> Machine:
        """Machine that the path names. Raises RedfishError if the BMC does not manage it."""
        return self.bmc.machine(self.names[0])

    def json(self) -> dict[str, Any]:
        """Return the body as an object; raise RedfishError if it is not one."""
        return self.request.json()


Run = Callable[[Fault | None], Answer | Awaitable[Answer]]
"""Function that carries out an operation. Its argument is the fault that applies; late, bounce and lose change the effect."""


@dataclass
class Operation:
    """The effect of one request, under the *name* that fault plans and the machine's log use."""

    name: str
    run: Run
    arguments: Mapping[str, Any] = field(default_factory=dict)


Handler = Callable[[Exchange], Operation]


def make_reader(name: str, resource: Callable[[Exchange], Mapping[str, Any]]) -> Handler:
    """Return a handler that answers with the result of *resource* and changes nothing."""

    def handle(exchange: Exchange) -> Operation:
        return Operation(name, lambda fault: Answer(body=resource(exchange)))

    return handle


def make_command(name: str, effect: Callable[[Fault | None], None], **arguments: Any) -> Operation:
    """Return an operation that calls *effect*, unless a fault loses the command, and answers 204."""

    def run(fault: Fault | None) -> Answer:
        if fault is None or fault.effect is not Effect.LOSE:
            effect(fault)
        return Answer(204)

    return Operation(name, run, arguments)


def link(*segments: str) -> dict[str, str]:
    """Return a reference to the resource at the path *segments* below the root."""
    return {"@odata.id": "/".join((ROOT, *segments))}


def collection(path: tuple[str, ...], kind: str, name: str, members: list[str]) -> dict[str, Any]:
    """Return a collection of the resources *members* below *path*. *kind* is its schema."""
    return {
        **link(*path),
        "@odata.type": f"#{kind}.{kind}",
        "Name": name,
        "Members@odata.count": len(members),
        "Members": [link(*path, member) for member in members],
    }
