"""Checks of a service after a restart: acknowledged writes, finished tasks, and the integrity of the database."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from benchmarks.api_connection import APIConnection
from benchmarks.crashes.ledger import Ledger
from benchmarks.crashes.load import COLLECTIONS

IDLE_TIMEOUT_S = 60.0
"""Seconds after a restart until no node may have a task."""
_RESTING_STATES = frozenset({
    "enroll", "manageable", "available", "active", "error", "rescue", "clean failed", "deploy failed", "inspect failed",
    "adopt failed", "rescue failed", "unrescue failed", "service failed",
})  # fmt: skip


def find_lost_writes(url: str, ledger: Ledger) -> list[str]:
    """Compare all records that the API at *url* shows with the acknowledged writes. Return the differences."""
    connection = APIConnection(url)
    wrong: list[str] = []
    try:
        for name, collection in COLLECTIONS.items():
            records = connection.list_all(f"{collection.path}?fields=uuid,extra", name)
            wrong += ledger.compare(name, {record["uuid"]: record["extra"] for record in records})
            uuids = [record["uuid"] for record in records]
            if len(uuids) != len(set(uuids)):
                wrong.append(f"{name}: the listing shows a record twice")
    finally:
        connection.close()
    return wrong


def find_stuck_nodes(connection: APIConnection, timeout: float = IDLE_TIMEOUT_S, *, waiting_is_rest: bool = False) -> list[str]:
    """Wait until no node has a task. Return the nodes that have one after *timeout* seconds.

    With *waiting_is_rest*, a node that waits for an agent or an operator is not stuck.
    """
    fields = "uuid,provision_state,target_power_state,reservation"
    end = time.monotonic() + timeout
    while True:
        nodes = connection.list_all(f"/v1/nodes?fields={fields}", "nodes")
        busy = [node for node in nodes if not _is_resting(node, waiting_is_rest)]
        if not busy:
            return []
        if time.monotonic() > end:
            return [f"stuck after {timeout:g} s: {node}" for node in busy]
        time.sleep(0.2)


def _is_resting(node: dict[str, Any], waiting_is_rest: bool) -> bool:
    state = node["provision_state"]
    rests = state in _RESTING_STATES or (waiting_is_rest and state.endswith(("wait", "wait call-back", "hold")))
    return rests and node["reservation"] is None and node["target_power_state"] is None


def find_corruption(file: Path) -> list[str]:
    """Return the findings of SQLite's integrity check and of its check of foreign keys."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        findings = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        findings += [f"broken reference: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
    finally:
        connection.close()
    return findings
