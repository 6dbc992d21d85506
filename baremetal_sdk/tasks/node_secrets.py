"""The secrets of one node, as a task hands them to its driver: those of its BMC, and those of its instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import MASK, Driver
from baremetal_sdk.drivers.catalog import info_types_of
from baremetal_sdk.drivers.credentials import Credentials, declared_secrets
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.secrets import SecretBox

INSTANCE = "instance_info/"
"""What the names of secrets begin with that belong to the instance, and not to ``driver_info``."""


class NodeSecrets:
    """Unsealed when they are first needed, and again when they have changed."""

    def __init__(self, box: SecretBox, elsewhere: Credentials | None) -> None:
        self._box = box
        self._elsewhere = elsewhere
        self._sealed: bytes | None = None
        self._secrets: dict[str, str] | None = None
        self._from_elsewhere: dict[str, str | None] = {}
        self._driver_info: tuple[Mapping[str, Any], dict[str, Any]] | None = None

    @property
    def known(self) -> tuple[str, ...]:
        """The values that were unsealed so far: what may be in an error."""
        return tuple((self._secrets or {}).values())

    def values(self, record: NodeRecord, driver: Driver) -> tuple[str, ...]:
        """The values of all secrets."""
        return tuple(self._unsealed(record, driver).values())

    def currency(self, node: str) -> Callable[[], bool]:
        """What tells whether the secrets that are kept elsewhere are what they were when they were last asked for."""
        elsewhere, used = self._elsewhere, self._from_elsewhere
        if elsewhere is None or not used:
            return _always
        return lambda: all(elsewhere.secret(node, option) == value for option, value in used.items())

    def driver_info(self, record: NodeRecord, driver: Driver) -> Mapping[str, Any]:
        """``driver_info`` with its secrets in it."""
        secrets = self._unsealed(record, driver)
        if self._driver_info is None or self._driver_info[0] is not record.driver_info:
            own = {name: value for name, value in secrets.items() if not name.startswith(INSTANCE)}
            self._driver_info = (record.driver_info, {**record.driver_info, **own})
        return self._driver_info[1]

    def instance_info(self, record: NodeRecord, driver: Driver) -> Mapping[str, Any]:
        """``instance_info`` with its secrets in it."""
        info = record.instance_info
        if record.sealed_secrets is None or MASK not in info.values():
            return info
        secrets = self._unsealed(record, driver)
        return {name: secrets.get(INSTANCE + name, value) for name, value in info.items()}

    def changed_instance_info(self, record: NodeRecord, name: str, value: str | None) -> dict[str, Any]:
        """The changes that add a secret to ``instance_info``, with a mask in its place, or take it away (None)."""
        secrets = self._box.unseal(record.sealed_secrets, record.uuid) if record.sealed_secrets else {}
        info = {key: item for key, item in record.instance_info.items() if key != name}
        secrets.pop(INSTANCE + name, None)
        if value is not None:
            secrets[INSTANCE + name] = value
            info[name] = MASK
        return {"sealed_secrets": self._box.seal(secrets, record.uuid) if secrets else None, "instance_info": info}

    def _unsealed(self, record: NodeRecord, driver: Driver) -> dict[str, str]:
        if self._secrets is None or self._sealed != record.sealed_secrets:
            sealed = self._sealed = record.sealed_secrets
            own = self._box.unseal(sealed, record.uuid) if sealed else {}
            self._secrets = {**own, **self._kept_elsewhere(record, driver, own)}
            self._driver_info = None
        return self._secrets

    def _kept_elsewhere(self, record: NodeRecord, driver: Driver, own: Mapping[str, str]) -> dict[str, str]:
        """The declared secrets that the node does not have and the host application does."""
        if self._elsewhere is None:
            return {}
        declared = declared_secrets(info_types_of(interface for _, interface in driver)) - own.keys()
        found = self._from_elsewhere = {option: self._elsewhere.secret(record.uuid, option) for option in sorted(declared)}
        return {option: value for option, value in found.items() if value is not None}


def _always() -> bool:
    return True
