"""The examination of a process and its environment: runs all checks and collects their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta

from baremetal_interfaces import BareMetalError
from baremetal_sdk.clock import Clock, SystemClock, wall_source
from baremetal_sdk.conductor.conductor import Conductor
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.doctor.database import examine_database
from baremetal_sdk.doctor.drivers import examine_machines, examine_nodes, examine_plugins, load_drivers
from baremetal_sdk.doctor.finding import Finding, Outcome, fail, ok, warn
from baremetal_sdk.doctor.process import Process, examine_process
from baremetal_sdk.doctor.sessions import examine_sessions
from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.factory import open_existing_store
from baremetal_sdk.store.protocol import Store

_EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
"""A wall clock that shows an earlier date has never been set."""
_MAX_CLOCK_DRIFT_S = 1.0
"""Seconds by which the wall clock and the monotonic clock may diverge during an examination."""
_MAX_AHEAD = timedelta(seconds=5)
"""Time by which the heartbeat of another conductor may lie in the future."""


def examine(
    config: ConductorConfig,
    conductor: Conductor | None = None,
    *,
    process: Process | None = None,
    clock: Clock | None = None,
) -> list[Finding]:
    """Examine the process, the plugins, the nodes, the database and the clock, and return the findings. Change nothing.

    With a started *conductor*, its components are examined. Without it, the examination covers what a new conductor would use.
    *process* and *clock* default to the real ones. No exception is raised: a check that fails is a finding.
    """
    clock = clock or SystemClock()
    here = process or Process.current()
    wall_start, monotonic_start = wall_source(clock)(), clock.monotonic()
    findings: list[Finding] = []
    findings += _run_check("process", lambda: examine_process(config, conductor, here))
    drivers = _load_drivers(config, conductor)
    findings += _run_check("plugins", lambda: examine_plugins(config, drivers))
    database = _run_check("database", lambda: [examine_database(config.database)] if conductor is None else [])
    findings += database
    # Without a usable database and drivers, checks of the nodes would only repeat these findings.
    usable = all(finding.outcome is Outcome.OK for finding in database)
    if usable and isinstance(drivers, DriverCatalog):
        findings += _run_check(
            "interfaces", lambda: _examine_store(config, conductor, drivers, clock=clock, max_files=here.max_files)
        )
    findings += _run_check("clock", lambda: [_examine_clock(clock, wall_start, monotonic_start)])
    return findings


def _load_drivers(config: ConductorConfig, conductor: Conductor | None) -> DriverCatalog | ConfigurationError:
    try:
        return load_drivers(config, conductor)
    except ConfigurationError as exc:
        return exc


def _examine_store(
    config: ConductorConfig, conductor: Conductor | None, drivers: DriverCatalog, *, clock: Clock, max_files: int | None
) -> Iterator[Finding]:
    """Generate findings about missing drivers of nodes, shared machines, BMC sessions, and the clocks of other conductors.

    With *conductor*, examine its store and the connection too. Without it, open the existing store of *config*.
    *max_files* is the limit of open files of the process, or None if it is unlimited.
    """
    with _open_store(config, clock) if conductor is None else nullcontext(conductor.store) as store:
        if conductor is not None:
            yield _examine_connection(store)
        yield from examine_nodes(drivers, store, clock.now())
        yield from examine_machines(drivers, store)
        yield examine_sessions(store, max_files)
        yield from _examine_peer_clocks(store, clock.now())


def _open_store(config: ConductorConfig, clock: Clock) -> closing[Store]:
    return closing(open_existing_store(config.database.connection, clock=clock))


def _examine_connection(store: Store) -> Finding:
    return ok("database", f"the store of the conductor is reachable; {len(store.conductors())} conductors are registered")


def _examine_clock(clock: Clock, wall: datetime, monotonic: float) -> Finding:
    now, elapsed = wall_source(clock)(), clock.monotonic() - monotonic
    remedy = "synchronize the clock of the machine by NTP (chrony, systemd-timesyncd)"
    if now < _EARLIEST:
        return fail(
            "clock",
            f"the clock shows {now:%Y-%m-%d}, which is in the past: leases would expire at once or last for years",
            remedy,
        )
    if elapsed < 0:
        return fail(
            "clock", f"the monotonic clock went back by {-elapsed:.3f} s", "check whether the virtual machine was migrated"
        )
    drift = (now - wall).total_seconds() - elapsed
    if abs(drift) > _MAX_CLOCK_DRIFT_S:
        return warn("clock", f"the wall clock jumped by {drift:+.1f} s during the examination", remedy)
    return ok("clock", f"the clock shows {now:%Y-%m-%d %H:%M:%S} UTC and runs at the rate of the monotonic clock")


def _examine_peer_clocks(store: Store, now: datetime) -> Iterator[Finding]:
    for record in store.conductors():
        if record.heartbeat_at is not None and record.heartbeat_at - now > _MAX_AHEAD:
            ahead = (record.heartbeat_at - now).total_seconds()
            yield warn(
                "clock",
                f"the heartbeat of conductor '{record.hostname}' is {ahead:.0f} s in the future of this machine",
                "synchronize the clocks of all machines with conductors by NTP, because leases expire by these clocks",
            )


def _run_check(name: str, examine: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return the findings of a check. An exception of the check becomes a finding."""
    try:
        return list(examine())
    except BareMetalError as exc:
        return [fail(name, str(exc), "correct the reported problem")]
    except Exception as exc:
        return [fail(name, f"the check failed: {type(exc).__name__}: {exc}", "report this as a bug")]
