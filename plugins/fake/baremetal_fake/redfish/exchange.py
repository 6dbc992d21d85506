"""Input and result of the request handlers of a simulated Redfish BMC.

A handler only examines a request: it raises RedfishError, or returns an operation. The operation runs later, because the
fault plan of the machine may delay the operation, change its effect or replace its answer.
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
    """The state of a simulated Redfish BMC that request handlers read and change.

    The class ``RedfishBMC`` implements this protocol and calls the handlers. With the protocol, the handlers need not import
    that class.
    """

    rack: Rack
    options: BMCOptions
    counters: BMCCounters
    sessions: SessionTable
    tasks: TaskTable
    subscriptions: dict[str, dict[str, Any]]
    """Event subscriptions by identifier."""
    check_image: Callable[[str], Awaitable[None]]
    """Function that raises RedfishError unless the image at a URL exists. InsertMedia calls it."""

    @property
    def names(self) -> list[str]:
        """Names of the machines that the BMC manages."""

    def machine(self, name: str) -> Machine:
        """Return the simulated machine *name*; raise RedfishError (HTTP 404) if the BMC does not manage it."""

    def first_machine(self) -> Machine:
        """Return the first machine of the BMC. Its fault plan also applies to requests that concern no machine."""

    def accepts(self, username: str | None, password: str | None) -> bool:
        """Return whether the BMC accepts these credentials. Wrong credentials count, and may lock the account."""


@dataclass
class Exchange:
    """A request at a simulated BMC, which a handler examines.

    *names* are the variable segments of the request path; the first one is the name of the machine, if the path has one.
    """

    bmc: BMCState
    request: Request
    names: tuple[str, ...] = ()

    @property
    def machine(self) -> Machine:
        """Machine that the path names. Raises RedfishError (HTTP 404) if the BMC does not manage it."""
        return self.bmc.machine(self.names[0])

    def json(self) -> dict[str, Any]:
        """Return the request body as a JSON object; raise RedfishError if it is something else.

        Without a body, the object is empty.
        """
        return self.request.json()


Run = Callable[[Fault | None], Answer | Awaitable[Answer]]
"""Function that carries out an operation and returns the answer.

Its argument is the fault that applies. The function itself implements the effects ``late``, ``bounce`` and ``lose``.
"""


@dataclass
class Operation:
    """The effect of one valid request, to be carried out by *run*.

    Fault plans and the machine's log use the *name*; the log also records the *arguments*.
    """

    name: str
    run: Run
    arguments: Mapping[str, Any] = field(default_factory=dict)


Handler = Callable[[Exchange], Operation]
"""Function that examines a request and returns its operation. It raises RedfishError if the request is not valid."""


def make_reader(name: str, resource: Callable[[Exchange], Mapping[str, Any]]) -> Handler:
    """Return a GET handler that answers with the resource that *resource* builds.

    Its operation has the *name* and changes nothing.
    """

    def handle(exchange: Exchange) -> Operation:
        return Operation(name, lambda fault: Answer(body=resource(exchange)))

    return handle


def make_command(name: str, effect: Callable[[Fault | None], None], **arguments: Any) -> Operation:
    """Return an operation that calls *effect* and answers HTTP 204. A fault ``lose`` skips *effect* but not the answer.

    *arguments* are recorded in the machine's log.
    """

    def run(fault: Fault | None) -> Answer:
        if fault is None or fault.effect is not Effect.LOSE:
            effect(fault)
        return Answer(204)

    return Operation(name, run, arguments)


def link(*segments: str) -> dict[str, str]:
    """Return a Redfish reference (``@odata.id``) to the resource at the path *segments* below the service root."""
    return {"@odata.id": "/".join((ROOT, *segments))}


def collection(path: tuple[str, ...], kind: str, name: str, members: list[str]) -> dict[str, Any]:
    """Return a Redfish collection at *path* with references to its *members*.

    *kind* is the schema, such as ``VolumeCollection``.
    """
    return {
        **link(*path),
        "@odata.type": f"#{kind}.{kind}",
        "Name": name,
        "Members@odata.count": len(members),
        "Members": [link(*path, member) for member in members],
    }
