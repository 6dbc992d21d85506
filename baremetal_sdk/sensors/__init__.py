"""Sensor data: the sensors of machines are read at an interval, published as notifications, and offered as metrics."""

from baremetal_sdk.sensors.engine import SensorCollection
from baremetal_sdk.sensors.message import Notifier

__all__ = ["Notifier", "SensorCollection"]
