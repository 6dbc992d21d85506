"""Log format for log collectors: one JSON object per line."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from baremetal_sdk.context import current_request


class JSONFormatter(logging.Formatter):
    """Log formatter that writes each record as a JSON object on one line.

    The object contains the request, the node, the error and the trace of the record, if known. Install it on a handler of the
    host application: ``handler.setFormatter(JSONFormatter())``. ``RedactingFilter`` masks secrets, as in any other format.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for *record*, without a newline at the end."""
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
        node = getattr(record, "node", None)
        if node is not None:
            members["node"] = str(node)
        if record.exc_info and record.exc_info[0] is not None:
            # RedactingFilter stores the masked traceback in exc_text. Formatting exc_info again would bring the secret back.
            text = record.exc_text or self.formatException(record.exc_info)
            members["error"] = {"type": record.exc_info[0].__name__, "traceback": text}
        if record.stack_info:
            members["stack"] = record.stack_info
        try:
            return orjson.dumps(members, default=str).decode()
        except orjson.JSONEncodeError:
            # orjson rejects lone surrogates, which Python uses for bytes of a file name that are not UTF-8. The standard
            # library escapes them, so the line is not lost.
            return json.dumps(members, default=str)


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
