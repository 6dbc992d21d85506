"""``metald demo``, its simulated machines, and the lifecycle of a machine."""

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
from metald.machine_lifecycle import STEPS, DemoMachine, FinishedTransition, MachineLifecycle, TransitionProgress
from metald.processes import Child
from tests.fixtures.metald_service import Service, metald

CLOSED = "http://127.0.0.1:1"


class DemoTest(TestCase):
    """The command ``metald demo``."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)

    def start(self, *arguments: str) -> Child:
        """Start a demonstration with JSON output."""
        command = [sys.executable, "-m", "metald", "demo", "--json", *arguments]
        logs = Path(self.useFixture(TempDir()).path)
        child = Child("demo", command, logs, {"TMPDIR": str(self.directory)})
        self.addCleanup(child.stop)
        return child

    def test_every_machine_completes_all_transitions(self) -> None:
        """The output has each transition of each machine, and the demonstration removes all its files."""
        demo = self.start("--machines", "2")
        outcome = json.loads('{"event": "outcome"' + demo.wait_for_line('{"event": "outcome"', 300.0))
        self.assertTrue(outcome["ok"], demo.output_tail(100))
        self.assertEqual({}, outcome["failed"])
        events = [json.loads(line) for line in demo.log.read_text(encoding="utf-8").splitlines()]
        transitions = [(event["machine"], event["step"]) for event in events if event["event"] == "transition"]
        self.assertEqual({(f"machine-{number}", step) for number in (1, 2) for step in STEPS}, set(transitions))
        self.assertEqual(2 * len(STEPS), len(transitions))
        self.assertEqual(0, demo.wait(60.0))
        self.assertEqual([], list(self.directory.iterdir()))

    def test_keep_waits_for_an_interrupt(self) -> None:
        """With ``--keep`` the service answers until Ctrl-C, which removes all files."""
        # A shell ignores Ctrl-C for background processes, and children inherit that setting.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
        demo = self.start("--machines", "1", "--keep")
        url = demo.wait_for_line('{"event": "message", "text": "Service:  metald at ', 60.0).rstrip('"}')
        demo.wait_for_line('{"event": "outcome"', 300.0)
        demo.wait_for_line('{"event": "message", "text": "  curl', 10.0)
        self.assertEqual("available", BareMetalClient(url).get_node("machine-1")["provision_state"])
        demo.send(signal.SIGINT)
        self.assertEqual(0, demo.wait(60.0))
        self.assertEqual([], list(self.directory.iterdir()))

    def test_a_signal_ends_the_demonstration_and_its_processes(self) -> None:
        """SIGTERM during the demonstration leaves neither processes nor files behind."""
        child = self.start("--machines", "1")
        first = child.wait_for_line('{"event": "transition",', 120.0)
        self.assertIn('"error": null', first)
        self.assertNotEqual([], _processes_that_mention(self.directory))
        child.send(signal.SIGTERM)
        self.assertEqual(128 + signal.SIGTERM, child.wait(60.0))
        self.assertEqual([], _processes_that_mention(self.directory))
        self.assertEqual([], list(self.directory.iterdir()))

    def test_an_invalid_number_of_machines_is_rejected(self) -> None:
        """The usage error names the allowed range."""
        for number in ("0", "65", "many"):
            ended = metald("demo", "--machines", number)
            self.assertEqual(2, ended.returncode)
            self.assertIn("1 to 64", ended.stderr)


class SimulationTest(TestCase):
    """The sources of simulated machines."""

    def test_baremetal_fake_replaces_the_emulator(self) -> None:
        """Without the emulator the demonstration has the same number of machines, and the description has the reason."""
        with ExitStack() as children, tempfile.TemporaryDirectory() as directory:
            simulated = simulation.start_fake_redfish(3, Path(directory), children, "for this test")
            self.assertIn("for this test", simulated.description)
            self.assertEqual(3, len({machine.fields["driver_info"]["redfish_system_id"] for machine in simulated.machines}))

    def test_the_emulator_lists_the_machines(self) -> None:
        """Each machine is a separate Redfish system."""
        with ExitStack() as children, tempfile.TemporaryDirectory() as directory:
            simulated = simulation.start_emulator(3, Path(directory), children)
            self.assertEqual(3, len({machine.fields["driver_info"]["redfish_system_id"] for machine in simulated.machines}))


class MachineLifecycleTest(TestCase):
    """A machine that does not complete its lifecycle."""

    def run_lifecycle(self, machine: DemoMachine, interrupted: threading.Event) -> tuple[bool, list[FinishedTransition]]:
        """Run the lifecycle of a machine, and return its result and its transitions."""
        service = self.useFixture(Service())
        events: list[FinishedTransition | TransitionProgress] = []
        lifecycle = MachineLifecycle(
            service.client, machine, "http://127.0.0.1:1/boot.iso", events.append, interrupted, timeout=60.0
        )
        return lifecycle.run(), [event for event in events if isinstance(event, FinishedTransition)]

    def test_an_unreachable_bmc_ends_the_lifecycle_with_last_error(self) -> None:
        """The error contains the node's ``last_error``, and no further transition starts."""
        ok, transitions = self.run_lifecycle(simulation.build_redfish_machine("dead", CLOSED, "1"), threading.Event())
        self.assertFalse(ok)
        self.assertEqual(["enroll", "manage"], [transition.step for transition in transitions])
        self.assertIn("last_error", str(transitions[-1].error))
        self.assertIn("127.0.0.1:1", str(transitions[-1].error))

    def test_a_rejected_node_ends_the_lifecycle_at_once(self) -> None:
        """The error of the first transition is that of the rejected request."""
        fields: dict[str, Any] = {"driver": "nonesuch"}
        ok, transitions = self.run_lifecycle(DemoMachine("odd", fields), threading.Event())
        self.assertFalse(ok)
        self.assertEqual(["enroll"], [transition.step for transition in transitions])
        self.assertIn("nonesuch", str(transitions[0].error))

    def test_an_interruption_ends_the_lifecycle_at_the_next_poll(self) -> None:
        """The lifecycle does not wait for the end of its transition."""
        interrupted = threading.Event()
        interrupted.set()
        ok, transitions = self.run_lifecycle(simulation.build_redfish_machine("dead", CLOSED, "1"), interrupted)
        self.assertFalse(ok)
        self.assertIsNotNone(transitions[-1].error)


def _processes_that_mention(directory: Path) -> list[str]:
    """Return the command lines of the processes whose arguments contain *directory*."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines.append(file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return [line for line in lines if str(directory) in line]
