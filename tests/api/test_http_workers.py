"""The threads that serve requests."""

from __future__ import annotations

import threading

import testtools
from cheroot.connections import ConnectionManager
from cheroot.server import HTTPRequest
from fixtures import FakeLogger

from baremetal_interfaces import Deadline
from baremetal_sdk.api.http_workers import Workers
from tests.api.sockets import PATIENCE


class Job:
    """Something to handle, which tells when it begins and ends when it is let."""

    def __init__(self) -> None:
        self.begun, self.end = threading.Event(), threading.Event()
        self.thread: str | None = None


def do(job: Job) -> None:
    """Handle a job."""
    job.thread = threading.current_thread().name
    job.begun.set()
    job.end.wait(PATIENCE)


class TestWorkers(testtools.TestCase):
    def _workers(self, maximum: int = 2, waiting: int = 1) -> Workers[Job]:
        workers: Workers[Job] = Workers(do, minimum=1, maximum=maximum, waiting=waiting, name="test")
        self.addCleanup(workers.close)
        return workers

    def _begun(self, job: Job) -> Job:
        self.assertTrue(job.begun.wait(PATIENCE))
        self.addCleanup(job.end.set)
        return job

    def test_threads_grow_to_the_maximum_then_items_wait_then_they_are_refused(self) -> None:
        """Nothing is taken that nobody has room for."""
        workers, jobs = self._workers(), [Job() for _ in range(4)]
        self.assertEqual([True, True, True, False], [workers.put(job) for job in jobs])
        first, second = self._begun(jobs[0]), self._begun(jobs[1])
        self.assertFalse(jobs[2].begun.is_set())
        first.end.set()
        self._begun(jobs[2]).end.set()
        second.end.set()
        workers.close()
        self.assertTrue(workers.join(Deadline.after(PATIENCE)))

    def test_nothing_that_is_raised_ends_a_thread(self) -> None:
        """SystemExit included: the next item is handled as if nothing had happened."""
        self.useFixture(FakeLogger())
        handled: list[int] = []
        done = threading.Semaphore(0)

        def handle(number: int) -> None:
            handled.append(number)
            done.release()
            raise SystemExit(number)

        workers: Workers[int] = Workers(handle, minimum=1, maximum=1, waiting=10, name="test")
        for number in range(5):
            self.assertTrue(workers.put(number))
        for _ in range(5):
            self.assertTrue(done.acquire(timeout=PATIENCE))
        self.assertEqual(list(range(5)), handled)
        workers.close()
        self.assertTrue(workers.join(Deadline.after(PATIENCE)))

    def test_what_waits_is_still_handled_when_it_is_closed(self) -> None:
        """Closing takes nothing more, and drops nothing."""
        workers, jobs = self._workers(maximum=1), [Job(), Job()]
        for job in jobs:
            self.assertTrue(workers.put(job))
        workers.close()
        self.assertFalse(workers.put(Job()))
        self._begun(jobs[0]).end.set()
        self._begun(jobs[1]).end.set()
        self.assertTrue(workers.join(Deadline.after(PATIENCE)))

    def test_what_does_not_end_is_given_back(self) -> None:
        """Whoever stops in time knows what did not end."""
        workers, jobs = self._workers(maximum=1), [Job(), Job()]
        for job in jobs:
            workers.put(job)
        self._begun(jobs[0])
        workers.close()
        self.assertFalse(workers.join(Deadline.after(0.05)))
        self.assertEqual({jobs[0], jobs[1]}, set(workers.abandon()))


class TestCheroot(testtools.TestCase):
    def test_the_names_that_are_used_exist(self) -> None:
        """What the server overrides or calls inside Cheroot is still there."""
        for name in ("_from_server_socket", "run", "put", "close", "_expire"):
            self.assertTrue(callable(getattr(ConnectionManager, name, None)), name)
        for name in ("parse_request", "respond", "send_headers", "ensure_headers_sent", "simple_response", "write"):
            self.assertTrue(callable(getattr(HTTPRequest, name, None)), name)
