"""Refusals in the store: a conductor that starts, or takes a node over, does not try again what was refused before."""

from __future__ import annotations

import uuid

from baremetal_interfaces import NotFound
from baremetal_sdk.bmc.breakers import Refusal
from baremetal_sdk.errors import ConfigurationError, DuplicateName
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records_hardware import LoginRefusalRecord
from baremetal_sdk.store.secrets import SecretBox

_CREDENTIAL = "credential"


class StoredRefusals:
    """Keeps the digests of credentials sealed: who reads the database cannot try passwords against them."""

    def __init__(self, store: Store, secrets: SecretBox) -> None:
        self._store = store
        self._secrets = secrets

    def get(self, endpoint: str) -> Refusal | None:
        """What is known of a BMC."""
        ident = _ident(endpoint)
        try:
            record = self._store.record(LoginRefusalRecord, ident)
            credential = self._secrets.unseal(record.sealed_credential, ident)[_CREDENTIAL]
        except (NotFound, ConfigurationError):
            # Sealed with a key that is gone: what it was about is not known any more.
            return None
        return Refusal(bytes.fromhex(credential), record.refused)

    def put(self, endpoint: str, refusal: Refusal) -> None:
        """Keep a refusal in place of what was known."""
        ident = _ident(endpoint)
        sealed = self._secrets.seal({_CREDENTIAL: refusal.credential.hex()}, ident)
        try:
            self._store.create_record(LoginRefusalRecord(ident, refusal.count, sealed))
        except DuplicateName:
            self._store.update_record(LoginRefusalRecord, ident, {"refused": refusal.count, "sealed_credential": sealed})

    def drop(self, endpoint: str) -> None:
        """Forget it."""
        try:
            self._store.delete_record(LoginRefusalRecord, _ident(endpoint))
        except NotFound:
            return


def _ident(endpoint: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, endpoint))
