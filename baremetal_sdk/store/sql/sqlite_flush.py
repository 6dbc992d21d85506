"""Flush of SQLite's write-ahead log, shared by the commits of several threads.

With ``synchronous = FULL``, SQLite flushes the log inside each commit, and the write lock of the file is held meanwhile: a disk
that needs 5 ms for a flush then allows 200 commits per second in all. Here a commit only writes to the log. After the
release of the lock, each thread waits for a flush that began after its commit. One flush serves all threads that wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Condition

from baremetal_sdk.store.durable_files import flush_directory

# macOS has no fdatasync.
_flush = getattr(os, "fdatasync", os.fsync)


class WriteAheadLogFlush:
    """Flusher of the write-ahead log of one SQLite file. Thread-safe.

    *move_log* moves the whole log to the database file and flushes that (``wal_checkpoint(TRUNCATE)``). It is called after a
    failed flush.
    """

    def __init__(self, database: Path, move_log: Callable[[], None]) -> None:
        self._log = Path(f"{database}-wal")
        self._move_log = move_log
        self._condition = Condition()
        self._committed = 0
        """Number of commits of this process."""
        self._flushed = 0
        """Number of the first commits that are on the disk."""
        self._is_flushing = False
        self._has_failed = False
        self._named_log: int | None = None
        """Inode of the log whose name is on the disk."""

    def add_commit(self) -> None:
        """Count a commit. The caller holds the write lock."""
        self._committed += 1

    def forget_log(self) -> None:
        """Flush the name of the log again with the next flush. Call it after a connect, which may create a new log."""
        self._named_log = None

    def wait(self) -> None:
        """Return after all commits that were counted before this call are on the disk.

        Raises ``OSError`` if the flush fails. It is then unknown whether the commits are on the disk.
        """
        target = self._committed
        if self._flushed >= target:
            return
        with self._condition:
            # A flush that is running may have begun before the commit, so a second one may be necessary.
            while self._is_flushing and self._flushed < target:
                self._condition.wait()
            if self._flushed >= target:
                return
            self._is_flushing = True
        reached = self._flushed
        try:
            covered = self._committed
            self._flush_log()
            reached = covered
        finally:
            with self._condition:
                self._flushed = reached
                self._is_flushing = False
                self._condition.notify_all()

    def _flush_log(self) -> None:
        if self._has_failed:
            # After a failure the kernel may report the lost pages as written (fsync(2)), and later commits follow them in the
            # log. So the log is copied to the database file and begins again.
            self._move_log()
            self._has_failed = False
            return
        try:
            descriptor = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            # The last connection to the file was closed, which moved the log to the database file.
            return
        # SQLite's locks are on the database file and on the -shm file, so this close releases none of them.
        try:
            _flush(descriptor)
            inode = os.fstat(descriptor).st_ino
            if inode != self._named_log:
                flush_directory(self._log.parent)
                self._named_log = inode
        except OSError:
            self._has_failed = True
            raise
        finally:
            os.close(descriptor)
