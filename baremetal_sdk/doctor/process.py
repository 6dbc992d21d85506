"""The process: what has patched it, what its threads are like, and how many files and threads it may have."""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Self

from baremetal_sdk.concurrency.monkey_patching import find_monkey_patching
from baremetal_sdk.conductor.conductor import Conductor
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.doctor.finding import Finding, fail, ok, warn
from baremetal_sdk.errors import NoFreeWorker

_KIB, _MIB = 1024, 1024 * 1024
_SMALL_STACK = _MIB
_TINY_STACK = 256 * _KIB
"""Deeply nested answers of a BMC overflow such a stack, which ends the whole process."""
_DEFAULT_STACK = 2 * _MIB
"""Of glibc's threads where the process's own stack has no limit (x86-64)."""
_OWN_THREADS = 16
"""Timers, the accepting thread, and what libraries have."""
_OWN_FILES = 256
"""The database, logs, sessions that are kept, plugins."""


@dataclass(frozen=True)
class Process:
    """What is looked at, of a process. None stands for no limit."""

    modules: Mapping[str, ModuleType | None]
    """What is imported."""
    threads: tuple[str, ...]
    """Names of the threads beside the one that asks."""
    stack_size: int
    """Bytes of stack that a new thread has."""
    most_files: int | None
    most_threads: int | None

    @classmethod
    def here(cls) -> Self:
        """This process, now."""
        others = (thread.name for thread in threading.enumerate() if thread is not threading.current_thread())
        return cls(dict(sys.modules), tuple(sorted(others)), _stack_size(), _limit(resource.RLIMIT_NOFILE), _most_threads())


def examine_process(config: ConductorConfig, conductor: Conductor | None, process: Process) -> Iterator[Finding]:
    """All that can be said without plugins and a database."""
    yield _patching(process)
    yield _eventlet(process)
    yield _fork(conductor, process)
    yield _stack(process)
    yield _files(config, process)
    yield _threads(config, process)


def _patching(process: Process) -> Finding:
    name = "monkey-patching"
    patched = find_monkey_patching({name: module for name, module in process.modules.items() if module is not None})
    if patched is None:
        return ok(name, "threads, sockets and time are the standard library's")
    return fail(
        name,
        f"the process is patched by {patched}",
        f"remove the call of {patched.split()[0]}'s monkey_patch()/patch_all() from the start of the program, or run the "
        "conductor in a process of its own",
    )


def _eventlet(process: Process) -> Finding:
    found = [library for library in ("eventlet", "gevent") if process.modules.get(library) is not None]
    if not found:
        return ok("eventlet", "neither eventlet nor gevent is imported")
    return warn(
        "eventlet",
        f"{' and '.join(found)} is imported: it patches nothing by that, and libraries may behave otherwise because of it",
        "".join(f"put sys.modules['{library}'] = None at the start of the program; " for library in found)
        + "futurist, oslo.messaging and tooz import it where it is installed",
    )


def _fork(conductor: Conductor | None, process: Process) -> Finding:
    if conductor is not None:
        return _pool_answers(conductor)
    if process.threads:
        return warn(
            "fork",
            f"{len(process.threads)} other threads run: a child that is forked from now on has none of them "
            f"({', '.join(process.threads[:5])})",
            "fork before threads are started, and make the conductor in the child",
        )
    return ok("fork", "no other threads run: a fork loses none")


def _pool_answers(conductor: Conductor) -> Finding:
    """A pool from before a fork has its statistics in the child and none of its threads."""
    try:
        conductor.pool["requests"].submit(int)
    except NoFreeWorker as exc:
        return warn("fork", f"the pool takes no work now: {exc}", "look again later, or raise [conductor] workers_pool_size")
    except RuntimeError as exc:
        return fail("fork", str(exc), "make and start the conductor in the child, after the fork")
    return ok("fork", "the conductor's pool was made in this process")


def _stack(process: Process) -> Finding:
    name, size = "thread stack", process.stack_size
    shown = f"a new thread has {size // _KIB} KiB of stack"
    if size >= _SMALL_STACK:
        return ok(name, shown)
    remedy = (
        "leave threading.stack_size() and the limit of the stack (ulimit -s) alone: "
        "memory that a stack does not use costs nothing"
    )
    if size < _TINY_STACK:
        return fail(name, f"{shown}: nested JSON of a BMC can overflow it, which ends the process", remedy)
    return warn(name, f"{shown}, less than {_SMALL_STACK // _KIB} KiB", remedy)


def _files(config: ConductorConfig, process: Process) -> Finding:
    """A worker may hold a BMC's connection and one of the database; clients of the API have theirs."""
    workers = config.conductor.workers_pool_size
    return _enough(
        "file descriptors",
        process.most_files,
        (workers + config.api.max_threads, workers * 2 + config.api.max_connections + _OWN_FILES),
        "files and sockets can be open",
        "raise the limit of open files (LimitNOFILE= of a systemd unit, ulimit -n), or lower [api] max_connections or "
        "[conductor] workers_pool_size",
    )


def _threads(config: ConductorConfig, process: Process) -> Finding:
    busy = config.conductor.workers_pool_size + config.api.max_threads
    return _enough(
        "threads",
        process.most_threads,
        (busy // 2, busy + _OWN_THREADS),
        "threads can run",
        "raise the limit of tasks (TasksMax= of a systemd unit, the container's pids limit, ulimit -u), or lower [conductor] "
        "workers_pool_size",
    )


def _enough(name: str, limit: int | None, needed: tuple[int, int], what: str, remedy: str) -> Finding:
    least, most = needed
    if limit is None:
        return ok(name, f"{what} without a limit")
    found = f"{limit} {what}, and {most} may be needed at the configured sizes"
    if limit >= most:
        return ok(name, found)
    return warn(name, found, remedy) if limit >= least else fail(name, found, remedy)


def _limit(which: int) -> int | None:
    soft, _ = resource.getrlimit(which)
    return None if soft == resource.RLIM_INFINITY else soft


def _stack_size() -> int:
    return threading.stack_size() or _limit(resource.RLIMIT_STACK) or _DEFAULT_STACK


def _most_threads() -> int | None:
    """The least of the limits of the user, the system and the control group. They count the threads of others, too."""
    limits = [_limit(resource.RLIMIT_NPROC), _number(Path("/proc/sys/kernel/threads-max"))]
    limits += [_number(directory / "pids.max") for directory in _control_groups()]
    return min((limit for limit in limits if limit is not None), default=None)


def _control_groups() -> Iterator[Path]:
    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:
        hierarchy, _, path = line.split(":", 2)
        if hierarchy == "0":
            here = root / path.strip("/")
            yield from (here, *(parent for parent in here.parents if parent.is_relative_to(root)))


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):  # there is no such limit here, or it is the word "max"
        return None
