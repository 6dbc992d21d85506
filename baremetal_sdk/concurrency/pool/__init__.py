"""ElasticPool: native threads that come when there is work and go when there is none, in lanes that cannot starve each other."""

from baremetal_sdk.concurrency.pool.delayed import Delayed
from baremetal_sdk.concurrency.pool.elastic import ElasticPool
from baremetal_sdk.concurrency.pool.job import PoolDeadlock, PoolFuture, TaskAbandoned, should_stop
from baremetal_sdk.concurrency.pool.lane import Lane, LaneLimits
from baremetal_sdk.concurrency.pool.shared_pool import SharedPool
from baremetal_sdk.concurrency.pool.statistics import LaneStatistics, Quantiles
from baremetal_sdk.concurrency.pool.stragglers import Straggler

__all__ = [
    "Delayed",
    "ElasticPool",
    "Lane",
    "LaneLimits",
    "LaneStatistics",
    "PoolDeadlock",
    "PoolFuture",
    "Quantiles",
    "SharedPool",
    "Straggler",
    "TaskAbandoned",
    "should_stop",
]
