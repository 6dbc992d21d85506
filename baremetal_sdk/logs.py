"""Loggers of the runtime. Their records have no foreign line breaks, control characters, known secrets or long texts.

The runtime cleans its records before any handler gets them, so each handler and format of the host application is safe, whether
it writes to a file, a terminal, syslog, journald or oslo.log.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import MASK
from baremetal_interfaces.redaction import scrub
from baremetal_interfaces.secret_fields import mask_urls
from baremetal_interfaces.text import clean_text, escape_control_characters

MAX_MESSAGE_LENGTH = 8192
"""Maximum length of the message of a log record, in characters."""
MAX_TRACEBACK_LENGTH = 7000
"""Maximum length of a traceback or stack, in characters. Longer ones lose their middle."""
MAX_FIELD_LENGTH = 255
"""Maximum length of other texts of a record, such as the request ID, in characters."""
MAX_RECORD_BYTES = 16_384
"""Maximum length of a record in the log, in bytes. The handler and the JSON format of the runtime shorten longer records."""
CONTINUATION = "  | "
"""Start of each line of a traceback. No record begins with it, so a text with line breaks cannot look like a record."""

# A context variable, because records belong to the thread that talks to the BMC. Other threads that log at the same time use
# other secrets, and must not pay for a search of their text.
secrets_to_mask: ContextVar[tuple[Iterable[str] | Callable[[], Iterable[str]], ...]] = ContextVar(
    "baremetal_sdk_secrets", default=()
)
"""Secrets that are masked in records of the current thread. :class:`~baremetal_sdk.observability.redaction.redact` sets it."""

_OWN_LOGGERS = ("baremetal", "metald")
# The name has a limit, or a text with very many question marks would be searched to its end for each of them.
_QUERY = re.compile(r"""(?<=[\w/.~%-]\?)[^\s"'<>=]{0,256}=[^\s"'<>]*""")
"""The query of a URL or path. Its parameters can be signatures under any name."""
_MAX_ELEMENTS = 64
_CLEANED = "_is_cleaned"
_STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", _CLEANED}
_FORMATTER = logging.Formatter()


@dataclass(frozen=True)
class Fields:
    """Structured content of a record, for log formats with fields. Pass it as ``extra={"fields": Fields(...)}``.

    The JSON format writes *summary* as the message, and *values* as the member *name*. Other formats write the message of the
    record.
    """

    name: str
    summary: str
    values: Mapping[str, Any]


def get_logger(name: str) -> logging.Logger:
    """Return the logger with this name. Its records are cleaned before any handler gets them."""
    logger = logging.getLogger(name)
    if not any(isinstance(known, RecordCleaner) for known in logger.filters):
        logger.addFilter(RecordCleaner())
    return logger


class RecordCleaner(logging.Filter):
    """Log filter that cleans each record with :func:`clean_record`.

    Add it to a handler to clean the records of other loggers too.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean *record* and return True."""
        clean_record(record)
        return True


def clean_record(record: logging.LogRecord) -> None:
    """Mask secrets in *record*, make its message one line of limited length, and mark the lines of its traceback.

    Also clean its thread name and the texts that the caller added with ``extra``. Cleaning a record twice changes nothing more.
    """
    if is_cleaned(record):
        return
    # Mask before the texts are shortened: half of a secret would no longer be recognized.
    mask = get_masker(record) or str
    # The arguments may contain the foreign text, so the message is formatted here and the arguments are dropped.
    record.msg, record.args = clean_text(mask(_describe(record.getMessage)), MAX_MESSAGE_LENGTH), None
    if record.exc_info and record.exc_info[0] is not None:
        # Formatters use exc_text if it is set, and format exc_info themselves only if it is not.
        record.exc_text = record.exc_text or _describe(lambda: _FORMATTER.formatException(record.exc_info))  # type: ignore[arg-type]
    if record.exc_text:
        record.exc_text = _mark_lines(mask(record.exc_text))
    if record.stack_info:
        record.stack_info = _mark_lines(mask(record.stack_info))
    record.threadName = clean_text(record.threadName or "-", MAX_FIELD_LENGTH)
    _clean_extra_fields(record, mask)
    record.__dict__[_CLEANED] = True


def unmark_lines(text: str) -> str:
    """Return the traceback *text* of a cleaned record without the mark at the start of each line."""
    return "\n".join(line.removeprefix(CONTINUATION) for line in text.split("\n"))


def is_cleaned(record: logging.LogRecord) -> bool:
    """Return whether :func:`clean_record` has cleaned *record*."""
    return _CLEANED in record.__dict__


def clean_value(value: Any, max_length: int = MAX_FIELD_LENGTH, *, depth: int = 3) -> Any:
    """Return *value* for a structured log: numbers stay numbers, and texts are cleaned and limited to *max_length* characters.

    Lists and mappings keep 64 elements. Those below *depth* levels, integers beyond 64 bits, and other objects become texts.
    """
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, Mapping) and depth > 0:
        items = itertools.islice(value.items(), _MAX_ELEMENTS)
        return {clean_text(str(name), max_length): clean_value(member, max_length, depth=depth - 1) for name, member in items}
    if isinstance(value, list | tuple | set | frozenset) and depth > 0:
        elements = itertools.islice(value, _MAX_ELEMENTS)
        return [clean_value(element, max_length, depth=depth - 1) for element in elements]
    return clean_text(value if isinstance(value, str) else _describe(lambda: str(value)), max_length)


def get_masker(record: logging.LogRecord) -> Callable[[str], str] | None:
    """Return a function that masks secrets in the texts of *record*, or None if there is nothing to mask.

    It masks the secrets of the current thread and credentials in URLs. In records of other libraries, it also masks the queries
    of URLs.
    """
    blocks = secrets_to_mask.get()
    is_foreign = not record.name.startswith(_OWN_LOGGERS)
    if not blocks and not is_foreign:
        return None
    secrets = tuple(secret for values in blocks for secret in (values() if callable(values) else values))

    def mask(text: str) -> str:
        if is_foreign and "?" in text:
            text = _QUERY.sub(MASK, text)
        return mask_urls(scrub(text, secrets) if secrets else text)

    return mask


def _clean_extra_fields(record: logging.LogRecord, mask: Callable[[str], str]) -> None:
    for name in record.__dict__.keys() - _STANDARD_FIELDS:
        value = record.__dict__[name]
        if isinstance(value, str):
            record.__dict__[name] = clean_text(mask(value), MAX_FIELD_LENGTH)


def _describe(function: Callable[[], str]) -> str:
    """Return the text that *function* returns. An error of a foreign object in it must not reach the code that writes the log."""
    try:
        return function()
    except Exception as exc:
        return f"(this text cannot be formatted: {type(exc).__name__})"


def _mark_lines(text: str) -> str:
    """Return *text* with a mark before each line, with control characters escaped, and without its middle if it is long."""
    if len(text) > MAX_TRACEBACK_LENGTH:
        # The end is the most useful part: the innermost frames and the message of the exception.
        head, tail = MAX_TRACEBACK_LENGTH // 3, MAX_TRACEBACK_LENGTH // 2
        text = f"{text[:head]}\n... ({len(text) - head - tail} characters left out)\n{text[-tail:]}"
    lines = [CONTINUATION + escape_control_characters(line) for line in text.split("\n")]
    marked = "\n".join(lines)
    return marked if len(marked) <= 2 * MAX_TRACEBACK_LENGTH else marked[: 2 * MAX_TRACEBACK_LENGTH]
