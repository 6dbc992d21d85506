"""What the demonstration shows."""

from __future__ import annotations

import io
import json

from testtools import TestCase

from metald.display import JSONLines, Lines, LiveTable, choose
from metald.journey import Progress, Transition

WELL = Transition("machine-1", "manage", "manageable", 1.26)
BADLY = Transition("machine-2", "manage", "enroll", 2.5, "last_error: the BMC does not answer [0]")


class Terminal(io.StringIO):
    """Output that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


class DisplayTest(TestCase):
    """The three ways of showing the same events."""

    def test_the_output_decides(self) -> None:
        """A table that moves on a terminal, lines elsewhere, JSON when asked for."""
        self.assertIsInstance(choose(["machine-1"], False, Terminal()), LiveTable)
        self.assertIs(Lines, type(choose(["machine-1"], False, io.StringIO())))
        self.assertIsInstance(choose(["machine-1"], True, Terminal()), JSONLines)

    def test_a_line_for_each_transition_and_a_table_at_the_end(self) -> None:
        """The errors stand below the table in full, brackets included."""
        output = io.StringIO()
        display = Lines(["machine-1", "machine-2"], output)
        display.hear(WELL)
        display.hear(BADLY)
        display.finish(False, "Remark.")
        text = output.getvalue()
        self.assertRegex(text, r"(?m)^ +0\.\d s  machine-1 +manage +1\.3 s  manageable$")
        self.assertRegex(text, r"machine-2.*failed")
        self.assertIn("machine-2: manage failed: last_error: the BMC does not answer [0]", text)
        self.assertIn("NOT all machines went all the way", text)

    def test_a_terminal_shows_the_state_of_what_goes_on(self) -> None:
        """While a transition lasts, its cell has the state of the machine."""
        output = Terminal()
        display = LiveTable(["machine-1", "machine-2"], output)
        with display:
            display.hear(WELL)
            display.hear(Progress("machine-1", "deleted", "error", "power on"))
        display.finish(True, "")
        self.assertRegex(output.getvalue(), r"machine-1 .* error")
        self.assertIn("All machines went all the way", output.getvalue())

    def test_programs_get_one_object_per_line(self) -> None:
        """Every line is JSON; the last one is the outcome."""
        output = io.StringIO()
        display = JSONLines(["machine-1", "machine-2"], output)
        display.say("hello")
        display.hear(Progress("machine-1", "manage", "verifying", "power off"))
        display.hear(WELL)
        display.hear(BADLY)
        display.finish(False, "Remark.")
        message, well, badly, outcome = (json.loads(line) for line in output.getvalue().splitlines())
        self.assertEqual({"event": "message", "text": "hello"}, message)
        self.assertEqual(("machine-1", "manage", 1.26, None), (well["machine"], well["step"], well["seconds"], well["error"]))
        self.assertEqual(BADLY.error, badly["error"])
        self.assertEqual((False, 2, {"machine-2": BADLY.error}), (outcome["ok"], outcome["machines"], outcome["failed"]))
