"""The doctor: examination of a process, its configuration and its environment for problems of a conductor."""

from baremetal_sdk.doctor.examination import examine
from baremetal_sdk.doctor.finding import Finding, Outcome
from baremetal_sdk.doctor.process import Process

__all__ = ["Finding", "Outcome", "Process", "examine"]
