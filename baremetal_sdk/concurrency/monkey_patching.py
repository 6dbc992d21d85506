"""Refusing to run where threads are not threads: in a process that Eventlet or gevent has monkey-patched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from baremetal_interfaces import BareMetalError

_MODULES = ("thread", "threading", "socket", "time", "select", "os")


class MonkeyPatched(BareMetalError):
    """The process is monkey-patched; the message says by what and what to do."""


def find_monkey_patching(modules: Mapping[str, ModuleType] | None = None) -> str | None:
    """What has patched the standard library in this process, and which modules; None when nothing has. It imports nothing."""
    loaded = sys.modules if modules is None else modules
    for library, asking in (("eventlet", _patched_by_eventlet), ("gevent", _patched_by_gevent)):
        patched = asking(loaded)
        if patched:
            return f"{library} ({', '.join(patched)})"
    return None


def refuse_monkey_patching(modules: Mapping[str, ModuleType] | None = None) -> None:
    """Raise ``MonkeyPatched`` when the process is."""
    patched = find_monkey_patching(modules)
    if patched is not None:
        library = patched.split()[0]
        raise MonkeyPatched(
            f"this process is monkey-patched by {patched}, and a conductor needs native threads: remove the call of "
            f"{library}'s monkey_patch()/patch_all() from the start of the program (with oslo.service, call "
            "init_backend(BackendType.THREADING) before anything of it is imported), or run the conductor in a process of its own"
        )


def _patched_by_eventlet(loaded: Mapping[str, ModuleType]) -> list[str]:
    patcher: Any = loaded.get("eventlet.patcher")
    return _asked(getattr(patcher, "is_monkey_patched", None))


def _patched_by_gevent(loaded: Mapping[str, ModuleType]) -> list[str]:
    monkey: Any = loaded.get("gevent.monkey")
    return _asked(getattr(monkey, "is_module_patched", None))


def _asked(is_patched: Callable[[str], bool] | None) -> list[str]:
    return [] if is_patched is None else [name for name in _MODULES if is_patched(name)]
