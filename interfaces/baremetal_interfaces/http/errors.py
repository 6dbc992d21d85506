"""The errors that an HTTP session raises."""

from __future__ import annotations


class HTTPSessionError(OSError):
    """The root of what an HTTP session raises. No message holds a header, a body or a query."""


class ConnectFailed(HTTPSessionError):
    """No connection: the name is not known, nobody listens, or there is no way there."""


class TLSFailed(HTTPSessionError):
    """The certificate is not trusted, or the two sides do not agree on how to speak TLS."""


class TimedOut(HTTPSessionError):
    """The time of the request is over, or the peer was silent for too long."""


class Broken(HTTPSessionError):
    """The connection ended in the middle of a request or of its answer."""


class TooLarge(HTTPSessionError):
    """The answer is larger than the session takes."""


class BadAnswer(HTTPSessionError):
    """The answer is not HTTP, or its body is not what it says."""
