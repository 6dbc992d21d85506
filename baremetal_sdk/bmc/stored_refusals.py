"""Refusals in the store: a conductor that starts, or takes a node over, does not try again what was refused before."""

from __future__ import annotations

import json
import uuid

from baremetal_interfaces import NotFound
from baremetal_sdk.bmc.breakers import Refusal
from baremetal_sdk.errors import ConfigurationError, DuplicateName
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import LoginRefusalRecord
from baremetal_sdk.store.secrets import SecretBox

_CREDENTIAL, _COUNTS = "credential", "counts"


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
            known = self._secrets.unseal(record.sealed_credential, ident)
        except (NotFound, ConfigurationError):
            # Sealed with a key that is gone: what it was about is not known any more.
            return None
        # Releases that knew one credential of each account wrote no counts.
        counts = json.loads(known.get(_COUNTS) or "null") or {known[_CREDENTIAL]: record.refused}
        return Refusal({bytes.fromhex(credential): count for credential, count in counts.items()})

    def put(self, endpoint: str, refusal: Refusal) -> None:
        """Keep a refusal in place of what was known."""
        ident = _ident(endpoint)
        counts = {credential.hex(): count for credential, count in refusal.counts.items()}
        latest, refused = list(counts.items())[-1]
        sealed = self._secrets.seal({_CREDENTIAL: latest, _COUNTS: json.dumps(counts)}, ident)
        try:
            self._store.create_record(LoginRefusalRecord(ident, refused, sealed))
        except DuplicateName:
            self._store.update_record(LoginRefusalRecord, ident, {"refused": refused, "sealed_credential": sealed})

    def drop(self, endpoint: str) -> None:
        """Forget it."""
        try:
            self._store.delete_record(LoginRefusalRecord, _ident(endpoint))
        except NotFound:
            return


def _ident(endpoint: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, endpoint))
