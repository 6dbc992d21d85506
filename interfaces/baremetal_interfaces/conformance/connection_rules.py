"""Rules about sessions, threads, and BMCs that do not answer."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from baremetal_interfaces.conformance.outcome import NotOffered, demand
from baremetal_interfaces.conformance.recording import RecordingConnector
from baremetal_interfaces.conformance.subject import Subject, failure
from baremetal_interfaces.errors import AuthenticationFailed, BareMetalError, BMCUnreachable
from baremetal_interfaces.options import DriverInfo
from baremetal_interfaces.values import Kind

UNREACHABLE_SECONDS = 15.0
"""The deadline that a call to a dead address is given."""

_GRACE = 3.0
_BORROWS = 8
_THREADS = 4
_READS = 3
_PORT_ATTEMPTS = 20


def sessions_are_freed(subject: Subject) -> None:
    """A session that was given back holds no file and no thread."""
    _connector(subject)
    _read(subject, 2)  # what is opened once and kept for all
    before = _held()
    _read(subject, _BORROWS)
    gc.collect()
    files, threads = (after - was for after, was in zip(_held(), before, strict=True))
    demand(files < _BORROWS, f"{_BORROWS} sessions were opened and closed, and {files} files more are open")
    demand(threads < _BORROWS, f"{_BORROWS} sessions were opened and closed, and {threads} threads more are running")


def threads_do_not_disturb_each_other(subject: Subject) -> None:
    """Several threads read the power state at the same time through the same interface, and all get the answer."""
    _ = subject.power
    expected = subject.task().power.get()
    answers: list[Any] = []
    barrier = threading.Barrier(_THREADS)

    def read() -> None:
        barrier.wait()
        for _ in range(_READS):
            try:
                answers.append(subject.task().power.get())
            except BareMetalError as exc:
                answers.append(exc)

    threads = [threading.Thread(target=read, daemon=True) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    others = [answer for answer in answers if answer is not expected]
    demand(not others, f"one thread reads {expected.value!r}; {_THREADS} at a time read {others[:3]}")
    demand(len(answers) == _THREADS * _READS, f"{_THREADS * _READS - len(answers)} reads never came back")


def silence_is_unreachable_in_time(subject: Subject) -> None:
    """Where nothing listens, a call ends with BMCUnreachable before its deadline, and shows no secret."""
    _connector(subject)
    nowhere = _closed_address(subject) if subject.unreachable is None else subject.unreachable
    elsewhere = {**subject.driver_info, **nowhere}
    start = time.monotonic()
    error = failure(subject.task(elsewhere, timeout=UNREACHABLE_SECONDS), Kind.POWER, "get_power_state")
    took = time.monotonic() - start
    demand(error is not None, "the power state was read where nothing listens")
    demand(took < UNREACHABLE_SECONDS + _GRACE, f"the call took {took:.1f} s, and had {UNREACHABLE_SECONDS:g} s")
    demand(isinstance(error, BMCUnreachable), f"{type(error).__name__} is raised, not BMCUnreachable: {error}")
    demand(not any(secret in repr(error) for secret in subject.secrets()), f"the error shows a secret: {error}")


def wrong_password_is_tried_once(subject: Subject) -> None:
    """A password that the BMC refuses ends with AuthenticationFailed after exactly one login."""
    connector = _connector(subject)
    wrong = {**subject.driver_info, _password_option(subject): "Wr0ng-and-refused"}
    before = connector.attempts
    error = failure(subject.task(wrong), Kind.POWER, "get_power_state")
    if error is None:
        raise NotOffered("this BMC accepts any password")
    demand(isinstance(error, AuthenticationFailed), f"{type(error).__name__} is raised, not AuthenticationFailed: {error}")
    attempts = connector.attempts - before
    demand(attempts == 1, f"{attempts} logins were tried: each one may lock the account")
    demand("Wr0ng-and-refused" not in repr(error), f"the error shows a secret: {error}")


def _connector(subject: Subject) -> RecordingConnector:
    connector_type = subject.power.connector
    if connector_type is None:
        raise NotOffered("the power interface has no connector")
    return subject.connectors[connector_type]


def _read(subject: Subject, times: int) -> None:
    for _ in range(times):
        subject.task().power.get()


def _held() -> tuple[int, int]:
    """Open files, where the system tells them, and running threads."""
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return files, threading.active_count()


def _closed_address(subject: Subject) -> dict[str, Any]:
    """What to change in ``driver_info`` to reach a port of this host that nobody listens on."""
    info_type = _power_info_type(subject)
    names = [option.name for option in info_type.options()]
    address = info_type.address_option or next((name for name in names if name.endswith("_address")), None)
    port_option = next((name for name in names if name.endswith("_port")), None)
    if address is None:
        raise NotOffered("driver_info has no option for an address")
    port = _closed_port()
    given = str(subject.driver_info.get(address, ""))
    if "://" in given:
        return {address: urlunsplit(urlsplit(given)._replace(netloc=f"127.0.0.1:{port}"))}
    if port_option is not None:
        return {address: "127.0.0.1", port_option: port}
    return {address: f"127.0.0.1:{port}"}


def _closed_port() -> int:
    """A port that was free a moment ago, for TCP and for UDP."""
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


def _password_option(subject: Subject) -> str:
    for option in _power_info_type(subject).options():
        if option.secret and "password" in option.name and subject.driver_info.get(option.name):
            return option.name
    raise NotOffered("driver_info holds no password")


def _power_info_type(subject: Subject) -> type[DriverInfo]:
    info_type = subject.power.info_type
    if info_type is None:
        raise NotOffered("the power interface reads nothing from driver_info")
    return info_type
