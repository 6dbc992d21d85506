"""Access to BMCs for driver calls: pooled sessions, limits on the requests in flight at each BMC, and circuit breakers."""

from typing import TYPE_CHECKING

from baremetal_sdk.exports import lazy_exports

if TYPE_CHECKING:
    from baremetal_sdk.bmc.access import BMCAccess, max_pooled_sessions, retry_on_expired_session
    from baremetal_sdk.bmc.auth_breaker import Refusal, Refusals, RefusalsInMemory
    from baremetal_sdk.bmc.borrowing import BMCCredential, SessionExpired
    from baremetal_sdk.bmc.slot_rules import SlotsInfo, parse_slot_rules
    from baremetal_sdk.bmc.slots import SlotTaken
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "access": ("BMCAccess", "max_pooled_sessions", "retry_on_expired_session"),
            "borrowing": ("BMCCredential", "SessionExpired"),
            "auth_breaker": ("Refusal", "Refusals", "RefusalsInMemory"),
            "slot_rules": ("SlotsInfo", "parse_slot_rules"),
            "slots": ("SlotTaken",),
        },
    )

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
