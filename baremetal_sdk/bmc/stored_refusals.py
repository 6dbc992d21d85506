"""Refusals in the store, so that a restarted conductor, or one that takes a node over, does not repeat refused logins."""

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
    """Refusals in the store. Digests of credentials are encrypted: a reader of the database cannot test passwords on them."""

    def __init__(self, store: Store, secrets: SecretBox) -> None:
        self._store = store
        self._secrets = secrets

    def get(self, endpoint: str) -> Refusal | None:
        """Return the refusals of an endpoint, or None."""
        ident = _record_id(endpoint)
        try:
            record = self._store.record(LoginRefusalRecord, ident)
            unsealed = self._secrets.unseal(record.sealed_credential, ident)
        except (NotFound, ConfigurationError):
            # A record that was sealed with a key that is gone cannot be read and counts as absent.
            return None
        # Earlier releases stored one credential for each account, with its count in the record.
        counts = json.loads(unsealed.get(_COUNTS) or "null") or {unsealed[_CREDENTIAL]: record.refused}
        return Refusal({bytes.fromhex(credential): count for credential, count in counts.items()})

    def put(self, endpoint: str, refusal: Refusal) -> None:
        """Store the refusals of an endpoint in place of earlier ones."""
        ident = _record_id(endpoint)
        counts = {credential.hex(): count for credential, count in refusal.counts.items()}
        # The latest credential is also stored alone, which earlier releases can read.
        latest, refused = list(counts.items())[-1]
        sealed = self._secrets.seal({_CREDENTIAL: latest, _COUNTS: json.dumps(counts)}, ident)
        try:
            self._store.create_record(LoginRefusalRecord(ident, refused, sealed))
        except DuplicateName:
            self._store.update_record(LoginRefusalRecord, ident, {"refused": refused, "sealed_credential": sealed})

    def drop(self, endpoint: str) -> None:
        """Delete the refusals of an endpoint, if any."""
        try:
            self._store.delete_record(LoginRefusalRecord, _record_id(endpoint))
        except NotFound:
            return


def _record_id(endpoint: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, endpoint))
