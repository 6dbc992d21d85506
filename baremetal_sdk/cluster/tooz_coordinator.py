"""Members that tooz knows: etcd, Redis and others notice a death sooner than missing heartbeats in the database do.

Needs the extra ``tooz``. Whoever cannot reach it goes by the heartbeats in the database meanwhile.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from baremetal_sdk.errors import ConfigurationError

LOG = logging.getLogger(__name__)
GROUP = b"baremetal_sdk.conductors"
T = TypeVar("T")


class ToozCoordinator:
    """One client of a tooz backend; a conductor joins with it, an API only looks. Its methods may be called from any thread.

    Raises ``ConfigurationError`` for a URL that cannot be used.
    """

    def __init__(self, backend_url: str) -> None:
        self._url = backend_url
        self._lock = threading.Lock()
        self._client: Any = None
        self._member: str | None = None
        self._away = False
        try:
            _tooz().get_coordinator(backend_url, b"nobody")
        except ConfigurationError:
            raise
        except Exception as exc:
            wrong = f"[coordination] backend_url: tooz has no such backend, or not all that it needs ({type(exc).__name__})"
            raise ConfigurationError(f"{wrong}; etcd is etcd3+http://host:2379") from None

    def join(self, member: str) -> None:
        """Be a member. Where the backend is away it is done with a later heartbeat."""
        self._member = member
        self.heartbeat()

    def heartbeat(self) -> None:
        """Say that the member lives, and join again where that was forgotten."""
        self._tried("told that this conductor lives", self._heartbeat)

    def leave(self) -> None:
        """Be a member no more, and end the connection."""
        self._tried("told that this conductor leaves", self._leave)
        self._member = None

    def members(self) -> frozenset[str] | None:
        """Who lives; None while the backend is away."""
        found = self._tried("asked who lives", self._members)
        # Before anybody has joined it knows nothing that the database would not.
        return found or None

    def _heartbeat(self) -> None:
        client = self._connected()
        client.heartbeat()
        if self._member is not None and self._member not in self._members():
            client.join_group(GROUP).get()

    def _members(self) -> frozenset[str]:
        return frozenset(unquote(member.decode()) for member in self._connected().get_members(GROUP).get())

    def _leave(self) -> None:
        if self._client is None:
            return
        if self._member is not None:
            self._client.leave_group(GROUP).get()
        self._client.stop()
        self._client = None

    def _connected(self) -> Any:
        if self._client is None:
            coordination = _tooz()
            name = self._member or f"looks/{uuid.uuid4().hex}"
            client = coordination.get_coordinator(self._url, quote(name, safe="").encode())
            client.start()
            try:
                client.create_group(GROUP).get()
            except coordination.GroupAlreadyExist:
                LOG.debug("the group of conductors is there already")
            self._client = client
        return self._client

    def _tried(self, doing: str, function: Callable[[], T]) -> T | None:
        """What *function* gives, or None where the backend fails; that is logged once until it is back."""
        with self._lock:
            try:
                result = function()
            except ConfigurationError:
                raise
            except Exception as exc:
                # Its text may quote the URL, and that may have a password in it.
                if not self._away:
                    LOG.warning("[coordination] backend_url: it cannot be %s now (%s)", doing, type(exc).__name__)
                self._away, self._client = True, None
                return None
            if self._away:
                LOG.info("[coordination] backend_url: it is back")
            self._away = False
            return result


def _tooz() -> Any:
    try:
        from tooz import coordination
    except ImportError as exc:
        wanted = "pip install 'baremetal-sdk[tooz]'"
        raise ConfigurationError(f"[coordination] backend_url: needs more than is installed ({exc}): {wanted}") from None
    return coordination
