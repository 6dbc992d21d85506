"""Processes that share the machines of one service, for more addresses than one process can serve.

A child reads its share from its standard input, and serves until that input ends. The system closes the input when the
parent ends, even if the parent is killed, so no child outlives it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Self

from baremetal_fake.redfish.plan import ServicePlan

STOP_TIMEOUT_S = 15.0
"""Seconds that a child has to end before it is killed."""


class ShardFailed(Exception):
    """Error of a child that could not start, in the child's words."""


class Shards:
    """Context manager that runs one child for each plan. All children answer when the block begins."""

    def __init__(self, plans: list[ServicePlan]) -> None:
        self._plans = plans
        self._children: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        try:
            for plan in self._plans:
                self._children.append(_start_child(plan))
            for child in self._children:
                _wait_until_ready(child)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all children."""
        # Close all inputs first, so that the children stop at the same time.
        for child in self._children:
            if child.stdin is not None:
                child.stdin.close()
        for child in self._children:
            try:
                child.wait(timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
        self._children.clear()


def _start_child(plan: ServicePlan) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "baremetal_fake.redfish", "--shard"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    child.stdin.write(plan.to_json() + "\n")
    child.stdin.flush()
    return child


def _wait_until_ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    line = child.stdout.readline()
    answer = json.loads(line) if line else {"error": "the process ended before it was ready"}
    if not answer.get("ready"):
        raise ShardFailed(str(answer.get("error")))


def run_shard() -> int:
    """Run a child: serve the plan on standard input until that input ends, and return the exit status."""
    plan = ServicePlan.from_json(sys.stdin.readline())
    try:
        with plan.service():
            print(json.dumps({"ready": True}), flush=True)
            sys.stdin.read()
    except OSError as exc:
        print(json.dumps({"error": str(exc)}), flush=True)
        return 1
    return 0
