"""Racks: sets of simulated machines with a common clock, shared by name within the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from weakref import WeakValueDictionary

from baremetal_fake.bmc_account import Account, BMCCounters
from baremetal_fake.faults import FaultPlan
from baremetal_fake.machine import Machine, Timings

DEFAULT_RACK = "default"
"""Name of the rack for nodes whose ``driver_info`` names no rack."""


class Rack:
    """A set of simulated machines by name. The first use of a name creates its machine, switched off. Thread-safe.

    *clock* returns monotonic seconds. *wait* lets the given seconds pass, and may return early. A test that passes both need
    not wait. *patience* is the time in seconds that a client without a deadline waits for an answer.
    """

    def __init__(
        self,
        name: str = DEFAULT_RACK,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] | None = None,
        timings: Timings | None = None,
        patience: float = 30.0,
    ) -> None:
        self.name = name
        self.clock = clock
        self.timings = timings or Timings()
        self.patience = patience
        self._waits_ended = threading.Event()
        self._wait = wait
        self._lock = threading.Lock()
        self._machines: dict[str, Machine] = {}
        self._counters: dict[str, BMCCounters] = {}
        self._accounts: dict[str, Account] = {}
        self._plans: list[tuple[str, FaultPlan]] = []

    def __repr__(self) -> str:
        return f"Rack({self.name!r}, {len(self._machines)} machines)"

    def machine(self, name: str) -> Machine:
        """Return the machine *name*, and create it if it is new. Raises ValueError if *name* is empty."""
        # This lookup needs no lock: dict.get is atomic, and _create looks again under the lock.
        found = self._machines.get(name)
        return found if found is not None else self._create(name)

    def _create(self, name: str) -> Machine:
        if not name:
            raise ValueError("cannot create a machine: its name is empty")
        with self._lock:
            machine = self._machines.get(name)
            if machine is None:
                machine = Machine(name, clock=self.clock, timings=self.timings)
                for pattern, plan in self._plans:
                    if fnmatchcase(name, pattern):
                        machine.inject(plan)
                self._counters[name] = BMCCounters()
                self._machines[name] = machine
            return machine

    def machines(self) -> list[Machine]:
        """Return all machines in the order of their creation."""
        with self._lock:
            return list(self._machines.values())

    def remove(self, name: str) -> None:
        """Remove the machine *name* with its counters and its account. The next use of the name creates a new machine."""
        with self._lock:
            self._machines.pop(name, None)
            self._counters.pop(name, None)
            self._accounts.pop(name, None)

    def inject(self, plan: FaultPlan, machines: str = "*") -> None:
        """Set the fault *plan* of all machines whose names match the pattern *machines*, also of machines created later."""
        with self._lock:
            self._plans.append((machines, plan))
            present = [machine for name, machine in self._machines.items() if fnmatchcase(name, machines)]
        for machine in present:
            machine.inject(plan)

    def counters(self, name: str) -> BMCCounters:
        """Return the load counters of the BMC of the machine *name*."""
        self.machine(name)
        return self._counters[name]

    def set_account(self, name: str, account: Account) -> None:
        """Set the only account that the BMC of the machine *name* accepts. Without an account, the BMC accepts every login."""
        with self._lock:
            self._accounts[name] = account

    def accepts(self, name: str, username: str | None, password: str | None) -> bool:
        """Return whether the BMC of the machine *name* accepts these credentials for a login."""
        account = self._accounts.get(name)
        return account is None or account.matches(username, password)

    def wait(self, seconds: float) -> None:
        """Let *seconds* pass.

        The wait ends early if :meth:`end_waits` is called, or if the rack's own *wait* function returns early.
        """
        if self._wait is not None:
            self._wait(seconds)
        else:
            self._waits_ended.wait(seconds)

    def end_waits(self) -> None:
        """End all present and future waits, so that hanging calls continue at once.

        A *wait* function of the rack is not affected.
        """
        self._waits_ended.set()


# The only global state of this package. A loader that knows no racks creates each interface of a conductor, and a
# connector gets only a node's driver_info; yet all of them must find the same machines. So must two conductors in one
# process, because a machine exists outside of the conductors that drive it. The references are weak: a rack ends with the
# last interface, connector or test that holds it.
_SHARED: WeakValueDictionary[str, Rack] = WeakValueDictionary()
_SHARED_LOCK = threading.Lock()


def shared_rack(name: str = DEFAULT_RACK) -> Rack:
    """Return the rack *name* that this process shares, and create it if it is new.

    The process keeps only a weak reference. The rack lives as long as a caller keeps a strong one.
    """
    with _SHARED_LOCK:
        rack = _SHARED.get(name)
        if rack is None:
            rack = _SHARED[name] = Rack(name)
        return rack


def share(rack: Rack) -> Rack:
    """Share *rack* in this process under its name, and return it, for example a rack with its own clock or timings.

    Raises ValueError if another shared rack has that name.
    """
    with _SHARED_LOCK:
        if _SHARED.get(rack.name, rack) is not rack:
            raise ValueError(f"cannot share rack {rack.name!r}: another rack has this name; choose another name")
        _SHARED[rack.name] = rack
        return rack


class HeldRacks:
    """Strong references of one holder to the shared racks that it uses. They keep the racks alive as long as the holder lives."""

    def __init__(self) -> None:
        self._held: dict[str, Rack] = {}

    def __getitem__(self, name: str) -> Rack:
        rack = self._held.get(name)
        if rack is None:
            rack = self._held.setdefault(name, shared_rack(name))
        return rack
