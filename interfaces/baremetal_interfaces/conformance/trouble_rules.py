"""Rules about BMCs that are slow, silent, wrong, away, or lie."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from baremetal_interfaces.conformance.outcome import NotOffered, demand
from baremetal_interfaces.conformance.reads import Read
from baremetal_interfaces.conformance.relay import Misbehaviour
from baremetal_interfaces.conformance.subject import Subject, failure
from baremetal_interfaces.conformance.trouble import misbehaving
from baremetal_interfaces.errors import (
    AuthenticationFailed,
    BareMetalError,
    BMCUnreachable,
    DeadlineExceeded,
    DriverError,
    NotSupported,
    PowerStateFailure,
)
from baremetal_interfaces.values import Kind, PowerState

LIE_SECONDS = 2.0
"""How long a BMC that does nothing is given to change the power."""

_RECOVERY_ATTEMPTS = 3


def slow_bmc_is_waited_for(subject: Subject) -> None:
    """A BMC that takes a while for each answer is answered for as a quick one."""
    expected = subject.task().power.get()
    with misbehaving(subject, Misbehaviour.SLOW) as bad:
        task = subject.task(bad.driver_info)
        try:
            found = task.power.get()
        except BareMetalError as exc:
            demand(False, f"each answer takes a moment longer, and the power state cannot be read: {exc}")
        demand(found is expected, f"a quick BMC says {expected.value!r}, and the same, slowly, is read as {found.value!r}")


def silent_bmc_is_given_up_in_time(subject: Subject) -> None:
    """A BMC that takes the connection and never answers ends every question by its deadline, as unreachable."""
    with misbehaving(subject, Misbehaviour.SILENT) as bad:
        asked = _ask_all(subject, bad.driver_info)
    for read, (answer, took) in asked.items():
        if answer is None:
            continue
        where = f"{read.kind}.{read.method}, of a BMC that never answers,"
        demand(isinstance(answer, BMCUnreachable | DeadlineExceeded), f"{where} ends with {answer!r}, not BMCUnreachable")
        limit = subject.silence + subject.grace
        demand(took < limit, f"{where} took {took:.1f} s, and had {subject.silence:g} s")


def nonsense_is_an_unexpected_answer(subject: Subject) -> None:
    """An answer that makes no sense is neither a power state nor a refusal of the password, but an error that says so."""
    with misbehaving(subject, Misbehaviour.WRONG) as bad:
        task = subject.task(bad.driver_info, timeout=subject.silence)
        error, found = None, None
        try:
            found = task.call(Kind.POWER, "get_power_state")
        except BareMetalError as exc:
            error = exc
    if error is None:
        demand(found is PowerState.UNKNOWN, f"the answer makes no sense, and {found!r} is read")
        return
    demand(
        not isinstance(error, AuthenticationFailed),
        f"the answer makes no sense, and is taken for refused credentials, which are then not tried again: {error}",
    )
    fits = isinstance(error, DriverError) and type(error) is not DriverError
    demand(fits, f"{type(error).__name__} is raised, which does not say what the BMC did: {error}")


def restarting_bmc_is_unreachable_and_comes_back(subject: Subject) -> None:
    """A BMC that restarts is unreachable, and the same driver reads it again afterwards."""
    expected = subject.task().power.get()
    with misbehaving(subject, Misbehaviour.AWAY) as bad:
        error = failure(subject.task(bad.driver_info, timeout=subject.silence), Kind.POWER, "get_power_state")
        demand(error is not None, "the power state was read of a BMC that breaks every connection")
        fits = isinstance(error, BMCUnreachable | DeadlineExceeded)
        demand(fits, f"the connection broke: {type(error).__name__} is raised, not BMCUnreachable: {error}")
        bad.recover()
        found, last = None, error
        for _ in range(_RECOVERY_ATTEMPTS):
            try:
                found = subject.task(bad.driver_info).power.get()
                break
            except BareMetalError as exc:
                last = exc
        demand(found is expected, f"the BMC is back, and the driver does not read {expected.value!r} but {found or last}")


def ignored_command_is_found_out(subject: Subject) -> None:
    """Where a BMC takes a power command and does nothing, that is not said to be a success, and what is read is true."""
    with misbehaving(subject, Misbehaviour.LIES) as bad:
        before = subject.task(bad.driver_info).power.get()
        wanted = PowerState.OFF if before is PowerState.ON else PowerState.ON
        task = subject.task(bad.driver_info)
        try:
            task.power.set(wanted, timeout=LIE_SECONDS)
        except PowerStateFailure:
            pass
        except DriverError as exc:
            demand(False, f"nothing happened, and {type(exc).__name__} is raised, not PowerStateFailure: {exc}")
        else:
            demand(False, f"the machine stays {before.value!r}, and {wanted.value!r} is said to be reached")
        after = subject.task(bad.driver_info).power.get()
        demand(after is before, f"the machine stays {before.value!r}, and {after.value!r} is read")


def calls_heed_their_deadline(subject: Subject) -> None:
    """A call whose time is over before it begins ends at once, with DeadlineExceeded or as unreachable."""
    reads = [read for read in subject.reads() if read.asks and subject.interfaces[read.kind].connector is not None]
    if not reads:
        raise NotOffered("no interface has a connector")
    for read in reads:
        start = time.monotonic()
        error = failure(subject.task(timeout=0.0), read.kind, read.method)
        took = time.monotonic() - start
        where = f"{read.kind}.{read.method}, whose time was over,"
        demand(error is not None, f"{where} asked the BMC all the same")
        fits = isinstance(error, DeadlineExceeded | BMCUnreachable | NotSupported)
        demand(fits, f"{where} ends with {error!r}")
        demand(took < subject.grace, f"{where} took {took:.1f} s")


def _ask_all(subject: Subject, driver_info: Mapping[str, Any]) -> dict[Read, tuple[BareMetalError | None, float]]:
    """Ask everything at the same time. The error of each question (None where it needs no BMC), and the seconds it took."""
    asked: dict[Read, tuple[BareMetalError | None, float]] = {}
    broken: list[Exception] = []

    def ask(read: Read) -> None:
        start = time.monotonic()
        try:
            error = failure(subject.task(driver_info, timeout=subject.silence), read.kind, read.method)
            if error is None:
                demand(not read.asks, f"{read.kind}.{read.method} has an answer, of a BMC that never answers")
            asked[read] = (None if isinstance(error, NotSupported) else error, time.monotonic() - start)
        except Exception as exc:
            broken.append(exc)

    # A machine of a plugin without a connector is nowhere, unless its author led to one that behaves so.
    threads = [threading.Thread(target=ask, args=(read,), daemon=True) for read in subject.reads() if subject.reaches(read.kind)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(subject.silence + 2 * subject.grace)
    if broken:
        raise broken[0]
    return asked
