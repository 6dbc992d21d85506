"""The BMC access layer: sessions that drivers borrow, a cap on what a BMC is asked at a time, breakers, deadlines."""

from baremetal_sdk.bmc.access import BMCAccess, max_pooled_sessions, retry_on_expired_session
from baremetal_sdk.bmc.borrowing import BMCCredential, SessionExpired
from baremetal_sdk.bmc.breakers import Refusal, Refusals, RefusalsInMemory
from baremetal_sdk.bmc.slots import SlotsInfo, SlotTaken, parse_slot_rules

__all__ = [
    "BMCAccess",
    "BMCCredential",
    "Refusal",
    "Refusals",
    "RefusalsInMemory",
    "SessionExpired",
    "SlotTaken",
    "SlotsInfo",
    "max_pooled_sessions",
    "parse_slot_rules",
    "retry_on_expired_session",
]
