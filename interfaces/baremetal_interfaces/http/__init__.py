"""HTTP client for plugins: sessions with a BMC that keep connections alive, and requests that end by their deadline.

``baremetal_interfaces`` does not import this package, because ssl and sockets are slow to import. Import it by its own name.
"""

from baremetal_interfaces.http.documents import decode_document, set_max_document_bytes
from baremetal_interfaces.http.errors import (
    BadAnswer,
    Broken,
    ConnectFailed,
    HandshakeFailed,
    HTTPSessionError,
    LocalFailure,
    NameLookupFailed,
    TimedOut,
    TLSFailed,
    TooLarge,
)
from baremetal_interfaces.http.response import HTTPResponse
from baremetal_interfaces.http.session import HTTPSession
from baremetal_interfaces.http.tls import tls_context

__all__ = [
    "BadAnswer",
    "Broken",
    "ConnectFailed",
    "HTTPResponse",
    "HTTPSession",
    "HTTPSessionError",
    "HandshakeFailed",
    "LocalFailure",
    "NameLookupFailed",
    "TLSFailed",
    "TimedOut",
    "TooLarge",
    "decode_document",
    "set_max_document_bytes",
    "tls_context",
]
