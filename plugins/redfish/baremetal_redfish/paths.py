"""Paths of resources, as services and operators write them."""

from __future__ import annotations

import re
from urllib.parse import quote

_SAFE_CHARACTERS = "/%:@!$&'()*+,;=~-._"
"""Characters of a path that are not quoted. The percent sign is one, because services send paths that are already quoted."""
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def quote_path(path: str, also_safe: str = "") -> str:
    """Return *path* with those characters quoted that a request must not contain. Quoted characters remain as they are.

    Raises ValueError for text that has no encoding, such as half of a surrogate pair.
    """
    return quote(_STRAY_PERCENT.sub("%25", path), safe=_SAFE_CHARACTERS + also_safe)
