"""Steps that go on in the background: what is kept of them on the node, and how Ironic goes on when they are over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ironic.common import async_steps, states
from ironic.conductor import utils as conductor

from baremetal_interfaces import Kind, Phase, Step, Wait

_KEY = "contract_wait"
_OPERATIONS = {states.CLEANWAIT: "clean", states.DEPLOYWAIT: "deploy", states.SERVICEWAIT: "service"}

STATES = [*_OPERATIONS, states.RESCUEWAIT]
"""The provision states in which a plugin may be waited for."""

Poll = Callable[[Any, Step, Mapping[str, Any]], Wait | None]
Done = Callable[[Any, Step, Mapping[str, Any]], None]


def begin(node: Any, step: Step, kind: Kind, arguments: Mapping[str, Any], wait: Wait) -> str:
    """Remember a step that waits; the state that Ironic is to be told.

    Without ``poll_after`` it is resumed by what resumes a step after a reboot in Ironic: the heartbeat of an agent.
    """
    _keep(node, {"kind": kind.value, "phase": step.phase.value, "step": step.name, "method": step.method}, arguments, wait)
    polled = wait.poll_after is not None
    async_steps.set_node_flags(node, reboot=not polled, skip_current_step=True, polling=polled or None)
    return str(async_steps.get_return_state(node))


def begin_rescue(node: Any, wait: Wait) -> None:
    """Remember a rescue that waits."""
    _keep(node, {"kind": Kind.RESCUE.value, "phase": "", "step": "rescue", "method": "rescue"}, {}, wait)
    node.save()


def forget(node: Any) -> None:
    """Nothing of the node waits any more."""
    if _KEY in node.driver_internal_info:
        node.del_driver_internal_info(_KEY)


def is_due(internal: Mapping[str, Any]) -> bool:
    """Whether something waits that is to be asked about now."""
    due = (internal.get(_KEY) or {}).get("due")
    return due is not None and time.time() >= float(due)


def is_of(node: Any, kind: Kind) -> bool:
    """Whether what waits is of that kind, and is still what Ironic waits for."""
    found = node.driver_internal_info.get(_KEY) or {}
    if found.get("kind") != kind.value:
        return False
    current = {"clean": node.clean_step, "deploy": node.deploy_step, "service": node.service_step}.get(found["phase"])
    return not found["phase"] or (current or {}).get("step") == found["step"]


def for_event(node: Any) -> bool:
    """Whether something waits that is not polled."""
    found = node.driver_internal_info.get(_KEY)
    return found is not None and found["due"] is None and node.provision_state in _OPERATIONS


def event(task: Any) -> None:
    """What was waited for has come: go on with the next step."""
    forget(task.node)
    task.node.save()
    _resume(task)


def go_on(task: Any, poll: Poll, done: Done) -> None:
    """Ask, and wait on, go on with the next step, or end in failure."""
    node = task.node
    found = node.driver_internal_info[_KEY]
    step = Step(Phase(found["phase"] or "service"), found["step"], found["method"])
    try:
        outcome = poll(task, step, found["state"])
        if outcome is None:
            done(task, step, found["arguments"])
    except Exception as exc:
        forget(node)
        _fail(task, f"{found['kind']}.{found['step']} failed: {exc}")
        return
    if outcome is not None:
        _keep(node, {name: found[name] for name in ("kind", "phase", "step", "method")}, found["arguments"], outcome)
        node.save()
        return
    forget(node)
    node.save()
    _resume(task)


def _keep(node: Any, what: Mapping[str, Any], arguments: Mapping[str, Any], wait: Wait) -> None:
    due = None if wait.poll_after is None else time.time() + wait.poll_after
    entry = {**what, "arguments": dict(arguments), "state": dict(wait.state), "due": due}
    node.set_driver_internal_info(_KEY, entry)


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
