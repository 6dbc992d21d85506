"""Check of the keys for credentials: whether they open all sealed credentials in a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from baremetal_sdk.config import DatabaseConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.query import NodeQuery
from baremetal_sdk.store.sealed_columns import SealingStore
from baremetal_sdk.store.secrets import EnvironmentBox, FernetBox, SecretBox

_MAX_NAMES = 5
"""Maximum number of records that a message names."""


class SealedRecord(NamedTuple):
    """A record with sealed credentials."""

    uuid: str
    """The UUID of the record, which is part of the sealed data."""
    label: str
    """The name of the record for messages."""
    revision: int
    sealed: bytes


def list_sealed_nodes(store: Store) -> list[SealedRecord]:
    """Return the nodes in *store* that have sealed credentials."""
    rows = store.nodes(NodeQuery(fields=("uuid", "name", "revision", "sealed_secrets")))
    return [
        SealedRecord(row.uuid, row.name or row.uuid, row.revision, row.sealed_secrets)
        for row in rows
        if row.sealed_secrets is not None
    ]


def open_secret_box(config: DatabaseConfig, store: Store) -> SecretBox | None:
    """Return the box with the configured keys for the credentials in *store*, or None without a configured key.

    A missing key file is created, unless the store has sealed secrets, which a new key could not open. Raises
    ``ConfigurationError`` for unusable keys. If they do not open all secrets, the error has the number of affected records,
    unless ``accept_lost_keys`` is set.
    """
    if not _is_configured(config):
        return None
    sealed = _describe_sealed(store, lambda secret: True)
    return _open_box(config, store, sealed, create=not sealed or config.accept_lost_keys)


def check_keys(config: DatabaseConfig, store: Store) -> None:
    """Raise the errors of :func:`open_secret_box` if the store has sealed secrets. Create no key."""
    sealed = _describe_sealed(store, lambda secret: True) if _is_configured(config) else ""
    if sealed:
        _open_box(config, store, sealed, create=False)


def require_keys(box: FernetBox, store: Store, is_checked: Callable[[bytes], bool] = lambda secret: True) -> None:
    """Raise ``ConfigurationError``, with the affected records, unless the keys of *box* open all secrets in *store*.

    *is_checked* returns False for secrets that do not count.
    """
    closed = _describe_sealed(store, lambda secret: is_checked(secret) and not box.can_open(secret))
    if closed:
        raise ConfigurationError(
            f"{box.source} does not open the secrets of {closed}: the key that sealed them is missing; add it from a backup. "
            "If it is lost, set [database] accept_lost_keys = true and set these secrets again"
        )


def count_nodes(count: int) -> str:
    """Return the number of nodes as text."""
    return "1 node" if count == 1 else f"{count} nodes"


def name_records(records: Sequence[SealedRecord]) -> str:
    """Return the labels of the first *records* and the number of the others as text."""
    names = [record.label for record in records[:_MAX_NAMES]]
    left = len(records) - len(names)
    return ", ".join(names) + (f" and {left} more" if left else "")


def _is_configured(config: DatabaseConfig) -> bool:
    return config.secret_key_env is not None or config.secret_key_file is not None


def _open_box(config: DatabaseConfig, store: Store, sealed: str, *, create: bool) -> FernetBox:
    """Return the box with the configured keys, which open the secrets in *store*. *sealed* describes the sealed records."""
    try:
        if config.secret_key_env is not None:
            box: FernetBox = EnvironmentBox(config.secret_key_env)
        else:
            box = FernetBox(config.secret_key_file or "", create=create)
    except ConfigurationError as exc:
        if not sealed:
            raise
        raise ConfigurationError(
            f"{exc.message}, and the database has secrets of {sealed} that this key sealed; restore the key from a backup"
        ) from None
    if not config.accept_lost_keys:
        require_keys(box, store)
    return box


def _describe_sealed(store: Store, is_counted: Callable[[bytes], bool]) -> str:
    """Return the records with a sealed secret for which *is_counted* returns True, as text. Empty if there are none."""
    nodes = [node for node in list_sealed_nodes(store) if is_counted(node.sealed)]
    parts = [f"{count_nodes(len(nodes))} ({name_records(nodes)})"] if nodes else []
    if isinstance(store, SealingStore):
        rows = store.count_sealed_rows(is_counted)
        parts += [f"columns of {count} records of kind {label}" for label, count in sorted(rows.items())]
    return " and ".join(parts)
