"""``Idempotency-Key``: a request that was answered is not done again when its client, which heard no answer, repeats it.

Answers are kept by the process that gave them. After a restart, or at another process, the key is new.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from baremetal_interfaces import BareMetalError, Conflict, InvalidInput, Problem
from baremetal_sdk.api import json_body
from baremetal_sdk.api.call import Call

_KEPT_SECONDS = 24 * 3600.0
_MOST = 2_000
"""Answers that are kept; the oldest makes room."""
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


class KeyUsed(BareMetalError):
    """The key was given to another request before."""

    code = 422


class Answer(NamedTuple):
    """What a request was answered with."""

    status: int
    content: bytes
    location: str | None


@dataclass
class _Entry:
    digest: bytes
    began: float
    answer: Answer | None = None


class Repetitions:
    """The requests that came with a key, and their answers. It is safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[Any, ...], _Entry] = {}

    def once(self, key: str, call: Call, do: Callable[[], Answer]) -> Answer:
        """Do what *call* asks for unless it was done under this *key* of this caller; give back the answer from then.

        A request that was refused or failed can be tried again. Raises ``InvalidInput``, ``Conflict`` while the first one
        is still being answered, and ``KeyUsed`` where that was another request.
        """
        if not _KEY.fullmatch(key):
            raise InvalidInput([Problem("Idempotency-Key", "it is no key", "1 to 255 printable characters of ASCII are taken")])
        name = (call.context.user, call.context.project, call.path, key)
        now = call.backend.clock.monotonic()
        digest = hashlib.blake2b(json_body.dump([call.minor, call.query, call.body]), digest_size=16).digest()
        entry = _Entry(digest, now)
        with self._lock:
            self._make_room(now)
            before = self._entries.setdefault(name, entry)
        if before is not entry:
            return _repeated(before, digest)
        try:
            entry.answer = do()
        finally:
            if entry.answer is None or entry.answer.status >= 300:
                with self._lock:
                    self._entries.pop(name, None)
        return entry.answer

    def _make_room(self, now: float) -> None:
        for name, entry in list(self._entries.items())[:2]:
            if entry.answer is not None and (now - entry.began > _KEPT_SECONDS or len(self._entries) >= _MOST):
                del self._entries[name]


def _repeated(before: _Entry, digest: bytes) -> Answer:
    if before.digest != digest:
        raise KeyUsed("Idempotency-Key: another request came with this key before; take a new one for each request")
    if before.answer is None:
        raise Conflict("Idempotency-Key: the request that came with this key is still being answered", retry_after=1.0)
    return before.answer
