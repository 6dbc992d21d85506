"""What is kept of an agent that runs on a machine: where it is, and what its token hashes to. It goes when the agent does."""

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
"""The SHA-256 of the token: the token itself is known to the agent alone."""
_KEPT = frozenset({URL, VERSION, LAST_HEARTBEAT, VERIFY_CA, STATUS, STATUS_MESSAGE, TOKEN})

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
"""Provision states in which an agent may run on the machine. In any other there is none to speak with."""


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def has_token(record: NodeRecord) -> bool:
    """Whether an agent of the node was given a token."""
    return TOKEN in record.driver_internal_info


def matches_token(record: NodeRecord, token: str) -> bool:
    """Whether *token* is the one that the node's agent was given."""
    kept = record.driver_internal_info.get(TOKEN)
    return isinstance(kept, str) and hmac.compare_digest(kept, hash_token(token))


def removal_changes(record: NodeRecord) -> dict[str, Any]:
    """The changes that forget the agent; none where there is nothing to forget."""
    info: Mapping[str, Any] = record.driver_internal_info
    if _KEPT.isdisjoint(info):
        return {}
    return {"driver_internal_info": {name: value for name, value in info.items() if name not in _KEPT}}
