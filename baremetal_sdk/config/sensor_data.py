"""Section of sensor readings: ``[sensor_data]``."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.config.setting import setting

ALL = "ALL"
"""Value of ``data_types`` that selects every type of sensor."""


@dataclasses.dataclass(frozen=True)
class SensorDataConfig:
    """``[sensor_data]``: which sensors are read, how often, and where the readings go."""

    send_sensor_data: bool = setting(
        False,
        "Read the sensors of machines and publish the readings at /metrics and as notifications. If false, the other options of "
        "this section have no effect.",
        change_when="you monitor the sensors of machines",
    )
    interval: float = setting(
        600.0,
        "Time between two readings of a node's sensors, in seconds.",
        minimum=1,
        change_when="you need newer readings and your BMCs can process the requests. One reading takes many requests",
    )
    workers: int = setting(
        4,
        "Maximum number of threads that read sensors at the same time. One eighth of them, and at least one, read unreachable "
        "BMCs. With 1, a second thread reads unreachable BMCs.",
        minimum=1,
        change_when="the metric baremetal_sensor_lag_seconds grows",
    )
    wait_timeout: float = setting(
        300.0,
        "Timeout for reading all sensors of one node, in seconds. The effective timeout is never longer than interval.",
        minimum=1,
        change_when="slow BMCs need longer for all their sensors",
    )
    data_types: tuple[str, ...] = setting(
        (ALL,),
        "Types of sensors to publish, such as Temperature,Fan. Upper and lower case are equal. ALL selects all types.",
        change_when="you need only some types of sensors",
    )
    enable_for_undeployed_nodes: bool = setting(
        False,
        "Also read the sensors of nodes in provision states other than active.",
        change_when="you monitor machines before and after their use",
    )
    enable_for_nodes: bool = setting(
        True,
        "Read the sensors of nodes, if send_sensor_data is true.",
        change_when="you need only the conductor's own metrics",
    )
    enable_for_conductor: bool = setting(
        True,
        "Also send the conductor's own metrics as a notification once per interval, if send_sensor_data is true.",
        change_when="the receiver of notifications does not use these metrics",
    )
    metrics_series: int = setting(
        10_000,
        "Maximum number of sensors at /metrics. Further sensors are only counted, in baremetal_sensors_left_out. 0 publishes no "
        "sensor at /metrics.",
        minimum=0,
        change_when="Prometheus can store more series, or must store fewer",
    )

    def includes(self, sensor_type: str) -> bool:
        """Return whether ``data_types`` selects this type of sensor, so that its readings are published."""
        data_types = {data_type.strip().lower() for data_type in self.data_types}
        return ALL.lower() in data_types or sensor_type.lower() in data_types
