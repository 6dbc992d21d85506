"""Key rotation: credentials in the store that were encrypted with an older key are encrypted again with the first key."""

from __future__ import annotations

from contextlib import suppress

from baremetal_interfaces import BareMetalError, NotFound
from baremetal_sdk.errors import ConfigurationError, RevisionConflict
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.key_check import SealedRecord, count_nodes, list_sealed_nodes, name_records, require_keys
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.hardware import LoginRefusalRecord
from baremetal_sdk.store.records.node import NodeUpdate
from baremetal_sdk.store.records.query import Query
from baremetal_sdk.store.sealed_columns import SealingStore
from baremetal_sdk.store.secrets import FernetBox, SecretBox

LOG = get_logger(__name__)
BATCH_SIZE = 200
"""Nodes that one write updates."""


class KeyRotation:
    """Encrypts the credentials of all nodes, and those of refused logins, again with the first key of a key file.

    It does nothing if credentials are encrypted by another box than ``FernetBox``, because such a box has only one key.
    """

    def __init__(self, store: Store, box: SecretBox) -> None:
        self._store = store
        self._box = box

    def reload(self) -> None:
        """Read the key file again, then :meth:`run`.

        If the new keys do not open all credentials that the present ones open, log one error and keep the present keys.
        """
        if not isinstance(self._box, FernetBox):
            return
        box = self._box
        could_open = box.key_check()
        try:
            box.reload(lambda: require_keys(box, self._store, could_open))
        except ConfigurationError as exc:
            LOG.error("the previous keys of the credentials stay in use: %s", exc)
            return
        self.run()

    def run(self) -> int:
        """Encrypt again the credentials that an older key has encrypted, and return the number of nodes that remain.

        A node remains if it changed meanwhile, or if no available key decrypts its credentials, which is logged.
        """
        if not isinstance(self._box, FernetBox):
            return 0
        if isinstance(self._store, SealingStore):
            count = self._store.renew_seals()
            if count:
                LOG.info("secrets in columns of %d rows were sealed again with the first key", count)
        box = self._box
        self._seal_refused_logins_again(box)
        outdated = [node for node in list_sealed_nodes(self._store) if not box.is_current(node.sealed)]
        readable = [node for node in outdated if box.can_open(node.sealed)]
        sealed = 0
        for start in range(0, len(readable), BATCH_SIZE):
            batch = readable[start : start + BATCH_SIZE]
            updates = [NodeUpdate(node.uuid, node.revision, _seal_again(box, node)) for node in batch]
            # Each update names the revision that was read: a node that changed meanwhile is skipped.
            written = self._store.update_nodes([update for update in updates if update.changes])
            sealed += sum(node is not None for node in written)
        if readable:
            LOG.info("the credentials of %d of %s were sealed again with the first key", sealed, count_nodes(len(readable)))
        if len(readable) < len(outdated):
            closed = [node for node in outdated if node not in readable]
            LOG.error("no key opens the credentials of %s: %s", count_nodes(len(closed)), name_records(closed))
        return len(outdated) - sealed

    def _seal_refused_logins_again(self, box: FernetBox) -> None:
        """Encrypt again the credentials of refused logins. Without their key, no login with these accounts would be tried."""
        for record in self._store.records(LoginRefusalRecord, Query()):
            sealed = record.sealed_credential
            if box.is_current(sealed) or not box.can_open(sealed):
                continue
            renewed = box.seal(box.unseal(sealed, record.uuid), record.uuid)
            # A record that was changed or deleted meanwhile was written with the first key, or is not needed.
            with suppress(RevisionConflict, NotFound):
                changes = {"sealed_credential": renewed}
                self._store.update_record(LoginRefusalRecord, record.uuid, changes, revision=record.revision)


def _seal_again(box: FernetBox, node: SealedRecord) -> dict[str, bytes]:
    """Return the changes that encrypt a node's credentials with the first key. Log credentials that belong to another node."""
    try:
        return {"sealed_secrets": box.seal(box.unseal(node.sealed, node.uuid), node.uuid)}
    except BareMetalError as exc:
        LOG.error("%s", exc)
        return {}
