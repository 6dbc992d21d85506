"""Sensor resources of a simulated Redfish BMC: temperatures, fans, power consumption and power supplies of a chassis."""

from __future__ import annotations

from typing import Any

from baremetal_fake.machine import Power
from baremetal_fake.redfish.exchange import Exchange, link, make_reader
from baremetal_fake.redfish.routing import Route

_HEALTHY = {"State": "Enabled", "Health": "OK"}
_ABSENT = {"State": "Disabled", "Health": None}


def routes() -> list[Route]:
    """Return the HTTP routes of a simulated BMC for the sensor resources ``Thermal`` and ``Power``."""
    return [
        Route("Chassis/*/Thermal", {"GET": make_reader("get_sensors", _thermal)}),
        Route("Chassis/*/Power", {"GET": make_reader("get_sensors", _power)}),
    ]


def _path(exchange: Exchange, name: str) -> tuple[str, ...]:
    return ("Chassis", exchange.machine.name, name)


def _is_on(exchange: Exchange) -> bool:
    return exchange.machine.power is Power.ON


def _thermal(exchange: Exchange) -> dict[str, Any]:
    path, on = _path(exchange, "Thermal"), _is_on(exchange)
    inlet = {"MemberId": "0", "Name": "Inlet Temp", "ReadingCelsius": 24, "UpperThresholdCritical": 47, "Status": _HEALTHY}
    cpu = {"MemberId": "1", "Name": "CPU Temp", "ReadingCelsius": 52 if on else None, "UpperThresholdCritical": 95}
    fan = {
        "MemberId": "0",
        "Name": "Fan 1",
        "Reading": 8400 if on else None,
        "ReadingUnits": "RPM",
        "LowerThresholdCritical": 600,
    }
    state = _HEALTHY if on else _ABSENT
    return {
        **link(*path),
        "@odata.type": "#Thermal.v1_7_1.Thermal",
        "Id": "Thermal",
        "Name": "Thermal",
        "Temperatures": [
            {**link(*path, "#Temperatures", "0"), "PhysicalContext": "Intake", **inlet},
            {**link(*path, "#Temperatures", "1"), "PhysicalContext": "CPU", **cpu, "Status": state},
        ],
        "Fans": [{**link(*path, "#Fans", "0"), "PhysicalContext": "Fan", **fan, "Status": state}],
    }


def _power(exchange: Exchange) -> dict[str, Any]:
    path, on = _path(exchange, "Power"), _is_on(exchange)
    supply = {
        **link(*path, "#PowerSupplies", "0"),
        "MemberId": "0",
        "Name": "PSU 1",
        "PowerSupplyType": "AC",
        "LineInputVoltage": 230,
        "PowerCapacityWatts": 800,
        "LastPowerOutputWatts": 210 if on else 8,
        "Status": _HEALTHY,
    }
    return {
        **link(*path),
        "@odata.type": "#Power.v1_7_1.Power",
        "Id": "Power",
        "Name": "Power",
        "PowerControl": [{**link(*path, "#PowerControl", "0"), "MemberId": "0", "PowerConsumedWatts": 210 if on else 8}],
        "PowerSupplies": [supply],
    }
