"""HTTP for plugins: sessions with a BMC that are kept open, and of which every request ends by its deadline.

Import it by name; ``baremetal_interfaces`` itself does not, because TLS and sockets cost time at import.
"""

from baremetal_interfaces.http.errors import (
    BadAnswer,
    Broken,
    ConnectFailed,
    HTTPSessionError,
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
    "TLSFailed",
    "TimedOut",
    "TooLarge",
    "tls_context",
]
