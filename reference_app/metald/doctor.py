"""``metald doctor``: what is wrong with the configuration, the plugins, the database and the machine."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict

from baremetal_sdk.config import unknown_options
from baremetal_sdk.doctor import Finding, Outcome, examine
from baremetal_sdk.errors import ConfigurationError
from metald.settings import ServeOptions, load
from metald.state import default_directory


def doctor(options: ServeOptions, *, as_json: bool = False) -> int:
    """Print what was found; give back 1 when something does not work, else 0. Nothing is made, changed or locked."""
    logging.disable(logging.CRITICAL)  # what libraries log about it is among the findings
    findings = _findings(options)
    print(_json(findings) if as_json else _text(findings))
    return int(any(finding.outcome is Outcome.FAIL for finding in findings))


def _findings(options: ServeOptions) -> list[Finding]:
    state = (options.state_dir or default_directory(os.environ)).absolute()
    try:
        config = load(options, state)
    except ConfigurationError as exc:
        return [Finding("configuration", Outcome.FAIL, str(exc), "change the option that is named")]
    ignored = unknown_options(options.config_files)
    files = ", ".join(map(str, options.config_files)) or "the defaults"
    configuration = Finding("configuration", Outcome.OK, f"{files}, with state in {state}")
    if ignored:
        configuration = Finding("configuration", Outcome.WARN, f"without a meaning here: {', '.join(ignored)}", "remove them")
    return [configuration, *examine(config)]


def _json(findings: Iterable[Finding]) -> str:
    return json.dumps({"python": sys.version.split()[0], "findings": [asdict(finding) for finding in findings]}, indent=2)


def _text(findings: Iterable[Finding]) -> str:
    """A line for each finding, and one for what to do about it."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.outcome:<4}  {finding.name}: {finding.what}")
        if finding.remedy:
            lines.append(f"      -> {finding.remedy}")
    return "\n".join(lines)
