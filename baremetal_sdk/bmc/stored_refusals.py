"""Storage of refused logins in the database. A restarted conductor, or the next conductor of a node, does not repeat them."""

from __future__ import annotations

import json
import uuid

from baremetal_interfaces import AuthenticationFailed, NotFound
from baremetal_sdk.bmc.auth_breaker import Refusal
from baremetal_sdk.errors import ConfigurationError, DuplicateName
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import LoginRefusalRecord
from baremetal_sdk.store.secrets import SecretBox

_CREDENTIAL, _COUNTS = "credential", "counts"


class StoredRefusals:
    """Storage in the store of nodes for the counts of refused logins.

    Digests of credentials are encrypted. Otherwise a reader of the database could test passwords against them.
    """

    def __init__(self, store: Store, secrets: SecretBox) -> None:
        self._store = store
        self._secrets = secrets

    def get(self, endpoint: str) -> Refusal | None:
        """Return the counts of refused logins at an endpoint, or None if no login was refused.

        Raises ``AuthenticationFailed`` if no available key decrypts the counts: another login could lock the account.
        """
        ident = _record_id(endpoint)
        try:
            record = self._store.record(LoginRefusalRecord, ident)
        except NotFound:
            return None
        try:
            unsealed = self._secrets.unseal(record.sealed_credential, ident)
        except ConfigurationError:
            raise AuthenticationFailed(
                f"no login as {endpoint} is tried: the BMC has refused {record.refused} logins, and with which credentials was "
                "sealed with a key that is not available; restore the key, or set the credentials in driver_info again"
            ) from None
        # Earlier releases stored one credential for each account, with its count in the record.
        counts = json.loads(unsealed.get(_COUNTS) or "null") or {unsealed[_CREDENTIAL]: record.refused}
        return Refusal({bytes.fromhex(credential): count for credential, count in counts.items()})

    def put(self, endpoint: str, refusal: Refusal) -> None:
        """Store the counts of refused logins at an endpoint. They replace the earlier counts."""
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
        """Delete the counts of refused logins at an endpoint. Do nothing if none are stored."""
        try:
            self._store.delete_record(LoginRefusalRecord, _record_id(endpoint))
        except NotFound:
            return


def _record_id(endpoint: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, endpoint))
