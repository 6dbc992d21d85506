"""The demonstration, from its command line to the last child process."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from metald import simulation
from metald.client import BareMetalClient
from metald.journey import STEPS, Journey, Machine, Progress, Transition
from metald.processes import Child
from tests.app.service import Service, metald

CLOSED = "http://127.0.0.1:1"


class DemoTest(TestCase):
    """``metald demo``."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)

    def start(self, *arguments: str) -> Child:
        """A demonstration that tells in JSON."""
        command = [sys.executable, "-m", "metald", "demo", "--json", *arguments]
        logs = Path(self.useFixture(TempDir()).path)
        child = Child("demo", command, logs, {"TMPDIR": str(self.directory)})
        self.addCleanup(child.stop)
        return child

    def test_every_machine_goes_all_the_way(self) -> None:
        """Each transition of each machine is reported with its time, and nothing is left behind."""
        demo = self.start("--machines", "2")
        outcome = json.loads('{"event": "outcome"' + demo.wait_for_line('{"event": "outcome"', 300.0))
        self.assertEqual((True, {}), (outcome["ok"], outcome["failed"]), demo.last_words(100))
        events = [json.loads(line) for line in demo.log.read_text(encoding="utf-8").splitlines()]
        transitions = [(one["machine"], one["step"]) for one in events if one["event"] == "transition"]
        self.assertEqual({(f"machine-{number}", step) for number in (1, 2) for step in STEPS}, set(transitions))
        self.assertEqual(2 * len(STEPS), len(transitions))
        self.assertEqual(0, demo.wait(60.0))
        self.assertEqual([], list(self.directory.iterdir()))

    def test_it_stays_until_it_is_interrupted(self) -> None:
        """With --keep the service answers after the end of the story, and Ctrl-C leaves nothing behind."""
        # Where tests run in the background of a shell, Ctrl-C is ignored, and children inherit that.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
        demo = self.start("--machines", "1", "--keep")
        url = demo.wait_for_line('{"event": "message", "text": "Service:  metald at ', 60.0).rstrip('"}')
        demo.wait_for_line('{"event": "outcome"', 300.0)
        demo.wait_for_line('{"event": "message", "text": "  curl', 10.0)
        self.assertEqual("available", BareMetalClient(url).node("machine-1")["provision_state"])
        demo.send(signal.SIGINT)
        self.assertEqual(0, demo.wait(60.0))
        self.assertEqual([], list(self.directory.iterdir()))

    def test_a_signal_ends_it_and_all_that_it_started(self) -> None:
        """SIGTERM in the middle: no process and no file is left."""
        child = self.start("--machines", "1")
        first = child.wait_for_line('{"event": "transition",', 120.0)
        self.assertIn('"error": null', first)
        self.assertNotEqual([], _processes_that_mention(self.directory))
        child.send(signal.SIGTERM)
        self.assertEqual(128 + signal.SIGTERM, child.wait(60.0))
        self.assertEqual([], _processes_that_mention(self.directory))
        self.assertEqual([], list(self.directory.iterdir()))

    def test_a_number_of_machines_that_makes_no_sense_is_refused(self) -> None:
        """argparse says what is allowed."""
        for number in ("0", "65", "many"):
            ended = metald("demo", "--machines", number)
            self.assertEqual(2, ended.returncode)
            self.assertIn("1 to 64", ended.stderr)


class SimulationTest(TestCase):
    """What stands in for machines."""

    def test_machines_of_baremetal_fake_stand_in_for_the_emulator(self) -> None:
        """Where the emulator cannot be had, there are as many machines all the same, and the reason is said."""
        with ExitStack() as children, tempfile.TemporaryDirectory() as directory:
            found = simulation.stand_in(3, Path(directory), children, "for this test")
            self.assertIn("for this test", found.description)
            self.assertEqual(3, len({machine.fields["driver_info"]["redfish_system_id"] for machine in found.machines}))

    def test_the_emulator_shows_the_machines(self) -> None:
        """Each machine is a system of its own."""
        with ExitStack() as children, tempfile.TemporaryDirectory() as directory:
            found = simulation.emulator(3, Path(directory), children)
            self.assertEqual(3, len({machine.fields["driver_info"]["redfish_system_id"] for machine in found.machines}))


class JourneyTest(TestCase):
    """One machine that does not get all the way."""

    def travel(self, machine: Machine, interrupted: threading.Event) -> tuple[bool, list[Transition]]:
        """Send a machine on its way through a service."""
        service = self.useFixture(Service())
        heard: list[Transition | Progress] = []
        ok = Journey(service.client, machine, "http://127.0.0.1:1/boot.iso", heard.append, interrupted, 60.0).run()
        return ok, [event for event in heard if isinstance(event, Transition)]

    def test_a_bmc_that_does_not_answer_ends_the_journey_with_the_nodes_last_error(self) -> None:
        """The error is the one that an operator would read, and no further transition is tried."""
        ok, transitions = self.travel(simulation.redfish_machine("dead", CLOSED, "1"), threading.Event())
        self.assertFalse(ok)
        self.assertEqual(["enrol", "manage"], [one.step for one in transitions])
        self.assertIn("last_error", str(transitions[-1].error))
        self.assertIn("127.0.0.1:1", str(transitions[-1].error))

    def test_a_node_that_the_service_refuses_ends_the_journey_at_once(self) -> None:
        """The refusal is the error of the first transition."""
        fields: dict[str, Any] = {"driver": "nonesuch"}
        ok, transitions = self.travel(Machine("odd", fields), threading.Event())
        self.assertFalse(ok)
        self.assertEqual(["enrol"], [one.step for one in transitions])
        self.assertIn("nonesuch", str(transitions[0].error))

    def test_whoever_is_interrupted_stops_at_the_next_look(self) -> None:
        """An interruption is not waited out."""
        interrupted = threading.Event()
        interrupted.set()
        ok, transitions = self.travel(simulation.redfish_machine("dead", CLOSED, "1"), interrupted)
        self.assertFalse(ok)
        self.assertIsNotNone(transitions[-1].error)


def _processes_that_mention(directory: Path) -> list[str]:
    """The command lines of the processes that were given something in *directory*."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines.append(file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return [line for line in lines if str(directory) in line]
