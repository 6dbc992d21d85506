"""Waiting steps of plugins under Ironic.

``driver_internal_info`` of the node records a waiting step. Polls or the heartbeat of the agent resume it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ironic.common import async_steps, states
from ironic.conductor import utils as conductor

from baremetal_interfaces import Kind, Phase, Step, Wait
from baremetal_interfaces.steady_time import steady_time

_WAIT_KEY = "contract_wait"
_OPERATIONS = {states.CLEANWAIT: "clean", states.DEPLOYWAIT: "deploy", states.SERVICEWAIT: "service"}

STATES = [*_OPERATIONS, states.RESCUEWAIT]
"""Provision states in which a plugin's step may wait."""

Poll = Callable[[Any, Step, Mapping[str, Any]], Wait | None]
Done = Callable[[Any, Step, Mapping[str, Any]], None]


def start_wait(node: Any, step: Step, kind: Kind, *, arguments: Mapping[str, Any], wait: Wait) -> str:
    """Record a waiting step on the node, and return the provision state in which Ironic waits for it.

    A step without ``poll_after`` is resumed like a step after a reboot in Ironic: by the heartbeat of an agent.
    """
    identity = {"kind": kind.value, "phase": step.phase.value, "step": step.name, "method": step.method}
    _store_wait(node, identity, arguments=arguments, wait=wait)
    polled = wait.poll_after is not None
    async_steps.set_node_flags(node, reboot=not polled, skip_current_step=True, polling=polled or None)
    return str(async_steps.get_return_state(node))


def start_rescue_wait(node: Any, wait: Wait) -> None:
    """Record on the node that its rescue waits for polls, and save the node."""
    identity = {"kind": Kind.RESCUE.value, "phase": "", "step": "rescue", "method": "rescue"}
    _store_wait(node, identity, arguments={}, wait=wait)
    node.save()


def clear_wait(node: Any) -> None:
    """Remove the record of a waiting step from the node, without saving the node."""
    if _WAIT_KEY in node.driver_internal_info:
        node.del_driver_internal_info(_WAIT_KEY)


def is_due(internal: Mapping[str, Any]) -> bool:
    """Return whether *internal*, a ``driver_internal_info``, records a step that is due for a poll now."""
    due = (internal.get(_WAIT_KEY) or {}).get("due")
    return due is not None and steady_time() >= float(due)


def is_for_kind(node: Any, kind: Kind) -> bool:
    """Return whether the recorded step belongs to the interface of *kind*, and is still the current step in Ironic."""
    found = node.driver_internal_info.get(_WAIT_KEY) or {}
    if found.get("kind") != kind.value:
        return False
    current = {"clean": node.clean_step, "deploy": node.deploy_step, "service": node.service_step}.get(found["phase"])
    return not found["phase"] or (current or {}).get("step") == found["step"]


def waits_for_event(node: Any) -> bool:
    """Return whether the node is in a wait state, and its recorded step waits for an event instead of polls."""
    found = node.driver_internal_info.get(_WAIT_KEY)
    return found is not None and found["due"] is None and node.provision_state in _OPERATIONS


def handle_event(task: Any) -> None:
    """Remove the record of the waiting step, and resume the cleaning, deployment or service of the node."""
    clear_wait(task.node)
    task.node.save()
    _resume(task)


def poll_and_continue(task: Any, poll: Poll, done: Done) -> None:
    """Call *poll* for the recorded step. If it returns a Wait, record that; if it returns None, call *done* and resume.

    An exception of *poll* or *done* fails the cleaning, deployment, service or rescue.
    """
    node = task.node
    found = node.driver_internal_info[_WAIT_KEY]
    step = Step(Phase(found["phase"] or "service"), found["step"], found["method"])
    try:
        outcome = poll(task, step, found["state"])
        if outcome is None:
            done(task, step, found["arguments"])
    except Exception as exc:
        clear_wait(node)
        _fail(task, f"{found['kind']}.{found['step']} failed: {exc}")
        return
    if outcome is not None:
        identity = {name: found[name] for name in ("kind", "phase", "step", "method")}
        _store_wait(node, identity, arguments=found["arguments"], wait=outcome)
        node.save()
        return
    clear_wait(node)
    node.save()
    _resume(task)


def _store_wait(node: Any, identity: Mapping[str, Any], *, arguments: Mapping[str, Any], wait: Wait) -> None:
    due = None if wait.poll_after is None else steady_time() + wait.poll_after
    entry = {**identity, "arguments": dict(arguments), "state": dict(wait.state), "due": due}
    node.set_driver_internal_info(_WAIT_KEY, entry)


def _resume(task: Any) -> None:
    state = task.node.provision_state
    if state == states.RESCUEWAIT:
        task.process_event("resume")
        task.process_event("done")
    else:
        conductor.notify_conductor_resume_operation(task, _OPERATIONS[state])


def _fail(task: Any, message: str) -> None:
    handlers = {
        states.CLEANWAIT: conductor.cleaning_error_handler,
        states.DEPLOYWAIT: conductor.deploying_error_handler,
        states.SERVICEWAIT: conductor.servicing_error_handler,
    }
    state = task.node.provision_state
    if state == states.RESCUEWAIT:
        conductor.rescuing_error_handler(task, message)
    else:
        handlers[state](task, message, message)
