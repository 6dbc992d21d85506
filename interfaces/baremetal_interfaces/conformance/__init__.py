"""The conformance kit: tells whether a plugin keeps the contract, without a runtime and without hardware of its own."""

from baremetal_interfaces.conformance.case import HardwareTypeConformance
from baremetal_interfaces.conformance.outcome import NotOffered, Result, Violation
from baremetal_interfaces.conformance.rules import RULES, run
from baremetal_interfaces.conformance.subject import Subject

__all__ = ["RULES", "HardwareTypeConformance", "NotOffered", "Result", "Subject", "Violation", "run"]
