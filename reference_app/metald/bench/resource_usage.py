"""Memory and threads of a server under test: from ``/proc`` for processes on this machine, from ``/metrics`` otherwise."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from metald.bench.connection import ServerAddress

SAMPLE_INTERVAL_S = 0.5
"""Seconds between two samples of the resource usage."""
_METRICS_TIMEOUT_S = 5.0
_PROC = Path("/proc")
_TCP_LISTEN = "0A"
"""Code of a listening socket in ``/proc/net/tcp``."""
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class UsageSample(NamedTuple):
    """Resource usage of all processes of a server at one time. None stands for an unknown value."""

    at: float
    """Time in seconds on the clock of the sampler."""
    memory: float | None
    """Resident memory in bytes."""
    threads: float | None
    """Number of threads."""


class UsageSampler:
    """Background thread that samples memory and threads of a server while a ``with`` block runs.

    *now* returns the time of a sample.

    *pids* are server processes on this machine; their descendants are included. Without *pids*, the sampler looks for local
    processes that listen on the port of the server. If there are none, it reads ``/metrics`` of the server. It stops when
    neither source has values.
    """

    def __init__(self, address: ServerAddress, pids: Sequence[int], now: Callable[[], float]) -> None:
        self.samples: list[UsageSample] = []
        self._address = address
        self._root_pids = list(pids)
        if not self._root_pids and _is_local(address.host):
            self._root_pids = find_listeners(address.port)
        self._now = now
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> UsageSampler:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="bench-usage", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            memory, threads = _read_processes(self._root_pids) if self._root_pids else self._read_metrics()
            if memory is None:
                return
            self.samples.append(UsageSample(self._now(), memory, threads))
            if self._stop.wait(SAMPLE_INTERVAL_S):
                return

    def _read_metrics(self) -> tuple[float | None, float | None]:
        """Return memory in bytes and number of threads from ``/metrics`` of the server, each None if it is unknown."""
        url = f"{self._address.url}/metrics"
        with suppress(OSError, ValueError), _OPENER.open(url, timeout=_METRICS_TIMEOUT_S) as response:
            text = response.read().decode("utf-8", "replace")
            memory = re.search(r"(?m)^process_resident_memory_bytes (\S+)", text)
            threads = re.findall(r"(?m)^baremetal_pool_threads\{[^}]*\} (\S+)", text)
            if memory is not None:
                return float(memory[1]), sum(map(float, threads)) if threads else None
        return None, None


def find_listeners(port: int) -> list[int]:
    """Return the IDs of the local processes that listen on TCP port *port*. Processes of other users may be missing."""
    sockets = {f"socket:[{inode}]" for inode in _list_listening_inodes(port)}
    return sorted(pid for pid in _list_pids() if sockets and _has_any_socket(pid, sockets))


def _list_listening_inodes(port: int) -> Iterable[str]:
    """Yield the inode of each local socket that listens on TCP port *port*."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _TCP_LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _has_any_socket(pid: int, sockets: set[str]) -> bool:
    """Return whether process *pid* has one of *sockets* open; False if the process is not accessible."""
    with suppress(OSError):
        return any(str(link.readlink()) in sockets for link in (_PROC / str(pid) / "fd").iterdir())
    return False


def _list_pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _read_processes(root_pids: Sequence[int]) -> tuple[float | None, float | None]:
    """Return memory in bytes and number of threads of the processes and all their descendants; None, None if none exists."""
    memory, threads, is_found = 0.0, 0.0, False
    for pid in _find_process_tree(root_pids):
        with suppress(OSError, ValueError, KeyError):
            lines = (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
            status = dict(line.split(":", 1) for line in lines if ":" in line)
            memory += float(status["VmRSS"].split()[0]) * 1024
            threads += float(status["Threads"])
            is_found = True
    return (memory, threads) if is_found else (None, None)


def _find_process_tree(root_pids: Sequence[int]) -> set[int]:
    """Return the IDs of the processes *root_pids* and all their descendants."""
    visited: set[int] = set()
    queue = list(root_pids)
    while queue:
        pid = queue.pop()
        if pid in visited:
            continue
        visited.add(pid)
        # Each thread has a list of the children that it started.
        with suppress(OSError):
            for task in (_PROC / str(pid) / "task").iterdir():
                with suppress(OSError):
                    queue += map(int, (task / "children").read_text(encoding="ascii").split())
    return visited


def _is_local(host: str) -> bool:
    """Return whether *host* is a loopback address or ``localhost``."""
    return host in ("localhost", "::1") or host.startswith("127.")
