"""Plot of ``metald bench``: rate, latency, threads and memory over time. It needs matplotlib (``metald[plot]``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from metald.bench.recording import OperationSample, quantile
from metald.bench.result import BenchResult, ServerMeasurement

_MAX_BUCKETS = 80
_MIN_BUCKET_S = 0.1
_BYTES_PER_MIB = 1024 * 1024
_COLORS = ("tab:blue", "tab:orange")
_DPI = 110


class PlotError(Exception):
    """Error raised when matplotlib is not installed or the plot cannot be written."""


def require_matplotlib() -> None:
    """Raise :class:`PlotError` if matplotlib is not installed. Call it before the measurement, so that no result is lost."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise PlotError(f"--plot: matplotlib is not available ({exc}); pip install 'metald[plot]'") from exc


def draw(result: BenchResult, path: Path) -> None:
    """Write the plot of *result* to the PNG file *path*; raise :class:`PlotError` if that fails.

    The time axis of a server covers only its own rounds.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure = Figure(figsize=(11, 12), layout="constrained")
    FigureCanvasAgg(figure)
    rate, latency, threads, memory = figure.subplots(4, 1, sharex=True)
    names = " and ".join(server.name for server in result.servers)
    figure.suptitle(f"{result.scenario}, {result.nodes} nodes, {result.clients} clients: {names}")
    for server, color in zip(result.servers, _COLORS, strict=False):
        _draw_operations(rate, latency, server, color)
        times = [sample.at for sample in server.usage_samples]
        threads.plot(times, [sample.threads for sample in server.usage_samples], color=color, label=server.name)
        mebibytes = [sample.memory / _BYTES_PER_MIB if sample.memory else None for sample in server.usage_samples]
        memory.plot(times, mebibytes, color=color, label=server.name)
    latency.set_yscale("log")
    latency.yaxis.set_major_formatter(ScalarFormatter())
    latency.yaxis.set_minor_formatter(NullFormatter())
    for axes, title in (
        (rate, "operations per second"),
        (latency, "latency in ms"),
        (threads, "threads"),
        (memory, "memory in MiB"),
    ):
        axes.set_ylabel(title)
        axes.grid(True, alpha=0.3)
        if axes.has_data():
            axes.legend(loc="upper right", fontsize="small")
        if axes is not latency:
            axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
    memory.set_xlabel("seconds")
    # The names of the operations fit best on the time axis of the slowest server.
    _mark_operations(rate, max(result.servers, key=_find_last_end))
    try:
        figure.savefig(path, format="png", dpi=_DPI)
    except OSError as exc:
        raise PlotError(f"--plot: cannot write the file: {exc}") from exc


def _draw_operations(rate: Any, latency: Any, server: ServerMeasurement, color: str) -> None:
    """Draw the rate, and the median and 99th percentile of the latency, of all operations of *server*."""
    samples = sorted(sample for operation in server.recording.samples.values() for sample in operation)
    if not samples:
        return
    width = max(_MIN_BUCKET_S, samples[-1].ended / _MAX_BUCKETS)
    buckets = list(_group_by_time(samples, width))
    middles = [(number + 0.5) * width for number in range(len(buckets))]
    rate.step(middles, [len(times) / width for times in buckets], color=color, where="mid", label=server.name)
    for share, style, name in ((0.5, "-", "median"), (0.99, ":", "p99")):
        points = [(middle, quantile(times, share) * 1000) for middle, times in zip(middles, buckets, strict=True) if times]
        latency.plot(*zip(*points, strict=True), style, color=color, marker=".", markersize=4, label=f"{server.name}, {name}")


def _group_by_time(samples: Sequence[OperationSample], width: float) -> Iterator[list[float]]:
    """Return, for each interval of *width* seconds, the sorted durations of the samples that ended in it."""
    buckets: list[list[float]] = [[] for _ in range(int(samples[-1].ended / width) + 1)]
    for sample in samples:
        buckets[int(sample.ended / width)].append(sample.seconds)
    return (sorted(times) for times in buckets)


def _find_last_end(server: ServerMeasurement) -> float:
    """Return the time in seconds, on the clock of the recording, at which the last operation of *server* ended."""
    return max((sample.ended for samples in server.recording.samples.values() for sample in samples), default=0.0)


def _mark_operations(axes: Any, server: ServerMeasurement) -> None:
    """Mark the start of the first sample of each operation with a line and the name of the operation."""
    for operation, samples in server.recording.samples.items():
        if samples:
            begin = max(0.0, min(sample.ended - sample.seconds for sample in samples))
            axes.axvline(begin, color="grey", linewidth=0.6)
            axes.annotate(
                operation,
                (begin, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, -10),
                textcoords="offset points",
                fontsize="small",
            )
