"""The WSGI application: it finds the route of a request, calls its handler, and turns the result into a response."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from webob import Request, Response

from baremetal_interfaces import BareMetalError, Busy, Forbidden, InvalidInput, Problem
from baremetal_interfaces.addresses import is_http_url
from baremetal_interfaces.json_cost import compute_max_values
from baremetal_sdk.api.access import audit
from baremetal_sdk.api.access.personas import own_target
from baremetal_sdk.api.access.policy import Policy
from baremetal_sdk.api.events.feed import EventFeed
from baremetal_sdk.api.framework import errors, idempotency, json_body, microversions
from baremetal_sdk.api.framework.backend import Backend
from baremetal_sdk.api.framework.idempotency import StoredResponse
from baremetal_sdk.api.framework.large_bodies import LargeBodies
from baremetal_sdk.api.framework.parameters import Parameters
from baremetal_sdk.api.framework.render_cache import RenderCache
from baremetal_sdk.api.framework.request import VIEW_NODE, APIRequest, check_ident, check_visible, node_target
from baremetal_sdk.api.framework.request_observer import ROUTE_KEY
from baremetal_sdk.api.framework.routes import PUBLIC, Match, Route, RouteTable, allowed_methods, split_path
from baremetal_sdk.api.framework.types import InvalidValue
from baremetal_sdk.auth.identity import IDENTITY_KEY, VALIDITY_KEY, Identity
from baremetal_sdk.cluster.hash_ring import HashRing
from baremetal_sdk.context import RequestContext, current_request
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.request_id import REQUEST_ID_KEY, get_request_id
from baremetal_sdk.logs import get_logger
from baremetal_sdk.observability.metrics.collector import Reading
from baremetal_sdk.store.records.query import Scope
from baremetal_sdk.store.waiting import failing_fast

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LOG = get_logger(__name__)

JSON_SUFFIX_UNTIL = 91
"""Minor number of the first microversion that does not remove the suffix ``.json`` from a path."""
PROVISION_PATH, INSPECTION_PATH = "/v1/nodes/{node}/states/provision", "/v1/continue_inspection"
"""The paths of the routes whose requests may have large bodies."""
MAX_QUERY_PARAMETERS = 100
"""Maximum number of parameters in a query string. It bounds the work for one request."""
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

Headers = list[tuple[str, str]]


class Application:
    """The API without authentication. It trusts the identity that middleware stored in the WSGI environment. Thread-safe."""

    def __init__(self, backend: Backend, table: RouteTable, policy: Policy) -> None:
        self._backend = backend
        self._table = table
        self._policy = policy
        self._conductors = HashRing(lambda: backend.store, backend.clock, lambda: backend.config.conductor.heartbeat_interval)
        self._render_cache = RenderCache()
        self._feed = EventFeed(lambda: backend.store.outbox, backend.config.events)
        self._public_endpoint = _check_public_endpoint(backend.config.api.public_endpoint or "")
        api = backend.config.api
        self._max_body_bytes = api.max_request_body_size
        self._large_bodies = LargeBodies(
            api.max_large_body_memory, max_waiting=max(1, api.max_threads // 4), timeout=backend.config.rpc_response_timeout
        )

    def readings(self) -> Iterable[Reading]:
        """Return the metric values of the event streams, for one scrape."""
        return self._feed.readings()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request. Errors become responses; only exceptions such as ``SystemExit`` are raised."""
        context = build_context(environ)
        environ[REQUEST_ID_KEY] = context.request_id
        token = current_request.set(context)
        try:
            with failing_fast():
                body: Iterable[bytes] = self._respond(Request(environ), context)(environ, start_response)
            return body
        finally:
            current_request.reset(token)

    def _respond(self, http_request: Request, context: RequestContext) -> Response:
        headers: Headers = [*microversions.RANGE_HEADERS, ("x-openstack-request-id", context.request_id)]
        headers.append(("openstack-request-id", context.request_id))
        audited, error_class = audit.AuditedRequest(), None
        try:
            minor = microversions.parse_request_version(http_request.environ)
            headers.append((microversions.VERSION_HEADER, microversions.format_version(minor)))
            response = self._dispatch(http_request, context, minor, headers, audited)
        except Exception as exc:
            if not isinstance(exc, BareMetalError):
                LOG.exception("%s %s failed (%s)", http_request.method, http_request.environ.get("PATH_INFO"), context.request_id)
            error = errors.to_api_error(exc)
            error_class = type(error).__name__
            response = _make_response(error.code, [*headers, *errors.build_headers(error)], errors.build_body(error))
        audit.record(
            audited, context, http_request.environ.get("REMOTE_ADDR", ""), response.status_int, response.location, error_class
        )
        return response

    def _dispatch(
        self, http_request: Request, context: RequestContext, minor: int, headers: Headers, audited: audit.AuditedRequest
    ) -> Response:
        parts, suffixed = self._split_path(http_request, minor)
        if http_request.method == "OPTIONS":
            allowed = allowed_methods(self._table.methods(parts))
            return _make_response(200, [*headers, ("Allow", ", ".join(allowed))], b"")
        match = self._table.match(http_request.method, parts, minor)
        audited.route, audited.arguments = match.route, match.arguments
        http_request.environ[ROUTE_KEY] = match.route.path
        if match.route.policy_first and not match.route.is_served(minor):
            self._enforce_policy(match, context)
        match.route.check_version(minor)
        # Public routes, such as health checks, are also served while the service starts or stops.
        if not self._backend.ready and match.route.visibility != PUBLIC:
            raise Busy("the service is starting or stopping; try again later", retry_after=1.0)
        size = http_request.content_length or 0
        # Smaller bodies are bounded by the number of threads.
        reservation = self._large_bodies.reserve(size) if size > self._max_body_bytes else contextlib.nullcontext()
        with reservation:
            request = self._build_request(
                http_request, context, minor, match=match, path="/" + "/".join(parts), json_suffix=suffixed
            )
            audited.request = request
            return self._handle(http_request, match, request, headers)

    def _handle(self, http_request: Request, match: Match, request: APIRequest, headers: Headers) -> Response:
        """Return the response of the route's handler."""
        key = http_request.environ.get("HTTP_IDEMPOTENCY_KEY")
        if key is not None and match.route.method == "POST":
            outcome = idempotency.run_once(key, request, lambda: _call_handler(match, request))
        else:
            result = match.handler(request)
            # Some handlers, such as that of the event stream, return a complete response.
            if isinstance(result, Response):
                result.headerlist = [*headers, *result.headerlist]
                return result
            outcome = _encode_result(match, request, result)
        if outcome.location is not None:
            headers.append(("Location", outcome.location))
        if match.route.method == "GET" and outcome.status == HTTPStatus.OK:
            return _make_response(*_revalidate(http_request, headers, outcome.content))
        return _make_response(outcome.status, headers, outcome.content)

    def _split_path(self, http_request: Request, minor: int) -> tuple[list[str], bool]:
        """Return the segments of the path, with the version, and whether the suffix ``.json`` was removed."""
        try:
            parts = split_path(http_request.path_info)
        except UnicodeDecodeError:
            raise InvalidInput("the path is not valid UTF-8; percent-encode it in the URL") from None
        # Paths without a version are those of version 1, as in Ironic.
        if parts and parts[0] not in self._table.roots:
            parts.insert(0, "v1")
        if minor < JSON_SUFFIX_UNTIL and len(parts) > 1 and parts[-1].endswith(".json"):
            parts[-1] = parts[-1].removesuffix(".json")
            return parts, True
        return parts, False

    def _build_request(
        self, http_request: Request, context: RequestContext, minor: int, *, match: Match, path: str, json_suffix: bool
    ) -> APIRequest:
        route = match.route
        try:
            scope = self._find_scope(route, context)
        except Forbidden:
            # For a node that the client may not even see, the response is 404. 403 would tell that the node exists.
            if "node" in match.arguments:
                self._check_visible(context, match.arguments["node"])
            raise
        return APIRequest(
            route=route,
            context=context,
            minor=minor,
            base=self._public_endpoint or http_request.application_url.rstrip("/"),
            path=path,
            arguments=match.arguments,
            query=_parse_query(route.query, http_request.query_string, minor),
            body=self._parse_body(route, http_request, minor),
            backend=self._backend,
            policy=self._policy,
            conductors=self._conductors,
            feed=self._feed,
            render_cache=self._render_cache,
            scope=scope,
            json_suffix=json_suffix,
            last_event=http_request.environ.get("HTTP_LAST_EVENT_ID"),
            peer=http_request.environ.get("REMOTE_ADDR", ""),
            is_authorized=http_request.environ.get(VALIDITY_KEY, lambda: True),
        )

    def _enforce_policy(self, match: Match, context: RequestContext) -> None:
        """Raise ``Forbidden`` if the policy refuses the request, before the version of its route is checked."""
        scope = self._find_scope(match.route, context)
        if "node" in match.arguments:
            node = self._backend.store.node_version(check_ident("node", match.arguments["node"]), scope=scope)
            self._policy.enforce(match.route.policy, context, node_target(node.owner, node.lessee, node.uuid))

    def _parse_body(self, route: Route, http_request: Request, minor: int) -> Any:
        if route.body is None:
            return None
        api = self._backend.config.api
        sizes = {PROVISION_PATH: api.max_provision_body_size, INSPECTION_PATH: api.max_inspection_body_size}
        max_bytes = max(self._max_body_bytes, sizes.get(route.path, 0))
        # A large body has one large text. It may not have more values than others.
        value = json_body.read(http_request, max_bytes, max_values=compute_max_values(self._max_body_bytes))
        if isinstance(route.body, Parameters):
            return route.body.bind(json_body.as_object(value), minor)
        try:
            return route.body.parse({} if value is None else value)
        except InvalidValue as exc:
            raise InvalidInput([Problem("body", exc.wrong, exc.allowed)]) from None

    def _find_scope(self, route: Route, context: RequestContext) -> Scope:
        """Return the records that the client may see. Raises ``Forbidden`` if no rule of the route allows it anything."""
        rules = (route.policy, *route.alternative_rules) if route.alternative_rules else ()
        # The first rule that allows the client's own records decides. Without one, the rule of the route names the error.
        allowed = next((rule for rule in rules if self._policy.allows(rule, context, own_target(context))), route.policy)
        return self._policy.scope(allowed, context)

    def _check_visible(self, context: RequestContext, node: str) -> None:
        """Raise ``NotFound`` if the node is not among the nodes that the client may see.

        Do nothing for a client that may see no nodes at all. The caller then answers 403 for every node.
        """
        if self._policy.allows(VIEW_NODE, context, own_target(context)):
            version = self._backend.store.node_version(check_ident("node", node), scope=self._policy.scope(VIEW_NODE, context))
            check_visible(self._policy, context, version)


def _check_public_endpoint(url: str) -> str:
    """Return *url* without a slash at the end. Raises ``ConfigurationError`` if links cannot begin with it."""
    if url and (not is_http_url(url) or any(character in url for character in "?#@ ")):
        raise ConfigurationError(
            f"[api] public_endpoint: {url.rpartition('@')[2]!r} is not the URL of an API; set https://HOST:PORT/PREFIX, without "
            "an account and a query, and with an IPv6 address in brackets"
        )
    return url.rstrip("/")


def build_context(environ: WSGIEnvironment) -> RequestContext:
    """Return the context of a request, with the identity that the authentication middleware stored in *environ*.

    Without an identity, the client has no user, project and roles.
    """
    identity: Identity | None = environ.get(IDENTITY_KEY)
    if identity is None:
        return RequestContext(request_id=get_request_id(environ))
    return RequestContext(
        get_request_id(environ),
        identity.user,
        identity.project,
        identity.roles,
        identity.is_system,
        identity.project_name,
        identity.project_domain,
    )


def _parse_query(declared: Parameters, query_string: str, minor: int) -> dict[str, Any]:
    if not query_string:
        return {}
    values: dict[str, str] = {}
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, max_num_fields=MAX_QUERY_PARAMETERS)
    except ValueError:
        raise InvalidInput(f"the query string has too many parameters; the limit is {MAX_QUERY_PARAMETERS}") from None
    for name, value in pairs:
        if name not in values:
            values[name] = value
        elif name in declared.by_name and declared.by_name[name].type.is_list:
            values[name] += f",{value}"
        else:
            raise InvalidInput([Problem(name[:64], "is given more than once", "give it once")])
    return declared.bind(values, minor)


def _call_handler(match: Match, request: APIRequest) -> StoredResponse:
    return _encode_result(match, request, match.handler(request))


def _encode_result(match: Match, request: APIRequest, result: Any) -> StoredResponse:
    location = None if request.location is None else f"{request.base}/v1/{request.location}"
    content = b"" if result is None else json_body.dump(result)
    return StoredResponse(request.status or match.route.status, content, location)


def _revalidate(http_request: Request, headers: Headers, content: bytes) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of a read, and add its ``ETag`` to *headers*.

    If the client sent this tag in ``If-None-Match``, the status is 304 and the body is empty (RFC 9110, section 13.1.2).
    """
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers.append(("ETag", tag))
    condition = http_request.environ.get("HTTP_IF_NONE_MATCH")
    known_tags = () if condition is None else {entry.strip().removeprefix("W/") for entry in condition.split(",")}
    if tag in known_tags or "*" in known_tags:
        return HTTPStatus.NOT_MODIFIED, headers, b""
    return HTTPStatus.OK, headers, content


def _make_response(code: int, headers: Headers, content: bytes) -> Response:
    if content:
        headers.append(("Content-Type", "application/json"))
    if code not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers.append(("Content-Length", str(len(content))))
    return Response(status=_STATUS_LINES[code], headerlist=headers, app_iter=[content])
