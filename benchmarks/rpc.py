"""Calls per second and latency of the RPC modes, in turn in one run: one line of JSON for each figure.

Run it as ``python -m benchmarks.rpc``. Absolute times are the machine's; what counts is the ratio within one run. The mode
``oslo`` needs Debian's ``rabbitmq-server`` and the extra ``oslo-messaging``; without them it is left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from baremetal_sdk import Conductor, ConductorConfig, rpc_method
from baremetal_sdk.config import JSONRPCConfig
from baremetal_sdk.rpc import transports
from baremetal_sdk.rpc.client import RPCClient
from baremetal_sdk.testing import quick_options

ROUNDS = 3
SECONDS = 1.0
CALLERS = 8
_HOST = "127.0.0.1"


class Echo:
    """What is called, and what is cast: that lets whoever waits for it go on."""

    def __init__(self) -> None:
        self.done = threading.Semaphore(0)

    @rpc_method("1.0")
    def note(self) -> None:
        """Say that it was run."""
        self.done.release()

    @rpc_method("1.0")
    def echo(self, value: Any) -> Any:
        """Give it back."""
        return value


@contextlib.contextmanager
def conductor(**changes: Any) -> Iterator[tuple[Conductor, Echo]]:
    """A conductor in this process: both sides share its processors, in every mode."""
    running = Conductor(ConductorConfig(host=_HOST, conductor=quick_options(), **changes))
    echo = Echo()
    running.add(echo)
    running.start()
    try:
        yield running, echo
    finally:
        running.stop(5.0)


@contextlib.contextmanager
def remote(**changes: Any) -> Iterator[tuple[RPCClient, Echo]]:
    """A client that goes through sockets."""
    with conductor(**changes) as (running, echo):
        config = running.config
        if config.rpc_transport == "json-rpc":
            server: Any = running.rpc_server
            config = dataclasses.replace(config, json_rpc=dataclasses.replace(config.json_rpc, port=server.port))
        client = transports.client(config, running.store, running.clock, {})
        try:
            yield client, echo
        finally:
            client.close()


def rate(call: Callable[[], Any], callers: int) -> tuple[float, float, float]:
    """Calls per second, and the median and 99th percentile of their latency in microseconds."""
    end = time.perf_counter() + SECONDS
    latencies: list[list[float]] = [[] for _ in range(callers)]

    def run(mine: list[float]) -> None:
        now = time.perf_counter()
        while now < end:
            call()
            before, now = now, time.perf_counter()
            mine.append(now - before)

    threads = [threading.Thread(target=run, args=(mine,)) for mine in latencies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    merged = sorted(one for mine in latencies for one in mine)
    return len(merged) / SECONDS, statistics.median(merged) * 1e6, merged[int(len(merged) * 0.99)] * 1e6


def submit(running: Conductor, echo: Echo) -> Callable[[], Any]:
    """What a cast is judged against: handing work to the pool, and waiting until it was run."""
    lane = running.pool["requests"]

    def submitted() -> None:
        lane.submit(echo.note)
        echo.done.acquire()

    return submitted


def cast(client: RPCClient, echo: Echo) -> Callable[[], Any]:
    """A cast, and waiting until it was run."""

    def accepted() -> None:
        client.cast("note")
        echo.done.acquire()

    return accepted


def measure() -> Iterator[dict[str, Any]]:
    """All figures, the modes in turn."""
    with contextlib.ExitStack() as stack:
        here, echo = stack.enter_context(conductor())
        clients: dict[str, tuple[RPCClient, Echo]] = {"none": (here.rpc, echo)}
        clients["json-rpc"] = stack.enter_context(remote(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(port=0)))
        if (url := _broker(stack)) is not None:
            clients["oslo"] = stack.enter_context(remote(rpc_transport="oslo", transport_url=url))
        for turn in range(ROUNDS):
            for mode, (client, heard) in clients.items():
                for callers in (1, CALLERS):
                    found = rate(lambda client=client: client.call("echo", value=1), callers)  # type: ignore[misc]
                    yield _figure("call", mode, callers, turn, found)
                yield _figure("cast", mode, 1, turn, rate(cast(client, heard), 1))
            yield _figure("submit", "pool", 1, turn, rate(submit(here, echo), 1))


def _figure(what: str, mode: str, callers: int, turn: int, found: tuple[float, float, float]) -> dict[str, Any]:
    names = ("per_second", "median_us", "p99_us")
    return {"what": what, "mode": mode, "callers": callers, "round": turn, **dict(zip(names, map(round, found), strict=True))}


def _broker(stack: contextlib.ExitStack) -> str | None:
    from tests.fixtures import rabbitmq

    try:
        from oslo_service.backend import BackendType, init_backend
    except ImportError:
        return None
    if rabbitmq.missing():
        return None
    init_backend(BackendType.THREADING)
    return stack.enter_context(rabbitmq.RabbitMQ()).url


def main() -> None:
    """Print the figures as they come, and at the end what they are beside each other, within each round."""
    rates: dict[tuple[str, str], list[float]] = {}
    for figure in measure():
        print(json.dumps(figure), flush=True)
        if figure["callers"] == 1:
            rates.setdefault((figure["what"], figure["mode"]), []).append(figure["per_second"])
    for what, first, second in (
        ("calls of none over those of", ("call", "none"), "call"),
        ("submits over casts of", ("submit", "pool"), "cast"),
    ):
        for (kind, mode), found in rates.items():
            if kind == second:
                ratio = statistics.median(one / other for one, other in zip(rates[first], found, strict=True))
                print(json.dumps({"what": what, "mode": mode, "ratio": round(ratio, 2)}))


if __name__ == "__main__":
    main()
