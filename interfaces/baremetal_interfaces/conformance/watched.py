"""A task for the kit that reports blocked calls, and records errors of a plugin before redaction."""

from __future__ import annotations

import threading
from typing import Any

from baremetal_interfaces.conformance.outcome import Violation
from baremetal_interfaces.connector import Connector
from baremetal_interfaces.errors import BareMetalError
from baremetal_interfaces.local import LocalTask
from baremetal_interfaces.values import Kind


class WatchedTask(LocalTask):
    """A :class:`~baremetal_interfaces.local.LocalTask` whose calls may take *grace* seconds beyond their deadline.

    A call that takes longer raises :class:`~baremetal_interfaces.conformance.outcome.Violation`.
    """

    def __init__(self, *given: Any, grace: float, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.raised: list[str] = []
        """The errors of the contract that the plugin raised, with their original texts and all attributes."""
        self._grace = grace
        self._inside: threading.Thread | None = None

    def call(self, kind: Kind | str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call the method in a new thread, so that a blocked call does not block the kit.

        Raises Violation if the call does not return within its deadline and the grace.
        """
        if threading.current_thread() is self._inside:
            return super().call(kind, method, *args, **kwargs)
        answers: list[Any] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                answers.append(LocalTask.call(self, kind, method, *args, **kwargs))
            except BaseException as exc:
                errors.append(exc)

        self._inside = threading.Thread(target=work, name=f"{kind}.{method}", daemon=True)
        self._inside.start()
        allowed = self.deadline.remaining() + self._grace
        self._inside.join(allowed)
        if self._inside.is_alive():
            raise Violation(f"{kind}.{method} did not come back: its deadline was {allowed - self._grace:.1f} s away")
        if errors:
            raise errors[0]
        return answers[0]

    def _translate(self, exc: Exception, connector: type[Connector[Any]] | None) -> BareMetalError:
        if isinstance(exc, BareMetalError):
            self.raised.append(_show(exc))
        return super()._translate(exc, connector)


def _show(exc: BareMetalError) -> str:
    """Return all texts of an error: its message, details, problems, notes and other attributes."""
    more = {name: value for name, value in vars(exc).items() if name not in ("message", "_redacted") and value}
    return " ".join([f"{type(exc).__name__}: {exc}", *(f"{name}={value!r}" for name, value in more.items())])
