"""Cluster membership through tooz. etcd, Redis and other backends detect a dead conductor sooner than heartbeats do.

Needs the extra ``tooz``. While the backend is unreachable, the heartbeats in the database decide.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.logs import get_logger

LOG = get_logger(__name__)
GROUP = b"baremetal_sdk.conductors"
"""Group that the conductors join in the backend."""
_MAX_WAIT_S = 2.0
"""Seconds that a caller waits for another one that uses the client."""
T = TypeVar("T")


class ToozCoordinator:
    """Client of a tooz backend. A conductor joins the group, and an API only reads the members. Thread-safe.

    The constructor raises ``ConfigurationError`` for an unusable URL. It does not connect. Later failures of the backend are
    logged and not raised.
    """

    def __init__(self, backend_url: str) -> None:
        self._url = backend_url
        self._client_lock = threading.Lock()
        self._client: Any = None
        self._member: str | None = None
        self._is_unreachable = False
        try:
            _import_tooz().get_coordinator(backend_url, b"check")
        except ConfigurationError:
            raise
        except Exception as exc:
            # The text of the exception may quote the URL with its password.
            wrong = f"[coordination] backend_url: unknown tooz backend, or its driver is not installed ({type(exc).__name__})"
            raise ConfigurationError(f"{wrong}; for etcd set etcd3+http://host:2379") from None

    def join(self, member: str) -> None:
        """Join the group as *member*. If the backend is unreachable, a later heartbeat joins."""
        self._member = member
        self.heartbeat()

    def heartbeat(self) -> None:
        """Renew the membership, and join again if the backend has lost it."""
        self._attempt("renew the membership", self._heartbeat)

    def leave(self) -> None:
        """Leave the group and close the connection to the backend."""
        self._attempt("leave the group", self._leave)
        self._member = None

    def members(self) -> frozenset[str] | None:
        """Return the lease holder names of the live conductors. None if the backend is unreachable or the group is empty."""
        members = self._attempt("read the members", self._members)
        # An empty group says nothing: conductors may be running that could not join yet.
        return members or None

    def _heartbeat(self) -> None:
        client = self._connect()
        client.heartbeat()
        if self._member is not None and self._member not in self._members():
            client.join_group(GROUP).get()

    def _members(self) -> frozenset[str]:
        return frozenset(unquote(member.decode()) for member in self._connect().get_members(GROUP).get())

    def _leave(self) -> None:
        if self._client is None:
            return
        if self._member is not None:
            self._client.leave_group(GROUP).get()
        self._client.stop()
        self._client = None

    def _connect(self) -> Any:
        if self._client is None:
            coordination = _import_tooz()
            name = self._member or f"looks/{uuid.uuid4().hex}"
            client = coordination.get_coordinator(self._url, quote(name, safe="").encode())
            client.start()
            try:
                client.create_group(GROUP).get()
            except coordination.GroupAlreadyExist:
                LOG.debug("the group of conductors already exists")
            self._client = client
        return self._client

    def _attempt(self, operation: str, function: Callable[[], T]) -> T | None:
        """Return the result of *function*, or None if the backend fails. An outage is logged once, at its start."""
        # The client of tooz serves one thread at a time. Others do not wait for long for a backend that hangs.
        if not self._client_lock.acquire(timeout=_MAX_WAIT_S):
            return None
        failure: Exception | None = None
        result: T | None = None
        try:
            result = function()
        except ConfigurationError:
            raise
        except Exception as exc:
            failure = exc
            # The client may be in an undefined state, so the next attempt creates a new one.
            self._client = None
        finally:
            self._client_lock.release()
        was_unreachable, self._is_unreachable = self._is_unreachable, failure is not None
        if failure is not None and not was_unreachable:
            LOG.warning(
                "[coordination] backend_url: cannot %s (%s); heartbeats in the database decide until the backend is back",
                operation,
                type(failure).__name__,
            )
        elif failure is None and was_unreachable:
            LOG.info("[coordination] backend_url: the backend is reachable again")
        return result


def _import_tooz() -> Any:
    try:
        from tooz import coordination
    except ImportError as exc:
        remedy = "pip install 'baremetal-sdk[tooz]'"
        raise ConfigurationError(f"[coordination] backend_url: a package is missing ({exc}); {remedy}") from None
    return coordination
