"""ElasticPool: native threads that come when there is work and go when there is none, in lanes that cannot starve each other."""

from baremetal_sdk.pool.delayed import Delayed
from baremetal_sdk.pool.elastic import ElasticPool
from baremetal_sdk.pool.guest import Guest
from baremetal_sdk.pool.job import PoolDeadlock, PoolFuture, TaskAbandoned, should_stop
from baremetal_sdk.pool.lane import Lane, LaneLimits
from baremetal_sdk.pool.statistics import LaneStatistics, Quantiles
from baremetal_sdk.pool.stragglers import Straggler

__all__ = [
    "Delayed",
    "ElasticPool",
    "Guest",
    "Lane",
    "LaneLimits",
    "LaneStatistics",
    "PoolDeadlock",
    "PoolFuture",
    "Quantiles",
    "Straggler",
    "TaskAbandoned",
    "should_stop",
]
