"""Settings of the memory allocator of the C library."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

from testtools import TestCase
from testtools.matchers import GreaterThan, LessThan

_PROGRAM = """
import ctypes, os, sys, threading
from metald.malloc import limit_free_memory
if len(sys.argv) > 1:
    limit_free_memory({})
barrier = threading.Barrier(16)
def work():
    for _ in range(50):
        bytes(2000)
    barrier.wait(30)
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
libc.fflush.argtypes = (ctypes.c_void_p,)
stream = libc.fdopen(1, b"w")
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


def count_heaps(*arguments: str) -> int:
    """Return the number of heaps of a process after the work of 16 threads."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    report = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, check=True, env=environ, timeout=60
    )
    return report.stdout.count(b"<heap nr=")


class MallocTest(TestCase):
    def setUp(self) -> None:
        super().setUp()
        if not hasattr(ctypes.CDLL(None), "malloc_info"):
            self.skipTest("the C library is not glibc")

    def test_threads_share_two_heaps(self) -> None:
        """The number of heaps, each of which keeps free memory, does not grow with the number of threads."""
        self.assertThat(count_heaps("limited"), LessThan(3))
        self.assertThat(count_heaps(), GreaterThan(2))
