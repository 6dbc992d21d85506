"""One Redfish BMC: who may ask, for what, and what goes wrong on the way. HTTP connections and time are elsewhere."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from baremetal_fake.bmc_account import Account, BMCCounters
from baremetal_fake.faults import Effect, Fault
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack
from baremetal_fake.redfish.errors import RedfishError, missing_resource, no_session
from baremetal_fake.redfish.exchange import Exchange, Operation
from baremetal_fake.redfish.message import Answer, Request
from baremetal_fake.redfish.routing import Found, Router
from baremetal_fake.redfish.session_table import Session, SessionTable
from baremetal_fake.redfish.tasks import TaskTable


@dataclass(frozen=True)
class BMCOptions:
    """How the BMCs of a service behave.

    Without an *account* every login is taken, and so is a request without one. *session_timeout* is in seconds. A BMC
    with *strict_power* answers 409 to a power command that the machine is past already.
    """

    account: Account | None = None
    session_timeout: float = 1800.0
    session_limit: int = 64
    strict_power: bool = False
    fetch_images: bool = True
    """Whether InsertMedia looks for the image and answers with an error where there is none."""
    task_seconds: float | None = None
    """Where it is set, volumes are made and removed by a task that takes so long, and the answer is 202."""
    lockout_after: int | None = None
    """After as many wrong passwords in a row nobody gets in until :meth:`RedfishBMC.unlock`."""
    parallel_limit: int | None = None
    """A request that comes while as many are being worked on fails with status 500."""
    location_light: bool = False
    """Whether systems have ``LocationIndicatorActive``, as newer services, in place of ``IndicatorLED``."""
    forgets_boot_mode: bool = False
    """Whether a boot override without its mode puts the mode back to legacy, as some services do."""


class RedfishBMC:
    """A BMC that serves *names*, the machines of *rack*. Its methods are called on the event loop of its service."""

    def __init__(
        self, rack: Rack, names: Iterable[str], router: Router, options: BMCOptions, check_image: Callable[[str], Awaitable[None]]
    ) -> None:
        self.rack = rack
        self.options = options
        self.counters = BMCCounters()
        self.sessions = SessionTable(rack.clock, self.counters, options.session_timeout, options.session_limit)
        self.tasks = TaskTable(rack.clock)
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.check_image = check_image
        self.overruns = 0
        """Requests that failed because too many were being worked on."""
        self._wrong_in_a_row = 0
        self._router = router
        self._names = dict.fromkeys(names)

    @property
    def names(self) -> list[str]:
        """The names of its machines."""
        return list(self._names)

    def machine(self, name: str) -> Machine:
        """The machine of that name; RedfishError where it has none."""
        if name not in self._names:
            raise missing_resource(name)
        return self.rack.machine(name)

    def first_machine(self) -> Machine:
        """The machine whose fault plan also covers what concerns no machine: logins, the root, the connection."""
        return self.rack.machine(next(iter(self._names)))

    def understand(self, request: Request) -> tuple[Operation, Fault | None]:
        """What *request* asks for and the fault that strikes at it. Raises RedfishError."""
        found = self._router.find(request.path)
        handler = found.handler(request.method)
        self._check_load()
        session = self._authenticated(request, found)
        operation = handler(Exchange(self, request, found.names))
        self._check_precondition(request, found)
        machine = self.rack.machine(found.names[0]) if found.names and found.names[0] in self._names else self.first_machine()
        fault = machine.admit(operation.name, **operation.arguments)
        if fault is not None:
            _strike_at_once(fault, session, self.sessions)
        return operation, fault

    def finish(self, request: Request, answer: Answer) -> Answer:
        """Add what every answer of a read has: the entity tag and the methods of the resource."""
        if answer.status != 200 or request.method not in ("GET", "HEAD") or isinstance(answer.body, bytes) or answer.body is None:
            return answer
        content = answer.content()
        tag = entity_tag(content)
        headers = {**answer.headers, "ETag": tag, "Allow": ", ".join(self._router.find(request.path).allowed())}
        if request.headers.get("if-none-match") in (tag, f"W/{tag}"):
            return Answer(304, None, headers)
        marked = content[:-1] + b',"@odata.etag":' + ('"' + tag.replace('"', '\\"') + '"').encode() + b"}"
        return Answer(200, marked, headers)

    def accepts(self, username: str | None, password: str | None) -> bool:
        """Whether these credentials are taken; wrong ones are counted, and may close the account."""
        if self.options.account is None:
            return True
        right = self.options.account.matches(username, password) and not self.locked
        self._wrong_in_a_row = 0 if right else self._wrong_in_a_row + 1
        return right

    @property
    def locked(self) -> bool:
        """Whether too many wrong passwords have closed the account."""
        limit = self.options.lockout_after
        return limit is not None and self._wrong_in_a_row >= limit

    def unlock(self) -> None:
        """Open the account again."""
        self._wrong_in_a_row = 0

    def _check_load(self) -> None:
        limit = self.options.parallel_limit
        if limit is not None and self.counters.in_flight > limit:
            self.overruns += 1
            raise RedfishError(500, "InternalError", f"More than {limit} requests at a time are too many for this service.")

    def _check_precondition(self, request: Request, found: Found) -> None:
        """Raise RedfishError where the client saw another version of the resource than the present one."""
        wanted = request.headers.get("if-match", "").removeprefix("W/")
        if request.method != "PATCH" or wanted in ("", "*"):
            return
        read = found.handler("GET")(Exchange(self, Request("GET", request.path, {}), found.names))
        answer = read.run(None)
        if isinstance(answer, Answer) and entity_tag(answer.content()) != wanted:
            raise RedfishError(412, "PreconditionFailed", "The ETag supplied did not match the one that is present.")

    def _authenticated(self, request: Request, found: Found) -> Session | None:
        if request.method in found.route.open:
            return None
        token = request.headers.get("x-auth-token")
        if token is not None:
            session = self.sessions.use(token)
            if session is None:
                raise no_session()
            return session
        if not self._accepts_basic(request.headers.get("authorization")):
            raise no_session("The credentials are missing or wrong.")
        return None

    def _accepts_basic(self, header: str | None) -> bool:
        if self.options.account is None:
            return True
        scheme, _, encoded = (header or "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        accepted = self.accepts(username, password)
        if not accepted:
            self.counters.logged_in(accepted=False)
        return accepted


def entity_tag(content: bytes) -> str:
    """The strong entity tag of a resource whose content is *content*."""
    return f'"{zlib.crc32(content):08x}"'


def _strike_at_once(fault: Fault, session: Session | None, sessions: SessionTable) -> None:
    """The faults that are an answer of their own."""
    if fault.effect is Effect.REFUSE:
        raise RedfishError(fault.status, "GeneralError", fault.message or "A general error has occurred.")
    if fault.effect is Effect.AUTH:
        raise no_session(fault.message or "The credentials are refused.")
    if fault.effect is Effect.EXPIRE:
        if session is not None:
            sessions.close(session)
        raise no_session()
    if fault.effect is Effect.BUSY:
        text = fault.message or "The service is temporarily unavailable. Retry in 1 seconds."
        raise RedfishError(503, "ServiceTemporarilyUnavailable", text, args=["1"], headers={"Retry-After": "1"})
