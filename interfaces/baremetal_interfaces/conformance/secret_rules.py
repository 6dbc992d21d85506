"""Rules about secrets in the errors and log lines of a plugin, before the runtime redacts them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from baremetal_interfaces.conformance.connection_rules import WRONG_PASSWORD, closed_address
from baremetal_interfaces.conformance.outcome import NotOffered, demand
from baremetal_interfaces.conformance.subject import Subject, failure
from baremetal_interfaces.errors import BareMetalError
from baremetal_interfaces.redaction import scrub
from baremetal_interfaces.secret_fields import MASK
from baremetal_interfaces.values import Kind


def errors_hold_no_secret(subject: Subject) -> None:
    """Errors that the plugin raises contain no secret: not in messages, problems, details or notes, and in no spelling."""
    for situation, driver_info in _situations(subject).items():
        task = subject.task(driver_info, timeout=5.0)
        for kind in subject.interfaces:
            with suppress(BareMetalError):
                task.validate(kind)
        failure(task, Kind.POWER, "get_power_state")
        for text in task.raised:
            _demand_no_secret(subject, text, f"{situation}, the error contains a secret")


def log_lines_hold_no_secret(subject: Subject) -> None:
    """Loggers of the plugin write no secret; loggers of its device library are exempt, because the runtime redacts them."""
    exempt = tuple(name for connector in subject.connectors.values() for name in connector.recorded.loggers)
    with _record_log() as lines:
        for driver_info in _situations(subject).values():
            for read in subject.reads():
                if read.kind is Kind.POWER or driver_info == subject.driver_info:
                    failure(subject.task(driver_info, timeout=5.0), read.kind, read.method)
    for name, text in lines:
        if not any(name == logger or name.startswith(f"{logger}.") for logger in exempt):
            _demand_no_secret(subject, text, f"the logger {name} writes a secret")


def _situations(subject: Subject) -> dict[str, Mapping[str, Any]]:
    """Return the situations in which errors and log lines must contain no secret: name -> ``driver_info`` that causes it.

    Secrets are replaced by a canary, which no text contains by chance, unlike a password such as "password".
    """
    if not subject.secrets():
        raise NotOffered("driver_info contains no secret")
    names = sorted(frozenset[str]().union(*(info_type.secrets() for info_type in subject.info_types())))
    present = [name for name in names if subject.driver_info.get(name)]
    found: dict[str, Mapping[str, Any]] = {"when all is well": subject.driver_info}
    found |= {f"when {name} is wrong": {**subject.driver_info, name: WRONG_PASSWORD} for name in present}
    with suppress(NotOffered):
        nowhere = closed_address(subject) if subject.unreachable is None else subject.unreachable
        canaries = {name: WRONG_PASSWORD for name in present if _accepts(subject, name)}
        found["when nothing listens"] = {**subject.driver_info, **canaries, **nowhere}
    return found


def _accepts(subject: Subject, name: str) -> bool:
    """Return whether the canary is a valid value of the option *name*."""
    info = {**subject.driver_info, name: WRONG_PASSWORD}
    return not any(info_type.problems(info) for info_type in subject.info_types())


def _demand_no_secret(subject: Subject, text: str, broken: str) -> None:
    scrubbed = scrub(text, (*subject.secrets(), WRONG_PASSWORD))
    demand(scrubbed == text, f"{broken}: {scrubbed.replace(MASK, '<secret>')}")


@contextmanager
def _record_log() -> Iterator[list[tuple[str, str]]]:
    """Collect logger name and text of all lines that are logged within a ``with`` block, at all levels."""
    lines: list[tuple[str, str]] = []

    class RecordCollector(logging.Handler):
        """Collects log lines."""

        def emit(self, record: logging.LogRecord) -> None:
            lines.append((record.name, self.format(record)))

    root, collector = logging.getLogger(), RecordCollector(logging.DEBUG)
    level = root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(collector)
