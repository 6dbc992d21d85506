"""Keeping secrets out of logs: what is secret while a BMC is spoken to is masked in every line that is written meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

from baremetal_interfaces.faults import scrub

_secrets: ContextVar[tuple[str, ...]] = ContextVar("baremetal_sdk_secrets", default=())
_FORMATTER = logging.Formatter()


@contextmanager
def redact(values: Iterable[str]) -> Iterator[None]:
    """Within it, in this thread, *values* are secret, beside those that are already."""
    token = start_redaction(values)
    try:
        yield
    finally:
        stop_redaction(token)


def start_redaction(values: Iterable[str]) -> Token[tuple[str, ...]]:
    """From now on, in this thread, *values* are secret as well; :func:`stop_redaction` ends that."""
    return _secrets.set((*_secrets.get(), *values))


def stop_redaction(token: Token[tuple[str, ...]]) -> None:
    """What the matching :func:`start_redaction` named is secret no more."""
    _secrets.reset(token)


class RedactingFilter(logging.Filter):
    """Masks the secrets of the BMC that is being spoken to, in messages, tracebacks and stacks.

    For handlers of the host application: ``handler.addFilter(RedactingFilter())``. It covers the debug lines of device
    libraries, too: they are written in the thread that a driver was called in. Lines that are written while no BMC is spoken
    to cost a look at one variable.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask what is secret; let the record pass."""
        secrets = _secrets.get()
        if secrets:
            record.msg, record.args = scrub(record.getMessage(), secrets), None
            if record.exc_info and record.exc_info[0] is not None:
                record.exc_text = scrub(record.exc_text or _FORMATTER.formatException(record.exc_info), secrets)
            if record.stack_info:
                record.stack_info = scrub(record.stack_info, secrets)
        return True
