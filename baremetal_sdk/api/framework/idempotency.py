"""``Idempotency-Key``: a request that was answered is not done again when its client, which heard no answer, repeats it.

Keys and answers are in the store: they are known to each API process, and after a restart.
"""

from __future__ import annotations

import hashlib
import logging
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from baremetal_interfaces import BareMetalError, Conflict, InvalidInput, NotFound, Problem
from baremetal_sdk.api.framework import json_body
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.errors import DuplicateName, RevisionConflict
from baremetal_sdk.store.protocol import Store
from baremetal_sdk.store.records.access import KeyedRequestRecord

LOG = logging.getLogger(__name__)
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
_LARGEST = 4 * 1024 * 1024
"""Characters of an answer that is kept; the request with a larger one is known to be done, and its answer is gone."""
_LOST = timedelta(minutes=5)
"""After so long a request that is still being answered is one whose process has died, and its key is free again."""
_RETRY_AFTER = 1.0


class KeyUsed(BareMetalError):
    """The key was given to another request before."""

    code = 422


class Answer(NamedTuple):
    """What a request was answered with."""

    status: int
    content: bytes
    location: str | None


def once(key: str, request: APIRequest, do: Callable[[], Answer]) -> Answer:
    """Do what *request* asks for unless it was done under this *key* of this caller; give back the answer from then.

    A request that was refused or failed can be tried again. Raises ``InvalidInput``, ``Conflict`` while the first one
    is still being answered, and ``KeyUsed`` where that was another request.
    """
    if not _KEY.fullmatch(key):
        raise InvalidInput([Problem("Idempotency-Key", "it is no key", "1 to 255 printable characters of ASCII are taken")])
    store, now = request.backend.store, request.backend.clock.now()
    digest = hashlib.blake2b(json_body.dump([request.minor, request.query, request.body]), digest_size=16).digest()
    begun = KeyedRequestRecord(_name(key, request), digest, now)
    try:
        revision = store.create_record(begun).revision
    except DuplicateName:
        before = _before(store, begun.uuid)
        if before.status is not None or before.digest != digest or now - before.began_at < _LOST:
            return _repeated(before, digest)
        revision = _taken_over(store, before, begun)
    return _done(store, begun.uuid, revision, do)


def _name(key: str, request: APIRequest) -> str:
    """The request that this key of this caller is for, as a UUID."""
    who = request.context
    named = json_body.dump([who.user, who.project, who.is_system, request.path, key])
    return str(uuid.UUID(bytes=hashlib.blake2b(named, digest_size=16).digest()))


def _before(store: Store, name: str) -> KeyedRequestRecord:
    try:
        return store.record(KeyedRequestRecord, name)
    except NotFound:
        # It was refused just now, and could be tried again.
        raise _being_answered() from None


def _repeated(before: KeyedRequestRecord, digest: bytes) -> Answer:
    if before.digest != digest:
        raise KeyUsed("Idempotency-Key: another request came with this key before; take a new one for each request")
    if before.status is None:
        raise _being_answered()
    return Answer(before.status, (before.content or "").encode(), before.location)


def _being_answered() -> Conflict:
    return Conflict("Idempotency-Key: the request that came with this key is still being answered", retry_after=_RETRY_AFTER)


def _taken_over(store: Store, before: KeyedRequestRecord, begun: KeyedRequestRecord) -> int:
    """Answer in the place of a process that died; one of several that try it does."""
    try:
        return store.update_record(
            KeyedRequestRecord, before.uuid, {"began_at": begun.began_at}, revision=before.revision
        ).revision
    except (NotFound, RevisionConflict):
        raise _being_answered() from None


def _done(store: Store, name: str, revision: int, do: Callable[[], Answer]) -> Answer:
    try:
        answer = do()
    except BaseException:
        _forget(store, name, revision)
        raise
    content = answer.content.decode()
    changes = {"status": answer.status, "content": content if len(content) <= _LARGEST else None, "location": answer.location}
    try:
        store.update_record(KeyedRequestRecord, name, changes, revision=revision)
    except BareMetalError as exc:
        # It was done: that it cannot be remembered is no reason to say otherwise.
        LOG.error("the answer of a request with an Idempotency-Key could not be kept: %s", exc)
    return answer


def _forget(store: Store, name: str, revision: int) -> None:
    try:
        store.delete_record(KeyedRequestRecord, name, revision=revision)
    except BareMetalError as exc:
        LOG.warning("an Idempotency-Key stays taken for a while: %s", exc)
