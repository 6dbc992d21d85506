"""TLS of an HTTPS server: its certificate, and handshakes that end in time."""

from __future__ import annotations

import select
import socket
import ssl

from baremetal_interfaces import Deadline
from baremetal_sdk.api.http_framing import ClientGone
from baremetal_sdk.errors import ConfigurationError


def server_context(cert_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """A context for a server with the certificate chain and the key of these PEM files; TLS 1.2 at least.

    Raises ``ConfigurationError``, which names the option.
    """
    if not cert_file:
        raise ConfigurationError("[api] cert_file: it is not set; enable_ssl_api needs a PEM file with the server's certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert_file, key_file)
    except ssl.SSLError as exc:
        raise ConfigurationError(
            f"[api] cert_file, key_file: {cert_file} and {key_file} do not go together: {exc.reason}"
        ) from exc
    except OSError as exc:
        raise ConfigurationError(f"[api] cert_file, key_file: {cert_file} or {key_file} cannot be read: {exc.strerror}") from exc
    return context


def handshake(sock: ssl.SSLSocket, deadline: Deadline, to_plain_http: bytes) -> None:
    """Shake hands with a client by *deadline*. Raises ``ClientGone``.

    A client that speaks HTTP without TLS is sent *to_plain_http*.
    """
    sock.setblocking(False)
    while True:
        try:
            return sock.do_handshake()
        except ssl.SSLWantReadError:
            _wait(sock, deadline, select.POLLIN)
        except ssl.SSLWantWriteError:
            _wait(sock, deadline, select.POLLOUT)
        except OSError as exc:
            if isinstance(exc, ssl.SSLError) and exc.reason == "HTTP_REQUEST":
                socket.socket.send(sock, to_plain_http)
            raise ClientGone(f"the TLS handshake failed: {exc}") from exc


def _wait(sock: ssl.SSLSocket, deadline: Deadline, event: int) -> None:
    poller = select.poll()
    poller.register(sock, event)
    if deadline.expired or not poller.poll(max(1, int(deadline.remaining() * 1000))):
        raise ClientGone("the TLS handshake took too long")
