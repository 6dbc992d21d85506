"""Masking of secrets in log records that are written during a conversation with a BMC."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextvars import ContextVar

from baremetal_interfaces.faults import scrub

# A context variable, because records belong to the thread that talks to the BMC. Other threads that log at the same time use
# other secrets, and must not pay for a search of their text.
_secrets: ContextVar[tuple[str, ...]] = ContextVar("baremetal_sdk_secrets", default=())
_FORMATTER = logging.Formatter()


class redact:  # named like a function, because it is used as one: ``with redact(values):``
    """Context manager that masks *values* in log records of this thread, in addition to the values of enclosing blocks.

    A class, because each request of power sync enters it and a generator would take several times as long.
    """

    __slots__ = ("_token", "_values")

    def __init__(self, values: Iterable[str]) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._token = _secrets.set((*_secrets.get(), *self._values))

    def __exit__(self, *_: object) -> None:
        _secrets.reset(self._token)


class RedactingFilter(logging.Filter):
    """Log filter that masks the values of ``redact`` blocks in messages, tracebacks and stacks.

    Install it on a handler of the host application: ``handler.addFilter(RedactingFilter())``. On a handler, it also covers the
    debug messages of device libraries, because they log in the thread of the driver call. Outside of ``redact`` blocks it
    costs the read of one context variable.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask secrets in *record* and return True."""
        secrets = _secrets.get()
        if secrets:
            # The secret may be in the arguments, so the message is formatted here and the arguments are dropped.
            record.msg, record.args = scrub(record.getMessage(), secrets), None
            if record.exc_info and record.exc_info[0] is not None:
                # Formatters use exc_text if it is set, and format exc_info themselves only if it is not.
                record.exc_text = scrub(record.exc_text or _FORMATTER.formatException(record.exc_info), secrets)
            if record.stack_info:
                record.stack_info = scrub(record.stack_info, secrets)
        return True
