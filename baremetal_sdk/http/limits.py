"""What one client, and all of them together, can take of the HTTP server."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from baremetal_sdk.config import APIConfig

_OTHER_FILES = 200
"""File descriptors that are left for everything else in the process."""


@dataclass(frozen=True)
class HTTPLimits:
    """Seconds, bytes and numbers. A time limit is for the whole of its stage: a byte now and then does not put it off."""

    idle: float = 60.0
    """Seconds until a connection on which no request begins is closed."""
    handshake: float = 10.0
    """Seconds for a TLS handshake."""
    head: float = 20.0
    """Seconds from the first byte of a request to the end of its headers."""
    grace: float = 20.0
    """Seconds in which a body, or an answer, may be slower than *rate*."""
    rate: float = 8192.0
    """Bytes per second at which bodies and answers have to move, on average after *grace*."""
    linger: float = 1.0
    """Seconds in which a client can read an answer that refused its request, before the connection is closed."""
    head_size: int = 65536
    """Bytes in the request line and the headers."""
    headers: int = 100
    """Header lines in a request."""
    target_size: int = 16384
    """Bytes in the path and the query string."""
    body_size: int = 4 * 1024 * 1024
    """Bytes in the body of a request, however its length is told."""
    bodies: int = 256 * 1024 * 1024
    """Bytes of bodies that lie in files, in all; beyond that, whatever has been coming for longest is refused."""
    unsent: int = 256 * 1024 * 1024
    """Bytes of answers that wait for slow readers, in all; beyond that, whoever reads for longest is cut."""
    unsent_of_one: int = 4 * 1024 * 1024
    """Bytes of an answer in pieces that wait for one slow reader; beyond that its next piece waits."""
    connections: int = 4096
    """Connections at a time; a new one takes the place of the one that has said nothing for longest."""
    per_peer: int = 0
    """Connections at a time from one address; 0: as many as there are."""

    @classmethod
    def of(cls, config: APIConfig) -> HTTPLimits:
        """The limits that an operator configured, within what the process may open."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = config.max_connections if files == resource.RLIM_INFINITY else max(16, files - _OTHER_FILES)
        return cls(
            idle=config.request_timeout,
            handshake=config.handshake_timeout,
            head=config.header_timeout,
            grace=config.slow_client_grace_period,
            rate=config.min_transfer_rate,
            body_size=config.max_request_body_size,
            bodies=max(cls.bodies, 4 * config.max_request_body_size),
            connections=min(config.max_connections, room),
            per_peer=config.max_connections_per_peer,
        )
