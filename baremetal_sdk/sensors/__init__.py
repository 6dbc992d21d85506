"""Sensor data: what the sensors of machines say, read now and then and told to whoever watches."""

from baremetal_sdk.sensors.engine import SensorCollection
from baremetal_sdk.sensors.message import Notifier

__all__ = ["Notifier", "SensorCollection"]
