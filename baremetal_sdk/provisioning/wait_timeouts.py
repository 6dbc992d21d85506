"""Checks of whether the wait of a node, for an event or for a polled step, has exceeded its timeout."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from baremetal_sdk import states
from baremetal_sdk.config import ConductorOptions
from baremetal_sdk.provisioning import steps


class WaitingNode(steps.RunProgress, Protocol):
    """Protocol of the columns of a node that describe its wait. Records and rows with these columns implement it."""

    @property
    def provision_state(self) -> str:
        """The state in which the node waits."""

    @property
    def provision_updated_at(self) -> datetime | None:
        """The time at which the node entered that state."""


def wait_timeout(state: str, options: ConductorOptions) -> float:
    """Return the maximum number of seconds that a node may wait in provision state *state*. 0 means no limit."""
    timeouts = {
        states.DEPLOYWAIT: options.deploy_callback_timeout,
        states.CLEANWAIT: options.clean_callback_timeout,
        states.INSPECTWAIT: options.inspect_wait_timeout,
        states.RESCUEWAIT: options.rescue_callback_timeout,
        states.SERVICEWAIT: options.service_callback_timeout,
    }
    return timeouts.get(state, 0.0)


def wait_timeout_reason(node: WaitingNode, options: ConductorOptions, now: datetime) -> str | None:
    """Return the error text for a node whose wait has timed out, or None while its wait may continue.

    A node that waits for an event enters the wait state again after each event, so each event restarts its timeout. The
    timeout of a polled step covers all its polls together.
    """
    if steps.waiting_since(node) is not None:
        return poll_timeout_reason(node, node.provision_state, options, now)
    timeout = wait_timeout(node.provision_state, options)
    if not _is_over(timeout, node.provision_updated_at, now):
        return None
    return f"no event arrived within {timeout:g} s"


def poll_timeout_reason(node: steps.RunProgress, state: str, options: ConductorOptions, now: datetime) -> str | None:
    """Return the error text for a polled step whose wait has timed out, or None while its wait may continue.

    *state* is the wait state of the node. Answers of the step do not prolong its wait.
    """
    timeout = wait_timeout(state, options)
    if not _is_over(timeout, steps.waiting_since(node), now):
        return None
    return f"{steps.step_label(node)} did not finish within {timeout:g} s"


def _is_over(timeout: float, since: datetime | None, now: datetime) -> bool:
    return timeout > 0 and since is not None and now - since > timedelta(seconds=timeout)
