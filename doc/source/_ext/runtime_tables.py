"""Directives that build tables from the code, so that the documentation always matches it."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from baremetal_sdk import config, states
from baremetal_sdk.api.v1.catalog import routes
from baremetal_sdk.config import options
from baremetal_sdk.observability.metrics import METRICS
from baremetal_sdk.update_rules import table as update_rules
from baremetal_sdk.update_rules.rules import list_states


class _Table(Directive):
    """Base of the directives: a list table with the rows of the subclass, as reStructuredText."""

    has_content = False
    header: Sequence[str] = ()
    widths: Sequence[int] = ()

    def rows(self) -> Iterable[Sequence[str]]:
        """Return the rows below the header."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return the parsed table, which replaces the directive."""
        lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, self.widths))}", ""]
        for row in (self.header, *self.rows()):
            lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(row)]
        parent = nodes.container()
        self.state.nested_parse(StringList([*lines, ""], source="runtime_tables"), self.content_offset, parent)
        return parent.children


class ConfigOptions(_Table):
    """``.. config-options:: APIConfig``: the options of one dataclass of ``baremetal_sdk.config``."""

    required_arguments = 1
    header = ("Option", "Type", "Default", "Meaning")
    widths = (28, 14, 14, 44)

    def rows(self) -> Iterable[Sequence[str]]:
        """Return one row for each option."""
        section = getattr(config, self.arguments[0])
        bounds = {field.name: field.metadata for field in dataclasses.fields(section)}
        for option in options.build_options(section):
            yield f"``{option.dest}``", _type(option.type), _default(option.default), _meaning(option.help, bounds[option.dest])


class ProvisionTable(_Table):
    """``.. provision-table::``: every transition of the provision states."""

    header = ("State", "Event", "Next state")
    widths = (33, 33, 33)

    def rows(self) -> Iterable[Sequence[str]]:
        """Return one row for each transition."""
        for transition in states.TRANSITIONS:
            yield tuple(f"``{part}``" for part in transition)


class MetricsTable(_Table):
    """``.. metrics-table::``: every metric."""

    header = ("Metric", "Type", "Labels", "Meaning")
    widths = (42, 10, 18, 30)

    def rows(self) -> Iterable[Sequence[str]]:
        """Return one row for each metric."""
        for metric in METRICS:
            name = metric.name if metric.type == "histogram" else metric.series[0]
            yield f"``{name}``", metric.type, ", ".join(f"``{label}``" for label in metric.labels), metric.meaning


class APIRoutes(_Table):
    """``.. api-routes::``: every request, and the microversion that added it."""

    header = ("Request", "Since", "Status before", "Purpose")
    widths = (40, 8, 8, 44)

    def rows(self) -> Iterable[Sequence[str]]:
        """Return one row for each route, sorted by path. A route of version 1.1 has no status before."""
        for route in sorted(routes(), key=lambda route: (route["path"], route["method"])):
            before = str(route["too_old"]) if route["since"] != "1.1" else ""
            yield f"``{route['method']} {route['path']}``", route["since"], before, route["summary"]


class APIVersions(_Table):
    """``.. api-versions::``: the additions of each microversion."""

    header = ("Version", "Requests", "Parameters and fields of requests")
    widths = (10, 45, 45)

    def rows(self) -> Iterable[Sequence[str]]:
        """Return one row for each microversion."""
        served: dict[int, list[str]] = {}
        parameters: dict[int, dict[str, None]] = {}
        for route in routes():
            first = _minor(route["since"])
            served.setdefault(first, []).append(f"``{route['method']} {route['path']}``")
            fields = route["body"] if isinstance(route["body"], list) else []
            for parameter in (*route["query"], *fields):
                if _minor(parameter["since"]) > first:
                    name = f"``{parameter['name']}`` of ``{route['method']} {route['path']}``"
                    parameters.setdefault(_minor(parameter["since"]), {})[name] = None
        for minor in sorted({*served, *parameters}):
            yield f"1.{minor}", ", ".join(served.get(minor, ())), ", ".join(parameters.get(minor, ()))


class UpdateRules(_Table):
    """``.. update-rules::``: the rules for changes and deletions, and the states of a node that allow them."""

    header = ("Change", "Fields", "Allowed in", "Applies if", "Refusal", "Lock")
    widths = (14, 24, 26, 20, 10, 6)

    def rows(self) -> Iterable[Sequence[str]]:
        """Return one row for each rule, and one for the fields of each operation without a rule of their own."""
        for operation in update_rules.OPERATIONS:
            change = f"{operation.resource}: {operation.name}"
            lock = "yes" if operation.needs_lock else "no"
            for rule in operation.rules:
                allowed = list_states(rule.allowed) + (" (every state in maintenance)" if rule.in_maintenance else "")
                status = f"{rule.error.code} ``{rule.error.__name__}``"
                condition = "always" if rule.when is None else rule.when.meaning
                yield change, _fields(rule.fields), allowed, condition, status, lock
            if operation.unrestricted or not operation.rules:
                yield change, _fields(operation.unrestricted), "every state", "always", "none", lock


class IronicPlaces(_Table):
    """``.. ironic-places::``: the counterpart in Ironic of each part of the contract."""

    header = ("Kind", "The contract", "Ironic 39", "Difference")
    widths = (10, 26, 36, 28)

    def rows(self) -> Iterable[Sequence[str]]:
        """Return one row for each method."""
        # This is the only module of the bridge that can be imported without Ironic.
        mapping = importlib.import_module("baremetal_ironic_bridge.mapping")
        kinds = [("any", mapping.ANY_KIND), *((kind.value, places) for kind, places in mapping.PLACES.items())]
        for kind, places in kinds:
            for method, place in places.items():
                called = [name if " " in name else f"``{name}``" for name in place.ironic]
                yield kind, f"``{method}``", ", ".join(called) or "none", place.note


def _fields(names: Sequence[str]) -> str:
    return ", ".join(f"``{name}``" for name in names) or "any"


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def _type(of: Any) -> str:
    # oslo.config's types describe themselves as "Integer(min=0, max=65535)" or "List of String".
    return re.split(r"[ (]", str(of))[0].lower()


def _default(value: Any) -> str:
    return "" if value in (None, "", []) else f"``{value}``"


def _meaning(text: str, bounds: Any) -> str:
    allowed = []
    if bounds.get("min") is not None:
        allowed.append(f"at least {bounds['min']:g}")
    if bounds.get("max") is not None:
        allowed.append(f"at most {bounds['max']:g}")
    if bounds.get("choices"):
        allowed.append("one of " + ", ".join(f"``{choice}``" for choice in bounds["choices"]))
    return f"{text} ({'; '.join(allowed)})" if allowed else text


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("config-options", ConfigOptions)
    app.add_directive("metrics-table", MetricsTable)
    app.add_directive("provision-table", ProvisionTable)
    app.add_directive("api-routes", APIRoutes)
    app.add_directive("api-versions", APIVersions)
    app.add_directive("ironic-places", IronicPlaces)
    app.add_directive("update-rules", UpdateRules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
