"""The one name of the kit that needs testtools, imported when it is first asked for."""

import importlib
from typing import Any

MISSING_EXTRA = "the conformance kit needs testtools; install it with: pip install 'baremetal-interfaces[conformance]'"
"""The error message where the extra is not installed."""


def __getattr__(name: str) -> Any:
    """Return ``HardwareTypeConformance`` for the package; raise ``AttributeError`` for any other *name*.

    Raises ``ModuleNotFoundError`` that names the extra to install where testtools is missing.
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
