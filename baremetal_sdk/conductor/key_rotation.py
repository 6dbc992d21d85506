"""Rotation of the key that credentials are sealed with: what an older key has sealed is sealed anew with the first one."""

from __future__ import annotations

import logging

from baremetal_interfaces import BareMetalError
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.node import NodeUpdate
from baremetal_sdk.store.records.query import NodeQuery, Row
from baremetal_sdk.store.secrets import FernetBox, SecretBox

LOG = logging.getLogger(__name__)
_BATCH = 200


class Resealing:
    """Seals the credentials of all nodes with the first key. It does nothing where they are already."""

    def __init__(self, store: Store, box: SecretBox) -> None:
        self._store = store
        self._box = box

    def reload(self) -> None:
        """Read the keys again, and seal anew what an older one has sealed."""
        if isinstance(self._box, FernetBox):
            self._box.reload()
            self.run()

    def run(self) -> int:
        """Seal anew what an older key has sealed; give back how many nodes have to wait, for somebody works on them."""
        if not isinstance(self._box, FernetBox):
            return 0
        rows = self._store.nodes(NodeQuery(fields=("uuid", "revision", "sealed_secrets")))
        old = [row for row in rows if row.sealed_secrets is not None and not self._box.is_current(row.sealed_secrets)]
        sealed = 0
        for start in range(0, len(old), _BATCH):
            updates = [NodeUpdate(row.uuid, row.revision, self._anew(self._box, row)) for row in old[start : start + _BATCH]]
            sealed += sum(node is not None for node in self._store.update_nodes([one for one in updates if one.changes]))
        if old:
            LOG.info("the credentials of %d of %d nodes were sealed anew with the first key", sealed, len(old))
        return len(old) - sealed

    def _anew(self, box: FernetBox, row: Row) -> dict[str, bytes]:
        uuid, sealed = row.uuid, row.sealed_secrets
        try:
            return {"sealed_secrets": box.seal(box.unseal(sealed, uuid), uuid)}
        except BareMetalError as exc:
            LOG.error("%s", exc)
            return {}
