"""The guard against monkey-patching: a conductor needs native threads and refuses a process patched by Eventlet or gevent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from baremetal_interfaces import BareMetalError

_PATCHABLE_MODULES = ("thread", "threading", "socket", "time", "select", "os")


class MonkeyPatched(BareMetalError):
    """The process is monkey-patched. The message names the library and the remedy."""


def find_monkey_patching(modules: Mapping[str, ModuleType] | None = None) -> str | None:
    """Return the library that patched the standard library, with the patched modules in parentheses, or None.

    *modules* are the loaded modules (by default those of this process). The function imports nothing.
    """
    loaded = sys.modules if modules is None else modules
    for library, find_patched in (("eventlet", _patched_by_eventlet), ("gevent", _patched_by_gevent)):
        patched = find_patched(loaded)
        if patched:
            return f"{library} ({', '.join(patched)})"
    return None


def refuse_monkey_patching(modules: Mapping[str, ModuleType] | None = None) -> None:
    """Raise ``MonkeyPatched`` if Eventlet or gevent has patched the standard library in this process."""
    patching = find_monkey_patching(modules)
    if patching is not None:
        library = patching.split()[0]
        raise MonkeyPatched(
            f"this process is monkey-patched by {patching}, and a conductor needs native threads: remove the call of "
            f"{library}'s monkey_patch()/patch_all() from the start of the program (with oslo.service, call "
            "init_backend(BackendType.THREADING) before importing anything else of it), or run the conductor in its own process"
        )


def _patched_by_eventlet(loaded: Mapping[str, ModuleType]) -> list[str]:
    patcher: Any = loaded.get("eventlet.patcher")
    return _filter_patched(getattr(patcher, "is_monkey_patched", None))


def _patched_by_gevent(loaded: Mapping[str, ModuleType]) -> list[str]:
    monkey: Any = loaded.get("gevent.monkey")
    return _filter_patched(getattr(monkey, "is_module_patched", None))


def _filter_patched(is_patched: Callable[[str], bool] | None) -> list[str]:
    return [] if is_patched is None else [name for name in _PATCHABLE_MODULES if is_patched(name)]
