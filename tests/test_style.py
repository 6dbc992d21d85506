"""The style of names, prose and commit subjects keeps within limits. ``tests/style.py`` finds the slips."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from tests import style
from tests.sources import ROOT

MAX_IDIOMS_PER_1000_WORDS = 0.2
CHECK = ROOT / ".ci" / "check-commit-subject"


def check_subject(test: TestCase, message: str) -> tuple[int, str]:
    """Return exit code and error text of the check for a commit message."""
    file = Path(test.useFixture(TempDir()).path) / "message"
    file.write_text(message, encoding="utf-8")
    result = subprocess.run([sys.executable, str(CHECK), str(file)], capture_output=True, text=True)
    return result.returncode, result.stderr


class TestProse(TestCase):
    def test_idioms_are_rare(self) -> None:
        """Sources, documentation and release notes have at most 0.2 marker idioms per 1,000 words."""
        idioms = list(style.find_idioms())
        allowed = MAX_IDIOMS_PER_1000_WORDS * style.count_words() / 1000
        self.assertLessEqual(len(idioms), allowed, "\n".join(map(str, idioms)))

    def test_an_idiom_is_found(self) -> None:
        """The search finds a relative clause as a subject and a postposed limit, but no plain sentence."""
        self.assertTrue(style.IDIOMS.search("Whoever asks waits."))
        self.assertTrue(style.IDIOMS.search("Sessions, at most."))
        self.assertIsNone(style.IDIOMS.search("Return at most 10 sessions of the caller."))


class TestNames(TestCase):
    def test_constants_say_what_they_hold(self) -> None:
        """No constant has a name without a noun, such as a bare adverb."""
        self.assertEqual([], [str(finding) for finding in style.find_vague_constants()])

    def test_functions_are_verbs(self) -> None:
        """No function is named by a bare participle, except the published ones."""
        self.assertEqual([], [str(finding) for finding in style.find_participles()])

    def test_public_class_names_are_unique(self) -> None:
        """Contract and runtime use each public class name once."""
        self.assertEqual([], [str(finding) for finding in style.find_doubled_classes()])


class TestCommitSubjects(TestCase):
    def test_a_subject_in_form_is_accepted(self) -> None:
        """``area: imperative`` of at most 72 characters passes, whatever the body says."""
        self.assertEqual((0, ""), check_subject(self, "store: close idle connections\n\nBecause servers count them.\n"))

    def test_other_subjects_are_refused_with_the_reason(self) -> None:
        """A subject without an area, with two ideas, with a period or with more than 72 characters is refused."""
        for message, reason in (
            ("Close idle connections", "area: imperative"),
            ("store: close connections; log it", "two ideas"),
            ("store: close connections.", "final period"),
            (f"store: {'a' * 70}", "77 characters"),
        ):
            code, error = check_subject(self, message)
            self.assertEqual(1, code, message)
            self.assertIn(reason, error)
