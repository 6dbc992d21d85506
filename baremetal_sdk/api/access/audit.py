"""Audit log of the API: a line of JSON for each requested change, whatever its outcome, and for each read with status 403."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import Route
from baremetal_sdk.context import RequestContext
from baremetal_sdk.logs import Fields, clean_value, get_logger

# A fixed name, not that of the module: operators configure it, and the documentation states it.
AUDIT = get_logger("baremetal_sdk.audit")
"""Logger of level INFO. Each message is one JSON object on one line. It has the names of written fields, never values."""
_READ_METHODS = frozenset({"GET", "HEAD"})
_PASSTHROUGH_RULE_SUFFIX = ":vendor_passthru"
"""The end of rules whose GET requests count as changes, because a vendor method may do anything."""
_RULES_WITH_TARGET = ("baremetal:node:set_power_state", "baremetal:node:set_provision_state")
"""The rules of requests whose field ``target`` is logged. It is one word of a fixed list and never a secret."""
_MAX_FIELDS = 32
_MAX_FIELD_CHARS = 100
_MAX_VALUE_CHARS = 255


class AuditedRequest:
    """The parts of one request that the audit log needs, as far as they are known.

    A request that is refused early has no route or no parsed *request*.
    """

    route: Route | None = None
    arguments: Mapping[str, str] = {}
    request: APIRequest | None = None


def record(
    audited: AuditedRequest, context: RequestContext, peer: str, status: int, location: str | None, error: str | None
) -> None:
    """Write the line of a request, unless it is a read that was not refused. Requests without a route get no line.

    A GET request that calls a vendor method counts as a change.

    *peer* is the IP address of the client, *status* the HTTP status of the response, *location* the URL of the created
    resource, and *error* the class name of the error. The last two may be None.
    """
    route = audited.route
    if route is None or not _is_audited(route, status):
        return
    write(
        route.policy,
        who=context.user,
        project=context.project,
        roles=sorted(context.roles)[:_MAX_FIELDS],
        peer=peer,
        request=f"{route.method} {route.path}",
        target={name: value[:_MAX_VALUE_CHARS] for name, value in audited.arguments.items()},
        made=location,
        fields=_field_names(audited.request),
        asked_for=_requested_state(audited.request),
        status=status,
        outcome=_outcome(status),
        why=error,
        request_id=context.request_id,
    )


def _outcome(status: int) -> str:
    if status < 300:
        return "accepted" if status == 202 else "done"
    return "refused" if status < 500 else "failed"


def write(what: str, **values: Any) -> None:
    """Write one record with the action *what* and the *values* that are neither None nor empty. The log adds the time.

    The message is a JSON object. The JSON log has the same members as a separate object, not as a text.
    """
    if AUDIT.isEnabledFor(logging.INFO):
        given = {name: value for name, value in values.items() if value not in (None, [], {})}
        members = clean_value({"what": what, **given}, _MAX_VALUE_CHARS)
        fields = Fields("audit", " ".join((what, str(values.get("outcome", "")))).strip(), members)
        AUDIT.info("%s", orjson.dumps(members).decode(), extra={"fields": fields})


def _is_audited(route: Route, status: int) -> bool:
    return route.method not in _READ_METHODS or route.policy.endswith(_PASSTHROUGH_RULE_SUFFIX) or status == 403


def _field_names(request: APIRequest | None) -> list[str]:
    """Return the sorted names of the fields that the request writes, at most 32. The body of a patch has them as paths."""
    body = None if request is None else request.body
    if isinstance(body, Mapping):
        return sorted(str(name)[:_MAX_FIELD_CHARS] for name in body)[:_MAX_FIELDS]
    if isinstance(body, list):
        paths = (operation.get("path") for operation in body if isinstance(operation, Mapping))
        return sorted({str(path).strip("/").partition("/")[0][:_MAX_FIELD_CHARS] for path in paths})[:_MAX_FIELDS]
    return []


def _requested_state(request: APIRequest | None) -> str | None:
    if request is None or request.route.policy not in _RULES_WITH_TARGET or not isinstance(request.body, Mapping):
        return None
    return str(request.body.get("target"))[:_MAX_VALUE_CHARS]
