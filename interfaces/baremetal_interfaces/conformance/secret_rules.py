"""Rules about secrets in the errors and log lines of a plugin, before the runtime redacts them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from baremetal_interfaces.conformance.connection_rules import WRONG_PASSWORD, closed_address, password_option
from baremetal_interfaces.conformance.outcome import NotOffered, demand
from baremetal_interfaces.conformance.subject import Subject, failure
from baremetal_interfaces.faults import spellings
from baremetal_interfaces.values import Kind


def errors_hold_no_secret(subject: Subject) -> None:
    """Errors that the plugin raises contain no secret in any spelling."""
    for situation, driver_info in _situations(subject).items():
        task = subject.task(driver_info, timeout=5.0)
        failure(task, Kind.POWER, "get_power_state")
        for text in task.raised:
            found = [secret for secret in _all_spellings(subject) if secret in text]
            demand(not found, f"{situation}, the error contains a secret: {_without(text, found)}")


def log_lines_hold_no_secret(subject: Subject) -> None:
    """Loggers of the plugin write no secret; loggers of its device library are exempt, because the runtime redacts them."""
    exempt = tuple(name for connector in subject.connectors.values() for name in connector.recorded.loggers)
    with _record_log() as lines:
        for driver_info in _situations(subject).values():
            for read in subject.reads():
                if read.kind is Kind.POWER or driver_info == subject.driver_info:
                    failure(subject.task(driver_info, timeout=5.0), read.kind, read.method)
    for name, text in lines:
        if any(name == logger or name.startswith(f"{logger}.") for logger in exempt):
            continue
        found = [secret for secret in _all_spellings(subject) if secret in text]
        demand(not found, f"the logger {name} writes a secret: {_without(text, found)}")


def _situations(subject: Subject) -> dict[str, Mapping[str, Any]]:
    """Return the situations in which errors and log lines must contain no secret: name -> ``driver_info`` that causes it."""
    if not subject.secrets():
        raise NotOffered("driver_info contains no secret")
    found: dict[str, Mapping[str, Any]] = {"when all is well": subject.driver_info}
    try:
        found["when the password is refused"] = {**subject.driver_info, password_option(subject): WRONG_PASSWORD}
        nowhere = closed_address(subject) if subject.unreachable is None else subject.unreachable
        found["when nothing listens"] = {**subject.driver_info, **nowhere}
    except NotOffered:
        pass
    return found


def _all_spellings(subject: Subject) -> list[str]:
    return [form for secret in (*subject.secrets(), WRONG_PASSWORD) for form in spellings(secret)]


def _without(text: str, secrets: list[str]) -> str:
    """Return *text* with the secrets masked, for the kit's own message."""
    for secret in secrets:
        text = text.replace(secret, "<secret>")
    return text


@contextmanager
def _record_log() -> Iterator[list[tuple[str, str]]]:
    """Collect logger name and text of all lines that are logged within a ``with`` block, at all levels."""
    lines: list[tuple[str, str]] = []

    class Collector(logging.Handler):
        """Collects log lines."""

        def emit(self, record: logging.LogRecord) -> None:
            lines.append((record.name, self.format(record)))

    root, collector = logging.getLogger(), Collector(logging.DEBUG)
    level = root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(collector)
