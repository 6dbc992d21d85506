"""The conformance kit: checks whether a plugin keeps the contract, without a runtime.

``HardwareTypeConformance`` needs testtools (``pip install 'baremetal-interfaces[conformance]'``) and is imported on first use.
"""

from typing import TYPE_CHECKING

from baremetal_interfaces.conformance.outcome import NotOffered, Result, Violation
from baremetal_interfaces.conformance.rules import RULES, run
from baremetal_interfaces.conformance.subject import Subject

if TYPE_CHECKING:
    from baremetal_interfaces.conformance.case import HardwareTypeConformance
else:
    from baremetal_interfaces.conformance.exports import __getattr__  # noqa: F401

__all__ = ["RULES", "HardwareTypeConformance", "NotOffered", "Result", "Subject", "Violation", "run"]
