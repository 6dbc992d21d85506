"""One Redfish BMC: authentication, routing and faults of its requests. Connections and delays are elsewhere."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from baremetal_fake.bmc_account import BMCCounters
from baremetal_fake.faults import Effect, Fault
from baremetal_fake.machine import Machine
from baremetal_fake.rack import Rack
from baremetal_fake.redfish.errors import RedfishError, missing_resource, no_session
from baremetal_fake.redfish.exchange import Exchange, Operation
from baremetal_fake.redfish.message import Answer, Request
from baremetal_fake.redfish.options import BMCOptions
from baremetal_fake.redfish.routing import RouteMatch, Router
from baremetal_fake.redfish.session_table import Session, SessionTable
from baremetal_fake.redfish.task_table import TaskTable

_WRONG_CREDENTIALS = "The credentials are missing or wrong."


class RedfishBMC:
    """A BMC that manages the machines *names* of *rack*. Only the event loop of its service calls its methods."""

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
        """Number of requests refused because of the limit of requests in flight."""
        self._consecutive_failures = 0
        self._router = router
        self._names = dict.fromkeys(names)

    @property
    def names(self) -> list[str]:
        """Names of the machines that the BMC manages."""
        return list(self._names)

    def machine(self, name: str) -> Machine:
        """Return the machine *name*; raise RedfishError if the BMC does not manage it."""
        if name not in self._names:
            raise missing_resource(name)
        return self.rack.machine(name)

    def first_machine(self) -> Machine:
        """Return the first machine. Its fault plan also applies to logins, the root and connections."""
        return self.rack.machine(next(iter(self._names)))

    def prepare(self, request: Request) -> tuple[Operation, Fault | None]:
        """Return the operation of *request* and the fault that applies to it; raise RedfishError."""
        match = self._router.find(request.path)
        handler = match.handler(request.method)
        self._check_load()
        session = self._authenticate(request, match)
        operation = handler(Exchange(self, request, match.names))
        self._check_precondition(request, match)
        is_of_machine = bool(match.names) and match.names[0] in self._names
        machine = self.rack.machine(match.names[0]) if is_of_machine else self.first_machine()
        fault = machine.record_operation(operation.name, **operation.arguments)
        if fault is not None:
            _raise_for_fault(fault, session, self.sessions)
        return operation, fault

    def finish(self, request: Request, answer: Answer) -> Answer:
        """Return the *answer* to a read with its entity tag and allowed methods, or 304 if the client has that version."""
        if answer.status != 200 or request.method not in ("GET", "HEAD") or isinstance(answer.body, bytes) or answer.body is None:
            return answer
        content = answer.content()
        tag = entity_tag(content)
        allowed = self._router.find(request.path).allowed_methods()
        headers = {**answer.headers, "ETag": tag, "Allow": ", ".join(allowed)}
        if request.headers.get("if-none-match") in (tag, f"W/{tag}"):
            return Answer(304, None, headers)
        # The tag is computed from the content without it, so the property is added to the encoded object.
        tagged = content[:-1] + b',"@odata.etag":' + ('"' + tag.replace('"', '\\"') + '"').encode() + b"}"
        return Answer(200, tagged, headers)

    def accepts(self, username: str | None, password: str | None) -> bool:
        """Return whether the credentials are right. Wrong ones count, and may lock the account."""
        if self.options.account is None:
            return True
        accepted = self.options.account.matches(username, password) and not self.locked
        self._consecutive_failures = 0 if accepted else self._consecutive_failures + 1
        return accepted

    @property
    def locked(self) -> bool:
        """True if too many consecutive wrong passwords locked the account."""
        limit = self.options.lockout_after
        return limit is not None and self._consecutive_failures >= limit

    def unlock(self) -> None:
        """Unlock the account."""
        self._consecutive_failures = 0

    def _check_load(self) -> None:
        limit = self.options.parallel_limit
        if limit is not None and self.counters.in_flight > limit:
            self.overruns += 1
            raise RedfishError(500, "InternalError", f"The service is overloaded: it accepts {limit} requests at a time.")

    def _check_precondition(self, request: Request, match: RouteMatch) -> None:
        """Raise RedfishError if ``If-Match`` of a PATCH names another version of the resource than the present one."""
        expected = request.headers.get("if-match", "").removeprefix("W/")
        if request.method != "PATCH" or expected in ("", "*"):
            return
        read = match.handler("GET")(Exchange(self, Request("GET", request.path, {}), match.names))
        answer = read.run(None)
        if isinstance(answer, Answer) and entity_tag(answer.content()) != expected:
            raise RedfishError(412, "PreconditionFailed", "The ETag supplied did not match the ETag of the resource.")

    def _authenticate(self, request: Request, match: RouteMatch) -> Session | None:
        """Return the session of *request*, or None if it needs none or logs in itself; raise RedfishError."""
        if request.method in match.route.public_methods:
            return None
        token = request.headers.get("x-auth-token")
        if token is not None:
            session = self.sessions.use(token)
            if session is None:
                raise no_session()
            return session
        if not self._accepts_basic(request.headers.get("authorization")):
            raise no_session(_WRONG_CREDENTIALS)
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
            self.counters.count_login(accepted=False)
        return accepted


def entity_tag(content: bytes) -> str:
    """Return the strong entity tag of a resource with that *content*."""
    return f'"{zlib.crc32(content):08x}"'


def _raise_for_fault(fault: Fault, session: Session | None, sessions: SessionTable) -> None:
    """Raise RedfishError if the answer to *fault* does not depend on the operation."""
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
