"""Rules about misbehaving BMCs: slow, silent, with meaningless responses, restarting, or ignoring commands."""

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

LIE_TIMEOUT_S = 2.0
"""Time limit of a power change at a BMC that ignores commands, in seconds."""

_RECOVERY_ATTEMPTS = 3


def slow_bmc_is_waited_for(subject: Subject) -> None:
    """A BMC that answers slowly is read as correctly as a fast one."""
    expected = subject.task().power.get()
    with misbehaving(subject, Misbehaviour.SLOW) as bmc:
        task = subject.task(bmc.driver_info)
        try:
            found = task.power.get()
        except BareMetalError as exc:
            demand(False, f"the power state cannot be read if responses are delayed: {exc}")
        demand(
            found is expected,
            f"a fast BMC reports {expected.value!r}, and the same state is read as {found.value!r} if responses are delayed",
        )


def silent_bmc_is_given_up_in_time(subject: Subject) -> None:
    """Calls to a BMC that never answers end by their deadline, with BMCUnreachable or DeadlineExceeded."""
    with misbehaving(subject, Misbehaviour.SILENT) as bmc:
        outcomes = _ask_all(subject, bmc.driver_info)
    for read, (error, took) in outcomes.items():
        if error is None:
            continue
        where = f"{read.kind}.{read.method}, at a BMC that never answers,"
        demand(isinstance(error, BMCUnreachable | DeadlineExceeded), f"{where} ends with {error!r}, not BMCUnreachable")
        limit = subject.silence + subject.grace
        demand(took < limit, f"{where} took {took:.1f} s with a deadline of {subject.silence:g} s")


def nonsense_is_an_unexpected_answer(subject: Subject) -> None:
    """A meaningless response is read as PowerState.UNKNOWN or raises a specific DriverError, but not AuthenticationFailed."""
    with misbehaving(subject, Misbehaviour.WRONG) as bmc:
        task = subject.task(bmc.driver_info, timeout=subject.silence)
        error, found = None, None
        try:
            found = task.call(Kind.POWER, "get_power_state")
        except BareMetalError as exc:
            error = exc
    if error is None:
        demand(found is PowerState.UNKNOWN, f"the response makes no sense, and {found!r} is read")
        return
    demand(
        not isinstance(error, AuthenticationFailed),
        f"the response makes no sense, and is reported as refused credentials, which are then not tried again: {error}",
    )
    fits = isinstance(error, DriverError) and type(error) is not DriverError
    demand(fits, f"{type(error).__name__} is raised, which does not describe the problem of the BMC: {error}")


def restarting_bmc_is_unreachable_and_comes_back(subject: Subject) -> None:
    """A BMC that restarts is reported as unreachable, and the same driver can read it afterwards."""
    expected = subject.task().power.get()
    with misbehaving(subject, Misbehaviour.UNREACHABLE) as bmc:
        error = failure(subject.task(bmc.driver_info, timeout=subject.silence), Kind.POWER, "get_power_state")
        demand(error is not None, "the power state was read from a BMC that breaks all connections")
        fits = isinstance(error, BMCUnreachable | DeadlineExceeded)
        demand(fits, f"the connection broke, and {type(error).__name__} is raised, not BMCUnreachable: {error}")
        bmc.recover()
        found, last = None, error
        for _ in range(_RECOVERY_ATTEMPTS):
            try:
                found = subject.task(bmc.driver_info).power.get()
                break
            except BareMetalError as exc:
                last = exc
        demand(found is expected, f"the BMC has recovered, and the driver does not read {expected.value!r} but {found or last}")


def ignored_command_is_found_out(subject: Subject) -> None:
    """A power command without effect is not reported as a success, and reads return the actual state."""
    with misbehaving(subject, Misbehaviour.LIES) as bmc:
        before = subject.task(bmc.driver_info).power.get()
        wanted = PowerState.OFF if before is PowerState.ON else PowerState.ON
        task = subject.task(bmc.driver_info)
        try:
            task.power.set(wanted, timeout=LIE_TIMEOUT_S)
        except PowerStateFailure:
            pass
        except DriverError as exc:
            demand(False, f"the command had no effect, and {type(exc).__name__} is raised, not PowerStateFailure: {exc}")
        else:
            demand(False, f"the machine stays {before.value!r}, and {wanted.value!r} is reported as reached")
        after = subject.task(bmc.driver_info).power.get()
        demand(after is before, f"the machine stays {before.value!r}, and {after.value!r} is read")


def calls_heed_their_deadline(subject: Subject) -> None:
    """A call after its deadline ends at once, with DeadlineExceeded, BMCUnreachable or NotSupported."""
    reads = [read for read in subject.reads() if read.asks and subject.interfaces[read.kind].connector is not None]
    if not reads:
        raise NotOffered("no interface has a connector")
    for read in reads:
        start = time.monotonic()
        error = failure(subject.task(timeout=0.0), read.kind, read.method)
        took = time.monotonic() - start
        where = f"{read.kind}.{read.method}, called after its deadline,"
        demand(error is not None, f"{where} returned an answer")
        fits = isinstance(error, DeadlineExceeded | BMCUnreachable | NotSupported)
        demand(fits, f"{where} ends with {error!r}")
        demand(took < subject.grace, f"{where} took {took:.1f} s")


def _ask_all(subject: Subject, driver_info: Mapping[str, Any]) -> dict[Read, tuple[BareMetalError | None, float]]:
    """Make all reads at the same time. Return the error of each read (None if it needs no BMC) and its duration in seconds."""
    outcomes: dict[Read, tuple[BareMetalError | None, float]] = {}
    violations: list[Exception] = []

    def ask(read: Read) -> None:
        start = time.monotonic()
        try:
            error = failure(subject.task(driver_info, timeout=subject.silence), read.kind, read.method)
            if error is None:
                demand(not read.asks, f"{read.kind}.{read.method} returns an answer of a BMC that never answers")
            outcomes[read] = (None if isinstance(error, NotSupported) else error, time.monotonic() - start)
        except Exception as exc:
            violations.append(exc)

    # A plugin without a connector has no machine that can misbehave, unless its author named one.
    threads = [threading.Thread(target=ask, args=(read,), daemon=True) for read in subject.reads() if subject.reaches(read.kind)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(subject.silence + 2 * subject.grace)
    if violations:
        raise violations[0]
    return outcomes
