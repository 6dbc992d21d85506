"""What a run of the kit found, as a support matrix to publish: JSON for programs, Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from baremetal_interfaces.conformance.outcome import Result, Verdict
from baremetal_interfaces.conformance.reads import CAPABILITIES
from baremetal_interfaces.conformance.subject import Subject, failure
from baremetal_interfaces.errors import BareMetalError, NotSupported
from baremetal_interfaces.values import Kind
from baremetal_interfaces.version import CONTRACT_VERSION

_SIGNS = {Verdict.PASSED.value: "yes", Verdict.FAILED.value: "**broken**", Verdict.NOT_OFFERED.value: "no"}


def offers(subject: Subject) -> dict[str, list[str]]:
    """Kind -> what is offered of it: the class, power states, boot devices, mix-ins. A kind that refuses is left out."""
    found: dict[str, list[str]] = {}
    for kind, interface in subject.interfaces.items():
        if isinstance(failure(subject.task(), kind, "validate"), NotSupported):
            continue
        mixed_in = (capability for capability in CAPABILITIES.get(kind, ()) if isinstance(interface, capability))
        found[kind.value] = sorted(capability.__name__ for capability in mixed_in)
        found[kind.value] += sorted({step.name for step in interface.steps})
    if Kind.POWER in subject.interfaces:
        found[Kind.POWER.value] += sorted(state.value for state in subject.power.supported_states)
    if Kind.MANAGEMENT in subject.interfaces:
        try:
            devices = subject.task().call(Kind.MANAGEMENT, "get_supported_boot_devices")
        except BareMetalError:
            devices = frozenset()
        found[Kind.MANAGEMENT.value] += sorted(device.value for device in devices)
    return found


def report(name: str, subject: Subject, results: Iterable[Result]) -> dict[str, Any]:
    """The JSON value of one run for the hardware type *name*. It holds no address and no secret."""
    listed = list(results)
    count = {verdict.value: sum(one.verdict is verdict for one in listed) for verdict in Verdict}
    return {
        "contract": ".".join(map(str, CONTRACT_VERSION)),
        "hardware_type": name,
        "interfaces": {kind.value: type(interface).__name__ for kind, interface in subject.interfaces.items()},
        "offers": offers(subject),
        "summary": count,
        "rules": [{"name": one.name, "rule": one.rule, "verdict": one.verdict.value} for one in listed],
    }


def as_json(*reports: Mapping[str, Any]) -> str:
    """The reports as one JSON document."""
    return json.dumps(reports[0] if len(reports) == 1 else list(reports), indent=2, ensure_ascii=False) + "\n"


def as_markdown(*reports: Mapping[str, Any]) -> str:
    """The reports side by side: what is offered, and a row for each rule."""
    names = [str(one["hardware_type"]) for one in reports]
    lines = [f"Contract {reports[0]['contract']}. *yes*: the rule holds; *no*: nothing to show of it.", ""]
    lines += _table(["Offered", *names], [[kind, *[_offered(one, kind) for one in reports]] for kind in Kind])
    rules = list(dict.fromkeys((rule["name"], rule["rule"]) for one in reports for rule in one["rules"]))
    verdicts = [{rule["name"]: rule["verdict"] for rule in one["rules"]} for one in reports]
    rows = [[sentence, *[_SIGNS.get(found.get(name, ""), "not run") for found in verdicts]] for name, sentence in rules]
    return "\n".join([*lines, "", *_table(["Rule", *names], rows)]) + "\n"


def _offered(one: Mapping[str, Any], kind: Kind) -> str:
    found = one["offers"].get(kind.value)
    if found is None:
        return "no"
    return ", ".join([f"`{one['interfaces'][kind.value]}`", *found])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(header), _row(["---"] * len(header)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
