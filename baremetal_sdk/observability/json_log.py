"""Log format for log collectors: one JSON object per line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from baremetal_sdk.context import current_request
from baremetal_sdk.logs import MAX_MESSAGE_LENGTH, MAX_RECORD_BYTES, Fields, clean_record, clean_value, unmark_lines

_TEXT_LIMITS = (MAX_MESSAGE_LENGTH, 3000, 1000, 250, 64)
"""Lengths to which the texts of a record are shortened, one after the other, until its line is short enough."""


class JSONFormatter(logging.Formatter):
    """Log formatter that writes each record as a JSON object on one line of at most 16 KiB.

    The object contains the request, the node, the error and the trace of the record, if known, and the values of
    :class:`~baremetal_sdk.logs.Fields`. Install it on a handler of the host application:
    ``handler.setFormatter(JSONFormatter())``. It cleans the records of all loggers.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for *record*, without a newline at the end."""
        clean_record(record)
        members = _members(record)
        error = members.get("error")
        stack = members.pop("stack", None)
        for limit in _TEXT_LIMITS:
            shortened = {name: clean_value(member, limit) for name, member in members.items()}
            # Tracebacks keep their line breaks. Their end is the most useful part.
            if error is not None:
                shortened["error"] = {**error, "traceback": error["traceback"][-limit:]}
            if stack is not None:
                shortened["stack"] = stack[-limit:]
            line = orjson.dumps(shortened)
            if len(line) <= MAX_RECORD_BYTES:
                return line.decode()
        texts = {name: value for name, value in shortened.items() if not isinstance(value, list | dict)}
        return orjson.dumps(texts).decode()


def _members(record: logging.LogRecord) -> dict[str, Any]:
    members: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
        "thread": record.threadName,
        "process": record.process,
        **_request_members(),
        **_span_members(),
    }
    fields = getattr(record, "fields", None)
    if isinstance(fields, Fields):
        members["message"] = fields.summary
        members[fields.name] = fields.values
    node = getattr(record, "node", None)
    if node is not None:
        members["node"] = str(node)
    if record.exc_info and record.exc_info[0] is not None:
        members["error"] = {"type": record.exc_info[0].__name__, "traceback": unmark_lines(record.exc_text or "")}
    if record.stack_info:
        members["stack"] = unmark_lines(record.stack_info)
    return members


def _request_members() -> dict[str, str]:
    request = current_request.get()
    if request is None:
        return {}
    members = {"request_id": request.request_id, "user": request.user, "project": request.project}
    return {name: value for name, value in members.items() if value is not None}


def _span_members() -> Mapping[str, str]:
    """Return the ids of the current span, or nothing if this process makes no spans."""
    # Importing OpenTelemetry costs time and needs an extra. A process with spans has already imported the tracing module.
    if "baremetal_sdk.observability.tracing" not in sys.modules:
        return {}
    from baremetal_sdk.observability.tracing import current_span

    return current_span()
