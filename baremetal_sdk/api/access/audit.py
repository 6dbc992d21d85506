"""The audit log: a line for every change that somebody asked for, done or not, and for every refusal."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import Route
from baremetal_sdk.context import RequestContext

AUDIT = logging.getLogger("baremetal_sdk.audit")
"""Level INFO; a message is one JSON object on one line. It names the fields that requests write, never their values."""
_READS = frozenset({"GET", "HEAD"})
_READS_ONLY_BY_NAME = ":vendor_passthru"
_WORDS = ("baremetal:node:set_power_state", "baremetal:node:set_provision_state")
"""Rules of requests whose ``target`` says what is asked for: a word out of a list, and no secret."""
_MOST_FIELDS = 32
_LONGEST = 255


class AuditedRequest:
    """What a request turned out to ask for, as far as it was understood."""

    route: Route | None = None
    arguments: Mapping[str, str] = {}
    request: APIRequest | None = None


def record(asked: AuditedRequest, context: RequestContext, peer: str, status: int, made: str | None, why: str | None) -> None:
    """Write the line of a request that was answered. *made* is where what it made is found, *why* the class of the error."""
    route = asked.route
    if route is None or not _matters(route, status):
        return
    write(
        route.policy,
        who=context.user,
        project=context.project,
        roles=sorted(context.roles),
        peer=peer,
        request=f"{route.method} {route.path}",
        target={name: value[:_LONGEST] for name, value in asked.arguments.items()},
        made=made,
        fields=_fields(asked.request),
        asked_for=_asked_for(asked.request),
        status=status,
        outcome=_outcome(status),
        why=why,
        request_id=context.request_id,
    )


def _outcome(status: int) -> str:
    if status < 300:
        return "accepted" if status == 202 else "done"
    return "refused" if status < 500 else "failed"


def write(what: str, **said: Any) -> None:
    """Write one line; what is None or empty is left out. The time is that of the log."""
    if AUDIT.isEnabledFor(logging.INFO):
        line = {"what": what, **{name: value for name, value in said.items() if value not in (None, [], {})}}
        AUDIT.info("%s", orjson.dumps(line, default=str).decode())


def _matters(route: Route, status: int) -> bool:
    return route.method not in _READS or route.policy.endswith(_READS_ONLY_BY_NAME) or status == 403


def _fields(request: APIRequest | None) -> list[str]:
    """The fields that a body writes, by name."""
    body = None if request is None else request.body
    if isinstance(body, Mapping):
        return sorted(str(name)[:_LONGEST] for name in body)[:_MOST_FIELDS]
    if isinstance(body, list):
        paths = (one.get("path") for one in body if isinstance(one, Mapping))
        return sorted({str(path).strip("/").partition("/")[0][:_LONGEST] for path in paths})[:_MOST_FIELDS]
    return []


def _asked_for(request: APIRequest | None) -> str | None:
    if request is None or request.route.policy not in _WORDS or not isinstance(request.body, Mapping):
        return None
    return str(request.body.get("target"))[:_LONGEST]
