"""A rack: simulated machines by their names."""

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
"""The rack of a node that names none."""


class Rack:
    """Machines that exist by being named: the first look at a name makes its machine, switched off. Thread-safe.

    *clock* gives seconds that never go back; *wait* lets some of them pass and may return early. A test hands in both
    and waits for nothing. *patience* is how long a client waits for an answer where nothing else limits it.
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
        self._lifted = threading.Event()
        self._wait = wait
        self._lock = threading.Lock()
        self._machines: dict[str, Machine] = {}
        self._counters: dict[str, BMCCounters] = {}
        self._accounts: dict[str, Account] = {}
        self._plans: list[tuple[str, FaultPlan]] = []

    def __repr__(self) -> str:
        return f"Rack({self.name!r}, {len(self._machines)} machines)"

    def machine(self, name: str) -> Machine:
        """The machine that is called *name*."""
        found = self._machines.get(name)
        return found if found is not None else self._install(name)

    def _install(self, name: str) -> Machine:
        if not name:
            raise ValueError("a machine needs a name")
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
        """All machines, in the order in which they were named."""
        with self._lock:
            return list(self._machines.values())

    def remove(self, name: str) -> None:
        """Take a machine out; the next look at its name makes a new one."""
        with self._lock:
            self._machines.pop(name, None)
            self._counters.pop(name, None)
            self._accounts.pop(name, None)

    def inject(self, plan: FaultPlan, machines: str = "*") -> None:
        """Let things go wrong by *plan* at all machines, also later ones, whose names match the pattern *machines*."""
        with self._lock:
            self._plans.append((machines, plan))
            present = [one for name, one in self._machines.items() if fnmatchcase(name, machines)]
        for machine in present:
            machine.inject(plan)

    def counters(self, name: str) -> BMCCounters:
        """What the BMC of one machine counted."""
        self.machine(name)
        return self._counters[name]

    def protect(self, name: str, account: Account) -> None:
        """Let the BMC of one machine take this account alone; without one it takes any."""
        with self._lock:
            self._accounts[name] = account

    def accepts(self, name: str, username: str | None, password: str | None) -> bool:
        """Whether the BMC of one machine takes these credentials."""
        account = self._accounts.get(name)
        return account is None or account.matches(username, password)

    def wait(self, seconds: float) -> None:
        """Let *seconds* pass, or fewer when :meth:`lift` is called."""
        if self._wait is not None:
            self._wait(seconds)
        else:
            self._lifted.wait(seconds)

    def lift(self) -> None:
        """End every wait, now and from now on: what hangs goes on at once."""
        self._lifted.set()


# The one thing of this package that belongs to the process and not to a caller. The interfaces of a conductor are
# made one by one, by a loader that knows nothing of racks, and a connector is told nothing but a node's driver_info;
# yet all of them have to meet at the same machines. So do two conductors in one process, and a conductor that takes over
# from another: a machine, real or not, stands outside of whoever drives it. Racks are found here by their names and
# kept weakly: the rack ends with the last interface, connector or test that holds it.
_SHARED: WeakValueDictionary[str, Rack] = WeakValueDictionary()
_SHARED_LOCK = threading.Lock()


def shared_rack(name: str = DEFAULT_RACK) -> Rack:
    """The rack that everybody in this process who asks for *name* shares. Hold on to it for as long as it is to live."""
    with _SHARED_LOCK:
        rack = _SHARED.get(name)
        if rack is None:
            rack = _SHARED[name] = Rack(name)
        return rack


def share(rack: Rack) -> Rack:
    """Let *rack*, with a clock of its own for one, be the one that is found by its name; give it back.

    Raises ValueError where another one lives under that name.
    """
    with _SHARED_LOCK:
        if _SHARED.get(rack.name, rack) is not rack:
            raise ValueError(f"there is a rack {rack.name!r} already")
        _SHARED[rack.name] = rack
        return rack


class HeldRacks:
    """The shared racks that one holder has asked for: they live as long as it does."""

    def __init__(self) -> None:
        self._held: dict[str, Rack] = {}

    def __getitem__(self, name: str) -> Rack:
        rack = self._held.get(name)
        if rack is None:
            rack = self._held.setdefault(name, shared_rack(name))
        return rack
