"""The results of the kit as a support matrix to publish, in JSON and in Markdown."""

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
    """Return what the plugin offers: kind -> mix-ins, steps, power states and boot devices.

    A kind whose interface refuses validation with NotSupported is left out.
    """
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
    """Return the results of one run for the hardware type *name* as a JSON value, without addresses and secrets."""
    all_results = list(results)
    count = {verdict.value: sum(result.verdict is verdict for result in all_results) for verdict in Verdict}
    return {
        "contract": ".".join(map(str, CONTRACT_VERSION)),
        "hardware_type": name,
        "interfaces": {kind.value: type(interface).__name__ for kind, interface in subject.interfaces.items()},
        "offers": offers(subject),
        "summary": count,
        "rules": [{"name": result.name, "rule": result.rule, "verdict": result.verdict.value} for result in all_results],
    }


def as_json(*reports: Mapping[str, Any]) -> str:
    """Return one report, or a list of several, as a JSON document."""
    return json.dumps(reports[0] if len(reports) == 1 else list(reports), indent=2, ensure_ascii=False) + "\n"


def as_markdown(*reports: Mapping[str, Any]) -> str:
    """Return the reports as Markdown, one column for each: a table of offers, and a table with a row for each rule."""
    names = [str(document["hardware_type"]) for document in reports]
    signs = "*yes*: the rule holds; *no*: the plugin does not offer its subject; *not run*: the rule was left out."
    lines = [f"Contract {reports[0]['contract']}. {signs}", ""]
    lines += _table(["Offered", *names], [[kind, *[_offer_cell(document, kind) for document in reports]] for kind in Kind])
    rules = list(dict.fromkeys((rule["name"], rule["rule"]) for document in reports for rule in document["rules"]))
    verdicts = [{rule["name"]: rule["verdict"] for rule in document["rules"]} for document in reports]
    rows = [[sentence, *[_SIGNS.get(found.get(name, ""), "not run") for found in verdicts]] for name, sentence in rules]
    return "\n".join([*lines, "", *_table(["Rule", *names], rows)]) + "\n"


def _offer_cell(document: Mapping[str, Any], kind: Kind) -> str:
    found = document["offers"].get(kind.value)
    if found is None:
        return "no"
    return ", ".join([f"`{document['interfaces'][kind.value]}`", *found])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(header), _row(["---"] * len(header)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
