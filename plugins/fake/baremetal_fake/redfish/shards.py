"""Several processes that share the work of one service, where one process would run out of file descriptors or of CPU.

Each child is handed its share on its standard input and keeps that open: when the parent ends, however it does, the
children see the end of their input and end, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Self

from baremetal_fake.redfish.plan import ServicePlan


class ShardFailed(Exception):
    """A child could not start; the text is its own."""


class Shards:
    """The children. Use it as a context manager; within, all of them are ready."""

    def __init__(self, plans: list[ServicePlan]) -> None:
        self._plans = plans
        self._children: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        try:
            for plan in self._plans:
                self._children.append(_started(plan))
            for child in self._children:
                _wait_until_ready(child)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End all children."""
        for child in self._children:
            if child.stdin is not None:
                child.stdin.close()
        for child in self._children:
            try:
                child.wait(timeout=15.0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
        self._children.clear()


def _started(plan: ServicePlan) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "baremetal_fake.redfish", "--shard"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    child.stdin.write(plan.to_json() + "\n")
    child.stdin.flush()
    return child


def _wait_until_ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    line = child.stdout.readline()
    answer = json.loads(line) if line else {"error": "it ended"}
    if not answer.get("ready"):
        raise ShardFailed(str(answer.get("error")))


def run_shard() -> int:
    """What a child does: serve its share until its standard input ends."""
    plan = ServicePlan.from_json(sys.stdin.readline())
    try:
        with plan.service():
            print(json.dumps({"ready": True}), flush=True)
            sys.stdin.read()
    except OSError as exc:
        print(json.dumps({"error": str(exc)}), flush=True)
        return 1
    return 0
