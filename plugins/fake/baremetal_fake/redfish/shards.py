"""Child processes (shards) of the Redfish test service, which share its machines if one process cannot open enough sockets.

A child reads the plan of its share from standard input, and serves until that input ends. The operating system closes the
input when the parent ends, even if the parent is killed. So no child outlives its parent.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Self

from baremetal_fake.redfish.plan import ServicePlan

STOP_TIMEOUT_S = 15.0
"""Maximum seconds to wait for a child to end. After that, the child is killed."""


class ShardFailed(Exception):
    """Error raised when a child process could not start its share. Its text is the error of the child."""


class Shards:
    """Context manager that runs one child process for each plan. When the block begins, all children listen."""

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
        """Stop all children and wait for their end. A child that does not end within 15 seconds is killed."""
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
    """Start a child process and send *plan* to it; do not wait until it listens."""
    command = [sys.executable, "-m", "baremetal_fake.redfish", "--shard"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    child.stdin.write(plan.to_json() + "\n")
    child.stdin.flush()
    return child


def _wait_until_ready(child: subprocess.Popen[str]) -> None:
    """Wait until *child* listens; raise ShardFailed if it could not start."""
    assert child.stdout is not None
    line = child.stdout.readline()
    answer = json.loads(line) if line else {"error": "the process ended before it was ready"}
    if not answer.get("ready"):
        raise ShardFailed(f"a child process cannot serve its machines: {answer.get('error')}")


def run_shard() -> int:
    """Run as a child process: read a plan from standard input, serve it until the input ends, and return the exit status.

    The result of the start is printed as one line of JSON.
    """
    plan = ServicePlan.from_json(sys.stdin.readline())
    try:
        with plan.service():
            print(json.dumps({"ready": True}), flush=True)
            sys.stdin.read()
    except OSError as exc:
        print(json.dumps({"error": str(exc)}), flush=True)
        return 1
    return 0
