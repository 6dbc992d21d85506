"""Log handler whose callers never wait for the reader of the log. Records go through a bounded queue to one writer thread."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections import deque
from collections.abc import Iterable

from baremetal_sdk.logs import MAX_RECORD_BYTES, clean_record
from baremetal_sdk.observability.metrics import declarations as are
from baremetal_sdk.observability.metrics.collector import Reading

AUDIT_LOGGER = "baremetal_sdk.audit"
MAX_QUEUED_BYTES = 4 << 20
"""Default maximum size of the records that wait to be written, in bytes. Audit records have a separate queue."""
MAX_QUEUED_AUDIT_BYTES = 16 << 20
"""Default maximum size of the audit records that wait to be written, in bytes."""
FLUSH_TIMEOUT_S = 2.0
"""Maximum seconds for which :meth:`LogHandler.flush` waits for the reader of the log."""
_BATCH_BYTES = 1 << 16
_RETRY_DELAY_S = 0.5
"""Seconds to wait before the next record after a record that could not be written, for example to a full disk."""
_KINDS = {True: "audit", False: "other"}


class LogHandler(logging.Handler):
    """Handler that writes records to a file descriptor, by default standard error, in a separate thread.

    A reader that stalls blocks no caller. While *max_bytes* of records wait, further ones are dropped and counted, and a line of
    the log tells their number as soon as lines can be written again. Records of the audit log have a separate limit,
    *max_audit_bytes*, so that other records cannot displace them.

    The handler cleans records of all loggers (:func:`~baremetal_sdk.logs.clean_record`). Each line has at most 16 KiB.
    """

    def __init__(
        self, descriptor: int = 2, *, max_bytes: int = MAX_QUEUED_BYTES, max_audit_bytes: int = MAX_QUEUED_AUDIT_BYTES
    ) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._limits = {False: max_bytes, True: max_audit_bytes}
        self._queued_bytes = {False: 0, True: 0}
        self._dropped = {False: 0, True: 0}
        self._reported = {False: 0, True: 0}
        self._lines: deque[tuple[bytes, bool]] = deque()
        self._is_writing = False
        self._writer: threading.Thread | None = None

    def createLock(self) -> None:
        """Create the lock of the handler, and the condition on which the writer waits. No I/O happens under the lock."""
        super().createLock()
        assert self.lock is not None
        self._changed = threading.Condition(self.lock)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue *record*, or count it as dropped. Never wait and never raise."""
        line = self._to_line(record)
        is_audit = record.name == AUDIT_LOGGER
        with self._changed:
            if self._queued_bytes[is_audit] + len(line) > self._limits[is_audit]:
                self._dropped[is_audit] += 1
                return
            self._report_dropped()
            self._append(line, is_audit)
            # After a fork the thread exists only in the parent.
            if self._writer is None or not self._writer.is_alive():
                self._writer = threading.Thread(target=self._write_lines, name="log-writer", daemon=True)
                with contextlib.suppress(RuntimeError):  # the interpreter is ending
                    self._writer.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all records are written, for at most two seconds."""
        self.drain(FLUSH_TIMEOUT_S)

    def drain(self, timeout: float) -> bool:
        """Wait until all records are written, for at most *timeout* seconds. Return whether they are."""
        with self._changed:
            if self._writer is None or not self._writer.is_alive():
                return not self._lines
            return self._changed.wait_for(lambda: not self._lines and not self._is_writing, timeout)

    def readings(self) -> Iterable[Reading]:
        """Generate the number of dropped records, for a scrape of metrics."""
        for is_audit, name in _KINDS.items():
            yield are.LOG_RECORDS_DROPPED, (name,), self._dropped[is_audit]

    @property
    def dropped(self) -> int:
        """Number of records that were dropped."""
        return sum(self._dropped.values())

    def _to_line(self, record: logging.LogRecord) -> bytes:
        try:
            clean_record(record)
            text = self.format(record)
        except Exception as exc:
            text = f"{record.levelname} {record.name}: a record cannot be formatted: {type(exc).__name__}"
        data = text.encode("utf-8", "backslashreplace")
        if len(data) >= MAX_RECORD_BYTES:
            data = data[: MAX_RECORD_BYTES - 16].decode("utf-8", "ignore").encode() + b"..."
        return data + b"\n"

    def _append(self, line: bytes, is_audit: bool) -> None:
        self._queued_bytes[is_audit] += len(line)
        self._lines.append((line, is_audit))

    def _report_dropped(self) -> None:
        """Queue a line with the number of records that were dropped since the last such line. Call it with the lock."""
        counts = {name: self._dropped[is_audit] - self._reported[is_audit] for is_audit, name in _KINDS.items()}
        if not any(counts.values()):
            return
        self._reported = dict(self._dropped)
        text = "%d log records were dropped (%d of them audit records): the reader of the log is too slow or cannot store it"
        record = logging.makeLogRecord(
            {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": text, "request_id": "-"}
        )
        record.args = (sum(counts.values()), counts["audit"])
        self._append(self._to_line(record), False)

    def _write_lines(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                if not self._lines:
                    self._report_dropped()
                if not self._lines:
                    self._changed.notify_all()
                    self._changed.wait()
                    continue
                self._is_writing = True
                batch = self._take_batch()
            data = memoryview(b"".join(line for line, _ in batch))
            try:
                while data:
                    data = data[self._write(data) :]
            except OSError:
                with self._changed:
                    for _, is_audit in batch:
                        self._dropped[is_audit] += 1
                    # Without a pause, a full disk would cost one processor.
                    self._changed.wait(_RETRY_DELAY_S)

    def _take_batch(self) -> list[tuple[bytes, bool]]:
        batch, size = [], 0
        while self._lines and size < _BATCH_BYTES:
            line, is_audit = self._lines.popleft()
            self._queued_bytes[is_audit] -= len(line)
            size += len(line)
            batch.append((line, is_audit))
        return batch

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # another process has set the descriptor to non-blocking mode
            select.select([], [self._descriptor], [])
            return 0
