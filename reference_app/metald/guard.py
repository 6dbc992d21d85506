"""Eventlet stays out of this process: libraries that import it where it is installed do not find it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

REFUSED = frozenset({"eventlet", "gevent"})
"""Packages that replace threads and sockets under everybody's feet."""


class RefusedImport(MetaPathFinder):
    """Answers the import of a refused package with ``ImportError``, before anybody looks for it on disk."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raise for a refused package and for what is in it; leave all others to the finders that follow."""
        if fullname.partition(".")[0] in REFUSED:
            raise ImportError(f"metald runs on native threads and does not import {fullname}", name=fullname)
        return None


def refuse() -> None:
    """Refuse these packages from now on. Raises ``RuntimeError`` when one of them has been imported already."""
    present = sorted(name for name in REFUSED if sys.modules.get(name) is not None)
    if present:
        raise RuntimeError(f"{', '.join(present)} was imported before metald could refuse it; look at sitecustomize")
    if not any(isinstance(finder, RefusedImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, RefusedImport())
