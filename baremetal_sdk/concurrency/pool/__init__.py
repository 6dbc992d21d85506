"""ElasticPool: native threads that grow and shrink with the load, shared by lanes that cannot starve each other."""

from typing import TYPE_CHECKING

from baremetal_sdk.exports import lazy_exports

if TYPE_CHECKING:
    from baremetal_sdk.concurrency.pool.delayed import Delayed
    from baremetal_sdk.concurrency.pool.elastic import ElasticPool
    from baremetal_sdk.concurrency.pool.job import PoolDeadlock, PoolFuture, TaskAbandoned, should_stop
    from baremetal_sdk.concurrency.pool.lane import Lane, LaneLimits
    from baremetal_sdk.concurrency.pool.shared_pool import SharedPool
    from baremetal_sdk.concurrency.pool.statistics import LaneStatistics, Quantiles
    from baremetal_sdk.concurrency.pool.stragglers import Straggler
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "delayed": ("Delayed",),
            "elastic": ("ElasticPool",),
            "job": ("PoolDeadlock", "PoolFuture", "TaskAbandoned", "should_stop"),
            "lane": ("Lane", "LaneLimits"),
            "shared_pool": ("SharedPool",),
            "statistics": ("LaneStatistics", "Quantiles"),
            "stragglers": ("Straggler",),
        },
    )

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
