"""This conductor among its peers: what it offers, and that it lives."""

from __future__ import annotations

import logging

from baremetal_interfaces import BareMetalError
from baremetal_sdk.drivers import Drivers
from baremetal_sdk.errors import ConductorNotFound
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records import ConductorRecord

LOG = logging.getLogger(__name__)


class Membership:
    """One incarnation of a conductor in the store."""

    def __init__(self, store: Store, drivers: Drivers, hostname: str, incarnation: str, group: str) -> None:
        self._store = store
        self._record = ConductorRecord(hostname, incarnation, group, drivers.describe())

    def join(self) -> None:
        """Say what this conductor offers. An earlier incarnation of the same host name is no longer one."""
        self._store.register_conductor(self._record)

    def heartbeat(self) -> None:
        """Say that it lives. That another incarnation took the host name is said loudly: two processes share a name."""
        try:
            self._store.heartbeat(self._record.hostname, self._record.incarnation)
        except ConductorNotFound:
            LOG.error(
                "another conductor registered as '%s' after this one; give each its own [DEFAULT] host, or stop one of them",
                self._record.hostname,
            )

    def leave(self) -> None:
        """Be forgotten."""
        try:
            self._store.unregister_conductor(self._record.hostname, self._record.incarnation)
        except BareMetalError as exc:
            LOG.warning("the conductor could not be unregistered: %s", exc)
