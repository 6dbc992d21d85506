"""Access of a task to the unsealed secrets of its node: those of ``driver_info`` and those of ``instance_info``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baremetal_interfaces import MASK, Driver, DriverInfo
from baremetal_interfaces.faults import translate
from baremetal_interfaces.secret_fields import collect_secret_values
from baremetal_sdk.drivers.catalog import collect_info_types
from baremetal_sdk.drivers.credentials import Credentials, collect_secret_names
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.secrets import SecretBox

INSTANCE = "instance_info/"
"""Prefix that marks the name of a secret of ``instance_info`` among the node's sealed secrets."""


class NodeSecrets:
    """The secrets of one node, unsealed at the first use and again after the node's sealed secrets have changed.

    *external* is the host application's source of secrets. It supplies the secrets that the driver declares and the node
    does not have.
    """

    def __init__(self, box: SecretBox, external: Credentials | None) -> None:
        self._box = box
        self._external = external
        self._sealed: bytes | None = None
        self._secrets: dict[str, str] | None = None
        self._external_values: dict[str, str | None] = {}
        self._driver_info: tuple[Mapping[str, Any], dict[str, Any]] | None = None
        self._fields: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {}

    @property
    def unsealed_values(self) -> tuple[str, ...]:
        """Values of the secrets that the driver has seen so far. They are masked in its errors and log lines."""
        found = tuple((self._secrets or {}).values())
        return found + tuple(value for _, values in self._fields.values() for value in values)

    def values(self, record: NodeRecord, driver: Driver) -> tuple[str, ...]:
        """Return the values of all secrets of the node, those of the host application included."""
        self.driver_info(record, driver)
        return self.unsealed_values

    def freshness_check(self, node: str) -> Callable[[], bool]:
        """Return a function that checks the host application's secrets of a node.

        It returns True while they still have the values that this object has read, or if this object has read none.
        """
        external, values = self._external, self._external_values
        if external is None or not values:
            return lambda: True
        return lambda: all(external.secret(node, option) == value for option, value in values.items())

    def driver_info(self, record: NodeRecord, driver: Driver) -> Mapping[str, Any]:
        """Return the node's ``driver_info`` with its unsealed secrets and those of the host application."""
        secrets = self._unseal(record, driver)
        if self._driver_info is None or self._driver_info[0] is not record.driver_info:
            bmc_secrets = {name: value for name, value in secrets.items() if not name.startswith(INSTANCE)}
            self._driver_info = (record.driver_info, {**record.driver_info, **bmc_secrets})
            self._collect("driver_info", record.driver_info)
        return self._driver_info[1]

    def parse_driver_info(self, info_type: type[DriverInfo], record: NodeRecord, driver: Driver) -> DriverInfo:
        """Return the typed ``driver_info``. Errors are redacted, because a plugin's check may name the value of a secret."""
        raw = self.driver_info(record, driver)
        try:
            return info_type.parse(raw)
        except Exception as exc:
            failure = translate(exc, connector=None, endpoint=None, secrets=self.unsealed_values)
        # Raised outside of the except block, so that the original exception is not its context.
        failure.__context__ = None
        raise failure

    def instance_info(self, record: NodeRecord, driver: Driver) -> Mapping[str, Any]:
        """Return the node's ``instance_info`` with its unsealed secrets in place of their masks."""
        info = record.instance_info
        self._collect("instance_info", info)
        if record.sealed_secrets is None or MASK not in info.values():
            return info
        secrets = self._unseal(record, driver)
        return {name: secrets.get(INSTANCE + name, value) for name, value in info.items()}

    def changed_instance_info(self, record: NodeRecord, name: str, value: str | None) -> dict[str, Any]:
        """Return the changes of the node's record that set secret *name* of ``instance_info`` to *value*, or remove it for None.

        The value is stored only sealed; ``instance_info`` gets a mask in its place.
        """
        secrets = self._box.unseal(record.sealed_secrets, record.uuid) if record.sealed_secrets else {}
        info = {key: item for key, item in record.instance_info.items() if key != name}
        secrets.pop(INSTANCE + name, None)
        if value is not None:
            secrets[INSTANCE + name] = value
            info[name] = MASK
        return {"sealed_secrets": self._box.seal(secrets, record.uuid) if secrets else None, "instance_info": info}

    def _collect(self, field: str, info: Mapping[str, Any]) -> None:
        """Note the secrets that are not sealed one by one, such as credentials in URLs, so that errors are redacted of them."""
        if field not in self._fields or self._fields[field][0] is not info:
            self._fields[field] = (info, collect_secret_values(info) if info else ())

    def _unseal(self, record: NodeRecord, driver: Driver) -> dict[str, str]:
        if self._secrets is None or self._sealed != record.sealed_secrets:
            sealed = self._sealed = record.sealed_secrets
            own = self._box.unseal(sealed, record.uuid) if sealed else {}
            self._secrets = {**own, **self._read_external(record, driver, own)}
            self._driver_info = None
        return self._secrets

    def _read_external(self, record: NodeRecord, driver: Driver, own: Mapping[str, str]) -> dict[str, str]:
        """Read from the host application the secrets that the driver declares and the node lacks. Return those that exist."""
        if self._external is None:
            return {}
        declared = collect_secret_names(collect_info_types(interface for _, interface in driver)) - own.keys()
        # Absent ones are remembered, too: the check notices that the host application adds one.
        self._external_values = {option: self._external.secret(record.uuid, option) for option in sorted(declared)}
        return {option: value for option, value in self._external_values.items() if value is not None}
