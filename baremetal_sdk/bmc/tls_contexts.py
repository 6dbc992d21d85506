"""TLS contexts of all BMCs of a conductor, shared by endpoints with equal options and equal certificate files."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from baremetal_interfaces import Deadline, DeadlineExceeded, TLSOptions

if TYPE_CHECKING:
    import ssl

    from baremetal_interfaces.http.abandonable import AbandonableCalls
    from baremetal_interfaces.http.certificate_files import TLSFiles

_MAX_CONTEXTS = 64
"""Maximum number of contexts that are kept. A context that sessions use exists without this cache, too."""
_MAX_BUILDS = 32
"""Maximum number of contexts that are created at the same time, which takes up to 30 ms for each."""

_Key = tuple[TLSOptions, bytes]
"""TLS options without their paths, and a digest of the contents of the files."""


class TLSContexts:
    """Creates TLS contexts, and keeps those used last. Thread-safe; no lock is held while files are read.

    The key of a context is the content of its files. Changed files apply at the next login, and all paths with one content
    share a context. If *ca_directory* is given, files of certificate authorities have to be below it.
    """

    def __init__(self, ca_directory: str | None = None) -> None:
        self._ca_directory = ca_directory
        self._lock = threading.Lock()
        self._contexts: OrderedDict[_Key, ssl.SSLContext] = OrderedDict()
        self._builds: AbandonableCalls[ssl.SSLContext] | None = None

    def get(self, options: TLSOptions, deadline: Deadline) -> ssl.SSLContext:
        """Return the context for *options*, with its files read by *deadline*.

        Raises ``InvalidInput`` for an unusable file, and ``DeadlineExceeded`` if a file system does not answer in time.
        """
        # Imported here, because ssl is slow to import and many conductors use no TLS.
        from baremetal_interfaces.http.abandonable import AbandonableCalls
        from baremetal_interfaces.http.tls import build_context, read_files_until

        files = read_files_until(options, deadline, ca_directory=self._ca_directory)
        key = _make_key(options, files)
        with self._lock:
            context = self._contexts.get(key)
            if context is not None:
                self._contexts.move_to_end(key)
                return context
            builds = self._builds = self._builds or AbandonableCalls("create TLS context", _MAX_BUILDS)

        def build() -> ssl.SSLContext:
            context = build_context(options, files, ca_directory=self._ca_directory)
            self._add(key, context)
            return context

        try:
            # With the path in the key, because the error of an unusable file names it.
            return builds.run((options, key), build, deadline)
        except TimeoutError as exc:
            raise DeadlineExceeded(f"the TLS context for a connection was not created in time: {exc}; try again later") from None

    def _add(self, key: _Key, context: ssl.SSLContext) -> None:
        with self._lock:
            self._contexts[key] = context
            while len(self._contexts) > _MAX_CONTEXTS:
                self._contexts.popitem(last=False)


def _make_key(options: TLSOptions, files: TLSFiles) -> _Key:
    digest = hashlib.sha256()
    for content in (*files.authorities, files.identity or b""):
        digest.update(hashlib.sha256(content).digest())
    without_paths = options._replace(
        ca_file=None if options.ca_file is None else "",
        client_cert=None if options.client_cert is None else "",
        client_key=None,
    )
    return without_paths, digest.digest()
