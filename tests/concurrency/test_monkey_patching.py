"""A conductor refuses to start where threads are not threads."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import PathFinder
from types import ModuleType

from testtools import ExpectedException, TestCase

from baremetal_sdk.concurrency.monkey_patching import MonkeyPatched, find_monkey_patching, refuse_monkey_patching


class Patcher(ModuleType):
    """What Eventlet's or gevent's module says about the standard library."""

    def __init__(self, name: str, *patched: str) -> None:
        super().__init__(name)
        self._patched = patched

    def is_monkey_patched(self, module: str) -> bool:
        return module in self._patched

    is_module_patched = is_monkey_patched


class TestGuard(TestCase):
    def test_a_process_without_either_is_let_through(self) -> None:
        """Where neither library is imported there is nothing to refuse."""
        self.assertIsNone(find_monkey_patching({}))
        refuse_monkey_patching({})

    def test_an_import_alone_is_let_through(self) -> None:
        """Libraries import Eventlet where it is installed; only what it patches matters."""
        refuse_monkey_patching({"eventlet": ModuleType("eventlet"), "eventlet.patcher": Patcher("eventlet.patcher")})

    def test_eventlets_patching_is_refused_with_the_remedy(self) -> None:
        """The error names the library, the patched modules, and what to remove."""
        loaded = {"eventlet.patcher": Patcher("eventlet.patcher", "thread", "socket")}
        with ExpectedException(
            MonkeyPatched, r".*patched by eventlet \(thread, socket\).*remove the call of eventlet's monkey_patch.*"
        ):
            refuse_monkey_patching(loaded)

    def test_gevents_patching_is_refused_with_the_remedy(self) -> None:
        """gevent is refused as Eventlet is."""
        loaded = {"gevent.monkey": Patcher("gevent.monkey", "threading", "time")}
        with ExpectedException(MonkeyPatched, r".*patched by gevent \(threading, time\).*remove the call of gevent's.*"):
            refuse_monkey_patching(loaded)

    def test_a_module_that_cannot_say_is_let_through(self) -> None:
        """Another module under that name, or one that is half imported, is no reason to refuse."""
        refuse_monkey_patching({"eventlet.patcher": ModuleType("eventlet.patcher")})

    def test_a_process_that_eventlet_really_patched_is_refused(self) -> None:
        """With Eventlet itself: a conductor does not start, and the program goes on with the reason."""
        if PathFinder.find_spec("eventlet") is None:
            self.skipTest("Eventlet is not installed")
        program = (
            "import eventlet\neventlet.monkey_patch()\nfrom baremetal_sdk import Conductor\n"
            "try:\n    Conductor().start()\nexcept Exception as exc:\n    print(type(exc).__name__, exc)\n"
        )
        command = [sys.executable, "-W", "ignore", "-c", program]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertIn("MonkeyPatched this process is monkey-patched by eventlet (", answer)
        self.assertIn("remove the call of eventlet's monkey_patch()", answer)
