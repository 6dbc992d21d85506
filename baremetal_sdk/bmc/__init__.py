"""The BMC access layer: sessions that drivers borrow, a cap on what a BMC is asked at a time, breakers, deadlines."""

from baremetal_sdk.bmc.access import BMCAccess, SessionExpired
from baremetal_sdk.bmc.breakers import Refusal, Refusals, RefusalsInMemory

__all__ = ["BMCAccess", "Refusal", "Refusals", "RefusalsInMemory", "SessionExpired"]
