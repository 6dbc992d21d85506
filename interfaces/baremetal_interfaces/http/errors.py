"""The errors that an HTTP session raises."""

from __future__ import annotations


class HTTPSessionError(OSError):
    """Base class of the errors of an HTTP session. Messages contain no header, no body and no query string."""


class ConnectFailed(HTTPSessionError):
    """No connection to the server: the name is unknown, the port is closed, or the host is unreachable."""


class NameLookupFailed(ConnectFailed):
    """The host name was not resolved. The fault may be that of the name servers; nothing was sent to the server."""


class HandshakeFailed(ConnectFailed):
    """The server accepted the connection and did not finish the TLS handshake."""


class LocalFailure(HTTPSessionError):
    """This host could not open a socket, for example because too many files are open. This says nothing about the server."""


class TLSFailed(HTTPSessionError):
    """The server's certificate is not trusted, or the TLS handshake failed."""


class TimedOut(HTTPSessionError):
    """The deadline of the request passed, or the server was silent for too long."""


class Broken(HTTPSessionError):
    """The connection ended during a request or its response."""


class TooLarge(HTTPSessionError):
    """The response is larger than the session allows."""


class BadAnswer(HTTPSessionError):
    """The response is not valid HTTP, or its body does not have the announced format."""
