"""How long a node may wait for something before the work that waits is given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from baremetal_sdk import states
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.provisioning import steps


class WaitingNode(steps.RunProgress, Protocol):
    """What is stored of a node that waits."""

    @property
    def provision_state(self) -> str:
        """The state that it waits in."""

    @property
    def provision_updated_at(self) -> datetime | None:
        """When it entered that."""


def wait_timeout(state: str, options: ConductorOptions) -> float:
    """Seconds that a node may wait in *state*; 0: for ever."""
    limits = {
        states.DEPLOYWAIT: options.deploy_callback_timeout,
        states.CLEANWAIT: options.clean_callback_timeout,
        states.INSPECTWAIT: options.inspect_wait_timeout,
        states.RESCUEWAIT: options.rescue_callback_timeout,
        states.SERVICEWAIT: options.service_callback_timeout,
    }
    return limits.get(state, 0.0)


def wait_timeout_reason(node: WaitingNode, options: ConductorOptions, now: datetime) -> str | None:
    """Why a node that waits does so no longer; None while it may.

    Who waits for an event is given the time anew with each one; a step that is polled has it once.
    """
    if steps.waiting_since(node) is not None:
        return poll_timeout_reason(node, node.provision_state, options, now)
    limit = wait_timeout(node.provision_state, options)
    return f"nothing was heard for {limit:g} s" if _is_over(limit, node.provision_updated_at, now) else None


def poll_timeout_reason(node: steps.RunProgress, state: str, options: ConductorOptions, now: datetime) -> str | None:
    """Why a step that is polled in *state* is given up; None while it may go on: that it answers says only that it is asked."""
    limit = wait_timeout(state, options)
    return f"{steps.step_label(node)} has not ended in {limit:g} s" if _is_over(limit, steps.waiting_since(node), now) else None


def _is_over(limit: float, since: datetime | None, now: datetime) -> bool:
    return limit > 0 and since is not None and now - since > timedelta(seconds=limit)
