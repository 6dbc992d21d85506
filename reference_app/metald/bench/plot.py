"""A picture of a measurement: rate, latency, threads and memory over time. It needs matplotlib (``metald[plot]``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from metald.bench.recording import Sample, quantile
from metald.bench.result import Measured, Result

_BUCKETS = 80
_SHORTEST = 0.1
_MIB = 1024 * 1024
_COLOURS = ("tab:blue", "tab:orange")
_DPI = 110


class CannotPlot(Exception):
    """matplotlib is not installed, or the file cannot be written."""


def require() -> None:
    """Raise :class:`CannotPlot` where nothing can be drawn: better before a measurement than after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise CannotPlot(f"--plot: it needs matplotlib ({exc}); pip install 'metald[plot]'") from exc


def draw(result: Result, path: Path) -> None:
    """Write a PNG. Each server's time is that of its own turns. Raises :class:`CannotPlot`."""
    require()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure = Figure(figsize=(11, 12), layout="constrained")
    FigureCanvasAgg(figure)
    rate, latency, threads, memory = figure.subplots(4, 1, sharex=True)
    names = " and ".join(server.name for server in result.servers)
    figure.suptitle(f"{result.scenario}, {result.nodes} nodes, {result.clients} clients: {names}")
    for server, colour in zip(result.servers, _COLOURS, strict=False):
        _draw_operations(rate, latency, server, colour)
        times = [sight.at for sight in server.sights]
        threads.plot(times, [sight.threads for sight in server.sights], color=colour, label=server.name)
        memory.plot(
            times, [sight.memory / _MIB if sight.memory else None for sight in server.sights], color=colour, label=server.name
        )
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
    _mark_operations(rate, max(result.servers, key=_lasted))
    try:
        figure.savefig(path, format="png", dpi=_DPI)
    except OSError as exc:
        raise CannotPlot(f"--plot: {exc}") from exc


def _draw_operations(rate: Any, latency: Any, server: Measured, colour: str) -> None:
    samples = sorted(sample for kind in server.recording.samples.values() for sample in kind)
    if not samples:
        return
    width = max(_SHORTEST, samples[-1].ended / _BUCKETS)
    buckets = list(_buckets(samples, width))
    middles = [(number + 0.5) * width for number in range(len(buckets))]
    rate.step(middles, [len(times) / width for times in buckets], color=colour, where="mid", label=server.name)
    for share, style, name in ((0.5, "-", "median"), (0.99, ":", "p99")):
        points = [(middle, quantile(times, share) * 1000) for middle, times in zip(middles, buckets, strict=True) if times]
        latency.plot(*zip(*points, strict=True), style, color=colour, marker=".", markersize=4, label=f"{server.name}, {name}")


def _buckets(samples: Sequence[Sample], width: float) -> Iterator[list[float]]:
    """The ordered times of the samples that ended in each *width* of seconds."""
    found: list[list[float]] = [[] for _ in range(int(samples[-1].ended / width) + 1)]
    for sample in samples:
        found[int(sample.ended / width)].append(sample.seconds)
    return (sorted(times) for times in found)


def _lasted(server: Measured) -> float:
    """When the last operation on a server ended, in seconds: where it took longest, names have most room."""
    return max((sample.ended for samples in server.recording.samples.values() for sample in samples), default=0.0)


def _mark_operations(axes: Any, server: Measured) -> None:
    """Name each operation where it begins for the first time."""
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
