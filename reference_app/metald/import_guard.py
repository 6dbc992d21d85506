"""Import hook that keeps Eventlet and gevent out of the process, even if they are installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

REFUSED_PACKAGES = frozenset({"eventlet", "gevent"})
"""Packages that metald refuses to import, because they replace threads and sockets of the whole process."""


class ImportRefuser(MetaPathFinder):
    """Import finder that raises ImportError for a refused package, before other finders look for it."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raise ImportError if *fullname* is a refused package or its submodule.

        Return None for all others, so that other finders look.
        """
        if fullname.partition(".")[0] in REFUSED_PACKAGES:
            raise ImportError(f"cannot import {fullname}: metald runs on native threads and refuses this package", name=fullname)
        return None


def refuse_imports() -> None:
    """Refuse imports of Eventlet and gevent from now on. Raises RuntimeError if one of them is already imported."""
    present = sorted(name for name in REFUSED_PACKAGES if sys.modules.get(name) is not None)
    if present:
        names = ", ".join(present)
        raise RuntimeError(
            f"cannot run on native threads: {names} is already imported; remove the import, such as one in sitecustomize"
        )
    if not any(isinstance(finder, ImportRefuser) for finder in sys.meta_path):
        sys.meta_path.insert(0, ImportRefuser())
