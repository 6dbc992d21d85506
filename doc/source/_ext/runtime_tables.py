"""Directives that draw tables from the runtime itself, so that the documentation cannot say something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from baremetal_sdk import config, provision


class _Table(Directive):
    """A list table of the rows that a subclass gives, written as reStructuredText."""

    has_content = False
    header: Sequence[str] = ()
    widths: Sequence[int] = ()

    def rows(self) -> Iterable[Sequence[str]]:
        """The rows below the header."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse the table in place of the directive."""
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
        """One option a row."""
        section = getattr(config, self.arguments[0])
        bounds = {field.name: field.metadata for field in dataclasses.fields(section)}
        for option in config.options_of(section):
            yield f"``{option.dest}``", _type(option.type), _default(option.default), _meaning(option.help, bounds[option.dest])


class ProvisionTable(_Table):
    """``.. provision-table::``: every transition of the provision states."""

    header = ("In state", "event", "leads to")
    widths = (33, 33, 33)

    def rows(self) -> Iterable[Sequence[str]]:
        """One transition a row."""
        for transition in provision.TRANSITIONS:
            yield tuple(f"``{part}``" for part in transition)


def _type(of: Any) -> str:
    return str(of).split(" ")[0].lower()


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
    app.add_directive("provision-table", ProvisionTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
