"""Access to the data that a node keeps about the deployment agent on its machine.

The data, such as the agent's address and the hash of its token, is part of ``driver_internal_info``.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from baremetal_sdk import states
from baremetal_sdk.store.records.node import NodeRecord

URL = "agent_url"
VERSION = "agent_version"
LAST_HEARTBEAT = "agent_last_heartbeat"
VERIFY_CA = "agent_verify_ca"
STATUS = "agent_status"
STATUS_MESSAGE = "agent_status_message"
TOKEN = "agent_secret_token"
"""Key of the SHA-256 of the agent's token in ``driver_internal_info``. Only the agent has the token itself."""
BMC_ADDRESSES = "lookup_bmc_addresses"
"""Key of the IP addresses of the node's BMC in ``driver_internal_info``, set while the node waits for its inspection results."""
_KEYS = frozenset({URL, VERSION, LAST_HEARTBEAT, VERIFY_CA, STATUS, STATUS_MESSAGE, TOKEN})

AGENT_STATES = frozenset(
    {
        states.DEPLOYING,
        states.DEPLOYWAIT,
        states.CLEANING,
        states.CLEANWAIT,
        states.INSPECTING,
        states.INSPECTWAIT,
        states.RESCUING,
        states.RESCUEWAIT,
        states.SERVICING,
        states.SERVICEWAIT,
    }
)
"""Provision states in which an agent may run on the machine. In all other states, the data of the agent is removed."""


def new_token() -> str:
    """Return a new random token for an agent."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the hash of an agent's token in the form that nodes store: SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def has_token(record: NodeRecord) -> bool:
    """Return whether the node stores the hash of a token, because an agent has received one."""
    return TOKEN in record.driver_internal_info


def matches_token(record: NodeRecord, token: str) -> bool:
    """Return whether *token* is the one that the node's agent received. False if no token was issued."""
    stored = record.driver_internal_info.get(TOKEN)
    return isinstance(stored, str) and hmac.compare_digest(stored, hash_token(token))


def removal_changes(record: NodeRecord, *, expects_agent: bool = True) -> dict[str, Any]:
    """Return the changes of the node's record that remove the agent's data. Empty if the node has none.

    While the node *expects_agent*, the addresses of its BMC stay: the next agent is found by them.
    """
    info: Mapping[str, Any] = record.driver_internal_info
    removed = _KEYS if expects_agent else _KEYS | {BMC_ADDRESSES}
    if removed.isdisjoint(info):
        return {}
    return {"driver_internal_info": {name: value for name, value in info.items() if name not in removed}}
