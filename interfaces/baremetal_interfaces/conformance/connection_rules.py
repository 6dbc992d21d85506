"""Rules about sessions, threads, and BMCs that do not answer."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_interfaces.conformance.outcome import NotOffered, Violation, demand
from baremetal_interfaces.conformance.reads import Read
from baremetal_interfaces.conformance.recording import RecordingConnector
from baremetal_interfaces.conformance.subject import Subject, failure
from baremetal_interfaces.conformance.trouble import leading_to, power_info_type
from baremetal_interfaces.errors import (
    AuthenticationFailed,
    BareMetalError,
    BMCBusy,
    BMCUnreachable,
    Busy,
    DeadlineExceeded,
    NotSupported,
)
from baremetal_interfaces.values import Kind, PowerState

UNREACHABLE_TIMEOUT_S = 15.0
"""Deadline of a call to an address where nothing answers, in seconds."""

WRONG_PASSWORD = "Wr0ng-and-refused"
"""A password that is assumed to be wrong."""

MIN_PARALLEL_TIMEOUT_S = 10.0
"""The shortest deadline, in seconds, of a question that several threads ask at the same time."""

_SESSIONS = 8
_THREADS = 4
_POWER_READS = 3
_PARALLEL_ROUNDS = 3
_PORT_ATTEMPTS = 20

_LATE_ERRORS = (DeadlineExceeded, Busy, BMCBusy)
"""Errors that a plugin without fault raises on a machine under load."""

_INCONCLUSIVE_ERRORS = (*_LATE_ERRORS, BMCUnreachable, Violation)
"""Errors that are no evidence against the plugin unless they come in every round. A Violation is a call that did not return."""


def sessions_are_freed(subject: Subject) -> None:
    """Closed sessions leave neither open files nor running threads behind."""
    _connector(subject)
    _read_power(subject, 2)  # opens resources that a plugin keeps for all sessions
    before = _count_resources()
    _read_power(subject, _SESSIONS)
    gc.collect()
    files, threads = (after - was for after, was in zip(_count_resources(), before, strict=True))
    demand(files < _SESSIONS, f"{_SESSIONS} sessions were opened and closed, and {files} more files are open")
    demand(threads < _SESSIONS, f"{_SESSIONS} sessions were opened and closed, and {threads} more threads are running")


def sessions_are_given_back(subject: Subject) -> None:
    """Each session that is borrowed for a call is returned exactly once, when the call ends."""
    _connector(subject)
    before = {connector: (connector.opened, connector.closed) for connector in subject.connectors.values()}
    for read in subject.reads():
        failure(subject.task(), read.kind, read.method)
    for connector_type, connector in subject.connectors.items():
        opened, closed = connector.opened - before[connector][0], connector.closed - before[connector][1]
        demand(opened == closed, f"{connector_type.__name__}: {opened} session(s) were opened, and {closed} given back")


def threads_do_not_disturb_each_other(subject: Subject) -> None:
    """Threads that use the same interfaces at the same time get the answers that a single thread gets."""
    expected = subject.task().power.get()
    offered = [read for read in subject.reads() if failure(subject.task(), read.kind, read.method) is None]
    questions = [read for read in offered for _ in range(_POWER_READS if read.kind is Kind.POWER else 1)]
    failures: list[dict[Read, BareMetalError | Violation]] = []
    for attempt in range(_PARALLEL_ROUNDS):
        # A loaded machine answers late, which is no fault of the plugin: each round allows twice the time of the last one.
        timeout = max(subject.timeout, MIN_PARALLEL_TIMEOUT_S) * 2**attempt
        failures.append({})
        for read, answer in _ask_in_parallel(subject, questions, timeout):
            if isinstance(answer, _INCONCLUSIVE_ERRORS):
                failures[-1][read] = answer
            else:
                _demand_answer(read, answer, expected)
        if not failures[-1]:
            return
    _demand_no_repeated_failure(subject, failures)
    read, error = next(iter(failures[-1].items()))
    raise NotOffered(
        f"inconclusive: {read.kind}.{read.method}, asked by {_THREADS} threads at the same time, was not answered in time in "
        f"{_PARALLEL_ROUNDS} rounds ({error}); repeat the run when the machine has less load"
    )


def _ask_in_parallel(subject: Subject, questions: Sequence[Read], timeout: float) -> list[tuple[Read, Any]]:
    """Have each thread ask all *questions*; return each question with its answer or its error.

    *timeout* is the deadline of each question in seconds.
    """
    barrier = threading.Barrier(_THREADS)
    answers: list[tuple[Read, Any]] = []

    def ask() -> None:
        barrier.wait()
        for read in questions:
            answer = _ask(subject, read, timeout)
            answers.append((read, answer))
            if isinstance(answer, Violation):
                return  # the call did not return, and the next one would block as long

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    # No limit: a call of the kit's task returns when its deadline and the grace are over, whatever the plugin does.
    for thread in threads:
        thread.join()
    return answers


def _ask(subject: Subject, read: Read, timeout: float) -> Any:
    try:
        return subject.task(timeout=timeout).call(read.kind, read.method)
    except Exception as exc:
        return exc


def _demand_answer(read: Read, answer: Any, expected: PowerState) -> None:
    """Raise :class:`Violation` for an answer of a parallel round that a single thread does not get."""
    where = f"{read.kind}.{read.method}: a single thread gets an answer, and one of {_THREADS} threads gets"
    wrong = f"{type(answer).__name__}: {answer}" if isinstance(answer, Exception) else read.wrong(answer)
    demand(wrong is None, f"{where} {wrong}")
    same = read.kind is not Kind.POWER or answer is expected
    demand(same, f"{where} {answer!r}, not {expected!r}")


def _demand_no_repeated_failure(subject: Subject, failures: Sequence[Mapping[Read, BareMetalError | Violation]]) -> None:
    """Raise :class:`Violation` for a question that fails in each round of *failures*, while a single thread gets an answer.

    Only broken connections and calls that do not return count. A late answer is never evidence against the plugin.
    """
    for read, error in failures[-1].items():
        repeated = all(read in found and not isinstance(found[read], _LATE_ERRORS) for found in failures)
        if repeated and failure(subject.task(), read.kind, read.method) is None:
            alone = f"{read.kind}.{read.method}: a single thread gets an answer"
            demand(False, f"{alone}, and one of {_THREADS} threads fails in every round with {type(error).__name__}: {error}")


def silence_is_unreachable_in_time(subject: Subject) -> None:
    """Calls to an address where nothing listens end with BMCUnreachable before their deadline."""
    _connector(subject)
    nowhere = closed_address(subject) if subject.unreachable is None else subject.unreachable
    elsewhere = {**subject.driver_info, **nowhere}
    for read in subject.reads():
        if not read.asks or subject.interfaces[read.kind].connector is None:
            continue
        start = time.monotonic()
        error = failure(subject.task(elsewhere, timeout=UNREACHABLE_TIMEOUT_S), read.kind, read.method)
        took = time.monotonic() - start
        if isinstance(error, NotSupported):
            continue
        where = f"{read.kind}.{read.method}, where nothing listens,"
        demand(error is not None, f"{where} has an answer")
        demand(
            took < UNREACHABLE_TIMEOUT_S + subject.grace,
            f"{where} took {took:.1f} s with a deadline of {UNREACHABLE_TIMEOUT_S:g} s",
        )
        demand(isinstance(error, BMCUnreachable), f"{where} raises {type(error).__name__}, not BMCUnreachable: {error}")


def wrong_password_is_tried_once(subject: Subject) -> None:
    """A wrong password ends with AuthenticationFailed after exactly one login attempt."""
    connector = _connector(subject)
    wrong = {**subject.driver_info, password_option(subject): WRONG_PASSWORD}
    before = connector.attempts
    error = failure(subject.task(wrong), Kind.POWER, "get_power_state")
    if error is None:
        raise NotOffered("this BMC accepts any password")
    demand(isinstance(error, AuthenticationFailed), f"{type(error).__name__} is raised, not AuthenticationFailed: {error}")
    attempts = connector.attempts - before
    demand(attempts == 1, f"{attempts} logins were tried: each one may lock the account")


def _connector(subject: Subject) -> RecordingConnector:
    connector_type = subject.power.connector
    if connector_type is None:
        raise NotOffered("the power interface has no connector")
    return subject.connectors[connector_type]


def _read_power(subject: Subject, times: int) -> None:
    for _ in range(times):
        subject.task().power.get()


def _count_resources() -> tuple[int, int]:
    """Return the number of open files (0 if the system does not report it) and of running threads."""
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return files, threading.active_count()


def closed_address(subject: Subject) -> dict[str, Any]:
    """Return the changes to ``driver_info`` that lead to a closed port of this host."""
    return leading_to(power_info_type(subject), subject.driver_info, _closed_port())


def _closed_port() -> int:
    """Return a port of this host that is free for TCP and UDP. Nothing keeps it free afterwards."""
    for _ in range(_PORT_ATTEMPTS):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NotOffered("this host has no port that is free for TCP and for UDP")


def password_option(subject: Subject) -> str:
    """Return the name of the secret option with which the plugin logs in: the password, or else a token or key.

    Raises NotOffered if there is none, or if the plugin does not accept the form of a wrong value.
    """
    info_type = power_info_type(subject)
    names = [option.name for option in info_type.options() if option.secret and subject.driver_info.get(option.name)]
    for name in sorted(names, key=lambda name: "password" not in name):
        if not info_type.problems({**subject.driver_info, name: WRONG_PASSWORD}):
            return name
    raise NotOffered("driver_info contains no secret that can be replaced by a wrong one")
