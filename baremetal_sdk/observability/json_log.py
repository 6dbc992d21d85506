"""The log as JSON: one object a line, for programs that collect logs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from baremetal_sdk.context import current_request


class JSONFormatter(logging.Formatter):
    """Formats each record as an object on one line, with its request, node, error and, where one is made, its trace.

    For handlers of the host application: ``handler.setFormatter(JSONFormatter())``. Secrets are masked by
    ``RedactingFilter``, as in any other format.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "thread": record.threadName,
            "process": record.process,
            **_request(),
            **_span(),
        }
        node = getattr(record, "node", None)
        if node is not None:
            found["node"] = str(node)
        if record.exc_info and record.exc_info[0] is not None:
            # What a filter has masked is kept as the text of the error.
            text = record.exc_text or self.formatException(record.exc_info)
            found["error"] = {"type": record.exc_info[0].__name__, "traceback": text}
        if record.stack_info:
            found["stack"] = record.stack_info
        try:
            return orjson.dumps(found, default=str).decode()
        except orjson.JSONEncodeError:
            # Half a surrogate pair, mostly: what a file name that is no UTF-8 reads as. The standard library writes it escaped.
            return json.dumps(found, default=str)


def _request() -> dict[str, str]:
    request = current_request.get()
    if request is None:
        return {}
    named = {"request_id": request.request_id, "user": request.user, "project": request.project}
    return {name: value for name, value in named.items() if value is not None}


def _span() -> Any:
    """The span that goes on; nothing where nobody in this process makes any."""
    if "baremetal_sdk.observability.tracing" not in sys.modules:
        return {}
    from baremetal_sdk.observability.tracing import current_span

    return current_span()
