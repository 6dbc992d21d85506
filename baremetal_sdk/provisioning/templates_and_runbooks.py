"""Steps that operators prepared: deploy templates, which traits select, and runbooks, which clients name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, NotFound, Problem
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.policy import DeployTemplateRecord, RunbookRecord
from baremetal_sdk.store.records.query import Query


def template_steps(store: Store, node: NodeRecord) -> list[Mapping[str, Any]]:
    """The steps of the deploy templates that are named as a trait of the node's instance is, by the names of the templates.

    The traits of an instance are in ``instance_info``; the node has to have them. Raises ``InvalidInput`` where it has not.
    """
    wanted = node.instance_info.get("traits") or ()
    missing = sorted(set(wanted) - set(node.traits))
    if missing:
        raise InvalidInput(
            [Problem("instance_info/traits", f"the node does not have {', '.join(missing)}", "give the node them")]
        )
    if not wanted:
        return []
    query = Query(where={"name": tuple(wanted)}, fields=("steps",), sort_key="name")
    return [step for row in store.records(DeployTemplateRecord, query) for step in row["steps"]]


def runbook_arguments(store: Store, node: NodeRecord, arguments: Mapping[str, Any], phase: str) -> dict[str, Any]:
    """The arguments of a verb with the steps of the runbook that they name in place of it.

    A runbook is for the nodes that have one of its traits, or its name as a trait. Raises ``InvalidInput`` for another node.
    """
    try:
        runbook = store.record(RunbookRecord, arguments["runbook"])
    except NotFound as exc:
        raise InvalidInput(f"runbook: {exc.message}") from exc
    traits = {*runbook.traits, runbook.name}
    if not traits & set(node.traits):
        wrong = f"runbook {runbook.name!r} is not approved for node {node.uuid}"
        raise InvalidInput([Problem("runbook", wrong, "the node has to have one of its traits: " + ", ".join(sorted(traits)))])
    steps = sorted(runbook.steps, key=lambda step: step.get("order", 0))
    kept = {name: value for name, value in arguments.items() if name != "runbook"}
    return {"disable_ramdisk": runbook.disable_ramdisk, **kept, f"{phase}_steps": steps}
