"""The examination: everything that is looked at, in one list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

from baremetal_interfaces import BareMetalError
from baremetal_sdk.clock import Clock, SystemClock
from baremetal_sdk.conductor.conductor import Conductor
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.doctor.database import examine_database, open_existing_store
from baremetal_sdk.doctor.drivers import examine_nodes, examine_plugins, load_drivers
from baremetal_sdk.doctor.finding import Finding, Outcome, fail, ok, warn
from baremetal_sdk.doctor.process import Process, examine_process
from baremetal_sdk.doctor.sessions import examine_sessions
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.protocol import Store

_EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
"""A clock that shows less was never set."""
_APART = 1.0
"""Seconds that wall clock and monotonic clock may differ by, over an examination."""
_AHEAD = timedelta(seconds=5)


def examine(
    config: ConductorConfig,
    conductor: Conductor | None = None,
    *,
    process: Process | None = None,
    clock: Clock | None = None,
) -> list[Finding]:
    """Look at the process, the plugins, the nodes, the database and the clock; nothing is changed.

    With a *conductor* that has started, it is looked at what that one has; without one, at what one would find.
    *process* and *clock* default to the real ones. It raises nothing: what cannot be examined is a finding, too.
    """
    clock = clock or SystemClock()
    here = process or Process.here()
    began = clock.now(), clock.monotonic()
    found: list[Finding] = []
    found += _guarded("process", lambda: examine_process(config, conductor, here))
    drivers = _drivers(config, conductor)
    found += _guarded("plugins", lambda: examine_plugins(config, drivers))
    database = _guarded("database", lambda: [examine_database(config.database)] if conductor is None else [])
    found += database
    usable = all(finding.outcome is Outcome.OK for finding in database)
    if usable and isinstance(drivers, DriverCatalog):
        found += _guarded("interfaces", lambda: _store_findings(config, conductor, drivers, clock, here.most_files))
    found += _guarded("clock", lambda: [_clock(clock, *began)])
    return found


def _drivers(config: ConductorConfig, conductor: Conductor | None) -> DriverCatalog | ConfigurationError:
    try:
        return load_drivers(config, conductor)
    except ConfigurationError as exc:
        return exc


def _store_findings(
    config: ConductorConfig, conductor: Conductor | None, drivers: DriverCatalog, clock: Clock, most_files: int | None
) -> Iterator[Finding]:
    """What the store says about nodes, and about the clocks of other conductors."""
    with nullcontext(conductor.store) if conductor is not None else open_existing_store(config.database, clock) as store:
        if conductor is not None:
            yield _answers(store)
        yield from examine_nodes(drivers, store, clock.now())
        yield examine_sessions(store, most_files)
        yield from _clocks_of_others(store, clock.now())


def _answers(store: Store) -> Finding:
    return ok("database", f"the conductor's store answers; {len(store.conductors())} conductors are registered")


def _clock(clock: Clock, wall: datetime, monotonic: float) -> Finding:
    now, passed = clock.now(), clock.monotonic() - monotonic
    remedy = "let the machine's clock be kept by NTP (chrony, systemd-timesyncd)"
    if now < _EARLIEST:
        return fail("clock", f"it shows {now:%Y-%m-%d}, which is past: leases would be void or last for years", remedy)
    if passed < 0:
        return fail("clock", f"the monotonic clock went back by {-passed:.3f} s", "see whether the virtual machine was moved")
    apart = (now - wall).total_seconds() - passed
    if abs(apart) > _APART:
        return warn("clock", f"the wall clock was moved by {apart:+.1f} s during the examination", remedy)
    return ok("clock", f"it shows {now:%Y-%m-%d %H:%M:%S} UTC, and goes as the monotonic one does")


def _clocks_of_others(store: Store, now: datetime) -> Iterator[Finding]:
    for record in store.conductors():
        if record.heartbeat_at is not None and record.heartbeat_at - now > _AHEAD:
            ahead = (record.heartbeat_at - now).total_seconds()
            yield warn(
                "clock",
                f"conductor '{record.hostname}' gave a sign of life {ahead:.0f} s in the future of this machine",
                "keep the clocks of all machines with a conductor by NTP: leases expire by them",
            )


def _guarded(name: str, examine: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What it finds; what it raises is a finding."""
    try:
        return list(examine())
    except BareMetalError as exc:
        return [fail(name, str(exc), "see the message")]
    except Exception as exc:
        return [fail(name, f"it could not be examined: {type(exc).__name__}: {exc}", "please report this")]
