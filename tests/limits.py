"""Limits of the process that a test runs in."""

from __future__ import annotations

import resource

from testtools import TestCase


def allow_open_files(test: TestCase, count: int) -> None:
    """Let the process open *count* files for as long as *test* takes; the test is skipped where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        test.skipTest(f"this process may open {hard} files only")
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    test.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
