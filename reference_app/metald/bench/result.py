"""Result of ``metald bench``: the measurement of one server, or of two servers with their ratios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from metald.bench.recording import OperationFigures, Recording, quantile
from metald.bench.resource_usage import UsageSample

_BYTES_PER_MIB = 1024 * 1024
_MAX_REASONS = 10
"""Maximum number of different failure reasons in a report, the most frequent first."""


@dataclass
class ServerMeasurement:
    """All data measured at one server: samples, failures, resource usage, and nodes that remain."""

    name: str
    url: str
    recording: Recording
    usage_samples: Sequence[UsageSample] = ()
    leftover_nodes: Sequence[str] = ()
    """UUIDs of the nodes that the cleanup could not delete, or a pattern of their names."""

    @property
    def peak_memory(self) -> float | None:
        """Maximum of the resident memory in bytes, or None if it is unknown."""
        return max((sample.memory for sample in self.usage_samples if sample.memory is not None), default=None)

    @property
    def peak_threads(self) -> float | None:
        """Maximum number of threads, or None if it is unknown."""
        return max((sample.threads for sample in self.usage_samples if sample.threads is not None), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the measurement of the server as a dict for JSON, with its statistics, failures and resource usage."""
        failures = [
            {"operation": operation, "reason": reason, "count": count}
            for (operation, reason), count in self.recording.failures.most_common(_MAX_REASONS)
        ]
        return {
            "name": self.name,
            "url": self.url,
            "operations": [figures.to_dict() for figures in self.recording.compute_figures()],
            "failures": failures,
            "memory_bytes": self.peak_memory,
            "threads": self.peak_threads,
            "nodes_left": list(self.leftover_nodes),
        }


@dataclass
class BenchResult:
    """Result of one measurement. *own_cpu_s* is the CPU time of the bench client in seconds."""

    scenario: str
    nodes: int
    clients: int
    servers: Sequence[ServerMeasurement]
    own_cpu_s: float = 0.0
    request_count: int = 0
    interrupted: bool = False
    problems: list[str] = field(default_factory=list)
    """Errors that ended the measurement. Failures of single operations are in the recordings."""

    @property
    def ok(self) -> bool:
        """True if every server completed an operation, no operation failed, no node remains, and no error ended the run."""
        for server in self.servers:
            if server.recording.failure_count or server.leftover_nodes or not server.recording.success_count:
                return False
        return not self.problems and not self.interrupted

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a dict for JSON, with the measurements of all servers and their ratios."""
        return {
            "ok": self.ok,
            "interrupted": self.interrupted,
            "scenario": self.scenario,
            "nodes": self.nodes,
            "clients": self.clients,
            "servers": [server.to_dict() for server in self.servers],
            "ratios": self.compute_ratios(),
            "own_cpu_seconds": round(self.own_cpu_s, 3),
            "requests": self.request_count,
            "problems": self.problems,
        }

    def compute_ratios(self) -> dict[str, dict[str, float]]:
        """Return the ratios of the first server to the second, by operation: rate, and median time.

        Only operations that both servers ran are included. The result is empty if only one server was measured.
        """
        if len(self.servers) != 2:
            return {}
        first, second = (
            {figures.operation: figures for figures in server.recording.compute_figures()} for server in self.servers
        )
        return {
            operation: {
                "rate": _divide(first[operation].rate, second[operation].rate),
                "median": _divide(first[operation].median, second[operation].median),
            }
            for operation in first
            if operation in second
        }

    def format_lines(self) -> Iterator[str]:
        """Yield the lines of the text report: statistics of each server, ratios, problems, and the outcome."""
        for server in self.servers:
            yield from _format_server(server)
        if ratios := self.compute_ratios():
            yield ""
            yield f"{self.servers[0].name} compared with {self.servers[1].name}:"
            for operation, ratio in ratios.items():
                yield f"  {operation:<16} rate x {ratio['rate']:.2f}, median time x {ratio['median']:.2f}"
        yield ""
        if self.request_count:
            per_request_ms = self.own_cpu_s / self.request_count * 1000
            yield (
                f"CPU time of the bench client: {self.own_cpu_s:.1f} s for {self.request_count} requests, "
                f"{per_request_ms:.2f} ms each."
            )
        yield from self.problems
        if self.interrupted:
            yield "The run was interrupted; the figures cover only the completed operations."
        yield "All operations succeeded." if self.ok else "NOT all operations succeeded."


def _format_server(server: ServerMeasurement) -> Iterator[str]:
    """Yield the lines of the text report about one server."""
    yield ""
    yield f"{server.name}: {server.url}"
    yield f"  {'operation':<16} {'done':>7} {'failed':>7} {'per s':>9} {'median ms':>10} {'p99 ms':>10} {'longest ms':>11}"
    for figures in server.recording.compute_figures():
        yield _format_figures(figures)
    if server.peak_memory is not None:
        ordered = sorted(sample.memory for sample in server.usage_samples if sample.memory is not None)
        threads = "" if server.peak_threads is None else f"; threads: maximum {server.peak_threads:.0f}"
        peak_mib = server.peak_memory / _BYTES_PER_MIB
        median_mib = quantile(ordered, 0.5) / _BYTES_PER_MIB
        yield f"  memory: maximum {peak_mib:.0f} MiB, median {median_mib:.0f} MiB{threads}"
    else:
        yield "  memory and threads: unknown (no process on this machine and no /metrics); use --pid to name the processes"
    for (operation, reason), count in server.recording.failures.most_common(_MAX_REASONS):
        yield f"  FAILED {count} times: {operation}: {reason}"
    if server.leftover_nodes:
        yield f"  {len(server.leftover_nodes)} nodes could not be deleted, such as {server.leftover_nodes[0]}; delete them"


def _format_figures(figures: OperationFigures) -> str:
    """Return the line of the text report with the statistics of one operation."""
    columns = ((figures.median, 10), (figures.p99, 10), (figures.longest, 11))
    times = "".join(f" {seconds * 1000:>{width}.1f}" for seconds, width in columns)
    return f"  {figures.operation:<16} {figures.count:>7} {figures.failures:>7} {figures.rate:>9.1f}{times}"


def _divide(first: float, second: float) -> float:
    """Return *first* divided by *second*, rounded to three digits; 0 if *second* is 0."""
    return round(first / second, 3) if second else 0.0
