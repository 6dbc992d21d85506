"""Behavior of BMCs that outlives a session: the cipher suite they accept, and the size of their reads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

MAX_BMCS = 20_000
"""Maximum number of BMCs whose traits a conductor keeps. The BMC that was used least recently is dropped."""
_MAX_READ_SIZES = 256


class BMCTraits:
    """What sessions at one BMC found out about it. All sessions at the BMC share the object. Thread-safe."""

    def __init__(self) -> None:
        self.accepts_suite_17 = False
        """True after a login with cipher suite 17, in which both sides proved that they know the password."""
        self.ignores_suite_17 = False
        """True after a login with cipher suite 3 that followed unanswered requests for suite 17."""
        self._read_sizes: dict[Hashable, int] = {}

    def get_read_size(self, repository: Hashable, default: int) -> int:
        """Return the number of bytes that one request may read from *repository*, or *default* if it is not known."""
        return self._read_sizes.get(repository, default)

    def set_read_size(self, repository: Hashable, size: int) -> None:
        """Remember that one request may read *size* bytes from *repository*."""
        if repository not in self._read_sizes and len(self._read_sizes) >= _MAX_READ_SIZES:
            self._read_sizes.clear()
        self._read_sizes[repository] = size


class TraitsCache:
    """Traits of the BMCs at their hosts and ports. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traits: OrderedDict[tuple[str, int], BMCTraits] = OrderedDict()

    def get(self, host: str, port: int) -> BMCTraits:
        """Return the traits of the BMC at *host* and *port*. They are empty for an unknown BMC."""
        with self._lock:
            traits = self._traits.setdefault((host, port), BMCTraits())
            self._traits.move_to_end((host, port))
            if len(self._traits) > MAX_BMCS:
                self._traits.popitem(last=False)
            return traits

    def clear(self) -> None:
        """Forget all BMCs."""
        with self._lock:
            self._traits.clear()
