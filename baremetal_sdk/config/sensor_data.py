"""``[sensor_data]``: how often the sensors of machines are read, and for whom."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.config.setting import setting

ALL = "ALL"


@dataclasses.dataclass(frozen=True)
class SensorDataConfig:
    """``[sensor_data]``: the sensors of machines, for whoever watches them."""

    send_sensor_data: bool = setting(False, "Whether sensors are read and told: to /metrics, and as notifications.")
    interval: float = setting(600.0, "Seconds between two readings of the sensors of a node.", minimum=1)
    workers: int = setting(
        4, "Threads that read sensors at a time, at most; one of them, or one beside, is for BMCs that do not answer.", minimum=1
    )
    wait_timeout: float = setting(
        300.0, "Seconds that a reading of all sensors of a node may take, at most; no longer than the interval.", minimum=1
    )
    data_types: tuple[str, ...] = setting(
        (ALL,), "Types of sensors to tell of, such as Temperature,Fan in any case of letters; ALL: whatever there is."
    )
    enable_for_undeployed_nodes: bool = setting(False, "Whether sensors are read of nodes that are not active, too.")
    enable_for_nodes: bool = setting(True, "Whether sensors of nodes are read at all.")
    enable_for_conductor: bool = setting(True, "Whether figures of the conductor itself are sent as a notification as well.")
    metrics_series: int = setting(
        10_000, "Sensors that /metrics shows one by one, at most; those that come later are counted alone. 0: none.", minimum=0
    )

    def takes(self, sensor_type: str) -> bool:
        """Whether sensors of this type are told of."""
        wanted = {one.strip().lower() for one in self.data_types}
        return ALL.lower() in wanted or sensor_type.lower() in wanted
