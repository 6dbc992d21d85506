"""What sushy takes for its connector: the same methods, over a session of which every request ends in time.

It repeats only what was surely not done, logs in nowhere, follows nobody to another host, and does nothing when it is
collected as garbage.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import sushy.exceptions

from baremetal_interfaces import Deadline, in_turn
from baremetal_interfaces.http import BadAnswer, Broken, HTTPResponse, HTTPSession, HTTPSessionError
from baremetal_interfaces.sending import current_turns, turns_given_by
from baremetal_redfish.errors import CredentialsRefused, PrivilegeMissing, SessionExpired, TransportFailed
from baremetal_redfish.info import PATH_CHARACTERS

_REDIRECTS = 3
_TRIES = 3
_FOR_NOW = frozenset({409, 429, 503})
_LONGEST_PAUSE = 5.0
"""Seconds that a thread waits for a service that is busy; whoever has to wait for longer is told to come back."""
_AFTER_RESET, _AFTER_CONFLICT = (0.1, 0.5), (0.5, 1.5)
_deadline: ContextVar[Deadline | None] = ContextVar("baremetal_redfish_deadline", default=None)
"""When the requests of this thread have to be over."""
_NO_HEADERS: Mapping[str, str] = {}
_WEAK = re.compile(r'W/("[^"]*")\Z')


class _Taken:
    """The turns of who has one."""

    def take(self, deadline: Deadline) -> None:
        """Nothing is waited for."""

    def give(self) -> None:
        """Nothing is given back."""


class _Ended:
    """In place of the answer of a service, where the session was ended on this side."""

    status_code = 401

    def json(self) -> dict[str, Any]:
        """Nothing was said."""
        return {}


class Answer:
    """An answer in the shape that sushy expects of one."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status_code = response.status
        self.headers = response.headers
        self.content = response.body
        self._response = response

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as a JSON value; ValueError where it is none. An error's body comes in the shape of the specification."""
        try:
            value = self._response.json()
        except BadAnswer as exc:
            raise ValueError(str(exc)) from None
        return value if self.status_code < 400 else _error_body(value)


class Transport:
    """Requests on behalf of one session. A thread sets how long its own requests may take by :meth:`until`."""

    def __init__(self, http: HTTPSession, root: str, longest: float) -> None:
        self._http = http
        self._root = root
        self._longest = longest
        self.has_token = False
        self._over: Any = None
        """What was said last, where nothing more is to be sent with these credentials."""

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Bound the requests of this thread by *deadline*; without it each is bounded for itself."""
        token = _deadline.set(deadline)
        try:
            yield
        finally:
            _deadline.reset(token)

    def get(self, path: str = "", data: Any = None, headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
        """Read a resource."""
        answer = self._request("GET", path, data, headers, **options)
        if answer.content and answer.status_code == 200:
            self._expect_document(path, answer)
        return answer

    def post(self, path: str = "", data: Any = None, headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
        """Call an action, or make a member of a collection."""
        return self._request("POST", path, data, headers, **options)

    def put(self, path: str = "", data: Any = None, headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
        """Replace a resource."""
        return self._request("PUT", path, data, headers, **options)

    def delete(self, path: str = "", data: Any = None, headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
        """Remove a resource."""
        return self._request("DELETE", path, data, headers, **options)

    def patch(
        self,
        path: str = "",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        **options: Any,
    ) -> Answer:
        """Change a resource, under If-Match where there is an *etag*.

        Services are known that hand out a weak tag and accept only the strong one, or none at all: after a status of
        412 those are tried in turn, as sushy does.
        """
        given = {name: value for name, value in (headers or {}).items() if name != "If-Match" or value}
        tag = etag or given.pop("If-Match", None)
        weak = _WEAK.match(tag) if tag else None
        attempts = [tag, weak[1] if weak else None, None] if tag else [None]
        for attempt in dict.fromkeys(attempts):
            tagged = given if attempt is None else {**given, "If-Match": attempt}
            try:
                return self._request("PATCH", path, data, tagged, **options)
            except sushy.exceptions.HTTPError as exc:
                if exc.status_code != 412 or attempt is None:
                    raise
        raise AssertionError("the last attempt either returns or raises")

    def change(self, path: str, data: Any) -> Answer:
        """Change a resource as it was read just before; when somebody else has changed it since, it is read once more."""
        try:
            return self._request("PATCH", path, data, self._tagged(path))
        except sushy.exceptions.HTTPError as exc:
            if exc.status_code != 412:
                raise
        return self.patch(path, data, headers=self._tagged(path))

    def _tagged(self, path: str) -> dict[str, str]:
        """The header that says which version of the resource is meant, where the service tells versions apart."""
        answer = self.get(path)
        document = answer.json() if answer.content else {}
        tag = answer.headers.get("ETag") or (document.get("@odata.etag") if isinstance(document, dict) else None)
        return {"If-Match": tag} if isinstance(tag, str) and tag else {}

    def document(self, path: str) -> dict[str, Any]:
        """The JSON document at *path*."""
        value = self.get(path).json()
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
    ) -> Answer:
        if blocking:
            raise sushy.exceptions.SushyError("waiting for a task of the BMC is not done in here")
        target = self._target(path)
        for _ in range(_REDIRECTS + 1):
            answer = self._persistent(method, target, data, headers or {}, timeout, 1 if once else _TRIES)
            moved = self._moved(method, target, answer)
            if moved is None:
                self.raise_for(method, target, answer)
                return answer
            target = moved
        raise TransportFailed(BadAnswer(f"{method} {path} at {self._http.endpoint}: redirected too often"))

    def _persistent(
        self, method: str, target: str, data: Any, headers: Mapping[str, str], timeout: float | None, tries: int
    ) -> Answer:
        """Send, and once or twice more after what was surely not done and may soon be; never beyond the deadline."""
        limit = self._limit(timeout)
        while True:
            tries -= 1
            failure: TransportFailed | None = None
            try:
                answer = self._send(method, target, data, headers, limit)
                pause = pause_after(method, answer)
            except TransportFailed as exc:
                if method != "GET" or not isinstance(exc.failure, Broken):
                    raise
                failure, pause = exc, random.uniform(*_AFTER_RESET)
            if pause is None or tries <= 0 or limit.remaining() <= pause:
                break
            time.sleep(pause)
        if failure is not None:
            raise failure
        return answer

    def check(self, method: str, target: str) -> None:
        """Raise ``SessionExpired`` once the session has ended, or its credentials were refused: they are sent no second time."""
        if self._over is not None:
            raise SessionExpired(method, target, self._over)

    def end(self) -> None:
        """Send nothing more: whoever still has the session needs another one."""
        self._over = _Ended()

    def _limit(self, timeout: float | None) -> Deadline:
        limit = _deadline.get()
        limit = Deadline.after(self._longest) if limit is None else limit
        return limit if timeout is None else limit.within(timeout)

    def _send(self, method: str, target: str, data: Any, headers: Mapping[str, str], limit: Deadline) -> Answer:
        sent = {name: value for name, value in headers.items() if value is not None}
        try:
            return Answer(self.bare(method, target, limit, data, sent))
        except HTTPSessionError as exc:
            raise TransportFailed(exc) from exc

    def bare(
        self, method: str, target: str, limit: Deadline, data: Any = None, headers: Mapping[str, str] = _NO_HEADERS
    ) -> HTTPResponse:
        """One request as it is. Raises ``HTTPSessionError``, or ``SessionExpired`` where nothing is to be sent any more."""
        self.check(method, target)
        try:
            if "Authorization" not in self._http.headers or current_turns() is None:
                return self._http.request(method, target, json=data, headers=headers, deadline=limit)
            return self._with_password(method, target, limit, data, headers)
        except HTTPSessionError:
            self.check(method, target)
            raise

    def _with_password(self, method: str, target: str, limit: Deadline, data: Any, headers: Mapping[str, str]) -> HTTPResponse:
        """Send the password along: not once more when somebody else's turn before has shown that it is refused."""
        with in_turn(limit), turns_given_by(_Taken()):
            self.check(method, target)
            answer = self._http.request(method, target, json=data, headers=headers, deadline=limit)
            if answer.status == 401:
                self._over = Answer(answer)
            return answer

    def _target(self, path: str) -> str:
        """The path to ask for. Of a whole URL only the path counts: a BMC behind a gateway does not know its own address."""
        try:
            parts = urlsplit(path)
        except ValueError:
            raise TransportFailed(BadAnswer(f"the BMC at {self._http.endpoint} links to {path!r}, which is no path")) from None
        target = quote(parts.path if parts.path.startswith("/") else urljoin(self._root, parts.path), safe=PATH_CHARACTERS)
        return f"{target}?{quote(parts.query, safe=PATH_CHARACTERS + '?')}" if parts.query else target

    def _moved(self, method: str, target: str, answer: Answer) -> str | None:
        """Where a redirect leads to, or None. It is followed within this server only, for the credentials go along."""
        location = answer.headers.get("Location")
        followed = (301, 302, 303, 307, 308) if method in ("GET", "HEAD") else (307, 308)
        if answer.status_code not in followed or not location:
            return None
        here = self._http.endpoint
        parts = urlsplit(urljoin(f"{here}{target}", location))
        there = (parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        if there != (here.scheme, here.host.lower(), here.port or (443 if here.scheme == "https" else 80)):
            where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            wrong = f"{method} {target} at {here}: it redirects to {where}; give that as redfish_address"
            raise TransportFailed(BadAnswer(wrong))
        return self._target(location if location.startswith("/") else parts._replace(scheme="", netloc="").geturl())

    def raise_for(self, method: str, target: str, answer: Answer) -> None:
        """Raise what an answer means that is an error."""
        if answer.status_code == 401 and self.has_token:
            raise SessionExpired(method, target, answer)
        if answer.status_code == 401:
            self._over = answer if "Authorization" in self._http.headers else self._over
            anonymous = method != "POST" and "Authorization" not in self._http.headers
            raise CredentialsRefused(method, target, answer, anonymous=anonymous)
        if answer.status_code == 403:
            raise PrivilegeMissing(method, target, answer)
        try:
            sushy.exceptions.raise_for_response(method, target, answer)
        except sushy.exceptions.HTTPError as exc:
            # sushy itself looks for words in it, whether there is one or not.
            exc.detail = exc.detail or ""
            exc.retry_after = _seconds(answer.headers.get("Retry-After"))
            raise

    def _expect_document(self, path: str, answer: Answer) -> None:
        """Refuse what is not Redfish here, where it can be said, and not as some missing attribute later."""
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            kind = answer.headers.get("Content-Type", "something unnamed")
            raise TransportFailed(
                BadAnswer(
                    f"GET {path} at {self._http.endpoint}: the answer is {kind} and no JSON document; is it a Redfish service? "
                    "Check redfish_address and redfish_root_prefix"
                )
            )


def pause_after(method: str, answer: Answer) -> float | None:
    """Seconds until a request that was refused for now is sent again, with some of chance in them; None where it is not.

    A service that says when to come back has done nothing. Of a conflict that does not say so, only a read is repeated.
    """
    wait = _seconds(answer.headers.get("Retry-After")) if answer.status_code in _FOR_NOW else None
    if wait is not None:
        return wait * random.uniform(1.0, 1.25) if wait <= _LONGEST_PAUSE else None
    return random.uniform(*_AFTER_CONFLICT) if answer.status_code == 409 and method == "GET" else None


def _seconds(retry_after: str | None) -> float | None:
    """What ``Retry-After`` says, where it is a number; services of BMCs that give a date have no clock to be trusted."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() and len(retry_after) < 6 else None


def _error_body(value: Any) -> dict[str, Any]:
    """An error's body with nothing in it that is not of the type that the specification (DSP0266, 8.6) gives it."""
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        raise ValueError("the body of the error does not follow the specification")
    clean: dict[str, Any] = {name: error[name] for name in ("code", "message") if isinstance(error.get(name), str)}
    messages = error.get("@Message.ExtendedInfo")
    messages = [messages] if isinstance(messages, dict) else messages
    if isinstance(messages, list):
        clean["@Message.ExtendedInfo"] = [message for message in messages if isinstance(message, dict)]
    return {"error": clean}
