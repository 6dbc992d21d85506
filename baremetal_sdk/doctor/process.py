"""Checks of the process: monkey-patching, threads, stack size, and limits of files and threads."""

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
_SMALL_STACK_BYTES = _MIB
"""Stack size below which the examination warns."""
_TINY_STACK_BYTES = 256 * _KIB
"""Stack size that deeply nested BMC responses can overflow, which crashes the whole process."""
_DEFAULT_STACK_BYTES = 2 * _MIB
"""Stack size of glibc threads on x86-64 if the stack of the process has no limit."""
_OTHER_THREADS = 16
"""Number of threads besides workers: timers, the HTTP loop, and threads of libraries."""
_OTHER_FILES = 256
"""Number of file descriptors besides connections: database, logs, open sessions, plugins."""


@dataclass(frozen=True)
class Process:
    """The examined properties of a process. None means no limit."""

    modules: Mapping[str, ModuleType | None]
    """Imported modules by name."""
    threads: tuple[str, ...]
    """Names of all threads except the current one."""
    stack_size: int
    """Stack size of a new thread, in bytes."""
    max_files: int | None
    """Limit of open files."""
    max_threads: int | None
    """Limit of threads."""

    @classmethod
    def current(cls) -> Self:
        """Return the modules, threads, stack size and limits of this process."""
        others = (thread.name for thread in threading.enumerate() if thread is not threading.current_thread())
        return cls(
            modules=dict(sys.modules),
            threads=tuple(sorted(others)),
            stack_size=_stack_size(),
            max_files=_soft_limit(resource.RLIMIT_NOFILE),
            max_threads=_max_threads(),
        )


def examine_process(config: ConductorConfig, conductor: Conductor | None, process: Process) -> Iterator[Finding]:
    """Generate the findings about *process*: monkey-patching, Eventlet, forks, stack size, and limits of files and threads."""
    yield _examine_patching(process)
    yield _examine_eventlet(process)
    yield _examine_fork(conductor, process)
    yield _examine_stack(process)
    yield _examine_files(config, process)
    yield _examine_threads(config, process)


def _examine_patching(process: Process) -> Finding:
    name = "monkey-patching"
    patched = find_monkey_patching({name: module for name, module in process.modules.items() if module is not None})
    if patched is None:
        return ok(name, "threads, sockets and time are those of the standard library")
    return fail(
        name,
        f"the process is monkey-patched by {patched}",
        f"remove the call of {patched.split()[0]}'s monkey_patch()/patch_all() from the start of the program, or run the "
        "conductor in a separate process",
    )


def _examine_eventlet(process: Process) -> Finding:
    imported = [library for library in ("eventlet", "gevent") if process.modules.get(library) is not None]
    if not imported:
        return ok("eventlet", "neither eventlet nor gevent is imported")
    return warn(
        "eventlet",
        f"{' and '.join(imported)} is imported. The import alone patches nothing, but some libraries behave differently after it",
        "".join(f"put sys.modules['{library}'] = None at the start of the program; " for library in imported)
        + "futurist, oslo.messaging and tooz import it if it is installed",
    )


def _examine_fork(conductor: Conductor | None, process: Process) -> Finding:
    if conductor is not None:
        return _examine_pool(conductor)
    if process.threads:
        return warn(
            "fork",
            f"{len(process.threads)} other threads are running. A child process forked now would have none of them "
            f"({', '.join(process.threads[:5])})",
            "fork before starting threads, and create the conductor in the child",
        )
    return ok("fork", "no other threads are running, so a fork loses none")


def _examine_pool(conductor: Conductor) -> Finding:
    """Return a finding that shows whether the pool runs work. In a forked child, a pool of the parent has no threads."""
    try:
        conductor.pool["requests"].submit(int)
    except NoFreeWorker as exc:
        return warn(
            "fork", f"the pool currently rejects work: {exc}", "examine again later, or raise [conductor] workers_pool_size"
        )
    except RuntimeError as exc:
        return fail("fork", str(exc), "create and start the conductor in the child, after the fork")
    return ok("fork", "the pool of the conductor belongs to this process")


def _examine_stack(process: Process) -> Finding:
    name, size = "thread stack", process.stack_size
    description = f"a new thread has {size // _KIB} KiB of stack"
    if size >= _SMALL_STACK_BYTES:
        return ok(name, description)
    remedy = (
        "do not change threading.stack_size() and the limit of the stack (ulimit -s), "
        "because unused memory of a stack costs nothing"
    )
    if size < _TINY_STACK_BYTES:
        return fail(name, f"{description}: nested JSON of a BMC can overflow it and crash the process", remedy)
    return warn(name, f"{description}, less than {_SMALL_STACK_BYTES // _KIB} KiB", remedy)


def _examine_files(config: ConductorConfig, process: Process) -> Finding:
    """Return a finding that compares the limit of open files with the number that the configured sizes may need."""
    # A worker may use a connection to a BMC and one to the database. Clients of the API have their own.
    workers = config.conductor.workers_pool_size
    return _compare_limit(
        "file descriptors",
        process.max_files,
        minimum=workers + config.api.max_threads,
        maximum=workers * 2 + config.api.max_connections + _OTHER_FILES,
        subject="open files and sockets are allowed",
        remedy="raise the limit of open files (LimitNOFILE= of a systemd unit, ulimit -n), or lower [api] max_connections or "
        "[conductor] workers_pool_size",
    )


def _examine_threads(config: ConductorConfig, process: Process) -> Finding:
    busy = config.conductor.workers_pool_size + config.api.max_threads
    return _compare_limit(
        "threads",
        process.max_threads,
        minimum=busy // 2,
        maximum=busy + _OTHER_THREADS,
        subject="threads are allowed",
        remedy="raise the limit of tasks (TasksMax= of a systemd unit, the container's pids limit, ulimit -u), or lower "
        "[conductor] workers_pool_size",
    )


def _compare_limit(name: str, limit: int | None, *, minimum: int, maximum: int, subject: str, remedy: str) -> Finding:
    """Return a finding about a limit of the process.

    The outcome is FAIL below *minimum*, WARN below *maximum*, which is the need under full load, and otherwise OK.
    """
    if limit is None:
        return ok(name, f"{subject} without a limit")
    description = f"{limit} {subject}, and up to {maximum} may be needed with the configured sizes"
    if limit >= maximum:
        return ok(name, description)
    return warn(name, description, remedy) if limit >= minimum else fail(name, description, remedy)


def _soft_limit(which: int) -> int | None:
    soft, _ = resource.getrlimit(which)
    return None if soft == resource.RLIM_INFINITY else soft


def _stack_size() -> int:
    return threading.stack_size() or _soft_limit(resource.RLIMIT_STACK) or _DEFAULT_STACK_BYTES


def _max_threads() -> int | None:
    """Return the lowest limit on threads: of the user, the system or the control groups. Each also counts other processes."""
    limits = [_soft_limit(resource.RLIMIT_NPROC), _read_number(Path("/proc/sys/kernel/threads-max"))]
    limits += [_read_number(directory / "pids.max") for directory in _control_groups()]
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


def _read_number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):  # the limit does not exist here, or it is the word "max"
        return None
