"""Rate and latency of the RPC transports, measured alternately in one run: one line of JSON for each figure.

Run it as ``python -m benchmarks.rpc``. Compare only figures of one run. The transport ``oslo`` needs Debian's ``rabbitmq-server``
and the extra ``oslo-messaging``; without them it is left out.
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
    """Methods to call and to cast. :attr:`done` counts the casts that have run."""

    def __init__(self) -> None:
        self.done = threading.Semaphore(0)

    @rpc_method("1.0")
    def note(self) -> None:
        """Count one execution."""
        self.done.release()

    @rpc_method("1.0")
    def echo(self, value: Any) -> Any:
        """Return the value."""
        return value


@contextlib.contextmanager
def run_conductor(**changes: Any) -> Iterator[tuple[Conductor, Echo]]:
    """Run a conductor in this process. Client and server share its CPU time with every transport."""
    running = Conductor(ConductorConfig(host=_HOST, conductor=quick_options(), **changes))
    echo = Echo()
    running.add(echo)
    running.start()
    try:
        yield running, echo
    finally:
        running.stop(5.0)


@contextlib.contextmanager
def run_remote(**changes: Any) -> Iterator[tuple[RPCClient, Echo]]:
    """Yield a client that reaches the conductor through sockets."""
    with run_conductor(**changes) as (running, echo):
        config = running.config
        if config.rpc_transport == "json-rpc":
            server: Any = running.rpc_server
            config = dataclasses.replace(config, json_rpc=dataclasses.replace(config.json_rpc, port=server.port))
        client = transports.create_client(config, running.store, running.clock, {})
        try:
            yield client, echo
        finally:
            client.close()


def measure_rate(call: Callable[[], Any], callers: int) -> tuple[float, float, float]:
    """Return the calls per second, and the median and 99th percentile of the latency in microseconds."""
    end = time.perf_counter() + SECONDS
    latencies: list[list[float]] = [[] for _ in range(callers)]

    def run(own_latencies: list[float]) -> None:
        now = time.perf_counter()
        while now < end:
            call()
            before, now = now, time.perf_counter()
            own_latencies.append(now - before)

    threads = [threading.Thread(target=run, args=(own_latencies,)) for own_latencies in latencies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    merged = sorted(seconds for own_latencies in latencies for seconds in own_latencies)
    return len(merged) / SECONDS, statistics.median(merged) * 1e6, merged[int(len(merged) * 0.99)] * 1e6


def create_submit(running: Conductor, echo: Echo) -> Callable[[], Any]:
    """Return a function that submits work to the pool and waits for its execution. Casts are compared with it."""
    lane = running.pool["requests"]

    def submit() -> None:
        lane.submit(echo.note)
        echo.done.acquire()

    return submit


def create_cast(client: RPCClient, echo: Echo) -> Callable[[], Any]:
    """Return a function that casts and waits for the execution."""

    def cast() -> None:
        client.cast("note")
        echo.done.acquire()

    return cast


def measure() -> Iterator[dict[str, Any]]:
    """Measure the transports alternately and yield all figures."""
    with contextlib.ExitStack() as stack:
        local, echo = stack.enter_context(run_conductor())
        clients: dict[str, tuple[RPCClient, Echo]] = {"none": (local.rpc, echo)}
        clients["json-rpc"] = stack.enter_context(run_remote(rpc_transport="json-rpc", json_rpc=JSONRPCConfig(port=0)))
        if (url := _start_broker(stack)) is not None:
            clients["oslo"] = stack.enter_context(run_remote(rpc_transport="oslo", transport_url=url))
        for number in range(ROUNDS):
            for mode, (client, client_echo) in clients.items():
                for callers in (1, CALLERS):
                    result = measure_rate(lambda client=client: client.call("echo", value=1), callers)  # type: ignore[misc]
                    yield _build_figure("call", mode, callers, number, result)
                yield _build_figure("cast", mode, 1, number, measure_rate(create_cast(client, client_echo), 1))
            yield _build_figure("submit", "pool", 1, number, measure_rate(create_submit(local, echo), 1))


def _build_figure(what: str, mode: str, callers: int, number: int, result: tuple[float, float, float]) -> dict[str, Any]:
    names = ("per_second", "median_us", "p99_us")
    return {"what": what, "mode": mode, "callers": callers, "round": number, **dict(zip(names, map(round, result), strict=True))}


def _start_broker(stack: contextlib.ExitStack) -> str | None:
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
    """Print the figures as they come, and at the end the ratios between transports within each round."""
    rates: dict[tuple[str, str], list[float]] = {}
    for figure in measure():
        print(json.dumps(figure), flush=True)
        if figure["callers"] == 1:
            rates.setdefault((figure["what"], figure["mode"]), []).append(figure["per_second"])
    for what, first, second in (
        ("calls of none over those of", ("call", "none"), "call"),
        ("submits over casts of", ("submit", "pool"), "cast"),
    ):
        for (kind, mode), second_rates in rates.items():
            if kind == second:
                ratios = (one / other for one, other in zip(rates[first], second_rates, strict=True))
                print(json.dumps({"what": what, "mode": mode, "ratio": round(statistics.median(ratios), 2)}))


if __name__ == "__main__":
    main()
