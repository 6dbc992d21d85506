"""Command ``metald doctor``: it reports problems of configuration, plugins, database and machine, and changes nothing."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import asdict

from baremetal_sdk.config import find_unknown_options
from baremetal_sdk.doctor import Finding, Outcome, examine
from baremetal_sdk.errors import ConfigurationError
from metald.settings import ServeOptions, find_state_directory, load_config
from metald.state_directory import StateError


def run_doctor(options: ServeOptions, *, as_json: bool = False) -> int:
    """Examine the installation, print the findings, and return 1 if any finding is a failure, otherwise 0.

    With *as_json*, the findings are one JSON object. The command creates, changes and locks nothing.
    """
    logging.disable(logging.CRITICAL)  # the findings repeat what libraries would log
    findings = _collect_findings(options)
    print(_format_json(findings) if as_json else _format_text(findings))
    return int(any(finding.outcome is Outcome.FAIL for finding in findings))


def _collect_findings(options: ServeOptions) -> list[Finding]:
    """Return the findings about the configuration; if it can be loaded, also those about plugins, database and machine."""
    try:
        state = find_state_directory(options)
        config = load_config(options, state)
    except ConfigurationError as exc:
        return [Finding("configuration", Outcome.FAIL, str(exc), "change the named option")]
    except StateError as exc:
        return [Finding("configuration", Outcome.FAIL, str(exc), "give --state-dir, or set HOME")]
    ignored = find_unknown_options(options.config_files)
    files = ", ".join(map(str, options.config_files)) or "the defaults"
    place = "without a state directory" if state is None else f"with state in {state}"
    configuration = Finding("configuration", Outcome.OK, f"{files}, {place}")
    if ignored:
        configuration = Finding("configuration", Outcome.WARN, f"unknown options: {', '.join(ignored)}", "remove them")
    return [configuration, *examine(config)]


def _format_json(findings: Iterable[Finding]) -> str:
    return json.dumps({"python": sys.version.split()[0], "findings": [asdict(finding) for finding in findings]}, indent=2)


def _format_text(findings: Iterable[Finding]) -> str:
    """Return the findings as text: a line for each finding, followed by a line with its remedy, if it has one."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.outcome:<4}  {finding.name}: {finding.what}")
        if finding.remedy:
            lines.append(f"      -> {finding.remedy}")
    return "\n".join(lines)
