"""Masking of secrets in log records that are written during a conversation with a BMC."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar

from baremetal_interfaces import MASK
from baremetal_interfaces.redaction import scrub
from baremetal_interfaces.secret_fields import mask_urls

# A context variable, because records belong to the thread that talks to the BMC. Other threads that log at the same time use
# other secrets, and must not pay for a search of their text.
_secrets: ContextVar[tuple[Iterable[str] | Callable[[], Iterable[str]], ...]] = ContextVar("baremetal_sdk_secrets", default=())
_FORMATTER = logging.Formatter()
_OWN_LOGGERS = ("baremetal", "metald")
_QUERY = re.compile(r"""(?<=[\w/.~%-]\?)[^\s"'<>]*=[^\s"'<>]*""")
"""The query of a URL or path. Its parameters can be signatures under any name."""


class redact:  # named like a function, because it is used as one: ``with redact(values):``
    """Context manager that masks *values* in log records of this thread, in addition to the values of enclosing blocks.

    *values* can be a function that returns them. It is called for each record, so it also returns secrets that became known
    within the block.

    A class, because each request of power sync enters it and a generator would take several times as long.
    """

    __slots__ = ("_token", "_values")

    def __init__(self, values: Iterable[str] | Callable[[], Iterable[str]]) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._token = _secrets.set((*_secrets.get(), self._values))

    def __exit__(self, *_: object) -> None:
        _secrets.reset(self._token)


class RedactingFilter(logging.Filter):
    """Log filter that masks the values of ``redact`` blocks in messages, tracebacks and stacks.

    Install it on a handler of the host application: ``handler.addFilter(RedactingFilter())``. On a handler, it also covers the
    debug messages of device libraries, because they log in the thread of the driver call. In messages of libraries, it also
    masks credentials in URLs and the queries of URLs, such as the signature of an image. For messages of this service outside
    of ``redact`` blocks, it costs the read of one context variable.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask secrets in *record* and return True."""
        blocks = _secrets.get()
        is_foreign = not record.name.startswith(_OWN_LOGGERS)
        if not blocks and not is_foreign:
            return True
        secrets = tuple(secret for values in blocks for secret in (values() if callable(values) else values))
        # The secret may be in the arguments, so the message is formatted here and the arguments are dropped.
        record.msg, record.args = _redact(record.getMessage(), secrets, is_foreign), None
        if record.exc_info and record.exc_info[0] is not None:
            # Formatters use exc_text if it is set, and format exc_info themselves only if it is not.
            text = record.exc_text or _FORMATTER.formatException(record.exc_info)
            record.exc_text = _redact(text, secrets, is_foreign)
        if record.stack_info:
            record.stack_info = _redact(record.stack_info, secrets, is_foreign)
        return True


def _redact(text: str, secrets: tuple[str, ...], is_foreign: bool) -> str:
    """Return *text* without *secrets* and credentials in URLs. Of a library's text, remove each query whole."""
    if is_foreign and "?" in text:
        text = _QUERY.sub(MASK, text)
    return mask_urls(scrub(text, secrets) if secrets else text)
