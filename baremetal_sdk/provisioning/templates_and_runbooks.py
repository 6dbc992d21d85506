"""Lookup of steps that operators have prepared in deploy templates and runbooks.

The traits of an instance select deploy templates. A client selects a runbook by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, NotFound, Problem
from baremetal_sdk.provisioning.step_entry import StepRequest
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.policy import DeployTemplateRecord, RunbookRecord
from baremetal_sdk.store.records.query import Query


def template_steps(store: Store, node: NodeRecord) -> list[StepRequest]:
    """Return the steps of the deploy templates whose names are traits of the node's instance, sorted by template name.

    The traits of the instance are in ``instance_info``. Raises ``InvalidInput`` if the node lacks one of them.
    """
    traits = node.instance_info.get("traits") or ()
    missing = sorted(set(traits) - set(node.traits))
    if missing:
        wrong = f"the node lacks the traits {', '.join(missing)}"
        raise InvalidInput([Problem("instance_info/traits", wrong, "add them to the node, or remove them from this field")])
    if not traits:
        return []
    query = Query(where={"name": tuple(traits)}, fields=("steps",), sort_key="name")
    return [StepRequest.from_json(step) for row in store.records(DeployTemplateRecord, query) for step in row["steps"]]


def runbook_arguments(store: Store, node: NodeRecord, arguments: Mapping[str, Any], phase: str) -> dict[str, Any]:
    """Return *arguments* of a verb with the steps of a runbook in place of the name of the runbook.

    *phase* is the phase of these steps. A runbook is approved for nodes that have one of its traits, or its name as a trait.
    Raises ``InvalidInput`` for other nodes and for an unknown runbook.
    """
    try:
        runbook = store.record(RunbookRecord, arguments["runbook"])
    except NotFound as exc:
        raise InvalidInput(f"runbook: {exc.message}") from exc
    traits = {*runbook.traits, runbook.name}
    if not traits & set(node.traits):
        wrong = f"runbook {runbook.name!r} is not approved for node {node.uuid}"
        raise InvalidInput([Problem("runbook", wrong, "the node needs one of the traits " + ", ".join(sorted(traits)))])
    steps = sorted(runbook.steps, key=lambda step: step.get("order", 0))
    others = {name: value for name, value in arguments.items() if name != "runbook"}
    return {"disable_ramdisk": runbook.disable_ramdisk, **others, f"{phase}_steps": steps}
