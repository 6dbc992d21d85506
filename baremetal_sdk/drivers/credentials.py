"""Keeping secrets apart from the rest of ``driver_info``: what is stored and shown holds a mask in their place."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from baremetal_interfaces import MASK, DriverInfo, InvalidInput, Problem
from baremetal_sdk.errors import ConfigurationError

_LOOKS_SECRET = re.compile(r"(passw(or)?d|passwd|passphrase|secret|token|credential|private_key|kg_key)", re.IGNORECASE)


class Credentials(Protocol):
    """Where a host application keeps secrets that are not to be in the database of nodes."""

    def secret(self, node: str, option: str) -> str | None:
        """The value of a secret *option* of ``driver_info`` for the node with this UUID; None where there is none.

        It is asked when a driver needs it, for each secret option that the node itself does not have, and so answers from
        memory or quickly. What it raises ends the driver's call.
        """


class CredentialFiles:
    """Secrets in files: ``DIRECTORY/<UUID of the node>/<option>``, or ``DIRECTORY/<option>`` for all nodes that have none.

    They are read each time, so that a file that was replaced counts at the next call of a driver. White space at the end of
    a file does not count. What cannot be read is raised as ``ConfigurationError``.
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)

    def secret(self, node: str, option: str) -> str | None:
        """What the file of this option holds."""
        for path in (self._directory / node / option, self._directory / option):
            try:
                return path.read_text().rstrip()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, UnicodeError) as exc:
                raise ConfigurationError(f"{option}: {path} cannot be read: {type(exc).__name__}") from None
        return None


class CredentialVariables:
    """Secrets in environment variables: the prefix, then the option in capitals, for all nodes: ``BMC_REDFISH_PASSWORD``."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def secret(self, node: str, option: str) -> str | None:
        """What the variable of this option holds."""
        return os.environ.get(self._prefix + option.upper())


def is_secret(name: str, declared: Iterable[str] = ()) -> bool:
    """Whether an option is secret: declared so by a driver, or named so (for options that no driver here knows)."""
    return name in declared or _LOOKS_SECRET.search(name) is not None


def collect_secret_names(info_types: Iterable[type[DriverInfo]]) -> frozenset[str]:
    """The options that *info_types* declare as secret."""
    return frozenset[str]().union(*(info_type.secrets() for info_type in info_types))


def has_new_secret(given: Mapping[str, Any], declared: Iterable[str]) -> bool:
    """Whether *given* holds a secret, and not only masks of those that are known."""
    names = frozenset(declared)
    return any(value not in (None, MASK) and is_secret(name, names) for name, value in given.items())


def split_secrets(
    given: Mapping[str, Any], declared: Iterable[str], known: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Part *given* into what may be shown, with masks, and the secrets.

    A mask that comes back stands for the secret that is *known*; where none is known it is refused.
    """
    shown: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    problems: list[Problem] = []
    names = frozenset(declared)
    for name, value in given.items():
        if value is None or not is_secret(name, names):
            shown[name] = value
            continue
        shown[name] = MASK
        if value != MASK:
            secrets[name] = str(value)
        elif name in known:
            secrets[name] = known[name]
        else:
            problems.append(
                Problem(f"driver_info/{name}", f"{MASK!r} is the mask of a secret, and there is none to keep", "give the secret")
            )
    if problems:
        raise InvalidInput(problems)
    return shown, secrets
