"""The BMC access layer: sessions that drivers borrow, a cap on what a BMC is asked at a time, breakers, deadlines."""

from baremetal_sdk.bmc.access import Account, BMCAccess, SessionExpired, most_sessions, renewed_once
from baremetal_sdk.bmc.breakers import Refusal, Refusals, RefusalsInMemory, SlotTaken

__all__ = [
    "Account",
    "BMCAccess",
    "Refusal",
    "Refusals",
    "RefusalsInMemory",
    "SessionExpired",
    "SlotTaken",
    "most_sessions",
    "renewed_once",
]
