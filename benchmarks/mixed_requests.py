"""Whether all that goes on at once provokes BMCs that fail on a second session or on a second request at a time.

Run it as ``python -m benchmarks.mixed_requests [redfish] [basic] [ipmi] [--requests 20000] [--threads 16]``. Power actions, boot
devices, reads of every kind, inspections, power sync and sensors meet at a few BMCs that bear one session and one request; each
kind of BMC gives a line of JSON.
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
_LATENCY = 0.002
"""Seconds that a BMC works on a request: long enough that another one would meet it."""
_ASK = ("power off", "power on", "rebooting")


def main() -> None:
    """Drive each kind of BMC, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drivers", nargs="*", default=list(DRIVERS), help="what the BMCs speak: redfish, basic, ipmi")
    parser.add_argument("--requests", type=int, default=20_000, help="requests that the BMCs are to have seen")
    parser.add_argument("--threads", type=int, default=16, help="clients at a time")
    given = parser.parse_args()
    for driver in given.drivers:
        print(
            json.dumps({"proof": "mixed requests", "driver": driver, **mixed(driver, given.requests, given.threads)}), flush=True
        )


def mixed(driver: str, requests: int, threads: int) -> dict[str, Any]:
    """Send about so many requests to fragile BMCs; what they saw, and what the clients were told."""
    asked, errors, told = Counter[str](), Counter[str](), _Told()
    began = time.monotonic()
    with _fragile(driver) as (service, infos), _conductor(told) as conductor:
        nodes = [_enrolled(conductor, "ipmi" if driver == "ipmi" else "redfish", info) for info in infos]
        crowd = [_Client(conductor, nodes, seed, _work_of(driver)) for seed in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            for client in [pool.submit(one.run, lambda: _seen(service) >= requests) for one in crowd]:
                for counter, counted in zip((asked, errors), client.result(), strict=True):
                    counter.update(counted)
        seen, synced, bmcs = _seen(service), conductor.assembly.power_sync.answered, [service.bmc(i) for i in range(MACHINES)]
    provoked = sum(bmc.overruns + bmc.counters.turned_away for bmc in bmcs)
    most = {name: max(bmc.counters.as_dict()[name] for bmc in bmcs) for name in ("logins", "open_sessions_max", "in_flight_max")}
    figures = {"requests": seen, "calls": dict(asked), "power_sync": synced, "sensors": told.count, "errors": dict(errors)}
    seconds = round(time.monotonic() - began, 1)
    return {**figures, **most, "seconds": seconds, "provoked": provoked, "asked": "none provoked", "met": provoked == 0}


class _Told:
    """Counts the readings of sensors that nobody has asked for."""

    count = 0

    def info(self, ctxt: dict[str, Any], event_type: str, payload: dict[str, Any]) -> None:
        """Count one."""
        self.count += 1


@contextmanager
def _fragile(driver: str) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    addresses = [f"127.81.0.{number + 1}" for number in range(MACHINES)]
    if driver == "ipmi":
        options = IPMIOptions(AccessOptions(account=_ACCOUNT, session_limit=1), parallel_limit=1)
        with IPMIService(MACHINES, addresses=addresses, latency=_LATENCY, options=options) as ipmi:
            yield ipmi, [ipmi.driver_info(index) for index in range(MACHINES)]
        return
    fragile = BMCOptions(account=_ACCOUNT, session_limit=1, parallel_limit=1)
    with RedfishService(MACHINES, addresses=addresses, latency=_LATENCY, options=fragile) as redfish:
        account = {"redfish_username": _ACCOUNT.username, "redfish_password": _ACCOUNT.password}
        how = {"redfish_auth_type": "basic" if driver == "basic" else "session", **account}
        yield (
            redfish,
            [
                {"redfish_address": redfish.url_of(index), "redfish_system_id": redfish.system_path(index), **how}
                for index in range(MACHINES)
            ],
        )


@contextmanager
def _conductor(told: _Told) -> Iterator[Conductor]:
    """One that looks at each node's power and sensors as often as it may."""
    options = ConductorOptions(sync_power_state_interval=0.2, workers_pool_size=60, power_state_sync_max_retries=1000)
    sensors = SensorDataConfig(send_sensor_data=True, interval=5.0, enable_for_undeployed_nodes=True)
    with running_conductor(ConductorConfig(host="mixed", conductor=options, sensor_data=sensors), notifier=told) as conductor:
        yield conductor


def _enrolled(conductor: Conductor, driver: str, info: dict[str, Any]) -> str:
    record = conductor.rpc.call("create_node", values={"driver": driver, "driver_info": info})
    conductor.store.update_node(record.uuid, {"provision_state": "manageable"}, fence=None)
    return str(record.uuid)


class _Client:
    """Asks now this and now that of one node or another, and waits for nothing in between."""

    def __init__(self, conductor: Conductor, nodes: Sequence[str], seed: int, work: Sequence[str]) -> None:
        self._conductor = conductor
        self._nodes = nodes
        self._chance = random.Random(seed)
        self._work = work

    def run(self, is_over: Callable[[], bool]) -> tuple[Counter[str], Counter[str]]:
        """Go on until it is over; what was asked, and what was told that was no answer."""
        asked, errors = Counter[str](), Counter[str]()
        while not is_over():
            name = self._chance.choice(self._work)
            asked[name] += 1
            try:
                WORK[name](self._conductor, self._chance.choice(self._nodes), self._chance)
            except BareMetalError as exc:
                errors[f"{name}: {type(exc).__name__}"] += 1
        return asked, errors


_Work = Callable[[Conductor, str, random.Random], Any]


def _reading(kind: Kind, method: str) -> _Work:
    return lambda conductor, node, chance: conductor.assembly.tasks.read_only(node).call(kind, method)


def _power_action(conductor: Conductor, node: str, chance: random.Random) -> None:
    conductor.rpc.call("change_power_state", node=node, target=chance.choice(_ASK), timeout=None)


def _boot_device(conductor: Conductor, node: str, chance: random.Random) -> None:
    conductor.rpc.call("set_boot_device", node=node, device=chance.choice(("pxe", "disk")), persistent=chance.random() < 0.5)


def _new_credentials(conductor: Conductor, node: str, chance: random.Random) -> None:
    """The same account, given anew: nobody may log in a second time because of it."""
    conductor.rpc.call("update_node", node=node, changes={"driver_info": dict(conductor.assembly.tasks.read_only(node).raw_info)})


WORK: dict[str, _Work] = {
    "power": _reading(Kind.POWER, "get_power_state"),
    "power action": _power_action,
    "boot device": _boot_device,
    "boot device read": lambda conductor, node, chance: conductor.rpc.call("get_boot_device", node=node),
    "sensors": _reading(Kind.MANAGEMENT, "get_sensors_data"),
    "inspection": _reading(Kind.INSPECT, "inspect"),
    "observation": lambda conductor, node, chance: conductor.assembly.power_sync.observe(node),
    "idle sessions closed": lambda conductor, node, chance: conductor.assembly.bmc.close_idle(),
    "credentials": _new_credentials,
}


def _work_of(driver: str) -> list[str]:
    return [name for name in WORK if driver != "ipmi" or name != "inspection"]


def _seen(service: Any) -> int:
    return sum(service.bmc(index).counters.requests for index in range(MACHINES))


if __name__ == "__main__":
    main()
