"""What every test of a store starts from."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from baremetal_sdk.errors import LeaseLost
from baremetal_sdk.store import Lease, NodeRecord, PortRecord, Store
from baremetal_sdk.store.records.node import Fence

HOLDER = "conductor-1/a1"
OTHER = "conductor-2/b2"
SERVER_URL = os.environ.get("BAREMETAL_TEST_DATABASE", "")
"""The URL of an empty database on a PostgreSQL or MariaDB server, to test there as well."""


class TurnedClock:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self._now = datetime(2031, 5, 17, 12, 0, 3, 250001, tzinfo=UTC)

    def monotonic(self) -> float:
        return self._now.timestamp()

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def new_uuid() -> str:
    return str(uuid.uuid4())


def new_mac() -> str:
    digits = uuid.uuid4().hex
    return ":".join(digits[index : index + 2] for index in range(0, 12, 2))


def new_prefix() -> str:
    """Tables of a test's own."""
    return f"t{uuid.uuid4().hex[:8]}_"


class StoreBehaviour:
    """The base of the behavioural suite: *store* is open and empty, *clock* is its clock."""

    store: Store
    clock: TurnedClock

    def node(self, **fields: Any) -> NodeRecord:
        return self.store.create_node(NodeRecord(uuid=new_uuid(), **fields), fence=None)

    def port(self, node: NodeRecord, **fields: Any) -> PortRecord:
        record = PortRecord(uuid=new_uuid(), node_uuid=node.uuid, **{"address": new_mac(), **fields})
        return self.store.create_port(record, fence=None)

    def lease(self, node: NodeRecord, holder: str = HOLDER, purpose: str = "deploy", duration: float = 60.0) -> Lease:
        return self.store.take_lease(node.uuid, holder=holder, purpose=purpose, duration=duration)[0]

    def renewed(self, fence: Fence, *, duration: float) -> Lease:
        found = self.store.renew_leases([fence], duration=duration)
        if not found:
            raise LeaseLost(f"{fence} is not held")
        return found[0]
