"""The displays of the demonstration."""

from __future__ import annotations

import io
import json

from testtools import TestCase

from metald.demo_display import DemoJSONLines, DemoLines, DemoTable, create_display
from metald.machine_lifecycle import FinishedTransition, TransitionProgress

SUCCESS = FinishedTransition("machine-1", "manage", "manageable", 1.26)
FAILURE = FinishedTransition("machine-2", "manage", "enroll", 2.5, "last_error: the BMC does not answer [0]")


class Terminal(io.StringIO):
    """An output stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


class DisplayTest(TestCase):
    """The three displays with the same events."""

    def test_the_output_selects_the_display(self) -> None:
        """A terminal gets a live table, another output gets lines, and JSON is available on request."""
        self.assertIsInstance(create_display(["machine-1"], False, Terminal()), DemoTable)
        self.assertIs(DemoLines, type(create_display(["machine-1"], False, io.StringIO())))
        self.assertIsInstance(create_display(["machine-1"], True, Terminal()), DemoJSONLines)

    def test_lines_show_each_transition_and_a_table_at_the_end(self) -> None:
        """The errors follow the table in full, including brackets."""
        output = io.StringIO()
        display = DemoLines(["machine-1", "machine-2"], output)
        display.handle(SUCCESS)
        display.handle(FAILURE)
        display.show_outcome(False, "Remark.")
        text = output.getvalue()
        self.assertRegex(text, r"(?m)^ +0\.\d s  machine-1 +manage +1\.3 s  manageable$")
        self.assertRegex(text, r"machine-2.*failed")
        self.assertIn("machine-2: manage failed: last_error: the BMC does not answer [0]", text)
        self.assertIn("NOT all machines completed all transitions", text)

    def test_a_terminal_shows_running_transitions(self) -> None:
        """The cell of a running transition has the state of the machine."""
        output = Terminal()
        display = DemoTable(["machine-1", "machine-2"], output)
        with display:
            display.handle(SUCCESS)
            display.handle(TransitionProgress("machine-1", "deleted", "error", "power on"))
        display.show_outcome(True, "")
        self.assertRegex(output.getvalue(), r"machine-1 .* error")
        self.assertIn("All machines completed all transitions", output.getvalue())

    def test_json_output_has_one_object_per_line(self) -> None:
        """Each line is a JSON object; the last one is the outcome."""
        output = io.StringIO()
        display = DemoJSONLines(["machine-1", "machine-2"], output)
        display.show_message("hello")
        display.handle(TransitionProgress("machine-1", "manage", "verifying", "power off"))
        display.handle(SUCCESS)
        display.handle(FAILURE)
        display.show_outcome(False, "Remark.")
        message, success, failure, outcome = (json.loads(line) for line in output.getvalue().splitlines())
        self.assertEqual({"event": "message", "text": "hello"}, message)
        self.assertEqual("machine-1", success["machine"])
        self.assertEqual("manage", success["step"])
        self.assertEqual(1.26, success["seconds"])
        self.assertIsNone(success["error"])
        self.assertEqual(FAILURE.error, failure["error"])
        self.assertFalse(outcome["ok"])
        self.assertEqual(2, outcome["machines"])
        self.assertEqual({"machine-2": FAILURE.error}, outcome["failed"])
