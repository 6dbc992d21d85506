"""Secrets in ``driver_info``: their separation from the other options, and sources for secrets outside the database."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from baremetal_interfaces import MASK, DriverInfo, InvalidInput, Problem
from baremetal_interfaces.secret_fields import is_secret_name
from baremetal_sdk.errors import ConfigurationError


class Credentials(Protocol):
    """Source of ``driver_info`` secrets outside the database, which a host application provides."""

    def secret(self, node: str, option: str) -> str | None:
        """Return the value of the secret *option* of ``driver_info`` for the node with this UUID, or None if there is none.

        It is called before each driver call, for each secret option that the node itself does not have, so it must be fast. An
        exception ends the driver call.
        """


class CredentialFiles:
    """Source of secrets in files: ``DIRECTORY/<node UUID>/<option>``, or ``DIRECTORY/<option>`` for all other nodes.

    Each call reads the file again, so a replaced file takes effect at the next driver call. Trailing white space is ignored. An
    unreadable file raises ``ConfigurationError``.
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)

    def secret(self, node: str, option: str) -> str | None:
        """Return the content of the option's file, for this node or else for all nodes. None without a file."""
        for path in (self._directory / node / option, self._directory / option):
            try:
                return path.read_text().rstrip()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, UnicodeError) as exc:
                raise ConfigurationError(
                    f"{option}: cannot read {path} ({type(exc).__name__}); correct its permissions or content"
                ) from None
        return None


class CredentialVariables:
    """Source of secrets in environment variables, for all nodes. A name consists of the prefix and the option in capitals.

    With the prefix ``BMC_``, the variable of ``redfish_password`` is ``BMC_REDFISH_PASSWORD``.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def secret(self, node: str, option: str) -> str | None:
        """Return the value of the option's variable, or None if it is not set."""
        return os.environ.get(self._prefix + option.upper())


def is_secret(name: str, declared: Iterable[str] = ()) -> bool:
    """Return whether the option *name* is secret: if it is in *declared*, or has the name of a secret.

    Names decide about options of drivers that are not installed here, because these have no declaration.
    """
    return name in declared or is_secret_name(name)


def collect_secret_names(info_types: Iterable[type[DriverInfo]]) -> frozenset[str]:
    """Return the names of the options that *info_types* declare as secret."""
    return frozenset[str]().union(*(info_type.secrets() for info_type in info_types))


def has_new_secret(driver_info: Mapping[str, Any], declared: Iterable[str]) -> bool:
    """Return whether *driver_info* contains the value of a secret. A mask stands for a stored secret and does not count.

    *declared* has the names of the options that drivers declare as secret.
    """
    names = frozenset(declared)
    return any(value not in (None, MASK) and is_secret(name, names) for name, value in driver_info.items())


def split_secrets(
    driver_info: Mapping[str, Any], declared: Iterable[str], stored: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the options of *driver_info* with masks in place of secrets, and the secrets by name.

    A mask in *driver_info* stands for the *stored* secret, because clients send back the options that they have read. Raises
    ``InvalidInput`` for a mask without a stored secret.
    """
    public: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    problems: list[Problem] = []
    names = frozenset(declared)
    for name, value in driver_info.items():
        # A release with other names of secrets may have stored the secret of this option, which its mask shows.
        if value is None or not (is_secret(name, names) or (value == MASK and name in stored)):
            public[name] = value
            continue
        public[name] = MASK
        if value != MASK:
            secrets[name] = str(value)
        elif name in stored:
            secrets[name] = stored[name]
        else:
            problems.append(
                Problem(
                    f"driver_info/{name}", f"{MASK!r} stands for a stored secret, and none is stored", "send the secret itself"
                )
            )
    if problems:
        raise InvalidInput(problems)
    return public, secrets
