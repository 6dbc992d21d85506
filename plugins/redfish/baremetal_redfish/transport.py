"""Transport: the connector object through which sushy sends its requests, with a deadline for each request.

The class has the methods of sushy's own connector. It differs in four ways: it repeats a change only if the service has
certainly not carried it out; it never logs in; it follows no redirect to another host; its collection as garbage sends
nothing.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urljoin, urlsplit

import sushy.exceptions

from baremetal_interfaces import Deadline, request_slot
from baremetal_interfaces.addresses import build_url, get_host_port, split_url
from baremetal_interfaces.http import BadAnswer, Broken, HTTPResponse, HTTPSession, HTTPSessionError
from baremetal_interfaces.sending import current_slots, use_slots
from baremetal_redfish.errors import CredentialsRefused, PrivilegeMissing, SessionExpired, TransportFailed
from baremetal_redfish.paths import quote_path
from baremetal_redfish.response import RedfishResponse

_MAX_REDIRECTS = 3
_MAX_ATTEMPTS = 3
_RETRYABLE_STATUSES = frozenset({409, 429, 503})
_MAX_PAUSE_S = 5.0
"""Longest ``Retry-After`` that a thread sleeps for, in seconds. A longer one becomes an error that carries the time."""
_RESET_PAUSE_RANGE_S = (0.1, 0.5)
"""Shortest and longest pause before a read is sent again after a broken connection, in seconds."""
_CONFLICT_PAUSE_RANGE_S = (0.5, 1.5)
"""Shortest and longest pause before a read is sent again after status 409, in seconds."""
_deadline: ContextVar[Deadline | None] = ContextVar("baremetal_redfish_deadline", default=None)
"""Deadline of the current thread's requests."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_HEADERS: Mapping[str, str] = {}
_WEAK_ETAG = re.compile(r'W/("[^"]*")\Z')


class _HeldSlot:
    """Stand-in for the BMC's request slots while the calling thread already holds one.

    The HTTP session takes a slot for each request; the second slot of one thread would wait for the first.
    """

    def take(self, deadline: Deadline) -> None:
        """Return at once."""

    def give(self) -> None:
        """Do nothing."""


class _EndedResponse:
    """Stand-in for a 401 response of the service. Errors of requests after the end of the session are created from it."""

    status_code = 401

    def json(self) -> dict[str, Any]:
        """Return an empty document."""
        return {}


class Transport:
    """Sends the requests of one session, with retries, redirects and errors as sushy expects them.

    Threads may share it. Each thread sets its deadline by :meth:`until`. With the option ``once`` a request is never repeated.
    """

    def __init__(self, http: HTTPSession, root: str, request_timeout: float) -> None:
        self._http = http
        self._root = root
        self._request_timeout = request_timeout
        self.has_token = False
        self._final_response: Any = None
        """Last response of a session that has ended; None while requests may be sent."""

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Set the deadline of this thread's requests. Outside the block each request has the session's default timeout."""
        token = _deadline.set(deadline)
        try:
            yield
        finally:
            _deadline.reset(token)

    def get(self, path: str = "", data: Any = None, headers: Mapping[str, str] | None = None, **options: Any) -> RedfishResponse:
        """Read the resource at *path*. Raises TransportFailed if a response with status 200 is not a JSON object."""
        response = self._request("GET", path, data, headers, **options)
        if response.content and response.status_code == 200:
            self._require_document(path, response)
        return response

    def post(self, path: str = "", data: Any = None, headers: Mapping[str, str] | None = None, **options: Any) -> RedfishResponse:
        """Call an action, or create a member of a collection."""
        return self._request("POST", path, data, headers, **options)

    def put(self, path: str = "", data: Any = None, headers: Mapping[str, str] | None = None, **options: Any) -> RedfishResponse:
        """Replace a resource."""
        return self._request("PUT", path, data, headers, **options)

    def delete(
        self, path: str = "", data: Any = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> RedfishResponse:
        """Delete a resource."""
        return self._request("DELETE", path, data, headers, **options)

    def patch(
        self,
        path: str = "",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        **options: Any,
    ) -> RedfishResponse:
        """Change a resource, with ``If-Match`` if *etag* or the header is given.

        Some services hand out a weak ETag but accept only the strong one, or none. After status 412 the request is sent
        with the strong ETag and then without one, as sushy does.
        """
        given = {name: value for name, value in (headers or {}).items() if name != "If-Match" or value}
        tag = etag or given.pop("If-Match", None)
        weak = _WEAK_ETAG.match(tag) if tag else None
        attempts = [tag, weak[1] if weak else None, None] if tag else [None]
        for attempt in dict.fromkeys(attempts):
            tagged = given if attempt is None else {**given, "If-Match": attempt}
            try:
                return self._request("PATCH", path, data, tagged, **options)
            except sushy.exceptions.HTTPError as exc:
                if exc.status_code != 412 or attempt is None:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def change(self, path: str, data: Any) -> RedfishResponse:
        """Change a resource under its current ETag. If another client changes it in between, read the ETag again once."""
        try:
            return self._request("PATCH", path, data, self._build_if_match(path))
        except sushy.exceptions.HTTPError as exc:
            if exc.status_code != 412:
                raise
        return self.patch(path, data, headers=self._build_if_match(path))

    def _build_if_match(self, path: str) -> dict[str, str]:
        """Return the ``If-Match`` header of the resource's current version, or no header if the service has no ETags."""
        response = self.get(path)
        document = response.json() if response.content else {}
        tag = response.headers.get("ETag") or (document.get("@odata.etag") if isinstance(document, dict) else None)
        return {"If-Match": tag} if isinstance(tag, str) and tag else {}

    def read_document(self, path: str, *, large: bool = False) -> dict[str, Any]:
        """Return the JSON document at *path*; empty if the response has another status than 200 and is no JSON object.

        With *large*, the document may be larger than others, as registries and collections are.
        """
        value = self.get(path, large=large).json()
        return value if isinstance(value, dict) else {}

    def _request(
        self,
        method: str,
        path: str,
        data: Any,
        headers: Mapping[str, str] | None,
        blocking: bool = False,
        timeout: float | None = None,
        once: bool = False,
        large: bool = False,
    ) -> RedfishResponse:
        if blocking:
            raise sushy.exceptions.SushyError("blocking requests are not supported: poll the task monitor of the BMC instead")
        target = self._resolve_target(path)
        for _ in range(_MAX_REDIRECTS + 1):
            attempts = 1 if once else _MAX_ATTEMPTS
            response = self._send_with_retries(
                method, target, data=data, headers=headers or {}, timeout=timeout, attempts=attempts, large=large
            )
            redirect = self._find_redirect_target(method, target, response)
            if redirect is None:
                self.raise_for_response(method, target, response)
                return response
            target = redirect
        raise TransportFailed(BadAnswer(f"{method} {path} at {self._http.endpoint}: the request was redirected too often"))

    def _send_with_retries(
        self,
        method: str,
        target: str,
        *,
        data: Any,
        headers: Mapping[str, str],
        timeout: float | None,
        attempts: int,
        large: bool,
    ) -> RedfishResponse:
        """Send a request up to *attempts* times, and return the last response or raise the last error.

        A request is repeated if it was certainly not carried out, a read also after a broken connection. The method never waits
        beyond the deadline.
        """
        deadline = self._build_deadline(timeout)
        while True:
            attempts -= 1
            failure: TransportFailed | None = None
            try:
                response = self._send(method, target, deadline, data=data, headers=headers, large=large)
                pause = choose_retry_pause(method, response)
            except TransportFailed as exc:
                # Only a read is repeated after a broken connection: anything else may already have taken effect.
                if method != "GET" or not isinstance(exc.failure, Broken):
                    raise
                failure, pause = exc, random.uniform(*_RESET_PAUSE_RANGE_S)
            if pause is None or attempts <= 0 or deadline.remaining() <= pause:
                break
            time.sleep(pause)
        if failure is not None:
            raise failure
        return response

    def raise_if_ended(self, method: str, target: str) -> None:
        """Raise SessionExpired if the session has ended or its password was refused. Nothing more may then be sent."""
        if self._final_response is not None:
            raise SessionExpired(method, target, self._final_response)

    def end(self) -> None:
        """Let all further requests fail with SessionExpired. Callers that still hold the session have to open a new one."""
        self._final_response = _EndedResponse()

    def _build_deadline(self, timeout: float | None) -> Deadline:
        deadline = _deadline.get()
        if deadline is None:
            deadline = Deadline.after(self._request_timeout)
        return deadline if timeout is None else deadline.within(timeout)

    def _send(
        self, method: str, target: str, deadline: Deadline, *, data: Any, headers: Mapping[str, str], large: bool
    ) -> RedfishResponse:
        sent = {name: value for name, value in headers.items() if value is not None}
        try:
            return RedfishResponse(self.send_once(method, target, deadline, data=data, headers=sent, large=large))
        except HTTPSessionError as exc:
            raise TransportFailed(exc) from exc

    def send_once(
        self,
        method: str,
        target: str,
        deadline: Deadline,
        *,
        data: Any = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        large: bool = False,
    ) -> HTTPResponse:
        """Send one request, without retries and redirects.

        Raises ``HTTPSessionError``, or ``SessionExpired`` if the session has ended.
        """
        self.raise_if_ended(method, target)
        try:
            if "Authorization" not in self._http.headers or current_slots() is None:
                return self._http.request(method, target, json=data, headers=headers, deadline=deadline, large=large)
            return self._send_with_password(method, target, deadline, data=data, headers=headers, large=large)
        except HTTPSessionError:
            # Another thread may have ended the session meanwhile, which breaks this thread's connection.
            self.raise_if_ended(method, target)
            raise

    def _send_with_password(
        self, method: str, target: str, deadline: Deadline, *, data: Any, headers: Mapping[str, str], large: bool
    ) -> HTTPResponse:
        """Send a request with the password while holding one of the BMC's request slots.

        A thread that has waited for its slot checks again whether the password was refused meanwhile. Otherwise every
        waiting thread would send a refused password, and the BMC may lock the account.
        """
        with request_slot(deadline), use_slots(_HeldSlot()):
            self.raise_if_ended(method, target)
            response = self._http.request(method, target, json=data, headers=headers, deadline=deadline, large=large)
            if response.status == 401:
                self._final_response = RedfishResponse(response)
            return response

    def _resolve_target(self, path: str) -> str:
        """Return the path to request.

        Of a whole URL only the path is used, because a BMC behind a gateway does not know its own address.
        """
        try:
            # Some services write two slashes in front of a path. A URL without a scheme would begin so.
            parts = urlsplit("/" + path.lstrip("/") if path.startswith("//") else path)
            absolute = parts.path if parts.path.startswith("/") else urljoin(self._root, parts.path)
            query = "?" + quote_path(parts.query, "?") if parts.query else ""
            return quote_path(absolute) + query
        except ValueError:
            raise TransportFailed(BadAnswer(f"the BMC at {self._http.endpoint} links to {path!r}, which is not a path")) from None

    def _find_redirect_target(self, method: str, target: str, response: RedfishResponse) -> str | None:
        """Return the path to which *response* redirects, or None if it is no redirect.

        Raises TransportFailed for another host or port, because the credentials would be sent there.
        """
        location = response.headers.get("Location")
        # RFC 9110, 15.4: only 307 and 308 keep the method and the body.
        followed = (301, 302, 303, 307, 308) if method in ("GET", "HEAD") else (307, 308)
        if response.status_code not in followed or not location:
            return None
        origin = self._http.endpoint
        try:
            parts = split_url(urljoin(f"{origin}{target}", location))
            host, port = get_host_port(parts)
        except ValueError:
            raise TransportFailed(BadAnswer(f"{method} {target} at {origin}: it redirects to what is not a URL")) from None
        destination = (parts.scheme, host, port or _DEFAULT_PORTS.get(parts.scheme, 80))
        if destination != (origin.scheme, origin.host.lower(), origin.port or _DEFAULT_PORTS.get(origin.scheme, 80)):
            where = build_url(parts.scheme, host, port)
            wrong = f"{method} {target} at {origin}: it redirects to {where}; give that as redfish_address"
            raise TransportFailed(BadAnswer(wrong))
        if location.startswith("/") and not location.startswith("//"):
            return self._resolve_target(location)
        return self._resolve_target(parts._replace(scheme="", netloc="").geturl())

    def raise_for_response(self, method: str, target: str, response: RedfishResponse) -> None:
        """Raise sushy's or this plugin's exception for an error response; return for any other.

        After a refused password all further requests of the session fail.
        """
        if response.status_code == 401 and self.has_token:
            raise SessionExpired(method, target, response)
        if response.status_code == 401:
            has_password = "Authorization" in self._http.headers
            if has_password:
                self._final_response = response
            # A POST without a password is the login itself, whose body contains the credentials.
            raise CredentialsRefused(method, target, response, anonymous=method != "POST" and not has_password)
        if response.status_code == 403:
            raise PrivilegeMissing(method, target, response)
        try:
            sushy.exceptions.raise_for_response(method, target, response)
        except sushy.exceptions.HTTPError as exc:
            # sushy searches the detail for words without checking it for None.
            exc.detail = exc.detail or ""
            exc.retry_after = _parse_retry_after(response.headers.get("Retry-After"))
            raise

    def _require_document(self, path: str, response: RedfishResponse) -> None:
        """Raise TransportFailed if a response is not a JSON object.

        Without the check the error would appear later, as a missing attribute.
        """
        try:
            value = response.json()
            problem = "the document is not a JSON object"
        except ValueError as exc:
            value, problem = None, str(exc)
        if not isinstance(value, dict):
            kind = response.headers.get("Content-Type", "something unnamed")
            raise TransportFailed(
                BadAnswer(
                    f"GET {path} at {self._http.endpoint}: expected a JSON document, received {kind}: {problem}; "
                    "check that it is a Redfish service, and check redfish_address and redfish_root_prefix"
                )
            )


def choose_retry_pause(method: str, response: RedfishResponse) -> float | None:
    """Return the seconds to wait before the request is sent again, or None if it must not be repeated.

    A service that sends ``Retry-After`` has done nothing, so any request may be repeated. After status 409 without the
    header only a read is repeated. Pauses are random so that clients do not return at the same moment.
    """
    wait = _parse_retry_after(response.headers.get("Retry-After")) if response.status_code in _RETRYABLE_STATUSES else None
    if wait is not None:
        return wait * random.uniform(1.0, 1.25) if wait <= _MAX_PAUSE_S else None
    return random.uniform(*_CONFLICT_PAUSE_RANGE_S) if response.status_code == 409 and method == "GET" else None


def _parse_retry_after(retry_after: str | None) -> float | None:
    """Return the seconds in ``Retry-After``, or None. Dates are ignored, because the clock of a BMC cannot be trusted."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() and len(retry_after) < 6 else None
