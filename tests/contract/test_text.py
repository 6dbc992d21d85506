"""Tests of the cleaning of foreign text."""

from __future__ import annotations

import testtools

from baremetal_interfaces.text import MAX_TEXT_LENGTH, clean_text, escape_control_characters


class CleanTextTest(testtools.TestCase):
    """A cleaned text is one line, can be encoded, and shows the characters that it must not contain."""

    def test_unsafe_characters_become_visible(self) -> None:
        """Each control character, direction mark and half of a surrogate pair is replaced by its escape."""
        self.assertEqual(r"a\x00b\nc\rd\te\x1bf\x7fg\x85h", clean_text("a\0b\nc\rd\te\x1bf\x7fg\x85h"))
        self.assertEqual(r"\u2028\u202e\u2066\ufeff", clean_text("\u2028\u202e\u2066\ufeff"))
        self.assertEqual(r"half \ud800 of a pair", clean_text("half \ud800 of a pair"))

    def test_plain_text_stays(self) -> None:
        """Text without such characters stays as it is, in every script and with whole surrogate pairs."""
        text = "Größe 12 µs, 電源, 🔌, back\\slash, no-break\u00a0space"
        self.assertEqual(text, clean_text(text))

    def test_every_cleaned_text_can_be_encoded_and_is_one_line(self) -> None:
        """No code point below U+10000 leaves a text that has several lines or cannot be encoded."""
        everything = escape_control_characters("".join(map(chr, range(0x10000))))
        everything.encode()
        self.assertEqual(1, len(everything.splitlines()))
        self.assertNotIn("\0", everything)

    def test_long_text_is_shortened(self) -> None:
        """A text beyond the limit keeps its beginning, and tells how many characters are missing."""
        cleaned = clean_text("begin " + "x" * 100_000)
        self.assertLessEqual(len(cleaned), MAX_TEXT_LENGTH)
        self.assertTrue(cleaned.startswith("begin xxx"))
        self.assertRegex(cleaned, r"x\.\.\. \(9\d{4} more characters\)$")

    def test_limit_holds_after_escaping(self) -> None:
        """The limit applies to the escaped text, which is longer than the original."""
        for length in (999, 1000, 1001, 4000):
            self.assertLessEqual(len(clean_text("\0" * length, 1000)), 1000)

    def test_cleaning_is_idempotent(self) -> None:
        """A cleaned text stays the same if it is cleaned again on its way."""
        for text in ("a\0b\n", "x" * 10_000, "\ud800" * 5000):
            cleaned = clean_text(text)
            self.assertEqual(cleaned, clean_text(cleaned))
