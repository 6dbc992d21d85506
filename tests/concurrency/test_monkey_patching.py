"""The guard against processes that Eventlet or gevent has monkey-patched."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import PathFinder
from types import ModuleType

from testtools import ExpectedException, TestCase

from baremetal_sdk.concurrency.monkey_patching import MonkeyPatched, find_monkey_patching, refuse_monkey_patching


class Patcher(ModuleType):
    """A stand-in for the module of Eventlet or gevent that reports the patched modules."""

    def __init__(self, name: str, *patched: str) -> None:
        super().__init__(name)
        self._patched = patched

    def is_monkey_patched(self, module: str) -> bool:
        return module in self._patched

    is_module_patched = is_monkey_patched


class TestGuard(TestCase):
    def test_a_process_without_these_libraries_is_accepted(self) -> None:
        """A process that imported neither library is accepted."""
        self.assertIsNone(find_monkey_patching({}))
        refuse_monkey_patching({})

    def test_an_import_alone_is_accepted(self) -> None:
        """A process that imported Eventlet without patching anything is accepted."""
        refuse_monkey_patching({"eventlet": ModuleType("eventlet"), "eventlet.patcher": Patcher("eventlet.patcher")})

    def test_eventlets_patching_is_refused_with_the_remedy(self) -> None:
        """The error names the library, the patched modules, and the call to remove."""
        loaded = {"eventlet.patcher": Patcher("eventlet.patcher", "thread", "socket")}
        with ExpectedException(
            MonkeyPatched, r".*patched by eventlet \(thread, socket\).*remove the call of eventlet's monkey_patch.*"
        ):
            refuse_monkey_patching(loaded)

    def test_gevents_patching_is_refused_with_the_remedy(self) -> None:
        """gevent is refused like Eventlet."""
        loaded = {"gevent.monkey": Patcher("gevent.monkey", "threading", "time")}
        with ExpectedException(MonkeyPatched, r".*patched by gevent \(threading, time\).*remove the call of gevent's.*"):
            refuse_monkey_patching(loaded)

    def test_a_module_without_the_question_is_accepted(self) -> None:
        """A module of the same name that lacks the function, such as a half-imported one, is accepted."""
        refuse_monkey_patching({"eventlet.patcher": ModuleType("eventlet.patcher")})

    def test_a_process_that_eventlet_really_patched_is_refused(self) -> None:
        """After a real ``eventlet.monkey_patch()`` a conductor refuses to start, and the program can report the reason."""
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
