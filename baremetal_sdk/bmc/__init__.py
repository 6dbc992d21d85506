"""The BMC access layer: sessions that drivers borrow, a cap on what a BMC is asked at a time, breakers, deadlines."""

from baremetal_sdk.bmc.access import BMCAccess, most_sessions, renewed_once
from baremetal_sdk.bmc.borrowing import Account, SessionExpired
from baremetal_sdk.bmc.breakers import Refusal, Refusals, RefusalsInMemory
from baremetal_sdk.bmc.slots import SlotTaken, TurnsInfo, turn_rules

__all__ = [
    "Account",
    "BMCAccess",
    "Refusal",
    "Refusals",
    "RefusalsInMemory",
    "SessionExpired",
    "SlotTaken",
    "TurnsInfo",
    "most_sessions",
    "renewed_once",
    "turn_rules",
]
