"""Key rotation: credentials in the store that were encrypted with an older key are encrypted again with the first key."""

from __future__ import annotations

from baremetal_interfaces import BareMetalError
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeUpdate
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.store.sealed_columns import SealingStore
from baremetal_sdk.store.secrets import FernetBox, SecretBox

LOG = get_logger(__name__)
BATCH_SIZE = 200
"""Nodes that one write updates."""


class KeyRotation:
    """Encrypts the credentials of all nodes again with the first key of a key file.

    It does nothing if credentials are encrypted by another box than ``FernetBox``, because such a box has only one key.
    """

    def __init__(self, store: Store, box: SecretBox) -> None:
        self._store = store
        self._box = box

    def reload(self) -> None:
        """Read the key file again, then :meth:`run`."""
        if isinstance(self._box, FernetBox):
            self._box.reload()
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
        rows = self._store.nodes(NodeQuery(fields=("uuid", "revision", "sealed_secrets")))
        outdated = [row for row in rows if row.sealed_secrets is not None and not self._box.is_current(row.sealed_secrets)]
        sealed = 0
        for start in range(0, len(outdated), BATCH_SIZE):
            batch = outdated[start : start + BATCH_SIZE]
            updates = [NodeUpdate(row.uuid, row.revision, _seal_again(self._box, row)) for row in batch]
            # Each update names the revision that was read: a node that changed meanwhile is skipped.
            written = self._store.update_nodes([update for update in updates if update.changes])
            sealed += sum(node is not None for node in written)
        if outdated:
            LOG.info("the credentials of %d of %d nodes were sealed again with the first key", sealed, len(outdated))
        return len(outdated) - sealed


def _seal_again(box: FernetBox, row: Row) -> dict[str, bytes]:
    """Return the changes that encrypt the row's credentials with the first key. If no key decrypts them, log an error."""
    try:
        return {"sealed_secrets": box.seal(box.unseal(row.sealed_secrets, row.uuid), row.uuid)}
    except BareMetalError as exc:
        LOG.error("%s", exc)
        return {}
