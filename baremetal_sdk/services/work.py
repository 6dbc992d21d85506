"""What is done in each provision state in which a task works on the node. It runs on a worker, under the task's lease."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from baremetal_interfaces import (
    BareMetalError,
    Conflict,
    InspectedPort,
    Inspection,
    Kind,
    NotSupported,
    Phase,
    PowerState,
    UnexpectedAnswer,
    Wait,
)
from baremetal_sdk import provision, steps
from baremetal_sdk.errors import InvalidStateRequested, LeaseLost, MACAlreadyExists
from baremetal_sdk.services import transitions
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records import PortRecord
from baremetal_sdk.task import NodeTask

if TYPE_CHECKING:
    from baremetal_sdk.services.provisioning import Resuming

Work = Callable[[NodeTask], None]


class Works:
    """State -> the work that is done in it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.resuming: Resuming | None = None
        self._works: dict[str, Work] = {
            provision.VERIFYING: self._verify,
            provision.INSPECTING: self._inspect,
            provision.CLEANING: self._clean,
            provision.DEPLOYING: self._deploy,
            provision.DELETING: self._tear_down,
            provision.ADOPTING: self._adopt,
            provision.SERVICING: lambda task: self._run(task, steps.run),
        }

    def of(self, state: str) -> Work | None:
        """The work of a state, with its failures dealt with; None where there is nothing to do."""
        begin = self._works.get(state)
        return None if begin is None else lambda task: self._guarded(task, begin)

    def knows(self, event: str, state: str) -> bool:
        """Whether this release can do what *event* asks for."""
        return event in ("abort", "unhold") or state in provision.STABLE or state in self._works

    def abort(self, task: NodeTask, state: str) -> None:
        """End a wait that a client no longer wants."""
        record = task.record
        waiting = record.run_steps[record.run_index] if record.run_index is not None and record.run_steps else None
        if record.provision_state == provision.CLEANWAIT and waiting is not None and not waiting.get("abortable"):
            raise InvalidStateRequested(
                f"target: clean step {waiting['interface']}.{waiting['step']} cannot be aborted; wait for its end"
            )
        if record.provision_state == provision.INSPECTWAIT:
            task.call(Kind.INSPECT, "abort")
        reason = f"{record.provision_state}: aborted by a client"
        transitions.enter(task, state, record.target_provision_state, last=True, **{**steps.ENDED, "last_error": reason})

    def run_again(self, task: NodeTask) -> None:
        """Go on with the run of a conductor that died in it, from the step that it died in."""
        self._guarded(task, lambda task: self._run(task, steps.run))

    def resume(self, task: NodeTask) -> None:
        """Go on with a run that waited, because its time to be polled has come."""
        self._guarded(task, self._poll)

    def _guarded(self, task: NodeTask, work: Work) -> None:
        try:
            work(task)
        except LeaseLost:
            raise
        except BareMetalError as exc:
            self._failed(task, exc)
        except Exception as exc:
            task.log.exception("work of state '%s' failed", task.record.provision_state)
            self._failed(task, exc)

    def _failed(self, task: NodeTask, error: Exception) -> None:
        """Leave the node truthful: what its power is now, and the state of failure with the reason."""
        if task.record.provision_state == provision.DEPLOYING:
            self._quietly(task, lambda: task.call(Kind.DEPLOY, "clean_up"))
        if not isinstance(error, LeaseLost) and task.record.provision_state != provision.VERIFYING:
            self._quietly(task, lambda: task.power.get())
        transitions.fail(task, error)

    def _quietly(self, task: NodeTask, function: Callable[[], object]) -> None:
        """Try what helps after a failure, and must not hide it."""
        try:
            function()
        except LeaseLost:
            raise
        except BareMetalError as exc:
            task.log.warning("after a failure: %s", exc)

    def _verify(self, task: NodeTask) -> None:
        if task.power.get() is PowerState.UNKNOWN:
            raise UnexpectedAnswer("the BMC does not say whether the machine is on or off")
        entries = steps.automatic(task.driver, Phase.VERIFY)
        if entries:
            task.write(**steps.begin(Phase.VERIFY, entries))
            if steps.run(task) is not None:
                raise NotSupported("a verify step waits, and only the steps of other phases can")
        transitions.follow(task, "done", last=True, **(steps.ENDED if entries else {}))

    def _inspect(self, task: NodeTask) -> None:
        task.write(inspection_started_at=task.clock.now(), inspection_finished_at=None)
        found = task.call(Kind.INSPECT, "inspect", timeout=steps.STEP_TIMEOUT)
        if isinstance(found, Wait):
            transitions.follow(task, "wait", last=True)
            return
        if not isinstance(found, Inspection):
            raise UnexpectedAnswer(f"the inspection returned {found!r}; it has to return Inspection or Wait")
        for port in found.ports:
            self._add_port(task, port)
        internal = dict(task.record.driver_internal_info)
        if found.inventory is not None:
            internal["inventory"] = found.inventory
        transitions.follow(
            task,
            "done",
            last=True,
            properties={**task.record.properties, **found.properties},
            driver_internal_info=internal,
            inspection_finished_at=task.clock.now(),
        )

    def _add_port(self, task: NodeTask, found: InspectedPort) -> None:
        assert task.lease is not None
        pxe_enabled = True if found.pxe_enabled is None else found.pxe_enabled
        port = PortRecord(uuid=str(uuid.uuid4()), node_uuid=task.record.uuid, address=found.address, pxe_enabled=pxe_enabled)
        try:
            self._store.create_port(port, fence=task.lease.fence)
        except MACAlreadyExists:
            if self._store.port(found.address).node_uuid != task.record.uuid:
                raise Conflict(f"the inspection found a port {found.address}, which another node has") from None

    def _clean(self, task: NodeTask) -> None:
        manual = task.record.target_provision_state == provision.MANAGEABLE
        if not manual and task.record.run_id is None:
            if not self._wants_cleaning(task):
                transitions.follow(task, "done", last=True)
                return
            task.write(**steps.begin(Phase.CLEAN, steps.automatic(task.driver, Phase.CLEAN)))
        if task.record.run_index == 0 and task.record.run_steps and task.call(Kind.DEPLOY, "prepare_cleaning") is not None:
            raise NotSupported("the deploy interface waits for an agent to clean the node, and this release has none")
        self._run(task, steps.run)

    def _wants_cleaning(self, task: NodeTask) -> bool:
        own = task.record.automated_clean
        return task.options.automated_clean if own is None else own

    def _deploy(self, task: NodeTask) -> None:
        if task.record.run_index == 0:
            task.call(Kind.DEPLOY, "prepare")
        self._run(task, steps.run)

    def _poll(self, task: NodeTask) -> None:
        transitions.follow(task, "resume")
        self._run(task, steps.poll)

    def _run(self, task: NodeTask, advance: Callable[[NodeTask], steps.Waiting | None]) -> None:
        waiting = advance(task)
        if waiting is not None:
            transitions.follow(task, "hold" if waiting.held else "wait", last=True)
            assert self.resuming is not None
            self.resuming.later(task.record.uuid, waiting)
        elif task.record.provision_state == provision.CLEANING:
            self._cleaned(task)
        else:
            transitions.follow(task, "done", last=True, **steps.ENDED)

    def _cleaned(self, task: NodeTask) -> None:
        if task.record.run_steps:
            task.call(Kind.DEPLOY, "tear_down_cleaning")
        manual = task.record.target_provision_state == provision.MANAGEABLE
        transitions.follow(task, "manage" if manual else "done", last=True, **steps.ENDED)

    def _tear_down(self, task: NodeTask) -> None:
        outcome = task.call(Kind.DEPLOY, "tear_down", timeout=steps.STEP_TIMEOUT)
        if outcome is not None:
            raise NotSupported("the deploy interface waits while it tears down, and this release cannot wait there")
        task.call(Kind.DEPLOY, "clean_up")
        transitions.follow(
            task, "clean", instance_uuid=None, instance_name=None, instance_info={}, network_data={}, **steps.ENDED
        )
        self._clean(task)

    def _adopt(self, task: NodeTask) -> None:
        if task.power.get() is PowerState.UNKNOWN:
            raise UnexpectedAnswer("the BMC does not say whether the machine is on or off")
        task.call(Kind.DEPLOY, "take_over")
        transitions.follow(task, "done", last=True)
