"""Idempotency of POST requests: with the same header ``Idempotency-Key``, a repeated request runs only once.

Keys and responses are in the store, so that all API processes know them, also after a restart.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from baremetal_interfaces import BareMetalError, Conflict, InvalidInput, NotFound, Problem
from baremetal_sdk.api.framework import json_body
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.errors import DuplicateName, RevisionConflict
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.access import KeyedRequestRecord

LOG = get_logger(__name__)
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
_MAX_RECORD_CHARS = 4 * 1024 * 1024
"""Maximum number of characters in one record. A longer response body continues in further records."""
_ABANDONED_AFTER = timedelta(minutes=5)
"""Age after which a request without a response counts as abandoned by a process that died. A repetition may then run."""
_RETRY_AFTER_S = 1.0


class KeyUsed(BareMetalError):
    """Error of status 422: the key belongs to an earlier request with different content."""

    code = 422


class StoredResponse(NamedTuple):
    """The response of a request, as the store keeps it. *location* is the value of the ``Location`` header."""

    status: int
    content: bytes
    location: str | None


def run_once(key: str, request: APIRequest, run: Callable[[], StoredResponse]) -> StoredResponse:
    """Call *run* and store its response under *key*, or return the stored response if the client used the key before.

    A request that failed or was refused leaves no key behind, so the client may repeat it. Raises ``InvalidInput`` for an
    invalid key, ``Conflict`` while the first request is in progress, and ``KeyUsed`` if the first request was different. If
    the first request has no response after five minutes, its process has died and *run* is called again.
    """
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            [Problem("Idempotency-Key", "is not a valid key", "use 1 to 255 printable ASCII characters without spaces")]
        )
    store, now = request.backend.store, request.backend.clock.now()
    # The digest tells a repetition from another request. The path is part of the record's name.
    digest = hashlib.blake2b(json_body.dump([request.minor, request.query, request.body]), digest_size=16).digest()
    begun = KeyedRequestRecord(_record_name(key, request), digest, now)
    # The creation is the lock: of several simultaneous requests with one key, in any process, one creates the record.
    try:
        revision = store.create_record(begun).revision
    except DuplicateName:
        first = _find_first(store, begun.uuid)
        if first.status is not None or first.digest != digest or now - first.began_at < _ABANDONED_AFTER:
            return _repeat_response(store, first, digest)
        revision = _take_over(store, first, begun)
    return _run(store, begun.uuid, revision, run)


def _record_name(key: str, request: APIRequest) -> str:
    """Return the name of the record: a UUID made from client, path and key. Clients cannot see each other's keys."""
    client = request.context
    identity = json_body.dump([client.user, client.project, client.is_system, request.path, key])
    return str(uuid.UUID(bytes=hashlib.blake2b(identity, digest_size=16).digest()))


def _find_first(store: Store, name: str) -> KeyedRequestRecord:
    try:
        return store.record(KeyedRequestRecord, name)
    except NotFound:
        # The first request failed between the two calls of the store and deleted its record. The client may retry.
        raise _in_progress_error() from None


def _repeat_response(store: Store, first: KeyedRequestRecord, digest: bytes) -> StoredResponse:
    if first.digest != digest:
        raise KeyUsed("Idempotency-Key: an earlier request with different content used this key; use a new key for each request")
    if first.status is None:
        raise _in_progress_error()
    return StoredResponse(first.status, _read_content(store, first).encode(), first.location)


def _read_content(store: Store, first: KeyedRequestRecord) -> str:
    pieces = [first.content or ""]
    while len(pieces[-1]) == _MAX_RECORD_CHARS:
        piece = store.record(KeyedRequestRecord, _continuation_name(first.uuid, len(pieces)))
        pieces.append(piece.content or "")
    return "".join(pieces)


def _continuation_name(name: str, number: int) -> str:
    return str(uuid.UUID(bytes=hashlib.blake2b(f"{name} {number}".encode(), digest_size=16).digest()))


def _in_progress_error() -> Conflict:
    return Conflict(
        "Idempotency-Key: the first request with this key is still in progress; try again later", retry_after=_RETRY_AFTER_S
    )


def _take_over(store: Store, first: KeyedRequestRecord, begun: KeyedRequestRecord) -> int:
    """Claim the record *first* of a process that died and return its new revision. Of several repetitions only one succeeds."""
    try:
        return store.update_record(KeyedRequestRecord, first.uuid, {"began_at": begun.began_at}, revision=first.revision).revision
    except (NotFound, RevisionConflict):
        raise _in_progress_error() from None


def _run(store: Store, name: str, revision: int, run: Callable[[], StoredResponse]) -> StoredResponse:
    try:
        response = run()
    except BaseException:
        _delete(store, name, revision)
        raise
    content = response.content.decode()
    changes = {"status": response.status, "content": content[:_MAX_RECORD_CHARS], "location": response.location}
    try:
        # The rest comes first: a record with a status has the whole body.
        _write_rest(store, name, content)
        store.update_record(KeyedRequestRecord, name, changes, revision=revision)
    except BareMetalError as exc:
        # The request succeeded, so its response is sent. A repetition gets Conflict until the key counts as abandoned.
        LOG.error("cannot store the response of a request with an Idempotency-Key: %s", exc)
    return response


def _write_rest(store: Store, name: str, content: str) -> None:
    """Store the rest of a body that is too long for the record *name*. If its last record is full, an empty one follows."""
    for number in range(1, len(content) // _MAX_RECORD_CHARS + 1):
        piece = content[number * _MAX_RECORD_CHARS : (number + 1) * _MAX_RECORD_CHARS]
        record = KeyedRequestRecord(_continuation_name(name, number), b"", store.record(KeyedRequestRecord, name).began_at)
        # A request whose process died may have left a record with this name.
        with contextlib.suppress(NotFound):
            store.delete_record(KeyedRequestRecord, record.uuid)
        store.create_record(dataclasses.replace(record, content=piece))


def _delete(store: Store, name: str, revision: int) -> None:
    try:
        store.delete_record(KeyedRequestRecord, name, revision=revision)
    except BareMetalError as exc:
        LOG.warning("cannot release an Idempotency-Key, repetitions are refused for %s: %s", _ABANDONED_AFTER, exc)
