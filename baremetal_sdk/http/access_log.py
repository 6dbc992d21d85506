"""A line in the log for each request. What stands behind the question mark of a URL, and what is secret, is in none."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import orjson

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.request_id import REQUEST_ID_KEY

LOG = logging.getLogger(__name__)

FIELDS = (
    "peer", "user", "date", "method", "path", "protocol", "status", "bytes", "seconds", "referer", "agent", "request_id",
    "scheme",
)  # fmt: skip
"""What a format of one's own can name, as ``%(peer)s``."""
_COMMON = '%(peer)s - %(user)s [%(date)s] "%(method)s %(path)s %(protocol)s" %(status)s %(bytes)s'
FORMATS = {"common": _COMMON, "combined": _COMMON + ' "%(referer)s" "%(agent)s" %(seconds)s %(request_id)s', "json": None}


class RequestLog:
    """Writes lines at level INFO, in *format*: one of :data:`FORMATS`, or one with fields of :data:`FIELDS`.

    Raises ``ConfigurationError`` for a format that cannot be filled in.
    """

    def __init__(self, format: str, log: logging.Logger = LOG) -> None:
        self._log = log
        self._format = FORMATS.get(format, format)
        if self._format is not None:
            try:
                self._format % dict.fromkeys(FIELDS, "")
            except (KeyError, ValueError, TypeError):
                raise ConfigurationError(
                    f"[api] request_log: '{format}' cannot be filled in; give {', '.join(FORMATS)}, or a format of %(name)s with "
                    f"names among {', '.join(FIELDS)}"
                ) from None

    def answered(self, environ: Mapping[str, Any], status: str, size: int, seconds: float) -> None:
        """Note a request that the application answered."""
        self._write(
            {
                "peer": environ.get("REMOTE_ADDR") or "-",
                "user": _quoted(environ.get("REMOTE_USER")),
                "method": environ.get("REQUEST_METHOD", "-"),
                "path": _quoted(environ.get("REQUEST_URI", "-").partition("?")[0]),
                "protocol": environ.get("SERVER_PROTOCOL", "-"),
                "status": status,
                "bytes": size,
                "seconds": f"{seconds:.6f}",
                "referer": _quoted(environ.get("HTTP_REFERER", "").partition("?")[0]),
                "agent": _quoted(environ.get("HTTP_USER_AGENT")),
                "request_id": environ.get(REQUEST_ID_KEY, "-"),
                "scheme": environ.get("wsgi.url_scheme", "-"),
            }
        )

    def refused(self, peer: str, status: int) -> None:
        """Note a request that was refused before an application saw it."""
        self._write({**dict.fromkeys(FIELDS, "-"), "peer": peer or "-", "status": str(status), "bytes": 0})

    def _write(self, fields: dict[str, Any]) -> None:
        fields["date"] = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        self._log.info("%s", orjson.dumps(fields).decode() if self._format is None else self._format % fields)


def _quoted(value: str | None) -> str:
    """*value* in a way in which it cannot end its own quotes, or its line."""
    if not value:
        return "-"
    return "".join(sign if sign.isprintable() and sign not in '"\\' else f"\\x{ord(sign):02x}" for sign in value[:1024])
