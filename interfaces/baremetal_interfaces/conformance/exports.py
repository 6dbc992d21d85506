"""Import of ``HardwareTypeConformance`` on first use: the only name of the kit that needs testtools."""

import importlib
from typing import Any

MISSING_EXTRA = "the conformance kit needs testtools; install it with: pip install 'baremetal-interfaces[conformance]'"
"""Error message if testtools is not installed."""


def __getattr__(name: str) -> Any:
    """Return ``HardwareTypeConformance`` for the package; raise ``AttributeError`` for any other *name*.

    Raises ``ModuleNotFoundError`` with the command that installs testtools, if testtools is missing.
    """
    if name != "HardwareTypeConformance":
        raise AttributeError(f"module 'baremetal_interfaces.conformance' has no attribute {name!r}")
    try:
        module = importlib.import_module("baremetal_interfaces.conformance.case")
    except ModuleNotFoundError as exc:
        if exc.name != "testtools":
            raise
        raise ModuleNotFoundError(MISSING_EXTRA, name="testtools") from exc
    return module.HardwareTypeConformance
