"""The secrets of one node for its driver: those of its BMC and those of its instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import MASK, Driver
from baremetal_sdk.drivers.catalog import collect_info_types
from baremetal_sdk.drivers.credentials import Credentials, collect_secret_names
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.secrets import SecretBox

INSTANCE = "instance_info/"
"""The prefix of names of secrets that belong to ``instance_info`` and not to ``driver_info``."""


class NodeSecrets:
    """Unseals the secrets at the first use, and again after they have changed.

    *external* is the host application's source of secrets. It supplies those that the node itself does not have.
    """

    def __init__(self, box: SecretBox, external: Credentials | None) -> None:
        self._box = box
        self._external = external
        self._sealed: bytes | None = None
        self._secrets: dict[str, str] | None = None
        self._external_values: dict[str, str | None] = {}
        self._driver_info: tuple[Mapping[str, Any], dict[str, Any]] | None = None

    @property
    def unsealed_values(self) -> tuple[str, ...]:
        """The secrets that were unsealed so far. Errors of the driver may contain them."""
        return tuple((self._secrets or {}).values())

    def values(self, record: NodeRecord, driver: Driver) -> tuple[str, ...]:
        """Return the values of all secrets."""
        return tuple(self._unseal(record, driver).values())

    def freshness_check(self, node: str) -> Callable[[], bool]:
        """Return a function that tells whether the external secrets still have the values that this object has read."""
        external, values = self._external, self._external_values
        if external is None or not values:
            return lambda: True
        return lambda: all(external.secret(node, option) == value for option, value in values.items())

    def driver_info(self, record: NodeRecord, driver: Driver) -> Mapping[str, Any]:
        """Return ``driver_info`` including its secrets."""
        secrets = self._unseal(record, driver)
        if self._driver_info is None or self._driver_info[0] is not record.driver_info:
            bmc_secrets = {name: value for name, value in secrets.items() if not name.startswith(INSTANCE)}
            self._driver_info = (record.driver_info, {**record.driver_info, **bmc_secrets})
        return self._driver_info[1]

    def instance_info(self, record: NodeRecord, driver: Driver) -> Mapping[str, Any]:
        """Return ``instance_info`` including its secrets."""
        info = record.instance_info
        if record.sealed_secrets is None or MASK not in info.values():
            return info
        secrets = self._unseal(record, driver)
        return {name: secrets.get(INSTANCE + name, value) for name, value in info.items()}

    def changed_instance_info(self, record: NodeRecord, name: str, value: str | None) -> dict[str, Any]:
        """Return the changes that add a secret to ``instance_info``, with a mask in its place, or remove it (None)."""
        secrets = self._box.unseal(record.sealed_secrets, record.uuid) if record.sealed_secrets else {}
        info = {key: item for key, item in record.instance_info.items() if key != name}
        secrets.pop(INSTANCE + name, None)
        if value is not None:
            secrets[INSTANCE + name] = value
            info[name] = MASK
        return {"sealed_secrets": self._box.seal(secrets, record.uuid) if secrets else None, "instance_info": info}

    def _unseal(self, record: NodeRecord, driver: Driver) -> dict[str, str]:
        if self._secrets is None or self._sealed != record.sealed_secrets:
            sealed = self._sealed = record.sealed_secrets
            own = self._box.unseal(sealed, record.uuid) if sealed else {}
            self._secrets = {**own, **self._read_external(record, driver, own)}
            self._driver_info = None
        return self._secrets

    def _read_external(self, record: NodeRecord, driver: Driver, own: Mapping[str, str]) -> dict[str, str]:
        """Return the secrets that the driver declares, the node lacks and the host application has."""
        if self._external is None:
            return {}
        declared = collect_secret_names(collect_info_types(interface for _, interface in driver)) - own.keys()
        # Absent ones are remembered, too: the check notices that the host application adds one.
        self._external_values = {option: self._external.secret(record.uuid, option) for option in sorted(declared)}
        return {option: value for option, value in self._external_values.items() if value is not None}
