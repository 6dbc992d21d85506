"""Cleaning of foreign text, from BMCs, agents, clients and libraries, before it is stored, sent or written to a log."""

from __future__ import annotations

import re

MAX_TEXT_LENGTH = 4000
"""Default for the maximum number of characters in a cleaned text."""

# Control characters, the separators that some programs treat as ends of lines, the marks that change the direction of
# writing, the byte order mark, and halves of surrogate pairs, which no encoding can represent.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def clean_text(text: str, max_length: int = MAX_TEXT_LENGTH) -> str:
    """Return *text* as one line of at most *max_length* characters that can be stored, encoded and logged.

    Control characters, marks of the direction of writing, and halves of surrogate pairs become escapes such as ``\\n``,
    ``\\x00`` and ``\\ud800``. A shortened text ends with the number of characters that are left out. Cleaning a text twice
    changes nothing more. *max_length* must be at least 64.
    """
    # Cut first, so that the cost does not grow with the length of a hostile text.
    cleaned = escape_control_characters(text[: max_length + 1])
    if len(text) <= max_length and len(cleaned) <= max_length:
        return cleaned
    kept = cleaned[: max_length - 40]
    return f"{kept}... ({max(len(text), len(cleaned)) - len(kept)} more characters)"


def escape_control_characters(text: str) -> str:
    """Return *text* with escapes as in :func:`clean_text`, without a limit on its length."""
    # Most texts have nothing to escape, and this check is the fastest.
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT_ESCAPES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
