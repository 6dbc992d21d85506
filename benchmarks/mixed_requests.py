"""Load test with BMCs that fail on a second session or a second concurrent request, which the runtime must never cause.

Run it as ``python -m benchmarks.mixed_requests [redfish] [basic] [ipmi] [--requests 20000] [--threads 16]``. Power actions, boot
devices, reads of every kind, inspections, power sync and sensor collection address a few such BMCs. Each kind of BMC yields
one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from baremetal_fake.bmc_account import Account
from baremetal_fake.ipmi import AccessOptions, IPMIOptions, IPMIService
from baremetal_fake.redfish import BMCOptions, RedfishService
from baremetal_interfaces import BareMetalError, Kind
from baremetal_sdk import Conductor, ConductorConfig
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.config.sensor_data import SensorDataConfig
from baremetal_sdk.testing import running_conductor

MACHINES = 4
DRIVERS = ("redfish", "basic", "ipmi")
_ACCOUNT = Account("admin", "password")
_LATENCY_S = 0.002
"""Processing time of a BMC request in seconds: long enough that a concurrent request would overlap."""
_POWER_TARGETS = ("power off", "power on", "rebooting")


def main() -> None:
    """Load each kind of BMC, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drivers", nargs="*", default=list(DRIVERS), help="kinds of BMCs: redfish, basic, ipmi")
    parser.add_argument("--requests", type=int, default=20_000, help="number of requests that the BMCs receive")
    parser.add_argument("--threads", type=int, default=16, help="number of concurrent clients")
    options = parser.parse_args()
    for driver in options.drivers:
        figures = run_mixed_requests(driver, options.requests, options.threads)
        print(json.dumps({"proof": "mixed requests", "driver": driver, **figures}), flush=True)


def run_mixed_requests(driver: str, requests: int, threads: int) -> dict[str, Any]:
    """Send about *requests* requests to fragile BMCs. Return the counters of the BMCs and the errors of the clients."""
    calls, errors, notifier = Counter[str](), Counter[str](), _SensorNotifications()
    begin = time.monotonic()
    with _run_fragile_bmcs(driver) as (service, infos), _run_conductor(notifier) as conductor:
        nodes = [_enroll(conductor, "ipmi" if driver == "ipmi" else "redfish", info) for info in infos]
        clients = [_RandomClient(conductor, nodes, seed, _select_work(driver)) for seed in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            futures = [pool.submit(client.run, lambda: _count_requests(service) >= requests) for client in clients]
            for future in futures:
                client_calls, client_errors = future.result()
                calls.update(client_calls)
                errors.update(client_errors)
        request_count, synced = _count_requests(service), conductor.components.power_sync.answers
        bmcs = [service.bmc(index) for index in range(MACHINES)]
    provoked = sum(bmc.overruns + bmc.counters.turned_away for bmc in bmcs)
    maximums = {
        name: max(bmc.counters.as_dict()[name] for bmc in bmcs) for name in ("logins", "open_sessions_max", "in_flight_max")
    }
    figures = {
        "requests": request_count,
        "calls": dict(calls),
        "power_sync": synced,
        "sensors": notifier.count,
        "errors": dict(errors),
    }
    seconds = round(time.monotonic() - begin, 1)
    return {**figures, **maximums, "seconds": seconds, "provoked": provoked, "asked": "none provoked", "met": provoked == 0}


class _SensorNotifications:
    """Notifier that counts the sensor readings of the periodic collection."""

    count = 0

    def info(self, ctxt: dict[str, Any], event_type: str, payload: dict[str, Any]) -> None:
        """Count one notification."""
        self.count += 1


@contextmanager
def _run_fragile_bmcs(driver: str) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    addresses = [f"127.81.0.{number + 1}" for number in range(MACHINES)]
    if driver == "ipmi":
        options = IPMIOptions(AccessOptions(account=_ACCOUNT, session_limit=1), parallel_limit=1)
        with IPMIService(MACHINES, addresses=addresses, latency=_LATENCY_S, options=options) as ipmi:
            yield ipmi, [ipmi.driver_info(index) for index in range(MACHINES)]
        return
    fragile = BMCOptions(account=_ACCOUNT, session_limit=1, parallel_limit=1)
    with RedfishService(MACHINES, addresses=addresses, latency=_LATENCY_S, options=fragile) as redfish:
        account = {"redfish_username": _ACCOUNT.username, "redfish_password": _ACCOUNT.password}
        login = {"redfish_auth_type": "basic" if driver == "basic" else "session", **account}
        yield (
            redfish,
            [
                {"redfish_address": redfish.url_of(index), "redfish_system_id": redfish.system_path(index), **login}
                for index in range(MACHINES)
            ],
        )


@contextmanager
def _run_conductor(notifier: _SensorNotifications) -> Iterator[Conductor]:
    """Run a conductor that reads power and sensors of each node as often as possible."""
    options = ConductorOptions(sync_power_state_interval=0.2, workers_pool_size=60, power_state_sync_max_retries=1000)
    sensors = SensorDataConfig(send_sensor_data=True, interval=5.0, enable_for_undeployed_nodes=True)
    config = ConductorConfig(host="mixed", conductor=options, sensor_data=sensors)
    with running_conductor(config, notifier=notifier) as conductor:
        yield conductor


def _enroll(conductor: Conductor, driver: str, info: dict[str, Any]) -> str:
    record = conductor.rpc.call("create_node", values={"driver": driver, "driver_info": info})
    conductor.store.update_node(record.uuid, {"provision_state": "manageable"}, fence=None)
    return str(record.uuid)


class _RandomClient:
    """Client that sends random requests to random nodes without pause."""

    def __init__(self, conductor: Conductor, nodes: Sequence[str], seed: int, work: Sequence[str]) -> None:
        self._conductor = conductor
        self._nodes = nodes
        self._random = random.Random(seed)
        self._work = work

    def run(self, is_over: Callable[[], bool]) -> tuple[Counter[str], Counter[str]]:
        """Send requests until *is_over*. Return the number of calls and of errors by name."""
        calls, errors = Counter[str](), Counter[str]()
        while not is_over():
            name = self._random.choice(self._work)
            calls[name] += 1
            try:
                WORK[name](self._conductor, self._random.choice(self._nodes), self._random)
            except BareMetalError as exc:
                errors[f"{name}: {type(exc).__name__}"] += 1
        return calls, errors


_Work = Callable[[Conductor, str, random.Random], Any]


def _read(kind: Kind, method: str) -> _Work:
    return lambda conductor, node, chance: conductor.components.tasks.read_only(node).call(kind, method)


def _power_action(conductor: Conductor, node: str, chance: random.Random) -> None:
    conductor.rpc.call("change_power_state", node=node, target=chance.choice(_POWER_TARGETS), timeout=None)


def _set_boot_device(conductor: Conductor, node: str, chance: random.Random) -> None:
    conductor.rpc.call("set_boot_device", node=node, device=chance.choice(("pxe", "disk")), persistent=chance.random() < 0.5)


def _update_credentials(conductor: Conductor, node: str, chance: random.Random) -> None:
    """Write the same credentials again, which must not cause a second login."""
    driver_info = dict(conductor.components.tasks.read_only(node).raw_info)
    conductor.rpc.call("update_node", node=node, changes={"driver_info": driver_info})


WORK: dict[str, _Work] = {
    "power": _read(Kind.POWER, "get_power_state"),
    "power action": _power_action,
    "boot device": _set_boot_device,
    "boot device read": lambda conductor, node, chance: conductor.rpc.call("get_boot_device", node=node),
    "sensors": _read(Kind.MANAGEMENT, "get_sensors_data"),
    "inspection": _read(Kind.INSPECT, "inspect"),
    "observation": lambda conductor, node, chance: conductor.components.power_sync.observe(node),
    "idle sessions closed": lambda conductor, node, chance: conductor.components.bmc.close_idle(),
    "credentials": _update_credentials,
}


def _select_work(driver: str) -> list[str]:
    # Inspection over IPMI is not supported.
    return [name for name in WORK if driver != "ipmi" or name != "inspection"]


def _count_requests(service: Any) -> int:
    return sum(service.bmc(index).counters.requests for index in range(MACHINES))


if __name__ == "__main__":
    main()
