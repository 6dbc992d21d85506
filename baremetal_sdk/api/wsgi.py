"""The WSGI application: from a request to its route, and from what the handler gives back to the response."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from webob import Request, Response

from baremetal_interfaces import BareMetalError, Busy, Forbidden, InvalidInput, Problem
from baremetal_sdk.api.access import audit
from baremetal_sdk.api.access.personas import own_target
from baremetal_sdk.api.access.policy import Policy
from baremetal_sdk.api.events.feed import EventFeed
from baremetal_sdk.api.framework import errors, idempotency, json_body, microversions
from baremetal_sdk.api.framework.backend import Backend
from baremetal_sdk.api.framework.idempotency import Answer
from baremetal_sdk.api.framework.parameters import Parameters
from baremetal_sdk.api.framework.render_cache import RenderCache
from baremetal_sdk.api.framework.request import VIEW_NODE, APIRequest, check_ident, check_visible
from baremetal_sdk.api.framework.request_observer import ROUTE_KEY
from baremetal_sdk.api.framework.routes import PUBLIC, Match, Route, RouteTable, allowed_methods, split_path
from baremetal_sdk.api.framework.types import InvalidValue
from baremetal_sdk.auth.identity import IDENTITY_KEY, Identity
from baremetal_sdk.cluster.hash_ring import HashRing
from baremetal_sdk.context import RequestContext, current_request
from baremetal_sdk.http.request_id import REQUEST_ID_KEY, request_id
from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.store.records.query import Scope

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LOG = logging.getLogger(__name__)

JSON_SUFFIX_UNTIL = 91
"""Before this microversion a path may end in ``.json``."""
MAX_QUERY_PARAMETERS = 100
_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

Headers = list[tuple[str, str]]


class Application:
    """Answers requests from a registry of routes."""

    def __init__(self, backend: Backend, registry: RouteTable, policy: Policy) -> None:
        self._backend = backend
        self._registry = registry
        self._policy = policy
        self._conductors = HashRing(lambda: backend.store, backend.clock, lambda: backend.config.conductor.heartbeat_interval)
        self._render_cache = RenderCache()
        self._feed = EventFeed(lambda: backend.store.outbox, backend.config.events)
        self._public_endpoint = (backend.config.api.public_endpoint or "").rstrip("/")
        self._largest_body = backend.config.api.max_request_body_size

    def readings(self) -> Iterable[Reading]:
        """What a scrape of the metrics shows of it."""
        return self._feed.readings()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request. Only what is no ``Exception``, such as SystemExit, gets out."""
        context = build_context(environ)
        environ[REQUEST_ID_KEY] = context.request_id
        token = current_request.set(context)
        try:
            answer: Iterable[bytes] = self._answer(Request(environ), context)(environ, start_response)
            return answer
        finally:
            current_request.reset(token)

    def _answer(self, http_request: Request, context: RequestContext) -> Response:
        headers: Headers = [*microversions.RANGE_HEADERS, ("x-openstack-request-id", context.request_id)]
        headers.append(("openstack-request-id", context.request_id))
        asked, why = audit.AuditedRequest(), None
        try:
            minor = microversions.requested_minor(http_request.environ)
            headers.append((microversions.VERSION, microversions.format_version(minor)))
            response = self._dispatch(http_request, context, minor, headers, asked)
        except Exception as exc:
            if not isinstance(exc, BareMetalError):
                LOG.exception("%s %s failed (%s)", http_request.method, http_request.environ.get("PATH_INFO"), context.request_id)
            error = errors.to_api_error(exc)
            why = type(error).__name__
            response = _response(error.code, [*headers, *errors.headers(error)], errors.body(error))
        audit.record(asked, context, http_request.environ.get("REMOTE_ADDR", ""), response.status_int, response.location, why)
        return response

    def _dispatch(
        self, http_request: Request, context: RequestContext, minor: int, headers: Headers, asked: audit.AuditedRequest
    ) -> Response:
        parts, suffixed = self._parts(http_request, minor)
        if http_request.method == "OPTIONS":
            allowed = allowed_methods(self._registry.methods(parts))
            return _response(200, [*headers, ("Allow", ", ".join(allowed))], b"")
        match = self._registry.match(http_request.method, parts, minor)
        asked.route, asked.arguments = match.route, match.arguments
        http_request.environ[ROUTE_KEY] = match.route.path
        match.route.check_version(minor)
        if not self._backend.ready and match.route.visibility != PUBLIC:
            raise Busy("the service is starting or stopping; try again", retry_after=1.0)
        request = self._build_request(http_request, context, minor, match, parts, suffixed)
        asked.request = request
        key = http_request.environ.get("HTTP_IDEMPOTENCY_KEY")
        if key is not None and match.route.method == "POST":
            done = idempotency.once(key, request, lambda: _done(match, request))
        else:
            answered = match.handler(request)
            if isinstance(answered, Response):
                answered.headerlist = [*headers, *answered.headerlist]
                return answered
            done = _as_answer(match, request, answered)
        if done.location is not None:
            headers.append(("Location", done.location))
        if match.route.method == "GET" and done.status == HTTPStatus.OK:
            return _response(*_as_known(http_request, headers, done.content))
        return _response(done.status, headers, done.content)

    def _parts(self, http_request: Request, minor: int) -> tuple[list[str], bool]:
        """The segments of the path, with the version that may be missing, and whether a ``.json`` was cut off."""
        try:
            parts = split_path(http_request.path_info)
        except UnicodeDecodeError:
            raise InvalidInput("the path is not UTF-8; escape it in the URL") from None
        if parts and parts[0] not in self._registry.roots:
            parts.insert(0, "v1")
        if minor < JSON_SUFFIX_UNTIL and len(parts) > 1 and parts[-1].endswith(".json"):
            parts[-1] = parts[-1].removesuffix(".json")
            return parts, True
        return parts, False

    def _build_request(
        self, http_request: Request, context: RequestContext, minor: int, match: Match, parts: list[str], suffixed: bool
    ) -> APIRequest:
        route = match.route
        try:
            scope = self._scope(route, context)
        except Forbidden:
            if "node" in match.arguments:
                self._check_seen(context, match.arguments["node"])
            raise
        return APIRequest(
            route=route,
            context=context,
            minor=minor,
            base=self._public_endpoint or http_request.application_url.rstrip("/"),
            path="/" + "/".join(parts),
            arguments=match.arguments,
            query=_query(route.query, http_request.query_string, minor),
            body=_body(route, http_request, minor, self._largest_body),
            backend=self._backend,
            policy=self._policy,
            conductors=self._conductors,
            feed=self._feed,
            render_cache=self._render_cache,
            scope=scope,
            json_suffix=suffixed,
            last_event=http_request.environ.get("HTTP_LAST_EVENT_ID"),
            peer=http_request.environ.get("REMOTE_ADDR", ""),
        )

    def _scope(self, route: Route, context: RequestContext) -> Scope:
        """What the caller may see of what a route is about. Raises ``Forbidden`` for who may do nothing of the kind."""
        rules = (route.policy, *route.alternative_rules) if route.alternative_rules else ()
        enough = next((rule for rule in rules if self._policy.allows(rule, context, own_target(context))), route.policy)
        return self._policy.scope(enough, context)

    def _check_seen(self, context: RequestContext, node: str) -> None:
        """Raise ``NotFound`` where a node is not there for the caller, who is not to learn of it by a refusal."""
        if self._policy.allows(VIEW_NODE, context, own_target(context)):
            seen = self._backend.store.node_version(check_ident("node", node), scope=self._policy.scope(VIEW_NODE, context))
            check_visible(self._policy, context, seen)


def build_context(environ: WSGIEnvironment) -> RequestContext:
    """Who asks, as authentication in front of this left it."""
    who: Identity | None = environ.get(IDENTITY_KEY)
    if who is None:
        return RequestContext(request_id=request_id(environ))
    return RequestContext(
        request_id(environ), who.user, who.project, who.roles, who.is_system, who.project_name, who.project_domain
    )


def _query(declared: Parameters, query_string: str, minor: int) -> dict[str, Any]:
    if not query_string:
        return {}
    given: dict[str, str] = {}
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, max_num_fields=MAX_QUERY_PARAMETERS)
    except ValueError:
        raise InvalidInput(f"the query string has too many parameters; {MAX_QUERY_PARAMETERS} are taken at most") from None
    for name, value in pairs:
        if name in given:
            raise InvalidInput([Problem(name[:64], "it is given more than once", "give it once")])
        given[name] = value
    return declared.bind(given, minor)


def _body(route: Route, http_request: Request, minor: int, largest: int) -> Any:
    if route.body is None:
        return None
    value = json_body.read(http_request, largest)
    if isinstance(route.body, Parameters):
        return route.body.bind(json_body.as_object(value), minor)
    try:
        return route.body.parse({} if value is None else value)
    except InvalidValue as exc:
        raise InvalidInput([Problem("body", exc.wrong, exc.allowed)]) from None


def _done(match: Match, request: APIRequest) -> Answer:
    return _as_answer(match, request, match.handler(request))


def _as_answer(match: Match, request: APIRequest, answered: Any) -> Answer:
    location = None if request.location is None else f"{request.base}/v1/{request.location}"
    content = b"" if answered is None else json_body.dump(answered)
    return Answer(request.status or match.route.status, content, location)


def _as_known(http_request: Request, headers: Headers, content: bytes) -> tuple[int, Headers, bytes]:
    """The answer to a read, without its body where the client has it already (RFC 9110, section 13.1.2)."""
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers.append(("ETag", tag))
    known = http_request.environ.get("HTTP_IF_NONE_MATCH")
    tags = () if known is None else {one.strip().removeprefix("W/") for one in known.split(",")}
    if tag in tags or "*" in tags:
        return HTTPStatus.NOT_MODIFIED, headers, b""
    return HTTPStatus.OK, headers, content


def _response(code: int, headers: Headers, content: bytes) -> Response:
    if content:
        headers.append(("Content-Type", "application/json"))
    if code not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers.append(("Content-Length", str(len(content))))
    return Response(status=_STATUS[code], headerlist=headers, app_iter=[content])
