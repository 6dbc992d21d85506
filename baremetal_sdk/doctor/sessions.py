"""Whether a session can be kept with every BMC of the fleet."""

from __future__ import annotations

from baremetal_sdk.bmc import max_pooled_sessions
from baremetal_sdk.doctor.finding import Finding, ok, warn
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery

_TLS_KIB = 30
"""What a kept TLS connection takes of memory."""


def examine_sessions(store: Store, most_files: int | None) -> Finding:
    """Sessions that are closed to make room cost a login at the next look at their BMC."""
    nodes = len(store.nodes(NodeQuery(fields=("uuid",))))
    most = max_pooled_sessions(most_files)
    if nodes <= most:
        return ok("sessions", f"a session can be kept with the BMC of each of {nodes} nodes; there is room for {most}")
    return warn(
        "sessions",
        f"there are {nodes} nodes, and only {most} sessions with BMCs are kept, for each holds a file descriptor: beyond that "
        "power sync logs in anew at each look",
        f"raise the limit of open files to {nodes * 4 // 3 + 1} or more (LimitNOFILE= of a systemd unit, ulimit -n); TLS takes "
        f"{nodes * _TLS_KIB // 1024} MiB for them all",
    )
