"""Masking of secrets in log records that are written during a conversation with a BMC."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from baremetal_sdk.logs import get_masker, is_cleaned, secrets_to_mask

_FORMATTER = logging.Formatter()


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
        self._token = secrets_to_mask.set((*secrets_to_mask.get(), self._values))

    def __exit__(self, *_: object) -> None:
        secrets_to_mask.reset(self._token)


class RedactingFilter(logging.Filter):
    """Log filter that masks the values of ``redact`` blocks in messages, tracebacks and stacks.

    Install it on a handler of the host application: ``handler.addFilter(RedactingFilter())``. On a handler, it also covers the
    debug messages of device libraries, because they log in the thread of the driver call. In messages of libraries, it also
    masks credentials in URLs and the queries of URLs, such as the signature of an image. For messages of this service outside
    of ``redact`` blocks, it costs the read of one context variable.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask secrets in *record* and return True."""
        mask = get_masker(record)
        # The loggers of the runtime mask secrets themselves.
        if mask is None or is_cleaned(record):
            return True
        # The secret may be in the arguments, so the message is formatted here and the arguments are dropped.
        record.msg, record.args = mask(record.getMessage()), None
        if record.exc_info and record.exc_info[0] is not None:
            # Formatters use exc_text if it is set, and format exc_info themselves only if it is not.
            record.exc_text = mask(record.exc_text or _FORMATTER.formatException(record.exc_info))
        if record.stack_info:
            record.stack_info = mask(record.stack_info)
        return True
