"""The rules that hold for a service under hostile input."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from benchmarks.processes import ProcessFigures, find_exceptions
from benchmarks.report import Report

SLACK_S = 2.0
"""Seconds that an answer may be later than its deadline."""
INTERNAL_ERRORS = (b"internal error", b"internal server error")
_STATUS_BUSY, _STATUS_INTERNAL = 503, 500


@dataclass(frozen=True)
class Limits:
    """Allowed growth after the warm-up: resident memory in MiB, threads and descriptors. Pools and caches cause less."""

    mebibytes: float = 64.0
    threads: int = 40
    descriptors: int = 64


class Rules:
    """Checks of answers, of the process and of its log. Violations go to *report*. Thread-safe.

    *deadline_s* is the time in seconds in which each request has to be answered; two seconds more are tolerated. With
    *with_failing_bmcs*, the status 500 with the reason that a BMC failed is allowed, as in Ironic.
    """

    def __init__(
        self, report: Report, deadline_s: float, limits: Limits | None = None, *, with_failing_bmcs: bool = False
    ) -> None:
        self.report = report
        self.limits = limits or Limits()
        self.answers: Counter[int] = Counter()
        """Number of responses by status."""
        self.slowest_s = 0.0
        self._deadline_s = deadline_s
        self._with_failing_bmcs = with_failing_bmcs
        self._warm: ProcessFigures | None = None

    def check_answer(self, label: str, status: int, body: bytes, seconds: float) -> None:
        """Check one response: not late, and not a failure of the service itself. *label* describes the request."""
        self.answers[status] += 1
        self.slowest_s = max(self.slowest_s, seconds)
        if seconds > self._deadline_s + SLACK_S:
            self.report.add_violation(f"late: {label}: {seconds:.1f} s; allowed: {self._deadline_s:g} s")
        lowered = body[:4096].lower()
        is_internal = status >= _STATUS_INTERNAL and any(text in lowered for text in INTERNAL_ERRORS)
        if is_internal or (status == _STATUS_INTERNAL and not self._with_failing_bmcs):
            self.report.add_violation(f"status {status}: {label}: {body[:160].decode('utf-8', 'replace')}")
        elif status == _STATUS_BUSY and not body:
            self.report.add_violation(f"status 503 without a reason: {label}")

    def end_warm_up(self, pid: int) -> None:
        """Record the figures of the process that later ones are compared with."""
        self._warm = ProcessFigures.read(pid)

    def check_process(self, pid: int, settle_s: float = 10.0) -> dict[str, dict[str, float]]:
        """Check that memory, threads and descriptors have not grown since the warm-up. Return both figures.

        Work that the last requests started has *settle_s* seconds to end.
        """
        warm = self._warm
        assert warm is not None, "the warm-up has not ended"
        end = time.monotonic() + settle_s
        while True:
            now = ProcessFigures.read(pid)
            growth = {
                "mebibytes": now.mebibytes - warm.mebibytes,
                "threads": now.threads - warm.threads,
                "descriptors": now.descriptors - warm.descriptors,
            }
            grown = [name for name, value in growth.items() if value > getattr(self.limits, name)]
            if not grown or time.monotonic() > end:
                break
            time.sleep(0.5)
        for name in grown:
            limit = getattr(self.limits, name)
            self.report.add_violation(f"{name} grew by {growth[name]:.0f} after the warm-up; allowed: {limit:g}")
        return {"after_warm_up": warm.as_dict(), "at_the_end": now.as_dict()}

    def check_log(self, log: str) -> None:
        """Check that the log has no unexpected exception."""
        for exception, count in find_exceptions(log).items():
            for _ in range(count):
                self.report.add_violation(f"exception in the log: {exception}")
