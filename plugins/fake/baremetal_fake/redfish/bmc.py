"""Simulated Redfish BMC: it authenticates a request, finds its handler, and selects the fault that applies to it.

The module ``connection`` reads and writes the sockets, and applies delays.
"""

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
    """A simulated Redfish BMC that manages the machines *names* of *rack*.

    It holds the sessions, tasks, event subscriptions and counters of the BMC. Only the event loop of its service may call
    its methods. *check_image* raises RedfishError unless the image at a URL exists.
    """

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
        """Number of requests that the BMC refused, because too many requests were in flight."""
        self._consecutive_failures = 0
        self._router = router
        self._names = dict.fromkeys(names)

    @property
    def names(self) -> list[str]:
        """Names of the machines that the BMC manages."""
        return list(self._names)

    def machine(self, name: str) -> Machine:
        """Return the simulated machine *name*; raise RedfishError (HTTP 404) if the BMC does not manage it."""
        if name not in self._names:
            raise missing_resource(name)
        return self.rack.machine(name)

    def first_machine(self) -> Machine:
        """Return the first machine of the BMC.

        Its fault plan also applies to logins, connections and requests that name no machine.
        """
        return self.rack.machine(next(iter(self._names)))

    def prepare(self, request: Request) -> tuple[Operation, Fault | None]:
        """Authenticate and validate *request*; return its operation and the fault that applies to it, or None.

        The operation has not run yet; the machine's log already records it. Raises RedfishError if the request is refused,
        or if the fault replaces the answer with an error.
        """
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
        """Return the final form of *answer*, the answer to *request*.

        A successful answer to a read (GET or HEAD) gets an entity tag and the list of allowed methods. It becomes 304
        without a body if the client named the present entity tag in ``If-None-Match``. All other answers are returned
        unchanged.
        """
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
        """Return whether the BMC accepts a login with these credentials.

        Wrong credentials count as a failure, and the failure number ``lockout_after`` in a row locks the account. A locked
        account also refuses the right password. Without a configured account, every login is accepted.
        """
        if self.options.account is None:
            return True
        accepted = self.options.account.matches(username, password) and not self.locked
        self._consecutive_failures = 0 if accepted else self._consecutive_failures + 1
        return accepted

    @property
    def locked(self) -> bool:
        """True if too many consecutive wrong passwords locked the account of the BMC."""
        limit = self.options.lockout_after
        return limit is not None and self._consecutive_failures >= limit

    def unlock(self) -> None:
        """Unlock the account after too many wrong passwords, and count wrong passwords from zero."""
        self._consecutive_failures = 0

    def _check_load(self) -> None:
        """Raise RedfishError (HTTP 500) and count an overrun if more requests are in flight than ``parallel_limit`` allows."""
        limit = self.options.parallel_limit
        if limit is not None and self.counters.in_flight > limit:
            self.overruns += 1
            raise RedfishError(500, "InternalError", f"The service is overloaded: it accepts {limit} requests at a time.")

    def _check_precondition(self, request: Request, match: RouteMatch) -> None:
        """Raise RedfishError (HTTP 412) if ``If-Match`` of a PATCH names another entity tag than that of the present resource."""
        expected = request.headers.get("if-match", "").removeprefix("W/")
        if request.method != "PATCH" or expected in ("", "*"):
            return
        read = match.handler("GET")(Exchange(self, Request("GET", request.path, {}), match.names))
        answer = read.run(None)
        if isinstance(answer, Answer) and entity_tag(answer.content()) != expected:
            raise RedfishError(412, "PreconditionFailed", "The ETag supplied did not match the ETag of the resource.")

    def _authenticate(self, request: Request, match: RouteMatch) -> Session | None:
        """Return the session of *request*, or None if the request uses HTTP basic authentication or needs no credentials.

        Raises RedfishError (HTTP 401) if the token is unknown or expired, or if the credentials are wrong.
        """
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
        """Return whether the ``Authorization`` *header* permits the request. Count wrong credentials as a refused login.

        Without a configured account, every request is permitted, even without a header.
        """
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
    """Return the strong entity tag (ETag) of a resource whose JSON encoding is *content*."""
    return f'"{zlib.crc32(content):08x}"'


def _raise_for_fault(fault: Fault, session: Session | None, sessions: SessionTable) -> None:
    """Raise RedfishError if *fault* replaces the answer of any operation with an error: refuse, auth, expire or busy.

    Effect ``expire`` also ends *session*. All other effects are applied by the connection or by the operation.
    """
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
