"""Rules about secrets in what a plugin says by itself, before anybody scrubs it."""

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
    """The errors of the contract that the plugin raises itself hold no secret, in whatever spelling."""
    for situation, driver_info in _situations(subject).items():
        task = subject.task(driver_info, timeout=5.0)
        failure(task, Kind.POWER, "get_power_state")
        for text in task.raised:
            found = [secret for secret in _spelt(subject) if secret in text]
            demand(not found, f"{situation}, the error holds a secret: {_without(text, found)}")


def log_lines_hold_no_secret(subject: Subject) -> None:
    """No logger of the plugin writes a secret; those of its device library, which its connector names, are masked by others."""
    exempt = tuple(name for connector in subject.connectors.values() for name in connector.recorded.loggers)
    with _logged() as lines:
        for driver_info in _situations(subject).values():
            for read in subject.reads():
                if read.kind is Kind.POWER or driver_info == subject.driver_info:
                    failure(subject.task(driver_info, timeout=5.0), read.kind, read.method)
    for name, text in lines:
        if any(name == one or name.startswith(f"{one}.") for one in exempt):
            continue
        found = [secret for secret in _spelt(subject) if secret in text]
        demand(not found, f"the logger {name} writes a secret: {_without(text, found)}")


def _situations(subject: Subject) -> dict[str, Mapping[str, Any]]:
    """What can happen -> the ``driver_info`` that makes it happen."""
    if not subject.secrets():
        raise NotOffered("driver_info holds no secret")
    found: dict[str, Mapping[str, Any]] = {"when all is well": subject.driver_info}
    try:
        found["when the password is refused"] = {**subject.driver_info, password_option(subject): WRONG_PASSWORD}
        nowhere = closed_address(subject) if subject.unreachable is None else subject.unreachable
        found["when nothing listens"] = {**subject.driver_info, **nowhere}
    except NotOffered:
        pass
    return found


def _spelt(subject: Subject) -> list[str]:
    return [form for secret in (*subject.secrets(), WRONG_PASSWORD) for form in spellings(secret)]


def _without(text: str, secrets: list[str]) -> str:
    """The text for the kit's own message, which shows no secret either."""
    for secret in secrets:
        text = text.replace(secret, "<secret>")
    return text


@contextmanager
def _logged() -> Iterator[list[tuple[str, str]]]:
    """Name of the logger and text of every line that is logged within the block, whatever its level."""
    lines: list[tuple[str, str]] = []

    class Keeper(logging.Handler):
        """Keeps them."""

        def emit(self, record: logging.LogRecord) -> None:
            lines.append((record.name, self.format(record)))

    root, keeper = logging.getLogger(), Keeper(logging.DEBUG)
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(keeper)
