"""The request log: one line for each request. No line contains a query string or a secret."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.request_id import REQUEST_ID_KEY
from baremetal_sdk.logs import Fields, clean_value, get_logger

# Operators use this name in their logging configuration. It does not follow the name of this module.
LOG = get_logger("baremetal_sdk.http.request_log")

FIELDS = (
    "peer", "user", "date", "method", "path", "protocol", "status", "bytes", "seconds", "referer", "agent", "request_id",
    "scheme",
)  # fmt: skip
"""Fields that a custom format may use, such as ``%(peer)s``."""
_COMMON = '%(peer)s - %(user)s [%(date)s] "%(method)s %(path)s %(protocol)s" %(status)s %(bytes)s'
FORMATS = {"common": _COMMON, "combined": _COMMON + ' "%(referer)s" "%(agent)s" %(seconds)s %(request_id)s', "json": None}
"""Named formats. None stands for one JSON object per line."""
MAX_FIELD_CHARACTERS = 1024
"""Maximum length of a field, in characters."""


class RequestLog:
    """Writer of the request log: one line for each request, at level INFO.

    *format* is a key of :data:`FORMATS` or a custom format with fields of :data:`FIELDS`. Raises ``ConfigurationError`` for
    an invalid format.
    """

    def __init__(self, format: str, log: logging.Logger = LOG) -> None:
        self._log = log
        self._format = FORMATS.get(format, format)
        if self._format is not None:
            try:
                self._format % dict.fromkeys(FIELDS, "")
            except (KeyError, ValueError, TypeError):
                raise ConfigurationError(
                    f"[api] request_log: '{format}' is not a valid format; use {', '.join(FORMATS)}, or a format of %(name)s "
                    f"with the names {', '.join(FIELDS)}"
                ) from None

    def log_request(self, environ: Mapping[str, Any], status: str, size: int, seconds: float) -> None:
        """Log a request that the application answered. *size* is the length of the response body in bytes."""
        self._write(
            {
                "peer": environ.get("REMOTE_ADDR") or None,
                "user": environ.get("REMOTE_USER") or None,
                "method": environ.get("REQUEST_METHOD"),
                "path": environ.get("REQUEST_URI", "").partition("?")[0] or None,
                "protocol": environ.get("SERVER_PROTOCOL"),
                "status": int(status) if status.isdecimal() else None,
                "bytes": size,
                "seconds": round(seconds, 6),
                "referer": environ.get("HTTP_REFERER", "").partition("?")[0] or None,
                "agent": environ.get("HTTP_USER_AGENT") or None,
                "request_id": environ.get(REQUEST_ID_KEY),
                "scheme": environ.get("wsgi.url_scheme"),
            }
        )

    def log_rejection(self, peer: str, status: int) -> None:
        """Log a request that the server rejected before the application saw it."""
        self._write({"peer": peer or None, "status": status, "bytes": 0})

    def _write(self, known: Mapping[str, Any]) -> None:
        if not self._log.isEnabledFor(logging.INFO):
            return
        values = clean_value({name: value for name, value in known.items() if value is not None}, MAX_FIELD_CHARACTERS)
        values["date"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        summary = f"{values.get('method', 'rejected request')} {values.get('path', '-')} {values['status']}"
        message = orjson.dumps(values).decode() if self._format is None else self._format % _line_fields(known)
        self._log.info("%s", message, extra={"fields": Fields("request", summary, values)})


def _line_fields(known: Mapping[str, Any]) -> dict[str, str]:
    """Return all fields as texts for a line. Unknown ones become ``-``."""
    fields = {name: _escape(str(known[name])) if known.get(name) is not None else "-" for name in FIELDS}
    if "seconds" in known:
        fields["seconds"] = f"{known['seconds']:.6f}"
    # The Common Log Format has its own form of dates.
    fields["date"] = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    return fields


def _escape(value: str) -> str:
    """Return *value* shortened, with quotes, backslashes and control characters escaped.

    Without the escapes a client could end the quotes or the line and forge log lines.
    """
    shortened = value[:MAX_FIELD_CHARACTERS]
    return "".join(char if char.isprintable() and char not in '"\\' else f"\\x{ord(char):02x}" for char in shortened)
