"""Import hook that keeps Eventlet and gevent out of the process, even if they are installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

REFUSED_PACKAGES = frozenset({"eventlet", "gevent"})
"""Packages that replace threads and sockets of the whole process."""


class ImportRefuser(MetaPathFinder):
    """Raises ``ImportError`` for a refused package, before other finders look for it."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raise ``ImportError`` for a refused package or its submodules, and return None for all others."""
        if fullname.partition(".")[0] in REFUSED_PACKAGES:
            raise ImportError(f"metald runs on native threads and refuses to import {fullname}", name=fullname)
        return None


def refuse_imports() -> None:
    """Refuse the packages from now on. Raise ``RuntimeError`` if one of them is already imported."""
    present = sorted(name for name in REFUSED_PACKAGES if sys.modules.get(name) is not None)
    if present:
        names = ", ".join(present)
        raise RuntimeError(
            f"cannot run on native threads: {names} is already imported; remove the import, such as one in sitecustomize"
        )
    if not any(isinstance(finder, ImportRefuser) for finder in sys.meta_path):
        sys.meta_path.insert(0, ImportRefuser())
