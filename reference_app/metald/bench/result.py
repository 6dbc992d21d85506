"""The outcome of a measurement: figures of one server, or of two side by side, with their ratio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from metald.bench.recording import Figures, Recording, quantile
from metald.bench.watching import Sight

_MIB = 1024 * 1024
_REASONS = 10


@dataclass
class Measured:
    """What is known of one server."""

    name: str
    url: str
    recording: Recording
    sights: Sequence[Sight] = ()
    left: Sequence[str] = ()
    """Nodes that could not be deleted at the end."""

    @property
    def memory(self) -> float | None:
        """The most memory, in bytes."""
        return max((sight.memory for sight in self.sights if sight.memory is not None), default=None)

    @property
    def threads(self) -> float | None:
        """The most threads."""
        return max((sight.threads for sight in self.sights if sight.threads is not None), default=None)

    def described(self) -> dict[str, Any]:
        """As plain data."""
        failures = [
            {"operation": operation, "reason": reason, "count": count}
            for (operation, reason), count in self.recording.failures.most_common(_REASONS)
        ]
        return {
            "name": self.name,
            "url": self.url,
            "operations": [figures.described() for figures in self.recording.figures()],
            "failures": failures,
            "memory_bytes": self.memory,
            "threads": self.threads,
            "nodes_left": list(self.left),
        }


@dataclass
class Result:
    """All of one measurement. *own* is the processor time in seconds that this program itself used."""

    scenario: str
    nodes: int
    clients: int
    servers: Sequence[Measured]
    own: float = 0.0
    requests: int = 0
    interrupted: bool = False
    problems: list[str] = field(default_factory=list)
    """What went wrong beside single operations."""

    @property
    def ok(self) -> bool:
        """Whether everything that was begun ended well, and nothing is left."""
        whole = all(not one.recording.failed_count and not one.left and one.recording.succeeded for one in self.servers)
        return whole and not self.problems and not self.interrupted

    def described(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "ok": self.ok,
            "interrupted": self.interrupted,
            "scenario": self.scenario,
            "nodes": self.nodes,
            "clients": self.clients,
            "servers": [server.described() for server in self.servers],
            "ratios": self.ratios(),
            "own_cpu_seconds": round(self.own, 3),
            "requests": self.requests,
            "problems": self.problems,
        }

    def ratios(self) -> dict[str, dict[str, float]]:
        """Operation -> how many times the first server's rate is the second's, and its median time, where there are two."""
        if len(self.servers) != 2:
            return {}
        first, second = ({one.operation: one for one in server.recording.figures()} for server in self.servers)
        return {
            name: {"rate": _ratio(first[name].rate, second[name].rate), "median": _ratio(first[name].median, second[name].median)}
            for name in first
            if name in second
        }

    def lines(self) -> Iterator[str]:
        """For humans."""
        for server in self.servers:
            yield from _table(server)
        if ratios := self.ratios():
            yield ""
            yield f"{self.servers[0].name} against {self.servers[1].name}:"
            for name, ratio in ratios.items():
                yield f"  {name:<16} {ratio['rate']:8.2f} times the rate, {ratio['median']:8.2f} times the median time"
        yield ""
        if self.requests:
            share = self.own / self.requests * 1000
            yield f"This program itself used {self.own:.1f} s of a processor for {self.requests} requests, {share:.2f} ms each."
        yield from self.problems
        if self.interrupted:
            yield "It was interrupted: the figures are of a part."
        yield "Everything went well." if self.ok else "NOT everything went well."


def _table(server: Measured) -> Iterator[str]:
    yield ""
    yield f"{server.name}: {server.url}"
    yield f"  {'operation':<16} {'done':>7} {'failed':>7} {'per s':>9} {'median ms':>10} {'p99 ms':>10} {'longest ms':>11}"
    for one in server.recording.figures():
        yield _row(one)
    if server.memory is not None:
        ordered = sorted(sight.memory for sight in server.sights if sight.memory is not None)
        threads = "" if server.threads is None else f", {server.threads:.0f} threads at most"
        yield f"  memory {server.memory / _MIB:.0f} MiB at most, {quantile(ordered, 0.5) / _MIB:.0f} MiB in the middle{threads}"
    else:
        yield "  memory and threads are not known: it is elsewhere and shows no /metrics, or name its processes with --pid"
    for (operation, reason), count in server.recording.failures.most_common(_REASONS):
        yield f"  FAILED {count} times: {operation}: {reason}"
    if server.left:
        yield f"  {len(server.left)} nodes could not be deleted, among them {server.left[0]}"


def _row(one: Figures) -> str:
    times = "".join(f" {seconds * 1000:>{width}.1f}" for seconds, width in ((one.median, 10), (one.p99, 10), (one.longest, 11)))
    return f"  {one.operation:<16} {one.count:>7} {one.failures:>7} {one.rate:>9.1f}{times}"


def _ratio(first: float, second: float) -> float:
    return round(first / second, 3) if second else 0.0
