"""Limits of the HTTP server for one client and for all clients together."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from baremetal_sdk.config import APIConfig

_RESERVED_FILES = 200
"""File descriptors that connections leave to the rest of the process."""


@dataclass(frozen=True)
class HTTPLimits:
    """Limits of the HTTP server, in seconds, bytes and counts.

    A time limit applies to a whole stage of a connection. A client that sends a byte now and then does not extend the limit.
    """

    idle_timeout_s: float = 60.0
    """Seconds until the server closes a connection on which no request begins."""
    handshake_timeout_s: float = 10.0
    """Seconds for a TLS handshake."""
    head_timeout_s: float = 20.0
    """Seconds from the first byte of a request to the end of its headers."""
    grace_period_s: float = 20.0
    """Seconds during which a body or a response may be slower than ``min_bytes_per_s``."""
    min_bytes_per_s: float = 8192.0
    """Minimum average rate of bodies and responses after the grace period."""
    linger_s: float = 1.0
    """Seconds for the client to read the last response before the server closes the connection."""
    max_head_bytes: int = 65536
    """Maximum bytes in the request line and the headers."""
    max_headers: int = 100
    """Maximum number of header lines in a request."""
    max_target_bytes: int = 16384
    """Maximum bytes in the path and the query string."""
    max_body_bytes: int = 4 * 1024 * 1024
    """Maximum bytes in the body of a request, with a Content-Length or in chunks."""
    large_body_paths: tuple[tuple[bytes, int], ...] = ()
    """The ends of paths whose requests may have other bodies, each with its maximum bytes in the body."""
    max_spooled_bytes: int = 256 * 1024 * 1024
    """Maximum bytes of all bodies in temporary files. Above this limit the server rejects the oldest uploads."""
    max_unsent_bytes: int = 256 * 1024 * 1024
    """Maximum unsent bytes of all responses. Above this limit the server disconnects the clients that have been
    reading their responses for longest.
    """
    max_unsent_bytes_per_client: int = 4 * 1024 * 1024
    """Maximum unsent bytes of one connection. Above this limit a worker waits until the client has read half, and a streaming
    response is cut.
    """
    max_connections: int = 4096
    """Maximum number of open connections. At this limit, new connections replace inactive ones (``connection_limits``)."""
    max_connections_per_client: int = 0
    """Maximum number of open connections of one client: an IPv4 address or an IPv6 /64 network. 0 means no limit per client."""

    def max_body_bytes_at(self, path: bytes) -> int:
        """Return the maximum bytes in the body of a request for *path*."""
        path = path.rstrip(b"/")
        sizes = (size for end, size in self.large_body_paths if path.endswith(end))
        return max(next(sizes, self.max_body_bytes), self.max_body_bytes)

    @classmethod
    def from_config(cls, config: APIConfig) -> HTTPLimits:
        """Return the limits of *config*, with the connections reduced to the files that the process may open."""
        max_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        max_connections = config.max_connections
        if max_files != resource.RLIM_INFINITY:
            max_connections = min(max_connections, max(16, max_files - _RESERVED_FILES))
        return cls(
            idle_timeout_s=config.request_timeout,
            handshake_timeout_s=config.handshake_timeout,
            head_timeout_s=config.header_timeout,
            grace_period_s=config.slow_client_grace_period,
            min_bytes_per_s=config.min_transfer_rate,
            max_body_bytes=config.max_request_body_size,
            large_body_paths=(
                (b"/states/provision", config.max_provision_body_size),
                (b"/continue_inspection", config.max_inspection_body_size),
            ),
            # Even with a large body limit, several clients can upload at the same time.
            max_spooled_bytes=max(
                cls.max_spooled_bytes,
                4 * max(config.max_request_body_size, config.max_provision_body_size, config.max_inspection_body_size),
            ),
            max_connections=max_connections,
            max_connections_per_client=config.max_connections_per_peer,
        )
