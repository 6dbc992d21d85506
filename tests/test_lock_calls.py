"""No lock is held during a call that leaves the process, and during no callback."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from testtools import TestCase

from tests.lock_calls import CallOut, find_calls_out
from tests.sources import Source, all_sources

ALLOWED = {
    ("BMC.remove_idle", "is_selected"): "a condition on the session; the pool passes expressions",
    ("BenchJSONLines._write", "print"): "the lock keeps the lines of a client program apart",
    ("ElasticPool.resize", "busy"): "an expression on a lane",
    ("History.flush", "LOG.error"): "as for the write itself",
    ("History.flush", "LOG.log"): "as for the write itself",
    (
        "History.flush",
        "self._store.append_records",
    ): "the lock keeps two flushes from writing the same entries",
    ("RequestAuthentication.renew", "connection.close"): "all requests of a client program need the new token",
    ("RequestAuthentication.renew", "connection.request"): "all requests of a client program need the new token",
    ("RequestAuthentication.renew", "ssl.create_default_context"): "all requests of a client program need the new token",
    ("SQLStore.open", "self._database.open"): "the lock keeps two threads from opening the store; no others take it",
    ("SQLiteWriter._move_log", "connection.close"): "the lock is the turn to write, which waits with a limit",
    ("SQLiteWriter._move_log", "connection.detach"): "the lock is the turn to write, which waits with a limit",
    ("SQLiteWriter._move_log", "self._engine.connect"): "the lock is the turn to write, which waits with a limit",
    ("SQLiteWriter.transaction", "connection.close"): "the lock is the turn to write, which waits with a limit",
    ("SQLiteWriter.transaction", "connection.detach"): "the lock is the turn to write, which waits with a limit",
    ("SQLiteWriter.transaction", "driver.rollback"): "the lock is the turn to write, which waits with a limit",
    ("SQLiteWriter.transaction", "self._engine.connect"): "the lock is the turn to write, which waits with a limit",
    ("ServerConnections._break_off", "socket.socket"): "the descriptor must not be reused meanwhile; nothing is sent",
    ("SharedPool.submit_and_track", "submit"): "it only queues work, and close() must not miss it",
    (
        "WorkQueue._refill_locked",
        "self._read_rows",
    ): "only workers without rows wait, and the store limits the time of a read",
    ("WorkQueue.pop_due", "self._read_rows"): "only workers without rows wait, and the store limits the time of a read",
    ("_ConductorService.start", "LOG.critical"): "the lock keeps start and stop apart; no others take it",
    ("_ConductorService.start", "LOG.error"): "the lock keeps start and stop apart; no others take it",
}
"""Calls under a lock that are allowed, by the holder of the lock and the call, with the reason."""

PLANTED = """
import threading, time

class Planted:
    def __init__(self, on_change: Callable[[], None], store: Store) -> None:
        self._mutex = threading.Lock()
        self._lock = threading.Lock()
        self._on_change = on_change
        self._notify = on_change
        self._store = store
        self._other = Other()

    def direct(self):
        with self._lock:
            open("/etc/passwd")

    def indirect(self):
        with self._mutex:
            self._first()

    def _first(self):
        helper()

    def callback(self):
        with self._lock:
            self._notify()

    def database(self):
        with self._lock:
            return self._store.node("a")

    def parameter(self, act: Callable[[], None]):
        with self._lock:
            act()

    def other(self):
        with self._lock:
            self._other.log()

    def _held_locked(self):
        time.sleep(1)

    def harmless(self):
        with self._lock:
            names = sorted(self._names.values())
            later = lambda: open("x")
        open("y")

class Base:
    def log(self):
        LOG.info("x")

class Other(Base):
    pass

def helper():
    subprocess.run(["true"])
"""


class TestLocks(TestCase):
    def test_no_lock_is_held_during_a_call_out(self) -> None:
        """Files, sockets, processes, databases, drivers, logs and callbacks are used without a lock, unless a reason is given."""
        found = [str(call) for call in self.list_calls() if (call.holder, call.path[-1]) not in ALLOWED]
        self.assertEqual([], sorted(found))

    def test_each_exception_is_used(self) -> None:
        """The table names no call that is not made."""
        self.assertEqual(set(), ALLOWED.keys() - {(call.holder, call.path[-1]) for call in self.list_calls()})

    def list_calls(self) -> Iterator[CallOut]:
        return find_calls_out(all_sources())

    def test_planted_calls_are_found(self) -> None:
        """The search finds direct and indirect calls, callbacks, and methods of other objects, and no harmless ones."""
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(PLANTED)
            file.flush()
            found = {call.holder: call.path for call in find_calls_out([PlantedSource(Path(file.name), "planted")])}
        expected = {
            "Planted.direct": ("open",),
            "Planted.indirect": ("self._first", "helper", "subprocess.run"),
            "Planted.callback": ("self._notify",),
            "Planted.database": ("self._store.node",),
            "Planted.parameter": ("act",),
            "Planted.other": ("self._other.log", "LOG.info"),
            "Planted._held_locked": ("time.sleep",),
        }
        self.assertEqual(expected, found)


class PlantedSource(Source):
    """A source outside of the repository."""

    @property
    def shown(self) -> str:
        """The name of the file."""
        return self.path.name
