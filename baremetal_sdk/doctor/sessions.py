"""Check that the process may keep an open session with the BMC of every node."""

from __future__ import annotations

from baremetal_sdk.bmc import max_pooled_sessions
from baremetal_sdk.doctor.finding import Finding, ok, warn
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery

_TLS_KIB = 30
"""Memory of an open TLS connection, in KiB."""


def examine_sessions(store: Store, max_files: int | None) -> Finding:
    """Return a finding that compares the number of nodes with the number of sessions that *max_files* open files allow.

    A session beyond that number is closed, so the next request to its BMC needs a login.
    """
    nodes = len(store.nodes(NodeQuery(fields=("uuid",))))
    capacity = max_pooled_sessions(max_files)
    if nodes <= capacity:
        return ok("sessions", f"sessions with the BMCs of all {nodes} nodes can stay open; the limit is {capacity}")
    return warn(
        "sessions",
        f"{nodes} nodes, but only {capacity} sessions with BMCs can stay open, because each uses a file descriptor. Power sync "
        "logs in again for each read of the other nodes",
        f"raise the limit of open files to {nodes * 4 // 3 + 1} or more (LimitNOFILE= of a systemd unit, ulimit -n). "
        f"With TLS, the sessions need {nodes * _TLS_KIB // 1024} MiB of memory",
    )
