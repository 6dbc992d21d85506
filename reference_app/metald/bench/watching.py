"""Memory and threads of a server, now and then: of its processes where they are on this machine, else of its ``/metrics``."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from metald.bench.connection import Target

EVERY = 0.5
"""Seconds between two looks."""
_PROC = Path("/proc")
_LISTENS = "0A"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Sight(NamedTuple):
    """What a server uses: bytes of memory that are resident, and threads, of all its processes. None: it cannot be told."""

    at: float
    memory: float | None
    threads: float | None


class Watch:
    """Looks at one server for as long as the block lasts; *now* is the time that sights are given."""

    def __init__(self, target: Target, pids: Sequence[int], now: Callable[[], float]) -> None:
        self.sights: list[Sight] = []
        self._target = target
        self._roots = list(pids) or (listeners(target.port) if _is_local(target.host) else [])
        self._now = now
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._over.clear()
        self._thread = threading.Thread(target=self._look, name="bench-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while True:
            memory, threads = _of_processes(self._roots) if self._roots else self._of_metrics()
            if memory is None:
                return
            self.sights.append(Sight(self._now(), memory, threads))
            if self._over.wait(EVERY):
                return

    def _of_metrics(self) -> tuple[float | None, float | None]:
        with suppress(OSError, ValueError), _OPENER.open(f"{self._target.url}/metrics", timeout=5.0) as answer:
            text = answer.read().decode("utf-8", "replace")
            memory = re.search(r"(?m)^process_resident_memory_bytes (\S+)", text)
            threads = re.findall(r"(?m)^baremetal_pool_threads\{[^}]*\} (\S+)", text)
            if memory is not None:
                return float(memory[1]), sum(map(float, threads)) if threads else None
        return None, None


def listeners(port: int) -> list[int]:
    """The processes that listen on a TCP port of this machine, as far as this user can see."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    return sorted(pid for pid in _processes() if sockets and _has_one_of(pid, sockets))


def _listening(port: int) -> Iterable[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _has_one_of(pid: int, sockets: set[str]) -> bool:
    with suppress(OSError):
        return any(str(link.readlink()) in sockets for link in (_PROC / str(pid) / "fd").iterdir())
    return False


def _processes() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _of_processes(roots: Sequence[int]) -> tuple[float | None, float | None]:
    """Memory and threads of processes and all that they have started."""
    memory, threads, found = 0.0, 0.0, False
    for pid in _with_children(roots):
        with suppress(OSError, ValueError, KeyError):
            lines = (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
            status = dict(line.split(":", 1) for line in lines if ":" in line)
            memory += float(status["VmRSS"].split()[0]) * 1024
            threads += float(status["Threads"])
            found = True
    return (memory, threads) if found else (None, None)


def _with_children(roots: Sequence[int]) -> set[int]:
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in seen:
            continue
        seen.add(pid)
        with suppress(OSError):
            for task in (_PROC / str(pid) / "task").iterdir():
                with suppress(OSError):
                    waiting += map(int, (task / "children").read_text(encoding="ascii").split())
    return seen


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
